"""Intervals and tests against SciPy, by hand and by simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from ropero.metrics.statistics import (
    bootstrap_interval,
    holm,
    mcnemar,
    paired_interval,
    student_interval,
    wilson_interval,
)


@pytest.mark.parametrize(("hits", "n"), [(9324, 10000), (0, 10), (10, 10), (1, 3), (50, 100)])
def test_agrees_with_scipy(hits: int, n: int) -> None:
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson_interval(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_refuses_what_is_no_share() -> None:
    with pytest.raises(ValueError, match="hits=3"):
        wilson_interval(3, 2)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 1), (30, 30), (120, 81), (3000, 2800)])
def test_mcnemar_is_the_binomial_test(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-8)
    assert mcnemar(second, first) == mcnemar(first, second)


def test_paired_interval_covers() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        b, c, _ = rng.multinomial(300, [0.05, 0.03, 0.92])
        low, high = paired_interval(int(b), int(c), 300)
        hits += low <= 0.02 <= high
    assert 0.93 < hits / 2000 < 0.985


def test_bootstrap_is_about_the_normal_interval_and_repeats() -> None:
    values = np.random.default_rng(3).normal(5, 2, 400)
    low, high = bootstrap_interval(len(values), lambda rows: float(values[rows].mean()))
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    assert (low, high) == bootstrap_interval(len(values), lambda rows: float(values[rows].mean()))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@pytest.mark.parametrize("count", [2, 3, 5, 31])
def test_student_interval_is_scipys(count: int) -> None:
    values = np.random.default_rng(count).normal(2, 1, count)
    expected = student.interval(0.95, count - 1, values.mean(), values.std(ddof=1) / np.sqrt(count))
    assert student_interval(values.tolist()) == pytest.approx(expected, rel=1e-4)


def test_one_draw_has_no_interval() -> None:
    with pytest.raises(ValueError, match="two draws or more, got 1"):
        student_interval([1.0])
