"""Runs that begin with pretrained weights: what makes two equal, what they need afterwards, how they are judged."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Kill, synthetic
from small_vgg import shrink, weights_file

from ropero.cli.app import run as cli
from ropero.data.dataset import Splits
from ropero.errors import DataNotFound
from ropero.experiments.claims import Experiment
from ropero.models import codes, inference, pretrained
from ropero.models.inference import probabilities
from ropero.models.zoo import NETWORKS, PRETRAINED, build
from ropero.runs import RunStore
from ropero.storage import sha256_file
from ropero.training.callbacks import Callback
from ropero.training.config import TrainConfig
from ropero.training.presets import plain
from ropero.workbench.evaluate import evaluate
from ropero.workbench.reproduce import reproduce
from ropero.workbench.train import train


@pytest.fixture(autouse=True)
def few_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return weights_file(tmp_path / "w.safetensors")


def config(weights: Path | str, network: str = "vgg16-frozen") -> TrainConfig:
    return plain(network, epochs=3, batch_size=32, weights=str(weights), device="cpu", validation=0.2)


def test_the_table_of_pretrained_networks_is_true() -> None:
    for name in NETWORKS:
        base = build(name, (1, 28, 28), 3).base
        assert (base is not None) == (name in PRETRAINED)
        assert base is None or base.depth == PRETRAINED[name]


def test_a_run_needs_neither_its_weights_file_nor_the_cache(
    store: RunStore, splits: Splits, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "chunk_size", lambda *_: 7)  # several chunks, the last a small one
    run = train(splits, config(weights), store).run
    assert run.environment["pretrained_sha256"] == sha256_file(weights)
    weights.unlink()
    shutil.rmtree(tmp_path / "cache")
    found = evaluate(run, splits=splits)
    assert found.openings == 1
    assert splits.test is not None
    # Evaluated on codes, it says what the network itself says to pixels.
    np.testing.assert_allclose(
        found.evaluation.probabilities, probabilities(run.model(), splits.test.images), atol=1e-5
    )


def test_the_test_part_goes_through_the_base_once(
    store: RunStore, splits: Splits, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(splits, config(weights), store).run
    first = evaluate(run, splits=splits)

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(codes, "_encode", never)
    other = train(splits, config(weights).replace(epochs=2), store).run
    evaluate(other, splits=splits)
    for split in ("train", "validation"):
        evaluate(run, split=split, splits=splits)
    again = evaluate(run, splits=splits, again=True)
    assert (first.openings, again.openings) == (1, 2)
    np.testing.assert_array_equal(first.evaluation.probabilities, again.evaluation.probabilities)


def test_training_tells_of_nothing_but_the_parts_it_sees(store: RunStore, splits: Splits, weights: Path) -> None:
    told: list[int] = []

    class Listener(Callback):
        def on_encode(self, encoding: codes.Encoding) -> None:
            told.append(encoding.total)

    train(splits, config(weights), store, callbacks=[Listener()])
    assert set(told) == {120}  # no test image is encoded before it is asked for


def test_the_same_weights_elsewhere_are_the_same_run(
    store: RunStore, splits: Splits, weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(splits, config(weights), store, callbacks=[Kill(4)])
    moved = weights.rename(tmp_path / "moved")
    with pytest.raises(DataNotFound, match=r"w\.safetensors"):
        train(splits, config(weights), store)
    done = train(splits, config(moved), store)
    assert done.how == "resumed"
    assert train(splits, config(moved.rename(weights)), store).how == "already trained"


def test_other_weights_in_the_same_place_are_another_run(store: RunStore, splits: Splits, weights: Path) -> None:
    first = train(splits, config(weights), store)
    weights_file(weights, seed=1)
    second = train(splits, config(weights), store)
    assert second.how == "new"
    assert first.run.card.weights_sha256 != second.run.card.weights_sha256


def test_the_official_file_in_the_cache_is_taken(store: RunStore, splits: Splits, weights: Path) -> None:
    place = pretrained.OFFICIAL[16].path
    place.parent.mkdir(parents=True)
    shutil.copy(weights, place)
    run = train(splits, config(""), store).run
    assert run.environment["pretrained_sha256"] == sha256_file(weights)
    assert train(splits, config(weights), store).how == "already trained"


def test_reproduce_gives_weights_to_those_that_have_a_place_for_them(
    store: RunStore, splits: Splits, weights: Path, tmp_path: Path
) -> None:
    one = Experiment(
        report="nowhere-2000", model="vgg16", protocol=config("", "lunzhi-vgg16"), sound=config("", "vgg16-frozen")
    )
    content = reproduce(one, splits, store, tmp_path, weights=str(weights)).content
    assert content["config"]["weights"] == "w.safetensors"  # a name, no folder of this machine
    assert content["runs"][0]["pretrained_sha256"] == sha256_file(weights)
    assert {"train_accuracy", "validation_accuracy", "test_accuracy"} <= set(content["measured"])
    softmax = replace(one, model="softmax", protocol=plain("softmax", epochs=1, device="cpu"))
    assert reproduce(softmax, splits, store, tmp_path, weights=str(weights)).content["config"]["weights"] == ""


def test_both_protocols_of_lunzhis_vgg_differ_in_the_scaling_alone() -> None:
    from ropero.experiments.table import EXPERIMENTS

    for depth in (16, 19):
        one = EXPERIMENTS[f"lunzhi-2018/vgg{depth}"]
        assert one.protocol.replace(network=one.sound.network) == one.sound
        assert (one.protocol.network, one.sound.network) == (f"lunzhi-vgg{depth}", f"vgg{depth}-frozen")


def test_the_command_line_trains_says_where_features_are_and_resumes(
    source: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--data", str(source), "--network", "vgg16-frozen", "--weights", str(weights), "--epochs", "2"]
    assert cli([*command, "--batch-size", "32"]) == 0
    shown = capsys.readouterr()
    assert "The features of 120 images are computed once and kept in" in shown.err
    assert str(tmp_path / "cache" / "features") in shown.err.replace("\n", "")
    assert cli([*command, "--batch-size", "32"]) == 0
    assert "already" in capsys.readouterr().err
    assert cli(["evaluate"]) == 0
    assert "The features of 60 images" in capsys.readouterr().err
    assert cli(["evaluate", "--again"]) == 0
    assert "The features" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["cut", "missing", "augmented", "elsewhere"])
def test_mistakes_are_one_sentence(
    kind: str, source: Path, weights: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["train", "--data", str(source), "--network", "vgg16-frozen", "--weights", str(weights)]
    if kind == "cut":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif kind == "missing":
        weights.unlink()
    elif kind == "augmented":
        command += ["--flip", "random"]
    else:
        command[4] = "quick"
    assert cli(command) == 2
    said = capsys.readouterr().err
    expected = {
        "cut": "is damaged or not a file of weights",
        "missing": "There is no file of weights",
        "augmented": "turn off flip",
        "elsewhere": "has no pretrained part",
    }[kind]
    assert expected in " ".join(said.split())
    assert "Traceback" not in said
    assert RunStore(tmp_path / "runs").runs() == []


def test_a_colour_source_trains_too(store: RunStore, weights: Path) -> None:
    grey = synthetic(60)
    colour = type(grey)(np.repeat(grey.images[..., None], 3, 3), grey.labels, grey.classes)
    assert train(Splits(colour), config(weights), store).how == "new"
