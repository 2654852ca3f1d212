"""Weight files and logs of the history: right epochs, right weights, and none twice or lost when a run is resumed."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Kill, synthetic
from safetensors import safe_open
from safetensors.torch import load_file

from ropero.errors import UsageError
from ropero.training import loop
from ropero.training.callbacks import Callback, CsvLog, JsonLinesLog, ModelCheckpoint, csv_rows
from ropero.training.checkpoints import CheckpointStore
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord, History
from ropero.training.loop import fit

SMALL = TrainConfig(network="softmax", epochs=4, batch_size=40, erase=0.0, device="cpu", precision="fp32")
DATA, HELD_OUT = synthetic(), synthetic(60, seed=1)
# Some labels are wrong, so certainty is punished: the validation loss falls for three epochs, then rises.
DOUBT = dataclasses.replace(HELD_OUT, labels=np.where(np.arange(60) % 4, HELD_OUT.labels, 0))
ROUGH = SMALL.replace(epochs=6, learning_rate=0.0015, schedule="constant", label_smoothing=0.0, keep="best")


def epoch_of(path: Path) -> int:
    with safe_open(path, framework="pt") as file:
        return int(json.loads((file.metadata() or {})["epoch"]))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_last_is_what_was_trained_and_nothing_else_is_left(tmp_path: Path) -> None:
    model, _ = fit(SMALL.replace(ema=0.9), DATA, callbacks=[ModelCheckpoint(tmp_path, "last")])
    assert names(tmp_path) == ["last.safetensors"]
    kept = load_file(tmp_path / "last.safetensors")
    assert epoch_of(tmp_path / "last.safetensors") == 4
    assert kept.keys() == model.state_dict().keys()
    assert all(torch.equal(kept[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(("which", "epochs"), [("every", [1, 2, 3, 4]), (1, [1, 2, 3, 4]), (2, [2, 4]), (3, [3])])
def test_every_epoch_or_every_nth_has_a_file_of_its_own(tmp_path: Path, which: int, epochs: list[int]) -> None:
    fit(SMALL, DATA, callbacks=[ModelCheckpoint(tmp_path, which)])
    assert names(tmp_path) == [f"epoch-{epoch:03}.safetensors" for epoch in epochs]
    assert [epoch_of(path) for path in sorted(tmp_path.iterdir())] == epochs


def test_names_sort_by_epoch_however_many_there_are(tmp_path: Path) -> None:
    hook = ModelCheckpoint(tmp_path, 1)
    fit(SMALL.replace(epochs=1000), DATA, callbacks=[hook, Stop()])
    assert names(tmp_path) == ["epoch-0001.safetensors"]


class Stop(Callback):
    def on_epoch_end(self, record: EpochRecord) -> bool:
        return True


@pytest.mark.parametrize("at", [0, 2, 9, 11, 13, 16])
def test_best_stays_the_best_through_a_resume(tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    if at:
        hooks: list[Callback] = [ModelCheckpoint(tmp_path / "weights"), Kill(at)]
        with pytest.raises(KeyboardInterrupt):
            fit(ROUGH, DATA, DOUBT, callbacks=hooks, store=CheckpointStore(tmp_path / "store"))
    hooks = [ModelCheckpoint(tmp_path / "weights")]
    model, history = fit(ROUGH, DATA, DOUBT, callbacks=hooks, store=CheckpointStore(tmp_path / "store"))
    best = history.best_epoch()
    assert best is not None
    assert best.epoch == 3, "the example proves nothing"
    path = tmp_path / "weights" / "best.safetensors"
    assert names(path.parent) == ["best.safetensors"]
    assert epoch_of(path) == best.epoch
    assert all(torch.equal(value, load_file(path)[name]) for name, value in model.state_dict().items())


def test_best_asked_for_only_when_going_on_is_the_best_from_there(tmp_path: Path) -> None:
    hook = ModelCheckpoint(tmp_path)
    hook.on_set_up(*[fit(SMALL, DATA)[0]] * 2, DATA, HELD_OUT)
    hook.on_train_begin(SMALL, 3, 3, History([record(1, 0.1)]))
    hook.on_epoch_end(record(2, 0.5))
    assert epoch_of(tmp_path / "best.safetensors") == 2
    hook.on_epoch_end(record(3, 0.6))
    assert epoch_of(tmp_path / "best.safetensors") == 2
    # Gone on with once more: the file's own epoch counts, not the better one whose weights were never written.
    hook.on_train_begin(SMALL, 3, 9, History([record(1, 0.1), record(2, 0.5), record(3, 0.6)]))
    hook.on_epoch_end(record(4, 0.3))
    assert epoch_of(tmp_path / "best.safetensors") == 4


def test_files_of_another_training_do_not_count(tmp_path: Path) -> None:
    hook = ModelCheckpoint(tmp_path)
    hook.on_set_up(*[fit(SMALL, DATA)[0]] * 2, DATA, HELD_OUT)
    for loss in (0.1, 0.5):
        hook.on_train_begin(SMALL, 3, 0, History())
        hook.on_epoch_end(record(1, loss))
    with safe_open(tmp_path / "best.safetensors", framework="pt") as file:
        assert file.metadata()["validation_loss"] == "0.5"


def test_files_that_cannot_be_written_cost_a_warning(tmp_path: Path) -> None:
    """A full disk ends no training: logs and weights come again with the next epoch."""
    (tmp_path / "file").write_text("in the way of a folder")
    hooks = [CsvLog(tmp_path / "file" / "h.csv"), ModelCheckpoint(tmp_path / "file", "last")]
    with (
        pytest.warns(RuntimeWarning, match="Could not write last.safetensors"),
        pytest.warns(RuntimeWarning, match="Could not write h.csv"),
    ):
        _, history = fit(SMALL, DATA, callbacks=hooks)
    assert len(history) == SMALL.epochs


def record(epoch: int, validation_loss: float | None) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        train_loss=1 / 3,
        train_accuracy=0.5,
        validation_loss=validation_loss,
        validation_accuracy=None if validation_loss is None else 0.25,
        learning_rate=0.1,
        epoch_seconds=2.0,
        images_per_second=1e3,
    )


def test_best_without_validation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="hold images out"):
        fit(SMALL, DATA, callbacks=[ModelCheckpoint(tmp_path, "best")])


@pytest.mark.parametrize("which", ["first", 0, -1, True, 1.5])
def test_weights_that_no_rule_is_known_for_are_refused(tmp_path: Path, which: object) -> None:
    with pytest.raises(UsageError, match="best, last, every or a number"):
        ModelCheckpoint(tmp_path, which)  # type: ignore[arg-type]


@pytest.mark.parametrize("at", [0, 2, 3, 7])
def test_logs_hold_each_epoch_once_through_a_resume(tmp_path: Path, at: int) -> None:
    store = CheckpointStore(tmp_path / "store")
    logs = [CsvLog(tmp_path / "h.csv"), JsonLinesLog(tmp_path / "h.jsonl")]
    if at:
        with pytest.raises(KeyboardInterrupt):
            fit(SMALL, DATA, HELD_OUT, callbacks=[*logs, Kill(at)], store=store)
    _, history = fit(SMALL, DATA, HELD_OUT, callbacks=logs, store=store)
    lines = [json.loads(line) for line in (tmp_path / "h.jsonl").read_text("utf-8").splitlines()]
    assert lines == history.to_json()
    with (tmp_path / "h.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: json.loads(value) for name, value in row.items()} for row in rows] == lines
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]


def test_the_logs_are_whole_after_every_epoch(tmp_path: Path) -> None:
    seen: list[str] = []

    class Read(Callback):
        def on_epoch_end(self, record: EpochRecord) -> None:
            seen.append((tmp_path / "h.csv").read_text("utf-8"))

    fit(SMALL, DATA, callbacks=[CsvLog(tmp_path / "h.csv"), Read()])
    assert [text.count("\n") for text in seen] == [2, 3, 4, 5]


def test_a_figure_that_there_is_not_is_an_empty_cell() -> None:
    head, row = csv_rows(History([record(1, None)])).splitlines()
    assert dict(zip(head.split(","), row.split(","), strict=True)) == {
        "epoch": "1",
        "train_loss": repr(1 / 3),
        "train_accuracy": "0.5",
        "validation_loss": "",
        "validation_accuracy": "",
        "learning_rate": "0.1",
        "epoch_seconds": "2.0",
        "images_per_second": "1000.0",
    }
