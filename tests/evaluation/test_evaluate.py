"""Evaluation derives its numbers from labels and probabilities alone."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics as oracle

from ropero.errors import RunError
from ropero.evaluation.evaluate import Evaluation

CLASSES = ("a", "b", "c")


@pytest.fixture
def evaluation() -> Evaluation:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    logits = rng.normal(size=(300, 3)) + 2 * np.eye(3)[labels]
    odds = np.exp(logits)
    rows = np.arange(1000, 1300)
    return Evaluation(labels, (odds / odds.sum(1, keepdims=True)).astype(np.float32), rows, CLASSES, "test")


def test_numbers_agree_with_scikit_learn(evaluation: Evaluation) -> None:
    found = evaluation.to_json()
    expected = oracle.classification_report(
        evaluation.labels, evaluation.predicted, target_names=CLASSES, output_dict=True
    )
    assert found["accuracy"] == pytest.approx(expected["accuracy"])
    for name in CLASSES:
        row = found["classes"][name]
        theirs = expected[name]
        assert [row["precision"], row["recall"], row["f1"], row["support"]] == pytest.approx(
            [theirs["precision"], theirs["recall"], theirs["f1-score"], theirs["support"]]
        )
    assert found["macro_average"]["f1"] == pytest.approx(expected["macro avg"]["f1-score"])
    assert found["weighted_average"]["f1"] == pytest.approx(expected["weighted avg"]["f1-score"])
    assert found["log_loss"] == pytest.approx(oracle.log_loss(evaluation.labels, evaluation.probabilities), rel=1e-5)
    low, high = found["accuracy_interval_95"]
    assert low < found["accuracy"] < high
    json.dumps(found, allow_nan=False)


def test_confident_mistakes_are_wrong_and_sorted(evaluation: Evaluation) -> None:
    found = evaluation.confident_mistakes(10)
    assert len(found) == 10
    assert not evaluation.correct[found].any()
    assert (np.diff(evaluation.confidence[found]) <= 0).all()
    assert evaluation.confidence[found[0]] == evaluation.confidence[~evaluation.correct].max()
    assert evaluation.to_json()["confident_mistakes"][0]["row"] == 1000 + found[0]


def test_confused_pairs_are_the_largest_off_the_diagonal(evaluation: Evaluation) -> None:
    pairs = evaluation.confused_pairs(3)
    assert all(true != predicted for true, predicted, _ in pairs)
    off = evaluation.confusion - np.diag(np.diag(evaluation.confusion))
    assert pairs[0][2] == off.max()
    assert [n for *_, n in pairs] == sorted(off.flatten().tolist(), reverse=True)[:3]


def test_arrays_come_back_as_they_were(evaluation: Evaluation) -> None:
    again = Evaluation.from_npz(evaluation.to_npz(), CLASSES, "test")
    assert again.to_json() == evaluation.to_json()


@pytest.mark.parametrize("kept", [0, 100, 3000])
def test_damaged_arrays_are_refused(evaluation: Evaluation, kept: int) -> None:
    with pytest.raises(RunError, match="damaged"):
        Evaluation.from_npz(evaluation.to_npz()[:kept], CLASSES, "test")


@pytest.mark.parametrize(
    "changes",
    [{"labels": np.array(1)}, {"labels": np.full(300, 7)}, {"labels": np.zeros(300)}, {"rows": np.arange(5)}],
    ids=["no list", "label out of range", "floats", "other length"],
)
def test_arrays_of_the_wrong_kind_are_refused(evaluation: Evaluation, changes: dict[str, np.ndarray]) -> None:
    with pytest.raises(RunError, match="do not fit"):
        Evaluation.from_npz(replace(evaluation, **changes).to_npz(), CLASSES, "test")


def test_arrays_of_another_run_are_refused(evaluation: Evaluation) -> None:
    with pytest.raises(RunError, match="do not fit"):
        Evaluation.from_npz(evaluation.to_npz(), ("a", "b"), "test")
