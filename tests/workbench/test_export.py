"""The verb export: a file is kept when the program that it is for says there what the run says, and only then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ropero as rp
from ropero.cli.app import run as command
from ropero.data.dataset import Splits
from ropero.errors import DataError, MissingExtra, UsageError
from ropero.export import checks, clients, onnx_writer, readback
from ropero.export.checks import FILE, Check, Examined
from ropero.export.formats import FORMATS, Format, chosen
from ropero.models.classifier import Classifier
from ropero.runs import Run, RunStore
from ropero.training.config import TrainConfig
from ropero.workbench import data as data_verb
from ropero.workbench import export as verb
from ropero.workbench.evaluate import evaluate
from ropero.workbench.export import export
from ropero.workbench.train import train

pytest.importorskip("onnxruntime")
pytest.importorskip("h5py")

FAST: dict[str, Any] = {"epochs": 2, "batch_size": 32, "learning_rate": 0.01, "precision": "fp32"}


def trained(source: Path, folder: Path, **options: Any) -> Run:
    config = TrainConfig(**{"network": "softmax", **FAST, **options})
    return train(data_verb.load(str(source)), config, RunStore(folder / "runs")).run


@pytest.fixture
def run(source: Path, tmp_path: Path) -> Run:
    return trained(source, tmp_path, validation=30)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_proved_in_a_fresh_process(run: Run, form: str, tmp_path: Path) -> None:
    done = export(run, form=form, out=tmp_path / "out" / f"mine{FORMATS[form].suffix}")
    assert done.path.stat().st_size == done.bytes
    assert list(done.path.parent.iterdir()) == [done.path]
    assert done.client
    assert done.images == 1000
    assert done.difference is not None
    assert done.allowed is not None
    assert done.difference <= done.allowed
    assert json.loads(json.dumps(done.to_json()))["format"] == form
    card = readback.read(done.path).card
    assert (card.file, card.network, card.classes) == (form, "softmax", run.card.classes)
    assert card.weights_sha256 == run.card.weights_sha256
    assert card.about["run"]["name"] == run.name
    assert card.about["licence"] == ""


def test_figures_in_the_card_are_those_that_the_run_has(run: Run, tmp_path: Path) -> None:
    accuracy = readback.read(export(run, out=tmp_path / "a.safetensors").path).card.about["accuracy"]
    last = run.history.records[-1]
    assert accuracy == {
        "validation": {
            "accuracy": last.validation_accuracy,
            "images": 30,
            "accuracy_interval_95": pytest.approx(accuracy["validation"]["accuracy_interval_95"]),
        }
    }
    assert run.ledger.openings() == []  # nothing was opened for a card
    measured = evaluate(run).evaluation
    evaluate(run, split="validation")
    accuracy = readback.read(export(run, out=tmp_path / "b.safetensors").path).card.about["accuracy"]
    assert accuracy["test"]["accuracy"] == measured.accuracy
    assert accuracy["test"]["images"] == 60
    assert accuracy["test"]["accuracy_interval_95"] == pytest.approx(list(measured.interval))
    assert accuracy["test"]["openings"] == 1
    assert accuracy["validation"]["images"] == 30


def test_a_run_without_validation_says_nothing_of_it(source: Path, tmp_path: Path) -> None:
    run = trained(source, tmp_path)
    card = readback.read(export(run, out=tmp_path / "a.safetensors").path).card
    assert card.about["accuracy"] == {}
    assert card.about["data"]["images"] == {"train": 120, "test": 60}


def test_a_file_that_is_there_stays(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_text("mine")
    with pytest.raises(UsageError, match="--force"):
        export(run, out=path)
    assert path.read_text() == "mine"
    export(run, out=path, force=True)
    assert readback.read(path).card.network == "softmax"


def spoilt(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written from here on is of a network that is a little different."""
    write = FORMATS[form].write

    def wrong(model: Classifier, path: Path, card: Any) -> None:
        with torch.no_grad():
            weight = model.head.weight
            assert isinstance(weight, Tensor)
            kept = weight.clone()
            weight.add_(torch.linspace(-0.1, 0.1, weight.numel()).view_as(weight))
            write(model, path, card)
            weight.copy_(kept)

    monkeypatch.setitem(FORMATS, form, Format(FORMATS[form].suffix, wrong))


