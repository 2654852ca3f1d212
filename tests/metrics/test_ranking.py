"""Ranking figures against scikit-learn and by hand."""

import numpy as np
import pytest
from scipy.stats import norm, rankdata
from sklearn import metrics

from ropero.metrics.ranking import (
    _mid_ranks,
    average_precision_interval,
    precision_recall_curve,
    roc_auc,
    roc_auc_interval,
    roc_curve,
)
from ropero.metrics.statistics import bootstrap_interval


@pytest.fixture(params=[0, 1, 2])
def ranked(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, and what is positive."""
    rng = np.random.default_rng(request.param)
    positive = rng.uniform(size=500) < 0.3
    return np.round(rng.normal(size=500) + positive, request.param), positive


def test_roc_is_scikit_learns(ranked: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = ranked
    ours = roc_curve(scores, positive)
    false, true, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(ours.false_positive_rate, false)
    np.testing.assert_allclose(ours.true_positive_rate, true)
    assert roc_auc(scores, positive) == pytest.approx(metrics.roc_auc_score(positive, scores), abs=1e-12)


def test_precision_and_recall_are_scikit_learns(ranked: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = ranked
    ours = precision_recall_curve(scores, positive)
    precision, recall, _ = metrics.precision_recall_curve(positive, scores)
    np.testing.assert_allclose(ours.precision, precision[:-1][::-1])
    np.testing.assert_allclose(ours.recall, recall[:-1][::-1])
    assert ours.average_precision == pytest.approx(metrics.average_precision_score(positive, scores), abs=1e-12)


def test_one_kind_alone_cannot_be_ranked() -> None:
    with pytest.raises(ValueError, match="at least one"):
        roc_curve(np.arange(3.0), np.ones(3, bool))


def _ranked(seed: int, hits: int, misses: int, apart: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = np.arange(hits + misses) < hits
    return rng.normal(size=len(positive)) + apart * positive, positive


def test_the_interval_of_the_area_covers_the_truth() -> None:
    """Two normal distributions 1.2 apart: the area is the normal distribution function at 1.2 / sqrt(2)."""
    truth = norm.cdf(1.2 / np.sqrt(2))
    found = [roc_auc_interval(*_ranked(seed, 30, 80)) for seed in range(400)]
    inside = sum(low <= truth <= high for low, high in found)
    assert 366 <= inside <= 394  # 380 expected, with a deviation of 4.4


def test_the_interval_of_the_area_agrees_with_a_bootstrap() -> None:
    scores, positive = _ranked(0, 300, 700)
    scores = np.round(scores, 1)  # with many ties

    def area(rows: np.ndarray) -> float:
        return roc_auc(scores[rows], positive[rows])

    assert roc_auc_interval(scores, positive) == pytest.approx(bootstrap_interval(1000, area), abs=0.004)


def test_a_perfect_ranking_is_not_certain() -> None:
    low, high = roc_auc_interval(np.arange(40.0), np.arange(40) >= 30)
    assert (low, high) == pytest.approx((0.722, 1.0), abs=0.001)  # Wilson's of 10 out of 10
    low, high = roc_auc_interval(-np.arange(40.0), np.arange(40) >= 30)
    assert (low, high) == pytest.approx((0.0, 0.278), abs=0.001)


def test_one_positive_gives_an_interval_too() -> None:
    low, high = roc_auc_interval(np.array([0.1, 0.9, 0.5, 0.7]), np.array([False, False, False, True]))
    assert 0 < low < 2 / 3 < high < 1
    last_but_one = np.arange(10_000.0), np.arange(10_000) == 9_998
    assert roc_auc_interval(*last_but_one) == pytest.approx((0, 1), abs=1e-6)  # it says nothing, and does not fail


def test_the_interval_of_the_average_precision_agrees_with_a_bootstrap() -> None:
    scores, positive = _ranked(1, 200, 600)
    scores = np.round(scores, 1)

    def precision(rows: np.ndarray) -> float:
        return precision_recall_curve(scores[rows], positive[rows]).average_precision

    theirs = bootstrap_interval(800, precision, seed=3)
    assert average_precision_interval(scores, positive) == pytest.approx(theirs, abs=0.01)
    with pytest.raises(ValueError, match="at least one"):
        average_precision_interval(scores, np.ones(800, bool))


def test_equal_scores_share_their_mean_rank() -> None:
    scores = np.random.default_rng(0).integers(0, 9, 60).astype(float)
    np.testing.assert_array_equal(_mid_ranks(scores), rankdata(scores))
