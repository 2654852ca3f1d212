"""The sixteen images that the fixtures of `keras_fixtures.py` are asked about.

Knows nothing of Keras. Has to run on Python 3.7.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def images(shape: tuple[int, ...], count: int = 16) -> Any:
    """Images of soft blobs on black, uint8, (N, *shape): the same for the same shape, in few shades to be small."""
    size = shape if len(shape) > 1 else (28, 28)
    rows, columns = (size[1], size[2]) if size[0] in (1, 3) else (size[0], size[1])
    channels = int(np.prod(size)) // (rows * columns)
    state = np.random.RandomState(7)
    y, x = np.mgrid[:rows, :columns]
    found = np.zeros((count, channels, rows, columns))
    for one in found.reshape(-1, rows, columns):
        for _ in range(state.randint(1, 4)):
            centre, width = state.uniform(0.2, 0.8, 2) * (rows, columns), state.uniform(2, 7, 2)
            one += state.uniform(80, 300) * np.exp(
                -(((y - centre[0]) / width[0]) ** 2) - ((x - centre[1]) / width[1]) ** 2
            )
    pixels = (np.clip(found, 0, 255) // 17 * 17).astype("uint8")
    if size[0] not in (1, 3):
        pixels = pixels.transpose(0, 2, 3, 1)
    return pixels.reshape((count, *shape))
