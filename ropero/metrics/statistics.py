"""How sure a measured figure is, and whether two of them differ. Pure functions on numbers and arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054  # the normal distribution's 97.5 % point


def wilson_interval(hits: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 % by default (Wilson 1927); right also near 0 and 1 and for small n.

    Raises ValueError unless 0 <= hits <= n and n > 0.
    """
    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"expected 0 <= hits <= n with n > 0, got hits={hits}, n={n}")
    share, shrink = hits / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Ends that are 0 and 1 by the formula miss them by a rounding.
    return (max(0.0, centre - half) if hits else 0.0), (min(1.0, centre + half) if hits < n else 1.0)


def bootstrap_interval(
    count: int,
    statistic: Callable[[NDArray[np.int64]], float],
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile interval of a figure over samples of the same size, drawn with replacement (Efron 1979).

    Args:
        count: how many observations there are.
        statistic: the figure of some of them, given by their positions (count,).
        seed: the same one gives the same interval.
    """
    rng = np.random.default_rng(seed)
    found = np.array([statistic(rng.integers(0, count, count)) for _ in range(draws)])
    return percentiles(found, level)


def percentiles(found: NDArray[np.float64] | Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """What the middle `level` of some draws lies between."""
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def student_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean of what a few independent draws gave, by Student's distribution.

    Raises ValueError for fewer than two.
    """
    if len(values) < 2:
        raise ValueError(f"expected two draws or more, got {len(values)}")
    found = np.asarray(values, np.float64)
    half = _student_point(len(found) - 1) * float(found.std(ddof=1)) / math.sqrt(len(found))
    return float(found.mean()) - half, float(found.mean()) + half


def _student_point(freedom: int) -> float:
    """The 97.5 % point of Student's distribution. With x = sqrt(freedom) tan a its density is cos(a)^(freedom - 1)
    times a constant; the sums over its upper half are looked up where they reach 95 %."""
    angles = np.linspace(0, math.pi / 2, 20_001)
    areas = np.cumsum(np.cos((angles[1:] + angles[:-1]) / 2) ** (freedom - 1))
    return math.sqrt(freedom) * math.tan(float(np.interp(0.95 * areas[-1], np.append(0, areas), angles)))


def mcnemar(only_first: int, only_second: int) -> float:
    """The p-value of McNemar's exact test that two classifiers are right equally often, given the same images.

    Args:
        only_first: images that only the first names correctly; only_second likewise.

    Two-sided, from the binomial distribution: right for few disagreements too, as the chi-square form is not.
    """
    n, few = only_first + only_second, min(only_first, only_second)
    log_half = n * math.log(0.5)
    tail = math.fsum(
        math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + log_half) for k in range(few + 1)
    )
    return min(1.0, 2 * tail)


def paired_interval(only_first: int, only_second: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """The 95 % interval of how much more often the first is right than the second, in -1..1, on the same n images.

    Wald's with half an observation added to each cell (Agresti and Min 2005), which keeps its level in small samples.
    """
    b, c, total = only_first + 0.5, only_second + 0.5, n + 2
    difference = (b - c) / total
    half = z * math.sqrt((b + c) - (b - c) ** 2 / total) / total
    return max(-1.0, difference - half), min(1.0, difference + half)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): below 0.05, a finding stands though many were looked for."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    corrected, highest = [0.0] * len(order), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[at]))
        corrected[at] = highest
    return corrected