@pytest.mark.parametrize("form", ["onnx", "safetensors"])
def test_a_file_that_says_something_else_is_not_kept(
    run: Run, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out" / f"a{FORMATS[form].suffix}"
    path.parent.mkdir()
    path.write_text("mine")
    spoilt(form, monkeypatch)
    with pytest.raises(DataError, match="The file was not kept"):
        export(run, out=path, force=True)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert path.read_text() == "mine"


def test_a_difference_on_other_images_than_the_samples_counts_too(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lying(path: Path, images: Any) -> Any:
        found = fresh(path, images)
        found.logits[-1, 0] += 0.1
        return found

    fresh = verb.fresh
    monkeypatch.setattr(verb, "fresh", lying)
    with pytest.raises(DataError, match=r"logits differ from the run's by 0\.1, and [\d.e-]{3,7} is allowed"):
        export(run, out=tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "out", "form"),
    [("", None, "onnx"), ("keras", None, "keras"), ("", "a.pt2", "torch-export"), ("h5", "a.H5", "h5")],
)
def test_the_format_is_what_is_said_or_what_the_ending_says(name: str, out: str | None, form: str) -> None:
    assert chosen(name, None if out is None else Path(out)) == form


@pytest.mark.parametrize(
    ("name", "out", "says"),
    [
        ("onx", None, "Did you mean 'onnx'"),
        ("onnx", "a.keras", "should end in .onnx"),
        ("", "a.pth", "Unknown kind of file '.pth'"),
        ("", "a", "Unknown kind of file 'a'"),
    ],
)
def test_a_format_that_is_none_is_one_sentence(name: str, out: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        chosen(name, None if out is None else Path(out))


def test_a_run_that_is_not_trained_is_not_exported(run: Run, tmp_path: Path) -> None:
    run.note(status="training")
    with pytest.raises(rp.RoperoError, match="not trained to the end"):
        export(run, out=tmp_path / "a.onnx")


def test_whole_numbers_cost_what_is_measured(source: Path, tmp_path: Path) -> None:
    run = trained(source, tmp_path, network="lunzhi-cnn-1", epochs=3, validation=30)
    done = export(run, int8=True, out=tmp_path / "a.onnx")
    price = done.price
    assert price is not None
    assert (price.way, price.part, price.images, price.calibration_images) == ("static", "validation", 30, 45)
    assert price.float_accuracy == run.history.records[-1].validation_accuracy
    assert price.accuracy >= price.float_accuracy - 0.1
    assert price.agreement >= 0.9
    assert done.bytes < price.float_bytes / 2
    card = readback.read(done.path).card
    assert card.int8["accuracy"] == price.accuracy
    # What the card's samples should give is what this very file says.
    assert np.abs(clients.opened(done.path).logits(card.samples.images) - card.samples.logits).max() < 0.05
    assert run.ledger.openings() == []


def test_whole_numbers_without_held_out_images_are_judged_by_others_than_those_shown(
    source: Path, tmp_path: Path
) -> None:
    run = trained(source, tmp_path, network="dense")
    price = export(run, int8=True, out=tmp_path / "a.onnx").price
    assert price is not None
    assert (price.part, price.calibration_images, price.images) == ("train", 60, 60)
    parts = verb._parts(run, 1000, None, None)
    shown = {image.tobytes() for image in parts.shown}
    assert not shown & {image.tobytes() for image in parts.judged.images}
    assert parts.judged.split == "train"


def test_lstm_layers_find_their_scales_while_they_run(source: Path, tmp_path: Path) -> None:
    layers = [{"type": "Rows"}, {"type": "Bidirectional", "layer": {"type": "LSTM", "units": 16}}, {"type": "Dense"}]
    run = trained(source, tmp_path, network="mine", layers=layers, validation=30)
    done = export(run, int8=True, out=tmp_path / "a.onnx")
    assert done.price is not None
    assert done.price.way == "dynamic"
    assert done.price.agreement > 0.9


def test_gru_layers_have_no_whole_numbers(source: Path, tmp_path: Path) -> None:
    layers = [{"type": "Rows"}, {"type": "GRU", "units": 4}, {"type": "Dense"}]
    run = trained(source, tmp_path, network="mine", layers=layers)
    with pytest.raises(UsageError, match="multiplies GRU layers in floating point only"):
        export(run, int8=True, out=tmp_path / "out" / "a.onnx")
    assert list((tmp_path / "out").iterdir()) == []


def test_whole_numbers_are_for_onnx(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--int8 is for --format onnx"):
        export(run, form="keras", int8=True, out=tmp_path / "a.keras")


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(784, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x.flatten(1))


def test_a_module_of_this_process_alone_is_exported_and_proved_here(
    splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = rp.train(splits, Own(), epochs=1)
    for form in ("onnx", "safetensors", "torch-export"):
        done = run.export(form)
        assert done.path == Path(f"{run.run.name}{FORMATS[form].suffix}")
        assert done.difference is not None
        assert done.difference <= 1e-4
    with pytest.raises(UsageError, match="code of your own"):
        run.export("keras")


def test_a_file_that_nothing_here_could_prove_is_not_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> Any:
        if name == "onnxruntime":
            raise MissingExtra("ONNX", "onnx")
        return pytest.fail("the file was written")

    monkeypatch.setattr(onnx_writer, "library", missing)
    with pytest.raises(MissingExtra, match=r"pip install 'ropero\[onnx\]'"):
        export(run, out=tmp_path / "out" / "a.onnx")
    assert not (tmp_path / "out").exists()
    assert command(["export", str(run.folder), "--out", str(tmp_path / "out" / "a.onnx")]) == 2
    assert "ropero[onnx]" in capsys.readouterr().err


def test_a_file_that_could_not_be_looked_at_is_not_kept(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "fresh", lambda *_: Examined((Check(FILE, None, "Could not be looked at."),)))
    with pytest.raises(DataError, match="The file was not kept"):
        export(run, out=tmp_path / "out" / "a.onnx")
    assert list((tmp_path / "out").iterdir()) == []


def test_without_keras_a_file_is_read_back_which_is_said(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verb, "fresh", checks.examine)
    monkeypatch.setattr(clients.util, "find_spec", lambda name: None)
    assert command(["export", str(run.folder), "--out", str(tmp_path / "a.keras")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Not compared: Keras is not installed (pip install keras). The weights were read back" in said
