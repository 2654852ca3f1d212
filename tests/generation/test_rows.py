"""Filling rows of numbers, beside scikit-learn's imputers and slow loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ropero.errors import MissingExtra
from ropero.generation import rows

Floats = NDArray[np.float64]


def table(count: int = 60, width: int = 5, share: float = 0.2, seed: int = 0) -> tuple[Floats, Floats]:
    """(whole rows whose columns hang together, the same with gaps)."""
    rng = np.random.default_rng(seed)
    whole = rng.normal(size=(count, 2)) @ rng.normal(size=(2, width)) + rng.normal(0, 0.1, (count, width))
    holed = np.where(rng.random(whole.shape) < share, np.nan, whole)
    holed[0] = whole[0]
    return whole, holed


@pytest.mark.parametrize("given", [True, False])
def test_distances_are_scikit_learns_of_rows_with_gaps(given: bool) -> None:
    from sklearn.metrics.pairwise import nan_euclidean_distances

    whole, holed = table(30)
    other = table(20, seed=1)[1] if given else whole[:20]
    expected = nan_euclidean_distances(holed, other, squared=True)
    mask, those = ~np.isnan(holed), ~np.isnan(other)
    found = rows.apart(np.where(mask, holed, 0), mask, np.where(those, other, 0), those if given else None)
    np.testing.assert_allclose(np.where(np.isinf(found), np.nan, found), expected, atol=1e-9)


def test_rows_that_share_no_column_are_infinitely_far() -> None:
    found = rows.apart(
        np.array([[1.0, 0.0]]), np.array([[True, False]]), np.array([[0.0, 2.0]]), np.array([[False, True]])
    )
    assert np.isinf(found).all()


@pytest.mark.parametrize("one_hole", [True, False])
def test_the_nearest_donors_are_those_of_slow_loops(one_hole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_ROWS", 7)
    monkeypatch.setattr(rows, "_DONORS", 9)  # several blocks of both
    rng = np.random.default_rng(5)
    asked, donors = rng.random((20, 12)).astype(np.float32), rng.random((50, 12)).astype(np.float32)
    known = rng.random((20, 12)) < 0.5
    known[:, 0] = True
    if one_hole:
        known[:] = known[0]
    found = rows.nearest(np.where(known, asked, np.nan).astype(np.float32), known, donors, 4)
    for row, mask, near in zip(asked, known, found, strict=True):
        far = [float(sum((a - b) ** 2 for a, b, k in zip(row, one, mask, strict=True) if k)) for one in donors]
        np.testing.assert_array_equal(near, np.argsort(far, kind="stable")[:4])


def test_fewer_donors_than_neighbours_are_all_of_them() -> None:
    donors = np.array([[1.0], [3.0]])
    assert rows.nearest(np.array([[2.9]]), np.array([[True]]), donors, 2).tolist() == [[1, 0]]


def test_means_and_medians_are_simple_imputers() -> None:
    from sklearn.impute import SimpleImputer

    holed = table()[1]
    np.testing.assert_allclose(rows.averages(holed), SimpleImputer().fit_transform(holed))
    np.testing.assert_allclose(rows.averages(holed, True), SimpleImputer(strategy="median").fit_transform(holed))


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_neighbours_are_scikit_learns_knn_imputer(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.impute import KNNImputer

    monkeypatch.setattr(rows, "_ROWS", 11)
    holed = table(80, 6, share)[1]
    expected = KNNImputer(n_neighbors=5).fit_transform(holed)
    found = rows.neighbours(holed, 1, 0)
    assert found.shape == (1, *holed.shape)
    np.testing.assert_allclose(found[0], expected, atol=1e-9)


def test_draws_are_values_of_near_rows_and_their_mean_is_the_best_guess() -> None:
    holed = table(50, 4, 0.15)[1]
    gaps = np.isnan(holed)
    found = rows.neighbours(holed, 400, 3)
    np.testing.assert_array_equal(found[:, ~gaps], np.broadcast_to(holed[~gaps], (400, int((~gaps).sum()))))
    for row, column in np.argwhere(gaps):
        drawn = set(found[:, row, column])
        assert 1 < len(drawn) <= 5
        assert drawn <= set(holed[~gaps[:, column], column])
    best = rows.neighbours(holed, 1, 0)[0][gaps]
    assert np.abs(found.mean(0)[gaps] - best).max() < 0.3
    np.testing.assert_array_equal(found, rows.neighbours(holed, 400, 3))
    assert (found != rows.neighbours(holed, 400, 4)).any()


def test_a_row_of_which_nothing_is_known_gets_means() -> None:
    holed = np.array([[1.0, 2.0], [3.0, 6.0], [np.nan, np.nan]])
    for draws in (1, 3):
        np.testing.assert_allclose(rows.neighbours(holed, draws, 0)[:, 2], [[2.0, 4.0]] * draws)


def test_regressions_find_what_hangs_together() -> None:
    whole, holed = table(200, 5, 0.15)
    gaps = np.isnan(holed)
    low, high = np.nanmin(holed, 0), np.nanmax(holed, 0)
    found = rows.regressed(holed, 1, 0, low, high)[0]
    np.testing.assert_array_equal(found[~gaps], holed[~gaps])
    apart: Any = np.abs(found - whole)[gaps].mean()
    assert apart < 0.4 * np.abs(rows.averages(holed) - whole)[gaps].mean()
    assert ((found >= low) & (found <= high)).all()


def test_samples_of_regressions_differ_and_are_the_same_for_a_seed() -> None:
    holed = table(60, 4, 0.2)[1]
    low, high = np.nanmin(holed, 0), np.nanmax(holed, 0)
    found = rows.regressed(holed, 3, 1, low, high)
    gaps = np.isnan(holed)
    assert (found[0] != found[1])[gaps].all()
    np.testing.assert_array_equal(found, rows.regressed(holed, 3, 1, low, high))


def test_a_column_of_one_value_is_no_hindrance() -> None:
    holed = table(40, 3)[1]
    holed[:, 1] = 7.0
    holed[5, 1] = np.nan
    found = rows.regressed(holed, 1, 0, np.nanmin(holed, 0), np.nanmax(holed, 0))
    assert found[0, 5, 1] == pytest.approx(7, abs=1e-6)


def test_without_scikit_learn_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"Filling by regression needs.*ropero\[complete\]"):
        rows.regressed(np.zeros((2, 2)), 1, 0, np.zeros(2), np.ones(2))
