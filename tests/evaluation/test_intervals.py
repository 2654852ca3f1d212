"""Intervals of every figure: they hold the figure, cover the truth as often as they promise, agree with SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from ropero.evaluation import intervals
from ropero.evaluation.intervals import Measured
from ropero.metrics.classification import class_report, confusion_matrix
from ropero.metrics.statistics import wilson_interval

K = 4


def drawn(seed: int, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) and probabilities (N, K) of a classifier that is often right."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, count)
    odds = np.exp(1.5 * rng.normal(size=(count, K)) + 2 * np.eye(K)[labels])
    return labels, odds / odds.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def measured() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels, stated = drawn(0)
    return labels, stated, confusion_matrix(labels, stated.argmax(axis=1), K)


def test_each_figure_lies_inside_its_interval(measured: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    labels, stated, confusion = measured
    figures = intervals.class_figures(labels, stated, confusion)
    report = class_report(confusion)
    for k, one in enumerate(figures):
        assert one.precision is not None
        assert one.recall is not None
        assert one.auc is not None
        assert one.recall == Measured(report.recall[k], *wilson_interval(int(confusion[k, k]), int(confusion[k].sum())))
        assert one.precision.value == report.precision[k]
        assert one.f1.value == report.f1[k]
        for figure in (one.precision, one.recall, one.f1, one.auc, one.average_precision):
            assert figure is not None
            assert figure.low < figure.value < figure.high


def test_weighted_recall_is_accuracy(measured: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    confusion = measured[2]
    found = intervals.averages(confusion)["weighted"]["recall"]
    hits = int(np.trace(confusion))
    assert found.value == pytest.approx(hits / 400)
    assert found.interval == pytest.approx(wilson_interval(hits, 400), abs=0.006)


def test_macro_f1_agrees_with_scipy(measured: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    labels, stated, confusion = measured
    guesses = stated.argmax(axis=1)

    def macro_f1(rows: np.ndarray) -> float:
        return float(class_report(confusion_matrix(labels[rows], guesses[rows], K)).f1.mean())

    theirs = bootstrap(
        (np.arange(400),),
        macro_f1,
        method="percentile",
        n_resamples=2000,
        vectorized=False,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert intervals.averages(confusion)["macro"]["f1"].interval == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_macro_f1_covers_the_truth() -> None:
    labels, stated = drawn(1, 200_000)
    truth = class_report(confusion_matrix(labels, stated.argmax(axis=1), K)).f1.mean()
    inside = 0
    for seed in range(200):
        labels, stated = drawn(seed + 10, 300)
        found = intervals.averages(confusion_matrix(labels, stated.argmax(axis=1), K))["macro"]["f1"]
        inside += found.low <= truth <= found.high
    assert 180 <= inside <= 199  # 190 expected, with a deviation of 3


def test_the_calibration_error_covers_the_truth() -> None:
    """A network that is too sure by a tenth everywhere."""
    inside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        confidence = rng.uniform(0.5, 1, 500)
        found = intervals.calibration_error(confidence, rng.uniform(size=500) < confidence - 0.1)
        assert 0 <= found.low <= found.value <= found.high
        inside += found.low <= 0.1 <= found.high
    assert 88 <= inside <= 100  # 95 expected, with a deviation of 2.2


def test_classes_without_images_and_classes_never_predicted() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    stated = np.array([[0.9, 0.1, 0, 0], [0.8, 0.2, 0, 0], [0.2, 0.7, 0.1, 0], [0.6, 0.3, 0.1, 0], [0.9, 0.1, 0, 0]])
    confusion = confusion_matrix(labels, stated.argmax(axis=1), K)
    figures = intervals.class_figures(labels, stated, confusion)
    assert (figures[2].precision, figures[2].recall, figures[2].auc, figures[2].average_precision) == (None,) * 4
    assert figures[2].f1 is None
    told = figures[2].to_json()
    assert (told["precision"], told["auc"], told["auc_interval_95"], told["support"]) == (0.0, None, None, 0)


@pytest.mark.parametrize("each", [1, 3])
def test_small_classes_are_in_every_sample(each: int) -> None:
    """A hundred classes of few images: drawn without regard to the class, a third of them would count as nothing."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(100), each)
    guesses = np.where(rng.uniform(size=len(labels)) < 0.8, labels, (labels + 1) % 100)
    confusion = confusion_matrix(labels, guesses, 100)
    for kind in ("macro", "weighted"):
        for figure in intervals.averages(confusion)[kind].values():
            assert figure.low < figure.value < figure.high


def test_what_never_varies_is_not_certain() -> None:
    everything = intervals.averages(np.diag([50, 50]))["macro"]
    assert all(figure.value == 1 and figure.low == pytest.approx(0.963, abs=0.001) for figure in everything.values())
    figures = intervals.f1_scores(np.array([[3, 0], [10, 0]]))
    assert figures[1] is not None
    assert figures[1].value == 0
    assert figures[1].high == pytest.approx(0.278, abs=0.001)  # Wilson's of 0 of 10


def test_the_error_of_a_calibrated_network_lies_in_its_interval() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        confidence = rng.uniform(0.5, 1, 2000)
        found = intervals.calibration_error(confidence, rng.uniform(size=2000) < confidence)
        assert found.low <= found.value <= found.high


def test_the_same_figures_every_time(measured: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    assert intervals.class_figures(*measured) == intervals.class_figures(*measured)
