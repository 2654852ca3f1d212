"""Distances between real and generated rows, against SciPy's root of a matrix, slow loops and known cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm  # type: ignore[import-untyped]

from ropero.metrics.frechet import coverage, frechet_distance, kernel_distance

Floats = NDArray[np.float64]


def rows(count: int, width: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Floats:
    rng = np.random.default_rng(seed)
    mixed: Floats = rng.normal(size=(count, width)) @ rng.normal(size=(width, width)) * scale + shift
    return mixed


def test_the_frechet_distance_is_what_scipys_root_gives() -> None:
    real, made = rows(300, 12, 0), rows(200, 12, 1, shift=0.3, scale=1.4)
    left, right = np.cov(real, rowvar=False), np.cov(made, rowvar=False)
    expected = ((real.mean(0) - made.mean(0)) ** 2).sum() + np.trace(left + right - 2 * sqrtm(left @ right).real)
    assert frechet_distance(real, made) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(made, real) == pytest.approx(expected, rel=1e-9)


def test_the_frechet_distance_of_one_feature_is_known() -> None:
    """(m1 - m2)^2 + (s1 - s2)^2 of normal distributions."""
    real, made = np.array([[-1.0], [1.0]]), np.array([[1.0], [7.0]])
    expected = 4.0**2 + (np.std([-1, 1], ddof=1) - np.std([1, 7], ddof=1)) ** 2
    assert frechet_distance(real, made) == pytest.approx(expected)


def test_fewer_rows_than_features_are_no_hindrance() -> None:
    real = rows(5, 20, 3)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-6 * np.trace(np.cov(real, rowvar=False)))
    assert frechet_distance(real, real + 2) == pytest.approx(20 * 4, rel=1e-6)


def test_the_kernel_distance_is_the_sum_over_pairs() -> None:
    real, made = rows(30, 4, 5, scale=0.5), rows(30, 4, 6, shift=0.5, scale=0.5)

    def kernel(x: Any, y: Any) -> float:
        return float((x @ y / 4 + 1) ** 3)

    within = sum(kernel(one[i], one[j]) for one in (real, made) for i in range(30) for j in range(30) if i != j)
    across = sum(kernel(x, y) for x in real for y in made)
    found, deviation = kernel_distance(real, made, draws=3)
    assert found == pytest.approx(within / (30 * 29) - 2 * across / 900)
    assert deviation == pytest.approx(0, abs=1e-9), "each draw takes all rows"


def test_the_kernel_distance_of_equal_distributions_is_0_on_average() -> None:
    rng = np.random.default_rng(9)
    found, deviation = kernel_distance(rng.normal(size=(4000, 8)), rng.normal(size=(4000, 8)), draws=200, rows=300)
    assert abs(found) < 4 * deviation / np.sqrt(13)  # 4,000 rows hold some 13 draws of their own
    assert kernel_distance(rng.normal(size=(500, 8)), rng.normal(0.5, 1, (500, 8)))[0] > 10 * deviation


def slowly(real: Floats, made: Floats, k: int) -> tuple[float, float, float, float]:
    def reach(those: Floats) -> Floats:
        return np.array([np.sort(np.linalg.norm(those - one, axis=1))[k] for one in those])

    apart = np.array([[np.linalg.norm(x - y) for y in made] for x in real])
    of_real, of_made = reach(real), reach(made)
    return (
        float(np.mean([(apart[:, j] <= of_real).any() for j in range(len(made))])),
        float(np.mean([(apart[i] <= of_made).any() for i in range(len(real))])),
        sum(int((apart[:, j] <= of_real).sum()) for j in range(len(made))) / (k * len(made)),
        float(np.mean([apart[i].min() <= of_real[i] for i in range(len(real))])),
    )


@pytest.mark.parametrize(("shift", "scale"), [(0, 1), (2, 0.5), (0, 3)])
def test_coverage_is_what_slow_loops_count(shift: float, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ropero.metrics.frechet._BLOCK", 700)  # several blocks
    rng = np.random.default_rng(2)
    real, made = rng.normal(size=(90, 3)), rng.normal(shift, scale, (70, 3))
    found = coverage(real, made, 4)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(slowly(real, made, 4))


def test_a_generator_that_repeats_itself_is_precise_and_covers_little() -> None:
    rng = np.random.default_rng(4)
    real = rng.normal(size=(400, 5))
    found = coverage(real, np.repeat(real[:4], 100, 0) + rng.normal(0, 1e-3, (400, 5)))
    assert found.precision == 1
    assert found.recall < 0.05
    assert found.coverage < 0.2


@pytest.mark.parametrize(
    ("real", "made"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3))),
        (np.zeros((1, 2)), np.zeros((5, 2))),
        (np.zeros(5), np.zeros((5, 1))),
        (np.full((5, 2), np.nan), np.zeros((5, 2))),
    ],
    ids=["widths", "one row", "no rows", "no numbers"],
)
def test_what_cannot_be_measured_is_refused(real: Floats, made: Floats) -> None:
    for measure in (frechet_distance, kernel_distance, coverage):
        with pytest.raises(ValueError, match="expected"):
            measure(real, made)
