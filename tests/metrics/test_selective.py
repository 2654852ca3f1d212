"""Coverage and thresholds by hand and by simulation."""

import numpy as np
import pytest

from ropero.metrics.selective import coverage_curve, threshold_for
from ropero.metrics.statistics import wilson_interval


def test_curve_by_hand() -> None:
    confidence = np.array([0.9, 0.6, 0.9, 0.5])
    correct = np.array([True, False, True, True])
    curve = coverage_curve(confidence, correct)
    assert curve.threshold.tolist() == [0.9, 0.6, 0.5]
    assert curve.coverage.tolist() == [0.5, 0.75, 1.0]
    assert curve.accuracy.tolist() == pytest.approx([1.0, 2 / 3, 0.75])
    assert curve.at(0.5) == 1.0
    assert curve.at(0.51) == pytest.approx(2 / 3)
    assert curve.area_under_risk == pytest.approx((0 * 0.5) + (1 / 3) * 0.25 + 0.25 * 0.25)


def test_equal_confidences_are_one_point() -> None:
    curve = coverage_curve(np.full(10, 0.7), np.arange(10) < 6)
    assert (curve.coverage.tolist(), curve.accuracy.tolist()) == ([1.0], [0.6])


def test_threshold_keeps_its_promise_on_new_images() -> None:
    rng = np.random.default_rng(1)
    kept = []
    for _ in range(200):
        confidence = rng.uniform(0.5, 1, 4000)
        correct = rng.uniform(size=4000) < confidence
        chosen = threshold_for(confidence[:2000], correct[:2000], 0.9)
        assert chosen is not None
        answered = confidence[2000:] >= chosen
        kept.append(correct[2000:][answered].mean() >= 0.9)
    assert np.mean(kept) > 0.85  # at the threshold that just reaches 0.9 it would be about a half


def test_threshold_is_the_least_that_does() -> None:
    confidence, correct = np.linspace(1, 0.5, 1000), np.arange(1000) < 600
    chosen = threshold_for(confidence, correct, 0.95)
    assert chosen is not None
    n = int((confidence >= chosen).sum())
    assert wilson_interval(600, n)[0] >= 0.95 > wilson_interval(600, n + 1)[0]


def test_a_promise_that_cannot_be_kept() -> None:
    assert threshold_for(np.linspace(0, 1, 50), np.zeros(50, bool), 0.9) is None
    assert threshold_for(np.array([0.9, 0.8]), np.ones(2, bool), 0.99) is None  # right, but two say too little
