"""Overlays: bright where the map is, dark where it is not, of any size and colour, also of maps that say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from ropero.reports.overlays import overlay


@pytest.mark.parametrize("shape", [(28, 28), (20, 14, 3), (150, 200)])
def test_size_and_type(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = overlay(image, np.zeros(shape[:2], np.float32))
    assert found.dtype == np.uint8
    assert found.shape[0] % shape[0] == found.shape[1] % shape[1] == 0
    assert found.shape[2] == 3
    assert max(found.shape) >= 100


def test_yellow_where_the_map_is() -> None:
    places = np.zeros((28, 28), np.float32)
    places[4:10, 4:10] = 1
    places[20:24, 20:24] = -5  # what speaks against is not shown
    found = overlay(np.full((28, 28), 90, np.uint8), places).astype(int)
    here, away, against = found[28, 28], found[60, 28], found[88, 88]
    assert here[0] - here[2] > 80
    np.testing.assert_array_equal(away, against)
    assert abs(away[0] - away[2]) < 5


def test_a_single_high_pixel_does_not_hide_the_rest() -> None:
    places = np.linspace(0, 1, 784, dtype=np.float32).reshape(28, 28)
    places[0, 0] = 4.9
    found = overlay(np.zeros((28, 28), np.uint8), places).astype(int)
    assert found[100, 56, 0] > 120
