"""Many small pictures inside a page: sheets of thumbnails as WebP data URIs. Knows nothing of what they show.

Legend: N images, S the side of a thumbnail in pixels.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLUMNS, ROWS = 25, 40  # of a sheet: browsers decode a sheet at once, and forty of these make a large page
LARGEST = 40  # side of a thumbnail; smaller images keep their pixels
QUALITIES = (80, 55, 30, 10)  # of WebP, the first that fits; 10,000 garments of 28 x 28 take 3.3 MB at the first
LIMIT = 5_000_000  # characters of all data URIs: a page of 10,000 images stays below 6 MB


@dataclass(frozen=True)
class Sheets:
    """Thumbnails in the order of the images, COLUMNS in a row, COLUMNS x ROWS on a sheet.

    side: of a thumbnail, both ways. uris: a `data:image/webp` URI for each sheet.
    """

    side: int
    uris: tuple[str, ...]


def sheets(images: NDArray[np.uint8]) -> Sheets:
    """All images, (N, H, W) or (N, H, W, 1 or 3) uint8, as thumbnails; those that are not square stand in the middle
    of black. Many images with much in them are stored more coarsely, so that all of them fit."""
    pixels = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
    side = min(LARGEST, max(pixels.shape[1:3]))
    small = _fitted(pixels, side)
    size = COLUMNS * ROWS
    parts = [small[start : start + size] for start in range(0, len(small), size)]
    for quality in QUALITIES:
        made = tuple(_sheet(part, quality) for part in parts)
        if sum(map(len, made)) <= LIMIT:
            break
    return Sheets(side, made)


def _fitted(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(N, S, S[, 3]): the same pictures, none larger than the side."""
    height, width = pixels.shape[1:3]
    if max(height, width) > side:
        scale = side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.stack([np.asarray(Image.fromarray(one).resize(size, Image.Resampling.LANCZOS)) for one in pixels])
        height, width = pixels.shape[1:3]
    found = np.zeros((len(pixels), side, side, *pixels.shape[3:]), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    found[:, top : top + height, left : left + width] = pixels
    return found


def _sheet(small: NDArray[np.uint8], quality: int) -> str:
    count, side = small.shape[:2]
    rows = -(-count // COLUMNS)
    full = np.zeros((rows * COLUMNS, *small.shape[1:]), np.uint8)
    full[:count] = small
    grid = full.reshape(rows, COLUMNS, *small.shape[1:]).swapaxes(1, 2)
    picture = Image.fromarray(np.ascontiguousarray(grid.reshape(rows * side, COLUMNS * side, *small.shape[3:])))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
