"""Figures of fillers, beside sums by hand and SciPy's tests."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from ropero.evaluation.restored import GUESS, MEAN, ONE, Hidden, Restored, restored, title

Pixels = NDArray[np.float32]


def some() -> tuple[Pixels, Pixels, NDArray[np.bool_]]:
    rng = np.random.default_rng(0)
    truth = rng.random((40, 9, 8)).astype(np.float32)
    known = rng.random((40, 9, 8)) < 0.6
    filled = np.where(known, truth, rng.random((5, 40, 9, 8))).astype(np.float32)
    return truth, filled, known


def correct(hits: int, n: int = 40) -> NDArray[np.bool_]:
    return np.arange(n) < hits


def test_errors_are_over_missing_pixels_of_what_is_judged() -> None:
    truth, filled, known = some()
    for what, judged in ((GUESS, filled[0]), (ONE, filled[0]), (MEAN, filled.mean(0))):
        row = restored("x", what, truth, filled, known, correct(30), 1.5)
        each = [((a - b)[~k].astype(np.float64) ** 2).mean() for a, b, k in zip(truth, judged, known, strict=True)]
        assert row.squared_error.value == pytest.approx(np.mean(each), rel=1e-5)
        assert row.squared_error.low < row.squared_error.value < row.squared_error.high
        assert row.psnr == pytest.approx(10 * np.log10(1 / np.mean(each)), rel=1e-5)
        assert row.similarity is not None
        assert row.accuracy.value == 0.75
        assert row.draws == 5


def test_the_spread_is_the_deviation_of_the_draws_at_missing_pixels() -> None:
    truth, filled, known = some()
    row = restored("x", MEAN, truth, filled, known, correct(3), 0.0)
    each = [np.sqrt((filled[:, at][:, ~known[at]].std(0) ** 2).mean()) for at in range(40)]
    assert row.spread == pytest.approx(np.mean(each), rel=1e-5)
    assert restored("x", GUESS, truth, filled[:1], known, correct(3), 0.0).spread is None


def test_no_error_has_no_decibels_and_small_images_no_similarity() -> None:
    truth, _, known = some()
    row = restored("x", GUESS, truth[:, :6], truth[None, :, :6], known[:, :6], correct(40), 0.0)
    assert (row.psnr, row.similarity) == (None, None)
    json.dumps(row.to_json(), allow_nan=False)


def row(name: str, right: NDArray[np.bool_], what: str = GUESS) -> Restored:
    truth, filled, known = some()
    return restored(name, what, truth, filled, known, right, 0.0)


def test_generators_are_compared_with_the_best_baseline_on_the_same_images() -> None:
    flow = correct(40)
    flow[3:7] = False
    rows = (row("mean", correct(10)), row("knn", correct(25)), row("flow", flow), row("flow", correct(26), MEAN))
    hidden = Hidden("0.5", 0.5, correct(40), correct(2), rows)
    best = hidden.best(["mean", "knn"])
    assert best is not None
    assert best.filler == "knn"
    first, second = hidden.versus(["mean", "knn"])
    assert (first.first, first.second) == ("flow", "knn")
    assert first.difference == pytest.approx((36 - 25) / 40)
    assert first.interval[0] < first.difference < first.interval[1]
    pairs = [(15, 4), (1, 0)]
    raw = [binomtest(less, more + less).pvalue for more, less in pairs]
    assert first.p == pytest.approx(min(1, 2 * raw[0]))
    assert second.p == 1
    assert second.first == title(hidden.rows[3]) == "flow (mean of several)"
    json.dumps(hidden.to_json(["mean", "knn"]), allow_nan=False)
    assert hidden.versus([]) == []
    assert Hidden("0.5", 0.5, correct(40), correct(2), hidden.rows[:2]).versus(["mean", "knn"]) == []
