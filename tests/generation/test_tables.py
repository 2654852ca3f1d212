"""Columns filled: known values are untouched, filled ones plausible, and the method that is chosen is the right one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ropero.errors import UsageError
from ropero.generation import tables
from ropero.generation.tables import METHODS, SEVERAL, fill, try_all

Floats = NDArray[np.float64]


def gaps(values: Floats, share: float = 0.15, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(values.shape) < share, np.nan, values)


def straight(count: int = 150) -> Floats:
    """Columns that are sums of each other, of very different sizes."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, count))
    return np.stack([x, 1000 * y + 5000, x + y, 0.01 * (x - y)], 1) + rng.normal(0, 1e-3, (count, 4))


def lone(count: int = 300) -> Floats:
    """Columns that know nothing of each other."""
    return np.random.default_rng(0).normal(size=(count, 4))


def curved(count: int = 400) -> Floats:
    """A column that follows another round a circle: near rows know it, a straight line does not."""
    turn = np.random.default_rng(0).uniform(0, 6 * np.pi, count)
    return np.stack([np.cos(turn), np.sin(turn), np.cos(2 * turn), np.sin(3 * turn)], 1)


@pytest.mark.parametrize("method", METHODS)
def test_known_values_are_untouched_and_filled_ones_lie_between_them(method: str) -> None:
    holed = gaps(straight())
    found = fill(holed, method, 3, 2)
    assert found.shape == (3, *holed.shape)
    for draw in found:
        np.testing.assert_array_equal(draw[~np.isnan(holed)], holed[~np.isnan(holed)])
        assert (draw >= np.nanmin(holed, 0)).all()
        assert (draw <= np.nanmax(holed, 0)).all()
    assert (found[0] != found[1]).any() == (method in SEVERAL)
    np.testing.assert_array_equal(found, fill(holed, method, 3, 2))


@pytest.mark.parametrize("method", METHODS)
def test_a_columns_unit_does_not_matter(method: str) -> None:
    holed = gaps(straight())
    unit = np.array([1.0, 1e-3, 1e6, 1.0])
    np.testing.assert_allclose(fill(holed * unit, method)[0], fill(holed, method)[0] * unit, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "best"),
    [(straight(), {"iterative"}), (curved(), {"knn"}), (lone(), {"mean", "median", "iterative"})],
    ids=["straight", "curved", "lone"],
)
def test_the_best_method_by_trial_is_the_best_in_truth(values: Floats, best: set[str]) -> None:
    holed = gaps(values)
    tried = try_all(holed)
    assert tried[0].method in best
    assert [one.error for one in tried] == sorted(one.error for one in tried)
    missing = np.isnan(holed)
    scale = values.std(0)
    truth = {}
    for one in tried:
        off = (fill(holed, one.method)[0] - values) / scale
        truth[one.method] = float(np.mean([np.sqrt((off[missing[:, at], at] ** 2).mean()) for at in range(4)]))
        assert truth[one.method] < 1.25 * one.error + 0.02, "a trial hides more, so it is no better than the truth"
    assert truth[tried[0].method] <= min(truth.values()) * 1.05 + 0.01


def test_the_mean_is_off_by_a_columns_deviation() -> None:
    (mean,) = [one for one in try_all(gaps(lone(2000))) if one.method == "mean"]
    assert mean.error == pytest.approx(1, abs=0.05)
    assert mean.cells == pytest.approx(3 * 0.1 * 2000 * 0.85 * 4, rel=0.02)


def test_only_columns_with_gaps_are_tried_and_few_cells_are_none() -> None:
    values = straight()
    values[3:9, 2] = np.nan
    assert try_all(values)[0].cells == 3 * round(0.1 * 144)
    few = np.array([[1.0, np.nan], [2.0, 3.0], [4.0, np.nan]])
    assert try_all(few) == []
    same = np.array([[1.0, 7.0]] * 20)
    same[3, 1] = np.nan
    assert try_all(same) == []


def test_many_rows_are_filled_from_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_DONORS", 40)
    values = curved()
    holed = gaps(values, 0.1)
    off = np.abs(fill(holed, "knn")[0] - values)[np.isnan(holed)].mean()
    assert off < np.abs(fill(holed, "mean")[0] - values)[np.isnan(holed)].mean()


def test_too_much_for_regressions_is_said_and_left_out_of_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_WORK", 1000)
    holed = gaps(straight())
    with pytest.raises(UsageError, match="too large for regressions"):
        fill(holed, "iterative")
    assert {one.method for one in try_all(holed)} == {"mean", "median", "knn"}


def test_an_unknown_method_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="Did you mean 'median'"):
        fill(gaps(lone()), "medain")
