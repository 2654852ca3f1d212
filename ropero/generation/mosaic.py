"""Many small pictures as one: pixels enlarged by whole factors, pictures in rows. Pure functions of uint8 arrays.

Knows nothing of files or of what the pictures show.
Legend: N pictures, T frames, H x W pixels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
GAP, PAPER = 2, 255  # pixels between pictures before they are enlarged, and their colour
MOST_COLUMNS = 20


def enlarged(picture: Pixels, factor: int) -> Pixels:
    """(H, W[, 3]): each pixel becomes factor x factor of them."""
    return picture.repeat(factor, 0).repeat(factor, 1)


def factor_for(side: int, wanted: int) -> int:
    """The whole factor that brings a side nearest to the wanted number of pixels, at least 1."""
    return max(1, round(wanted / side))


def columns_for(count: int, classes: int = 0) -> int:
    """How many pictures stand in a row: one for each of a few classes that take turns, else as many as there are rows.

    Args:
        classes: how many take turns; 0 for none.
    """
    return classes if take_turns(classes) and count >= classes else math.ceil(math.sqrt(count))


def take_turns(classes: int) -> bool:
    """Whether there are classes, and not too many for a column each."""
    return 1 < classes <= MOST_COLUMNS


def mosaic(pictures: Pixels, columns: int, gap: int = GAP) -> Pixels:
    """(N, H, W[, 3]) -> one picture of rows; what is left of the last row is paper."""
    count, height, width = pictures.shape[:3]
    columns = min(columns, count)
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, *pictures.shape[3:])
    found = np.full(shape, PAPER, np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        found[top : top + height, left : left + width] = picture
    return found
