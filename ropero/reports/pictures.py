"""Figures of pictures: grids of images, grids of predictions, one prediction with its probabilities.

Pure functions of arrays. Pictures are uint8, (H, W) or (H, W, 3), drawn as they are in the data: Fashion-MNIST's light
garments on black. Legend: N images, H x W pixels, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ropero.reports.style import LARGE, LIGHT, NORMAL, SMALL, Theme, bare, blank, dress, finish, label
from ropero.texts import t
from ropero.texts.numbers import Numbers

Picture = NDArray[np.uint8]
RIGHT, WRONG = "✓", "✗"


def prediction_title(predicted: str, true: str | None) -> str:
    """`Dress` when right or when the truth is not known, `Dress (Coat)` when a coat was taken for a dress."""
    if true is None or true == predicted:
        return t(predicted)
    return t("{predicted} ({true})", predicted=t(predicted), true=t(true))


def image_grid(
    images: Sequence[Picture] | Picture, titles: Sequence[str], *, columns: int = 5, theme: Theme = LIGHT
) -> Figure:
    """N pictures with a title each: the first images of a split, say. Titles are shown as given."""
    figure, cells = _grid(len(titles), columns, images, theme)
    for axes, image, title in zip(cells, images, titles, strict=True):
        _show(axes, image)
        axes.set_title(label(title, 24), fontsize=SMALL, pad=3)
    return finish(figure, theme)


def mean_images(
    images: Sequence[Picture] | Picture, classes: Sequence[str], *, columns: int = 5, theme: Theme = LIGHT
) -> Figure:
    """(K, H, W) or (K, H, W, 3): what all images of a class look like laid over each other."""
    return image_grid(images, [t(name) for name in classes], columns=columns, theme=theme)


def prediction_grid(
    images: Sequence[Picture] | Picture,
    predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    *,
    notes: Sequence[str] = (),
    columns: int = 5,
    theme: Theme = LIGHT,
) -> Figure:
    """N pictures with what was predicted; green and ✓ when right, red, ✗ and a dashed frame when wrong. A note for each
    stands below it."""
    figure, cells = _grid(len(labels), columns, images, theme)
    for axes, note in zip(cells, notes, strict=False):
        axes.set_xlabel(note, fontsize=SMALL, labelpad=3)
    for axes, image, guess, truth in zip(cells, images, predicted, labels, strict=True):
        _show(axes, image)
        right = guess == truth
        colour = theme.green if right else theme.red
        title = label(prediction_title(classes[guess], classes[truth]), 25)
        axes.set_title(f"{RIGHT if right else WRONG} {title}", fontsize=SMALL, pad=4, color=colour)
        for spine in axes.spines.values():
            spine.set(visible=True, color=colour, linewidth=1.2 if right else 2.0, linestyle="-" if right else "--")
    return finish(figure, theme)


def prediction(
    image: Picture,
    probabilities: NDArray[np.floating],
    classes: Sequence[str],
    true: int | None = None,
    *,
    verdict: str = "",
    most: int = 10,
    theme: Theme = LIGHT,
) -> Figure:
    """A picture beside its (K,) probabilities as bars, most probable first, at most `most` of them.

    The predicted class is blue, or red when it is known to be wrong; then the true class is outlined in blue. What is
    to be made of it, "sure", "unsure" or "not a garment" in English, stands below the picture.
    """
    order = np.argsort(-probabilities, kind="stable")
    shown = [int(k) for k in order[:most]]
    if true is not None and true not in shown:
        shown[-1] = true
    best = int(order[0])
    wrong = true is not None and true != best
    figure = blank(7.4, max(2.9, 0.9 + 0.27 * len(shown)), theme)
    left, right = figure.subplots(1, 2, width_ratios=(2, 3))
    _show(left, image)
    mark = "" if true is None else f"{WRONG if wrong else RIGHT} "
    title = label(prediction_title(classes[best], None if true is None else classes[true]), 34)
    colour = theme.ink if true is None else theme.red if wrong else theme.green
    left.set_title(mark + title, fontsize=LARGE, color=colour)
    if verdict:
        left.set_xlabel(t(verdict), fontsize=NORMAL, labelpad=6)
    _bars(right, [float(probabilities[k]) for k in shown], [label(t(classes[k])) for k in shown], theme)
    for k, bar in zip(shown, right.patches, strict=True):
        if k == best:
            bar.set(facecolor=theme.red if wrong else theme.blue)
        elif k == true:
            bar.set(facecolor=theme.sky, edgecolor=theme.blue, linewidth=1.8)
    return finish(figure, theme)


def _bars(axes: Axes, values: Sequence[float], names: Sequence[str], theme: Theme) -> None:
    dress(axes, theme)
    numbers = Numbers.current()
    y = np.arange(len(values))
    axes.barh(y, values, 0.72, color=theme.muted)
    for place, value in zip(y, values, strict=True):
        axes.annotate(
            numbers.percent(value), (value, float(place)), (5, 0), textcoords="offset points", va="center",
            fontsize=SMALL,
        )  # fmt: skip
    axes.set_yticks(y, names)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlim(0, 1.18)  # room for the number after a full bar
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)


def _show(axes: Axes, image: Picture) -> None:
    pixels = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
    small = max(pixels.shape[:2]) <= 64
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest" if small else "antialiased")
    bare(axes)


def _grid(count: int, columns: int, images: Sequence[Picture] | Picture, theme: Theme) -> tuple[Figure, list[Axes]]:
    """A figure with a cell for each picture, of the pictures' own proportions within reason."""
    columns = max(1, min(columns, count))
    rows = math.ceil(count / columns)
    height, width = images[0].shape[:2] if count else (1, 1)
    cell_height = 1.5 * float(np.clip(height / width, 0.5, 2.0))
    figure = blank(columns * 1.75, rows * (cell_height + 0.35), theme)
    cells = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in cells[count:]:
        spare.set_visible(False)
    return figure, cells[:count]
