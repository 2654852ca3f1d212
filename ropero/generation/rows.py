"""Rows of numbers with gaps and what fills them: column means and medians, nearest rows, regressions on other columns.

What images and tables share. A gap is not a number (NaN). Knows nothing of pixels or of cells.
Legend: R rows, F columns, S donors (rows that others are filled from), D draws, k neighbours.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.batches import in_chunks
from ropero.errors import MissingExtra
from ropero.texts import t

Rows = NDArray[np.float64]
Known = NDArray[np.bool_]
Numbers = NDArray[np.floating] | NDArray[np.uint8]
NEIGHBOURS = 5
ROUNDS = 10  # of regressions; each goes once over the columns with gaps
_ROWS, _DONORS = 512, 4096  # at once: 16 MB of distances


def need(package: str, what: str) -> None:
    """Raises MissingExtra, with what needs it, already translated, where a package of `ropero[complete]` is missing."""
    if find_spec(package) is None:
        raise MissingExtra(what, "complete")


def apart(rows: Rows, known: Known, donors: Rows, given: Known | None = None) -> Rows:
    """(R, S) squared distances over the columns that are known of both, scaled up to all F columns; infinite where no
    column is.

    Args:
        rows: (R, F), 0 where not known. donors: (S, F), 0 where not given.
        known: (R, F). given: (S, F); everything when None.
    """
    mask = known.astype(np.float64)
    if given is None:
        shared = mask.sum(1)[:, None]
        squares = (rows * rows).sum(1)[:, None] + mask @ (donors * donors).T
    else:
        shared = mask @ given.T.astype(np.float64)
        squares = (rows * rows) @ given.T + mask @ (donors * donors).T
    squares -= 2 * rows @ donors.T  # a column that is 0 on either side adds nothing
    found = np.full(squares.shape, np.inf)
    np.divide(np.maximum(squares, 0) * rows.shape[1], shared, out=found, where=shared > 0)
    return found


def nearest(rows: Numbers, known: Known, donors: Numbers, count: int) -> NDArray[np.int64]:
    """(R, k) positions of the donors (S, F), all of them whole, nearest to each row (R, F) by its known columns alone,
    the nearest first. Exact: every donor is looked at, in doubles."""
    found = np.empty((len(rows), count), np.int64)
    for part in in_chunks(len(rows), _ROWS):
        mask, some = known[part], np.where(known[part], rows[part], 0).astype(np.float64)
        same = mask[0] if (mask == mask[0]).all() else None  # one hole for all: the other columns can be left out
        if same is not None:
            mask, some = mask[:, same], some[:, same]
        far, place = np.empty((len(some), 0)), np.empty((len(some), 0), np.int64)
        for block in in_chunks(len(donors), _DONORS):
            those = donors[block] if same is None else donors[block][:, same]
            far = np.concatenate([far, apart(some, mask, those.astype(np.float64))], 1)
            numbers = np.broadcast_to(np.arange(block.start, block.start + len(those)), (len(some), len(those)))
            place = np.concatenate([place, numbers], 1)
            if far.shape[1] > count:
                kept = np.argpartition(far, count - 1, axis=1)[:, :count]
                far, place = np.take_along_axis(far, kept, 1), np.take_along_axis(place, kept, 1)
        found[part] = np.take_along_axis(place, np.lexsort((place, far)), 1)
    return found


def averages(values: Rows, middle: bool = False) -> Rows:
    """The rows (R, F) with each gap filled by its column's mean, or its median."""
    taken = np.nanmedian(values, 0) if middle else np.nanmean(values, 0)
    return np.where(np.isnan(values), taken, values)


def neighbours(values: Rows, draws: int, seed: int, *, donors: Rows | None = None, count: int = NEIGHBOURS) -> Rows:
    """(D, R, F): gaps filled from the k nearest donors that have the column, by the columns known of both: with their
    mean where there is one draw, else each time with one of them by chance.

    What scikit-learn's KNNImputer fills. A gap of which no donor shares a column is filled by the column's mean.

    Args:
        donors: (S, F) with gaps; the rows themselves when None.
    """
    rng = np.random.default_rng(seed)
    offered = values if donors is None else donors
    given = ~np.isnan(offered)
    whole, means = np.where(given, offered, 0), np.nanmean(values, 0)
    found = np.repeat(values[None], draws, 0)
    holed = np.flatnonzero(np.isnan(values).any(1))
    for part in in_chunks(len(holed), _ROWS):
        rows = holed[part]
        gaps = np.isnan(values[rows])
        far = apart(np.where(gaps, 0, values[rows]), ~gaps, whole, given)  # (n, S)
        for column in np.flatnonzero(gaps.any(0)):
            those, able = rows[gaps[:, column]], np.flatnonzero(given[:, column])
            found[:, those, column] = _from_nearest(
                far[gaps[:, column]][:, able], whole[able, column], float(means[column]), draws, count, rng
            )
    return found


def _from_nearest(far: Rows, offered: Rows, mean: float, draws: int, count: int, rng: np.random.Generator) -> Rows:
    """(D, n) values for n gaps of a column, of those offered (S,) at distances (n, S)."""
    count = min(count, len(offered))
    if not count:
        return np.full((draws, len(far)), mean)
    kept = np.argpartition(far, count - 1, axis=1)[:, :count]
    reached = np.isfinite(np.take_along_axis(far, kept, 1))  # (n, k)
    near = np.where(reached, offered[kept], 0)
    number = reached.sum(1)
    if draws == 1:
        return np.where(number > 0, near.sum(1) / np.maximum(number, 1), mean)[None]
    order = np.argsort(~reached, axis=1, kind="stable")  # those that were reached come first
    near = np.take_along_axis(near, order, 1)
    chosen = (rng.random((draws, len(far))) * np.maximum(number, 1)).astype(np.int64)
    return np.where(number > 0, near[np.arange(len(far)), chosen], mean)


def regressed(values: Rows, draws: int, seed: int, low: Rows, high: Rows, *, columns: int | None = None) -> Rows:
    """(D, R, F): gaps filled by Bayesian ridge regressions of each column on the others, round by round, by
    scikit-learn's IterativeImputer; what is expected where there is one draw, else samples of what the regressions
    leave open.

    Args:
        low, high: (F,) what is filled lies between.
        columns: others that a column is regressed on, chosen by chance, the more likely the more they correlate; all
            when None.

    Raises MissingExtra without scikit-learn.
    """
    need("sklearn", t("Filling by regression"))
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401, without it there is none
    from sklearn.impute import IterativeImputer
    from threadpoolctl import threadpool_limits

    # It wants room between the two; where there is none, all values of the column are one.
    options: dict[str, Any] = {"min_value": low, "max_value": np.where(high > low, high, low + 1)}
    columns = None if columns is None or columns >= values.shape[1] - 1 else columns
    found = np.empty((draws, *values.shape))
    for draw in range(draws):
        imputer = IterativeImputer(
            **options, max_iter=ROUNDS, n_nearest_features=columns, sample_posterior=draws > 1, skip_complete=True,
            random_state=(seed + draw) % 2**32,
        )  # fmt: skip
        # Thousands of small regressions: more threads than one wait for each other most of the time.
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):
            warnings.simplefilter("ignore", ConvergenceWarning)  # a bounded number of rounds is what is wanted
            found[draw] = imputer.fit_transform(values)
    return found
