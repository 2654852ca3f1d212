"""Expected calibration error against a second, slower reading of the definition and known cases."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from ropero.metrics.calibration import calibration, temperature


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


def softmax_loss(logits: np.ndarray, labels: np.ndarray, heat: float) -> float:
    rows = logits / heat
    rows = rows - rows.max(axis=1, keepdims=True)
    return float((np.log(np.exp(rows).sum(axis=1)) - rows[np.arange(len(rows)), labels]).mean())


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_temperature_is_where_the_loss_is_lowest(factor: float) -> None:
    rng = np.random.default_rng(7)
    true = rng.normal(size=(3000, 10)) * 3
    labels = (true + rng.gumbel(size=true.shape)).argmax(axis=1)  # drawn by softmax(true)
    found = temperature(true * factor, labels)
    best = minimize_scalar(lambda heat: softmax_loss(true * factor, labels, heat), bounds=(0.05, 20), method="bounded")
    assert found == pytest.approx(best.x, rel=1e-3)
    assert found == pytest.approx(factor, rel=0.1)


def test_temperature_stays_within_reason() -> None:
    sure = np.eye(10) * 5
    assert temperature(sure, np.arange(10)) == 1  # right every time: the colder the better, without end
    assert temperature(sure, (np.arange(10) + 1) % 10) == 1
    assert temperature(np.zeros((4, 10)), np.zeros(4, np.int64)) == 1
