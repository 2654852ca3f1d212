"""Pictures in rows, pixels enlarged: where each goes."""

from __future__ import annotations

import numpy as np
import pytest

from ropero.generation.mosaic import PAPER, columns_for, enlarged, factor_for, mosaic


def test_each_picture_stands_in_its_place() -> None:
    pictures = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
    whole = mosaic(pictures, 2, gap=1)
    assert whole.shape == (3 * 2 + 2, 2 * 3 + 1)
    for place in range(5):
        top, left = place // 2 * 3, place % 2 * 4
        assert (whole[top : top + 2, left : left + 3] == place).all()
    assert (whole[:, 3] == PAPER).all()
    assert (whole[6:, 4:] == PAPER).all(), "what is left of the last row"


def test_colour_stays_colour_and_few_make_one_row() -> None:
    pictures = np.full((2, 4, 5, 3), (1, 2, 3), np.uint8)
    whole = mosaic(pictures, 8)
    assert whole.shape == (4, 2 * 5 + 2, 3)
    assert whole[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 3), (4, 3, 3)])
def test_enlarged_pixels_are_whole_squares(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    large = enlarged(picture, 4)
    assert large.shape == (4 * shape[0], 4 * shape[1], *shape[2:])
    assert np.array_equal(large, np.kron(picture, np.ones((4, 4, *[1] * (len(shape) - 2)), np.uint8)))


def test_rows_and_factors() -> None:
    assert columns_for(64) == 8
    assert columns_for(10) == 4
    assert columns_for(64, 10) == 10, "a column for each class"
    assert columns_for(4, 10) == 2
    assert columns_for(64, 40) == 8
    assert (factor_for(28, 84), factor_for(28, 112), factor_for(256, 84)) == (3, 4, 1)
