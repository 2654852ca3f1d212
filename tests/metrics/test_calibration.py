"""Expected calibration error against a second, slower reading of the definition and known cases."""

import numpy as np
import pytest

from ropero.metrics.calibration import calibration


def slow(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    total = 0.0
    for low in range(bins):
        inside = (confidence > low / bins) & (confidence <= (low + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return total


def test_agrees_with_the_definition() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.001, 1, 5000)
    correct = rng.uniform(size=5000) < confidence**2
    assert calibration(confidence, correct).expected_error == pytest.approx(slow(confidence, correct, 15))


def test_perfect_and_worst() -> None:
    assert calibration(np.ones(10), np.ones(10, bool)).expected_error == 0
    assert calibration(np.ones(10), np.zeros(10, bool)).expected_error == 1


def test_edges_fall_where_the_paper_puts_them() -> None:
    assert calibration(np.array([0.0, 0.2, 0.200001, 1.0]), np.ones(4, bool), bins=5).count.tolist() == [2, 1, 0, 0, 1]
