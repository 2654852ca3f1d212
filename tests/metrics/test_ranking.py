"""Ranking figures against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn import metrics

from ropero.metrics.ranking import precision_recall_curve, roc_auc, roc_curve


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
