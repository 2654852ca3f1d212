"""Figures of one prediction from inside: maps of what speaks for a class, feature maps, filters.

Pure functions of arrays that return a matplotlib Figure. Legend: C channels, I input channels, H x W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ropero.reports.overlays import overlay
from ropero.reports.style import LIGHT, NORMAL, SMALL, Theme, bare, blank, finish, label
from ropero.texts import t

Floats = NDArray[np.float32]
MOST = 64  # feature maps or filters in a figure


def explanation(
    image: NDArray[np.uint8], title: str, maps: Mapping[str, Mapping[str, Floats]], *, theme: Theme = LIGHT
) -> Figure:
    """A picture, and for each method (row) the map of each class (column); maps: method -> class -> (H, W)."""
    names = list(next(iter(maps.values())))
    rows, columns = len(maps), len(names) + 1
    figure = blank(1.9 * columns + 0.4, 2.05 * rows + 0.35, theme)
    cells = figure.subplots(rows, columns, squeeze=False)
    for row, (method, found) in enumerate(maps.items()):
        cells[row, 0].imshow(image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2))
        cells[row, 0].set_title(label(method, 26), fontsize=SMALL, loc="left")
        for column, name in enumerate(names, 1):
            cells[row, column].imshow(overlay(image, found[name]))
            if row == 0:
                cells[row, column].set_title(label(name, 22), fontsize=SMALL)
        for cell in cells[row]:
            bare(cell)
    figure.suptitle(label(title, 60), fontsize=NORMAL, fontweight="bold")
    return finish(figure, theme)


def feature_maps(maps: Floats, layer: str, *, theme: Theme = LIGHT) -> Figure:
    """The (C, h, w) feature maps of a layer for one image, at most MOST; each from its own darkest to its lightest."""
    return _tiles(maps[:MOST], t("Feature maps of {layer}: {shown} of {n}", layer=layer,
                                 shown=min(len(maps), MOST), n=len(maps)), theme, signed=False)  # fmt: skip


def filters(kernels: Floats, layer: str, *, theme: Theme = LIGHT) -> Figure:
    """The (C, I, h, w) kernels of a convolution, at most MOST, each the mean over its inputs: blue negative, red
    positive, white zero, all to one scale."""
    shown = kernels[:MOST].mean(axis=1)
    title = t("Filters of {layer}: {shown} of {n}", layer=layer, shown=len(shown), n=len(kernels))
    return _tiles(shown, title, theme, signed=True)


def _tiles(tiles: Floats, title: str, theme: Theme, *, signed: bool) -> Figure:
    columns = min(8, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    figure = blank(0.95 * columns + 0.3, 0.95 * rows + 0.5, theme)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    far = max(float(np.abs(tiles).max()), 1e-12)
    for cell, tile in zip(cells, tiles, strict=False):
        if signed:
            cell.imshow(tile, cmap="RdBu_r", vmin=-far, vmax=far, interpolation="nearest")
        else:
            cell.imshow(tile, cmap="cividis", interpolation="nearest")
        bare(cell)
    for cell in cells[len(tiles) :]:
        cell.set_visible(False)
    figure.suptitle(label(title, 60), fontsize=NORMAL, fontweight="bold")
    return finish(figure, theme)
