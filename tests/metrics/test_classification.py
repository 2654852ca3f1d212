"""Every figure against scikit-learn."""

import numpy as np
import pytest
import sklearn.metrics as oracle

from ropero.metrics import classification as ours

CASES = ["random", "perfect", "class never predicted", "class absent"]


def make(case: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 5, 400)
    if case == "class absent":
        labels = rng.integers(0, 4, 400)
    logits = rng.normal(size=(400, 5)) + 1.5 * np.eye(5)[labels]
    if case == "perfect":
        logits += 100 * np.eye(5)[labels]
    if case == "class never predicted":
        logits[:, 2] = -50
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    return labels, (probabilities / probabilities.sum(1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("case", CASES)
def test_confusion_and_report_agree_with_scikit_learn(case: str) -> None:
    labels, probabilities = make(case)
    predicted = probabilities.argmax(1)
    confusion = ours.confusion_matrix(labels, predicted, 5)
    np.testing.assert_array_equal(confusion, oracle.confusion_matrix(labels, predicted, labels=range(5)))
    assert ours.accuracy(confusion) == pytest.approx(oracle.accuracy_score(labels, predicted))
    report = ours.class_report(confusion)
    expected = oracle.precision_recall_fscore_support(labels, predicted, labels=range(5), zero_division=0)
    for mine, theirs in zip((report.precision, report.recall, report.f1, report.support), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)
    for kind in ("macro", "weighted"):
        theirs = oracle.precision_recall_fscore_support(
            labels, predicted, labels=range(5), average=kind, zero_division=0
        )
        assert list(report.average(kind).values()) == pytest.approx(theirs[:3])


@pytest.mark.parametrize("case", CASES)
def test_log_loss_and_top_k_agree_with_scikit_learn(case: str) -> None:
    labels, probabilities = make(case)
    assert ours.log_loss(labels, probabilities) == pytest.approx(
        oracle.log_loss(labels, probabilities, labels=range(5)), rel=1e-5, abs=1e-6
    )
    for k in (1, 2, 3):
        assert ours.top_k_accuracy(labels, probabilities, k) == pytest.approx(
            oracle.top_k_accuracy_score(labels, probabilities, k=k, labels=range(5))
        )


def test_log_loss_of_a_certain_mistake_is_finite() -> None:
    assert 10 < ours.log_loss(np.array([0]), np.array([[0.0, 1.0]])) < 20


def test_top_k_of_all_classes_is_one_and_ties_take_the_smaller_class() -> None:
    even = np.full((4, 3), 1 / 3)
    labels = np.array([0, 1, 2, 2])
    assert ours.top_k_accuracy(labels, even, 3) == 1.0
    assert ours.top_k_accuracy(labels, even, 1) == 0.25
