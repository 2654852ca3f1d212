"""What a report shows beyond predictions: measured once, kept, noted in the ledger, refused when damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic

from ropero.data.dataset import Dataset, Splits
from ropero.errors import RunError
from ropero.evaluation.corruptions import CORRUPTIONS
from ropero.evaluation.outliers import KINDS
from ropero.runs import Run, RunStore
from ropero.training.config import TrainConfig
from ropero.workbench import examine
from ropero.workbench.train import train


def of_test(splits: Splits) -> Dataset:
    return splits.part("test")


def held(splits: Splits) -> Dataset:
    return splits.part("validation")


@pytest.fixture(scope="module")
def splits() -> Splits:
    held = synthetic(90, seed=2, split="validation")
    return Splits(synthetic(200), held, synthetic(60, seed=1, split="test"))


@pytest.fixture
def run(splits: Splits, tmp_path: Path) -> Run:
    config = TrainConfig(network="santiago-2", epochs=3, batch_size=32, learning_rate=0.003, erase=0.0, flip="none")
    return train(splits, config, RunStore(tmp_path / "runs")).run


def test_corruptions_are_measured_once_and_noted(run: Run, splits: Splits) -> None:
    told: list[int] = []
    found = examine.robustness(run, of_test(splits), progress=lambda what, done, total, unit: told.append(done))
    assert set(found.accuracies) == set(CORRUPTIONS)
    assert found.images == 60
    assert 0.3 < found.mean < found.clean <= 1
    assert told[-1] == 85 * 60
    assert examine.robustness(run, of_test(splits)) == found  # kept
    assert [(one.verb, one.images, one.accuracy) for one in run.ledger.openings()] == [("robustness", 60, None)]


def test_explanations_are_measured_once_the_shown_method_first(run: Run, splits: Splits) -> None:
    found = examine.explained(run, of_test(splits))
    assert {one.method for one in found} == {"grad-cam", "occlusion", "integrated-gradients"}
    assert found[0].method == "integrated-gradients"  # by rule: the proof of it is no choice by that proof
    assert max(one.deletion.mean + one.insertion.mean for one in found) > 0
    assert all(len(one.curves["deletion"]) == len(one.shares) == 21 for one in found)
    assert examine.explained(run, of_test(splits)) == found
    assert [one.verb for one in run.ledger.openings()] == ["explain"]


def test_on_validation_nothing_is_noted(run: Run, splits: Splits) -> None:
    examine.robustness(run, held(splits))
    assert run.ledger.openings() == []


def test_figures_of_other_weights_are_measured_again(run: Run, splits: Splits) -> None:
    examine.robustness(run, of_test(splits))
    path = run.folder / "evaluation" / "test-robustness.json"
    path.write_text(path.read_text("utf-8").replace(run.card.weights_sha256, "0" * 64), "utf-8")
    examine.robustness(run, of_test(splits))
    assert len(run.ledger.openings()) == 2


def test_damaged_figures_are_a_sentence(run: Run, splits: Splits) -> None:
    examine.explained(run, of_test(splits))
    path = run.folder / "evaluation" / "test-explained.json"
    path.write_text(path.read_text("utf-8").replace('"deletion": {', '"deletion": {"more": 1,', 1), "utf-8")
    with pytest.raises(RunError, match="explanations are damaged"):
        examine.explained(run, of_test(splits))


def test_maps_of_any_image(run: Run, splits: Splits) -> None:
    found = examine.maps(run, splits.train.images[:3], np.array([0, 1, 2]))
    assert found.shape == (3, 28, 28)


def test_strangers_are_measured_once_and_again_with_others(run: Run, splits: Splits) -> None:
    part = of_test(splits)
    found = examine.strangers(run, part)
    assert found is not None
    assert set(found.kinds) == set(KINDS)
    measured = [found.refused, *(one for pair in found.kinds.values() for one in pair)]
    assert all(0 <= one.low <= one.value <= one.high <= 1 for one in measured)
    assert found.kinds["noise"][0].value > 0.9
    assert found.refused.value < 0.2
    assert examine.strangers(run, part) == found
    assert [one.verb for one in run.ledger.openings()] == ["strangers"]
    others = Dataset(np.full((50, 14, 14), 200, np.uint8), np.zeros(50, np.int64), ("a", "b"), "mnist", "test")
    more = examine.strangers(run, part, others=others)
    assert more is not None
    assert set(more.kinds) == {*KINDS, "«mnist»"}
    assert more.kinds["noise"] == found.kinds["noise"]


def test_damaged_figures_of_strangers_are_a_sentence(run: Run, splits: Splits) -> None:
    examine.strangers(run, of_test(splits))
    path = run.folder / "evaluation" / "test-strangers.json"
    path.write_text(path.read_text("utf-8").replace('"limit"', '"border"'), "utf-8")
    with pytest.raises(RunError, match="strange images are damaged"):
        examine.strangers(run, of_test(splits))
