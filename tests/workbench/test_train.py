"""The verb train: new, resumed, already there; two at once; killed for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Kill, synthetic

from ropero.data.changes import Change, Changes
from ropero.data.dataset import Splits
from ropero.errors import UsageError
from ropero.runs import RunStore
from ropero.training.callbacks import Callback, csv_rows
from ropero.training.config import TrainConfig
from ropero.workbench import data as data_verb
from ropero.workbench import train as verb
from ropero.workbench.evaluate import evaluate
from ropero.workbench.train import Outputs, Plan, cut, train

CONFIG = TrainConfig(network="softmax", epochs=3, batch_size=32, learning_rate=0.01, device="cpu", precision="fp32")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_a_trained_run_is_whole_and_leaves_no_checkpoint(store: RunStore, splits: Splits) -> None:
    run = train(splits, CONFIG, store).run
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        "run.json",
        "config.json",
        "data.json",
        "environment.json",
        "history.jsonl",
        "judge.npz",
        "judge.json",
        "model.safetensors",
        "model.json",
        "samples.json",
    }
    assert run.status == "trained"
    assert len(run.history) == 3
    assert run.config.precision == "fp32"
    assert run.notes["images"] == {"train": 120, "test": 60}


def test_the_plan_is_announced_before_the_first_step(store: RunStore, splits: Splits) -> None:
    told: list[object] = []

    class Tell(Callback):
        def on_step_end(self, step: int) -> None:
            told.append(step)

    train(splits, CONFIG, store, callbacks=[Tell()], announce=told.append)
    assert isinstance(told[0], Plan)
    assert told[0].estimate_seconds > 0
    assert len(told[0].parts.train) == 120
    assert told[1] == 1


def test_the_same_again_trains_nothing_and_again_does(store: RunStore, splits: Splits) -> None:
    first = train(splits, CONFIG, store)
    second = train(splits, CONFIG, store)
    assert (second.how, second.run.name) == ("already trained", first.run.name)
    third = train(splits, CONFIG, store, again=True)
    assert third.how == "new"
    assert third.run.card.weights_sha256 == first.run.card.weights_sha256
    assert train(splits, CONFIG.replace(seed=1), store).how == "new"


def test_changed_code_is_not_the_same(store: RunStore, splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    train(splits, CONFIG, store)
    monkeypatch.setattr("ropero.runtime.code_digest", lambda: "other code")
    assert train(splits, CONFIG, store).how == "new"


def test_an_interrupted_run_is_gone_on_with(store: RunStore, splits: Splits) -> None:
    whole = train(splits, CONFIG, RunStore(store.folder / "other")).run
    with pytest.raises(KeyboardInterrupt):
        train(splits, CONFIG, store, callbacks=[Kill(7)])
    plans: list[Plan] = []
    done = train(splits, CONFIG, store, announce=plans.append)
    assert done.how == "resumed"
    assert plans[0].resumed
    assert len(store.runs()) == 1
    assert done.run.card.weights_sha256 == whole.card.weights_sha256
    assert [r.train_loss for r in done.run.history] == [r.train_loss for r in whole.history]


def test_a_run_that_another_process_trains_is_left_alone(store: RunStore, splits: Splits) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(splits, CONFIG, store, callbacks=[Kill(7)])
    with store.runs()[0].lock():
        done = train(splits, CONFIG, store)
    assert done.how == "new"
    assert len(store.runs()) == 2


def test_a_run_that_is_finished_meanwhile_is_not_trained_again(
    store: RunStore, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(splits, CONFIG, store, callbacks=[Kill(7)])
    looked = verb._equal_run

    def look_then_lose(*words: Any) -> Any:
        found = looked(*words)
        monkeypatch.setattr(verb, "_equal_run", looked)
        train(splits, CONFIG, store)  # another process goes on with it and finishes first
        return found

    monkeypatch.setattr(verb, "_equal_run", look_then_lose)
    assert train(splits, CONFIG, store).how == "already trained"
    assert len(store.runs()) == 1


def test_a_resumed_run_is_announced_with_the_time_that_is_left(
    store: RunStore, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "estimate_seconds", lambda *_: 300.0)
    with pytest.raises(KeyboardInterrupt):
        train(splits, CONFIG, store, callbacks=[Kill(7)])  # in the second of three epochs
    plans: list[Plan] = []
    train(splits, CONFIG, store, announce=plans.append)
    assert plans[0].estimate_seconds == pytest.approx(200)


@pytest.mark.parametrize("changes", [{"network": "quik"}, {"patience": 2}])
def test_what_cannot_be_trained_leaves_no_folder(store: RunStore, splits: Splits, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        train(splits, CONFIG.replace(**changes), store)
    assert store.runs() == []


def test_images_that_are_too_small_are_refused_with_a_cure(store: RunStore) -> None:
    small = Splits(synthetic(30, size=4), None, None, "small")
    with pytest.raises(UsageError, match="--image-size 28"):
        train(small, CONFIG.replace(network="quick"), store)
    assert store.runs() == []


def test_held_out_images_come_from_train_and_never_from_test(splits: Splits) -> None:
    parts = cut(CONFIG.replace(validation=30), splits)
    assert parts.validation is not None
    assert (len(parts.train), len(parts.validation)) == (90, 30)
    assert not set(parts.train.rows) & set(parts.validation.rows)
    assert (parts.train.split, parts.validation.split) == ("train", "validation")
    assert parts.test is splits.test
    plain = cut(CONFIG, splits)
    assert (plain.train, plain.validation) == (splits.train, None)


def test_a_validation_part_of_the_datas_own_is_not_dropped(splits: Splits) -> None:
    own = Splits(splits.train, splits.train.take(range(20)), splits.test, "own")
    assert cut(CONFIG, own).validation is own.validation
    with pytest.raises(UsageError, match="its own validation part of 20"):
        cut(CONFIG.replace(validation=30), own)


def test_augmentation_larger_than_the_images_is_refused(store: RunStore, splits: Splits) -> None:
    with pytest.raises(UsageError, match="erase_side should be at most 28"):
        train(splits, CONFIG.replace(erase=0.5, erase_side=29), store)


def test_a_test_part_is_held_out_of_data_that_bring_none(splits: Splits, store: RunStore) -> None:
    bare = Splits(splits.train, None, None, "bare")
    config = CONFIG.replace(test=0.25, validation=0.1)
    parts = cut(config, bare)
    assert parts.validation is not None
    assert parts.test is not None
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [81, 9, 30]
    rows = [set(part.rows) for part in parts.parts().values()]
    assert len(set.union(*rows)) == 120
    run = train(bare, config, store).run
    done = evaluate(run, splits=bare)
    assert len(done.evaluation) == 30
    assert set(done.evaluation.rows) == set(parts.test.rows)
    other_seed = cut(config.replace(seed=5), bare)
    assert other_seed.test is not None
    assert set(other_seed.test.rows) == set(parts.test.rows)
    assert set(other_seed.train.rows) != set(parts.train.rows)
    with pytest.raises(UsageError, match="its own test part"):
        cut(config, splits)


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_killed_for_real_and_repeated_gives_the_same_weights(tmp_path: Path, source: Path) -> None:
    def command(runs: str) -> list[str]:
        words = f"train --data {source} --network dense --epochs 60 --batch-size 2 --learning-rate 0.0001 --json"
        return [sys.executable, "-m", "ropero", *words.split(), "--precision", "fp32", "--runs", str(tmp_path / runs)]

    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command("whole"), check=True, capture_output=True, env=quiet)
    for wait in (0.0, 0.3):
        killed = subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet)
        while not list(tmp_path.glob("killed/*/checkpoint.safetensors")) and killed.poll() is None:
            time.sleep(0.01)
        time.sleep(wait)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    subprocess.run(command("killed"), check=True, capture_output=True, env=quiet)
    runs = [RunStore(tmp_path / name).runs() for name in ("whole", "killed")]
    assert [len(one) for one in runs] == [1, 1]
    assert runs[0][0].card.weights_sha256 == runs[1][0].card.weights_sha256


def test_history_lines_are_written_as_epochs_end(store: RunStore, splits: Splits) -> None:
    lines: list[int] = []

    class Count(Callback):
        def on_epoch_end(self, record: object) -> None:
            lines.append(len(store.runs()[0].history))

    train(splits, CONFIG, store, callbacks=[Count()])
    assert lines == [1, 2, 3]


EVERYTHING = Outputs(save_weights="every", csv=True, tensorboard=True)


def test_what_is_asked_for_is_written_and_changes_no_result(store: RunStore, splits: Splits) -> None:
    plain = train(splits, CONFIG, store).run
    assert not {"weights", "history.csv", "tensorboard"} & {path.name for path in plain.folder.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        train(splits, CONFIG, store, again=True, outputs=EVERYTHING, callbacks=[Kill(7)])
    interrupted = store.runs()[-1]
    assert len((interrupted.folder / "history.csv").read_text("utf-8").splitlines()) == 2  # killed in the second epoch
    full = train(splits, CONFIG.replace(seed=1), store, outputs=EVERYTHING).run
    assert sorted(path.name for path in (full.folder / "weights").iterdir()) == [
        f"epoch-00{epoch}.safetensors" for epoch in (1, 2, 3)
    ]
    assert (full.folder / "history.csv").read_text("utf-8") == csv_rows(full.history)
    assert list((full.folder / "tensorboard" / "train").glob("events.*"))
    other = train(splits, CONFIG.replace(seed=1), store, again=True).run
    assert other.card.weights_sha256 == full.card.weights_sha256


@pytest.mark.parametrize("outputs", [Outputs(save_weights="best"), Outputs(save_weights=0)])
def test_outputs_that_cannot_be_leave_no_folder(store: RunStore, splits: Splits, outputs: Outputs) -> None:
    with pytest.raises(UsageError):
        train(splits, CONFIG, store, outputs=outputs)
    assert store.runs() == []


def test_a_trained_run_is_given_its_table_and_nothing_else(store: RunStore, splits: Splits) -> None:
    train(splits, CONFIG, store)
    done = train(splits, CONFIG, store, outputs=EVERYTHING)
    assert done.how == "already trained"
    assert (done.run.folder / "history.csv").read_text("utf-8") == csv_rows(done.run.history)
    assert not (done.run.folder / "weights").exists()
    assert not (done.run.folder / "tensorboard").exists()


def test_changed_labels_come_along(source: Path, store: RunStore) -> None:
    """A run of changed data loads them changed again, and is another run than that of the data as they are."""
    plain = data_verb.load(str(source))
    changes = Changes(
        [
            Change(part="train", row=0, was=plain.classes[plain.train.labels[0]], action="drop"),
            Change(part="train", row=1, was=plain.classes[plain.train.labels[1]], action="relabel", label="2"),
        ]
    )
    run = train(plain, CONFIG, store, changes=changes).run
    assert run.images["train"] == len(plain.train) - 1
    assert list(run.changes) == list(changes)
    assert evaluate(run, split="train").evaluation.labels[0] == 2
    assert train(plain, CONFIG, store, changes=changes).how == "already trained"
    assert train(plain, CONFIG, store).how == "new"


def test_a_change_list_moves_no_image_between_parts(source: Path, store: RunStore) -> None:
    """Held out by the labels as they were: with a list, the old test images stay test images."""
    plain = Splits(data_verb.load(str(source)).train, source=str(source))
    config = CONFIG.replace(test=0.25, validation=0.25)
    before = cut(config, plain)
    assert before.test is not None
    rows = before.train.rows[:2]
    changes = Changes(
        Change(part="train", row=int(row), was=plain.classes[plain.train.labels[row]], action="drop") for row in rows
    )
    after = cut(config, plain, changes)
    assert after.test is not None
    assert after.validation is not None
    assert after.test.digest == before.test.digest
    assert set(after.train.rows) == set(before.train.rows) - set(rows)


def test_changes_of_held_out_images_change_them_where_they_are(source: Path) -> None:
    plain = Splits(data_verb.load(str(source)).train, source=str(source))
    config = CONFIG.replace(test=0.25)
    held = cut(config, plain).test
    assert held is not None
    row = int(held.rows[0])
    was = plain.classes[plain.train.labels[row]]
    changed = cut(config, plain, Changes([Change(part="train", row=row, was=was, action="drop")])).test
    assert changed is not None
    assert set(held.rows) - set(changed.rows) == {row}


def test_what_was_imported_is_no_training(store: RunStore, splits: Splits) -> None:
    """Its config is the defaults, whoever trained it and how."""
    run = train(splits, CONFIG, store).run
    tried = {"scale": "0-1", "size": "as they are", "accuracy": 0.9, "log_loss": 0.3}
    pixels = {"scale": "0-1", "size": "as they are", "why": "asked", "images": 120, "tried": [tried], "order": [],
              "spare": 0}  # fmt: skip
    note = {
        "sha256": "0" * 64,
        "asked": "",
        "file": "softmax.h5",
        "written_by": "Keras 3",
        "pixels": pixels,
        "notes": [],
    }
    run.note(imported=note)
    assert run.origin == note
    done = train(splits, CONFIG, store)
    assert (done.how, done.run.name == run.name) == ("new", False)
    assert train(splits, CONFIG, store).run.name == done.run.name
