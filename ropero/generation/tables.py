"""Filling the gaps of columns of numbers, and finding which way does it best by hiding what is known.

A gap is not a number (NaN). Knows nothing of files. Legend: R rows, F columns, D draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.errors import UsageError, unknown
from ropero.generation import rows
from ropero.generation.rows import Rows
from ropero.texts import mark, t

MEAN, MEDIAN, KNN, ITERATIVE = mark("mean"), mark("median"), mark("knn"), mark("iterative")
METHODS = (MEAN, MEDIAN, KNN, ITERATIVE)
SEVERAL = (KNN, ITERATIVE)  # that have more than one filling
_DONORS = 10_000  # rows that others are filled from
_PREDICTORS = 50  # columns that one is regressed on
_WORK = 10**11  # multiplications of regressions, some minutes
_TRIED_ROWS, _HIDDEN, _TRIALS = 3_000, 0.1, 3  # rows of a trial, share of known cells hidden in it, trials


@dataclass(frozen=True)
class Tried:
    """How far a method was off on known cells that were hidden from it.

    Attributes:
        error: root mean squared error of a column as a share of its standard deviation, the mean over columns and
            trials: 1 is as good as the mean. deviation: over the trials. cells: hidden in all trials together.
    """

    method: str
    error: float
    deviation: float
    cells: int

    def to_json(self) -> dict[str, Any]:
        return {"method": self.method, "error": self.error, "deviation": self.deviation, "cells": self.cells}


def fill(values: Rows, method: str, draws: int = 1, seed: int = 0) -> Rows:
    """(D, R, F): the values with their gaps filled; known ones are as they were, filled ones lie between them.

    One draw is the method's best guess; more are plausible fillings that differ, of methods that have several.

    Args:
        values: (R, F), each column with a number at least.

    Raises:
        UsageError: an unknown method, or a table that is too large for regressions.
        MissingExtra: regressions without scikit-learn.
    """
    if method not in METHODS:
        raise unknown(t("filler"), method, METHODS)
    low, high, centre, scale = _spans(values)
    plain = (values - centre) / scale
    match method:
        case "mean" | "median":
            found = np.repeat(rows.averages(plain, method == MEDIAN)[None], draws, 0)
        case "knn":
            some = np.sort(np.random.default_rng(seed).permutation(len(values))[:_DONORS])
            found = rows.neighbours(plain, draws, seed, donors=plain[some])
        case _:
            if _work(values) > _WORK:
                raise UsageError(t("The table is too large for regressions; knn, mean and median take less."))
            span = (low - centre) / scale, (high - centre) / scale
            found = rows.regressed(plain, draws, seed, *span, columns=_PREDICTORS)
    filled = np.clip(found * scale + centre, low, high)  # what lay at an end may have been rounded past it
    return np.where(np.isnan(values), filled, values)


def _spans(values: Rows) -> tuple[Rows, Rows, Rows, Rows]:
    """(F,) least, largest, mean and standard deviation of each column; 1 for the deviation of one value."""
    deviation = np.nanstd(values, 0)
    scale = np.where(deviation > 0, deviation, 1)
    return np.nanmin(values, 0), np.nanmax(values, 0), np.nanmean(values, 0), scale


def _work(values: Rows) -> float:
    """About how many multiplications regressions take."""
    gaps, columns = np.isnan(values), min(values.shape[1], _PREDICTORS)
    each = 2.0 * len(values) * columns**2 + values.shape[1] * len(values)
    return float(np.count_nonzero(gaps.any(0)) * rows.ROUNDS * each)


def try_all(values: Rows, seed: int = 0) -> list[Tried]:
    """Every method on known cells that are hidden from it, in the columns that have gaps, the best first.

    Empty where too few cells are known to hide any. Regressions are left out where they would take too long or
    scikit-learn is missing.
    """
    rng = np.random.default_rng([seed, 1])
    some = values[np.sort(rng.permutation(len(values))[:_TRIED_ROWS])]
    some = some[:, ~np.isnan(some).all(0)]
    asked = [column for column in np.flatnonzero(np.isnan(some).any(0)) if _able(some[:, column])]
    if not asked:
        return []
    able = [
        one for one in METHODS
        if one != ITERATIVE or (find_spec("sklearn") is not None and max(_work(values), _work(some)) <= _WORK)
    ]  # fmt: skip
    errors: dict[str, list[float]] = {one: [] for one in able}
    hidden = 0
    for trial in range(_TRIALS):
        holed, where = some.copy(), np.zeros(some.shape, bool)
        for column in asked:
            known = rng.permutation(np.flatnonzero(~np.isnan(some[:, column])))
            where[known[: max(1, round(_HIDDEN * len(known)))], column] = True
        holed[where] = np.nan
        hidden += int(where.sum())
        for method in able:
            apart = fill(holed, method, seed=seed + trial)[0] - some
            errors[method].append(float(np.mean([_off(apart[:, one], some[:, one], where[:, one]) for one in asked])))
    found = [Tried(one, float(np.mean(off)), float(np.std(off)), hidden) for one, off in errors.items()]
    return sorted(found, key=lambda one: one.error)


def _able(column: Rows) -> bool:
    """Whether cells of a column can be hidden and still leave two that differ."""
    known = column[~np.isnan(column)]
    return len(known) >= 5 and bool(np.ptp(known) > 0)


def _off(apart: Rows, column: Rows, where: NDArray[np.bool_]) -> float:
    return float(np.sqrt((apart[where] ** 2).mean()) / np.nanstd(column))
