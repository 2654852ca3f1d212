"""How near generated images come to real ones, measured on features of both. Pure functions on arrays.

Knows nothing of images or of what made the features; only figures of one feature network are comparable.
Legend: N real rows, M generated rows, D features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
_BLOCK = 1 << 24  # distances at once: 128 MB of doubles


def _checked(real: Floats, made: Floats, least: int = 2) -> tuple[Doubles, Doubles]:
    """Both as doubles. Raises ValueError for other shapes, too few rows, or what is no finite number."""
    found = np.asarray(real, np.float64), np.asarray(made, np.float64)
    if any(one.ndim != 2 or len(one) < least for one in found) or found[0].shape[1] != found[1].shape[1]:
        raise ValueError(
            f"expected (N, D) and (M, D) with at least {least} rows, got {found[0].shape} and {found[1].shape}"
        )
    if not all(np.isfinite(one).all() for one in found):
        raise ValueError("expected finite features, got infinite ones or such as are no number")
    return found


def frechet_distance(real: Floats, made: Floats) -> float:
    """The Frechet distance of two normal distributions with the rows' means and covariances; 0 for equal ones.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), as in Heusel et al. 2017 (arXiv 1706.08500), who take features of
    Inception. It falls as rows are added, so figures are comparable for equal numbers of rows only.

    Args:
        real: (N, D). made: (M, D).

    Raises ValueError for other shapes, fewer than two rows, or features that are not finite.
    """
    first, second = _checked(real, made)
    apart = first.mean(0) - second.mean(0)
    left, right = (np.atleast_2d(np.cov(one, rowvar=False)) for one in (first, second))
    # tr (C1 C2)^(1/2) = tr (C1^(1/2) C2 C1^(1/2))^(1/2), whose matrix is symmetric, so that it has real roots.
    values, vectors = np.linalg.eigh(left)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ right @ root)
    shared = np.sqrt(np.maximum(inner, 0)).sum()
    return float(max(0.0, apart @ apart + np.trace(left) + np.trace(right) - 2 * shared))


def kernel_distance(
    real: Floats, made: Floats, *, draws: int = 100, rows: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """(mean, deviation) over draws of the squared maximum mean discrepancy with the kernel (x.y / D + 1)^3.

    Unbiased, so it does not depend on how many rows there are, and may come out below 0 for equal distributions
    (Binkowski et al. 2018, arXiv 1801.01401).

    Args:
        real: (N, D). made: (M, D).
        draws: subsets that are drawn, each without replacement.
        rows: of each subset, at most what there are.

    Raises ValueError as `frechet_distance`.
    """
    first, second = _checked(real, made)
    size = min(rows, len(first), len(second))
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        x = first[rng.choice(len(first), size, replace=False)]
        y = second[rng.choice(len(second), size, replace=False)]
        xx, yy, xy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (size * (size - 1))
        found.append(within - 2 * xy.mean())
    return float(np.mean(found)), float(np.std(found))


@dataclass(frozen=True)
class Coverage:
    """How well two sets of rows cover each other; each 0 to 1 but `density`, which may pass 1; higher is better.

    precision: share of generated rows that lie among real ones. recall: share of real rows that lie among generated
    ones (Kynkaanniemi et al. 2019, arXiv 1904.06991). density: how many real neighbourhoods a generated row lies in,
    of those expected. coverage: share of real rows with a generated one near (Naeem et al. 2020, arXiv 2002.09797).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def coverage(real: Floats, made: Floats, neighbours: int = 5) -> Coverage:
    """Precision, recall, density and coverage, by balls around each row that reach to its k-th neighbour.

    Args:
        real: (N, D). made: (M, D). Both sets should be of the same size.
        neighbours: k; the papers take 3 for precision and recall and 5 for density and coverage; here it is one.

    Raises ValueError as `frechet_distance`, and for fewer rows than neighbours.
    """
    first, second = _checked(real, made, neighbours + 1)
    real_reach, made_reach = (_reach(one, neighbours) for one in (first, second))
    inside = np.zeros(len(second), np.int64)  # (M,) real balls that each generated row lies in
    among = np.zeros(len(first), bool)  # (N,) whether a real row lies in a generated ball
    near = np.zeros(len(first), bool)  # (N,) whether a generated row lies in a real row's ball
    for start, apart in _squares(first, second):
        rows = slice(start, start + len(apart))
        within = apart <= real_reach[rows, None]  # (rows, M)
        inside += within.sum(0)
        near[rows] = within.any(1)
        among[rows] = (apart <= made_reach).any(1)
    return Coverage(
        precision=float((inside > 0).mean()),
        recall=float(among.mean()),
        density=float(inside.sum() / (neighbours * len(second))),
        coverage=float(near.mean()),
    )


def _reach(rows: Doubles, neighbours: int) -> Doubles:
    """(N,) squared distance of each row to its k-th neighbour, itself not counted."""
    found = np.empty(len(rows))
    for start, apart in _squares(rows, rows):
        own = np.arange(len(apart))
        apart[own, start + own] = np.inf
        found[start : start + len(apart)] = np.partition(apart, neighbours - 1, axis=1)[:, neighbours - 1]
    return found


def _squares(first: Doubles, second: Doubles) -> Iterator[tuple[int, Doubles]]:
    """Squared distances (rows, M) of some rows at a time, with the number of the first one."""
    own = (second**2).sum(1)
    size = max(1, _BLOCK // len(second))
    for start in range(0, len(first), size):
        some = first[start : start + size]
        yield start, np.maximum((some**2).sum(1)[:, None] + own - 2 * some @ second.T, 0)
