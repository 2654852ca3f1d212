"""The nearest rows, beside what scikit-learn finds, and exactly where floats would round."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from ropero.metrics import nearest as module
from ropero.metrics.nearest import nearest


@pytest.mark.parametrize("block", [1 << 22, 60])
def test_it_finds_what_scikit_learn_finds(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_VALUES", block)
    monkeypatch.setattr(module, "_ASKED", 7)
    rng = np.random.default_rng(0)
    asked, among = (rng.integers(0, 256, (n, 20)).astype(np.uint8) for n in (30, 200))
    rows, apart = nearest(asked, among)
    squares, expected = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(among.astype(float)).kneighbors(asked)
    assert np.array_equal(rows, expected[:, 0])
    assert apart == pytest.approx(squares[:, 0] / np.sqrt(20))
    themselves, none = nearest(among, among)
    assert np.array_equal(themselves, np.arange(200))
    assert (none == 0).all()
    others, apart = nearest(among, among, np.arange(200))
    squares, expected = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(among.astype(float)).kneighbors(among)
    assert np.array_equal(others, expected[:, 1])
    assert apart == pytest.approx(squares[:, 1] / np.sqrt(20))


def test_one_grey_value_in_a_large_picture_is_told() -> None:
    among = np.full((3, 30_000), 255, np.uint8)
    among[0, 5], among[2, 5] = 254, 253
    rows, apart = nearest(np.full((1, 30_000), 255, np.uint8), among[[0, 2]])
    assert rows.tolist() == [0]
    assert apart[0] == np.sqrt(1 / 30_000)


def test_of_equals_the_first_is_named() -> None:
    among = np.array([[9, 9], [1, 2], [1, 2]], np.uint8)
    assert nearest(np.array([[1, 2]], np.uint8), among)[0].tolist() == [1]
    assert nearest(np.array([[1, 2]], np.uint8), among, np.array([1]))[0].tolist() == [2]


def test_what_cannot_be_compared_is_refused() -> None:
    rows = np.zeros((2, 3), np.uint8)
    for asked, among in ((rows.astype(float), rows), (rows, rows[:, :2]), (rows, rows[:0]), (rows[0], rows)):
        with pytest.raises(ValueError):
            nearest(asked, among)
    with pytest.raises(ValueError):
        nearest(rows[:1], rows[:1], np.array([0]))
