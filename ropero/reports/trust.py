"""Figures of how far a model can be trusted: rankings, coverage, outliers, corruptions, explanations.

Pure functions of arrays that return a matplotlib Figure. Legend: K classes, T thresholds, S severities or steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from ropero.reports.style import HEAT_WRONG, LIGHT, NORMAL, SMALL, Theme, blank, dress, finish, label
from ropero.texts import t
from ropero.texts.numbers import Numbers

Floats = NDArray[np.float64]
COLUMNS = 5  # small figures in a row
MOST = 15  # classes with a small figure of their own
NEAR_PERFECT = 0.97


@dataclass(frozen=True)
class Line:
    """One curve of a class: x and y (T,), and the area below it."""

    x: Floats
    y: Floats
    area: float


def class_curves(
    curves: Mapping[str, Line], x_name: str, y_name: str, area_name: str, *, chance: bool, theme: Theme = LIGHT
) -> Figure:
    """A small figure for each class, the others in grey behind it: ROC or precision-recall curves. Of more than MOST
    classes, those with the smallest areas.

    chance: draw the diagonal that guessing gives. Where all areas are near 1, only the corner is shown.
    """
    curves = dict(sorted(curves.items(), key=lambda one: one[1].area)[:MOST]) if len(curves) > MOST else curves
    far = 0.2 if chance and min((line.area for line in curves.values()), default=0.0) > NEAR_PERFECT else 1.0
    rows = -(-max(1, len(curves)) // COLUMNS)
    figure = blank(9.4, 0.5 + 1.95 * rows, theme)
    places = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    curves = {name: _thinned(line) for name, line in curves.items()}
    numbers = Numbers.current()
    for axes, (name, line) in zip(places, curves.items(), strict=False):
        dress(axes, theme, grid="both")
        for other in curves.values():
            axes.plot(other.x, other.y, color=theme.rule, linewidth=0.7)
        if chance:
            axes.plot([0, 1], [0, 1], "--", color=theme.muted, linewidth=0.8)
        axes.plot(line.x, line.y, color=theme.blue, linewidth=1.8)
        axes.set_title(label(t(name), 20), loc="left", fontsize=SMALL, fontweight="bold")
        axes.annotate(
            f"{area_name} {numbers.decimal(line.area, 4)}", (0.97 if chance else 0.05, 0.06), xycoords="axes fraction",
            ha="right" if chance else "left", fontsize=SMALL, color=theme.ink,
        )  # fmt: skip
        axes.set_xlim(-0.02 * far, 1.02 * far)
        axes.set_ylim(1 - 1.02 * far, 1 + 0.04 * far)
        axes.set_xticks([0, 0.5 * far, far])
        axes.set_yticks([1 - far, 1 - 0.5 * far, 1])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(_shares())
    for axes in places[len(curves) :]:
        axes.set_visible(False)
    figure.supxlabel(x_name, fontsize=SMALL)
    figure.supylabel(y_name, fontsize=SMALL)
    return finish(figure, theme)


def coverage(
    share: Floats, accuracy: Floats, chosen: tuple[float, float] | None = None, *, theme: Theme = LIGHT
) -> Figure:
    """Accuracy of the surest images against the share that is answered; chosen is the point of the threshold."""
    figure = blank(4.7, 3.4, theme)
    axes = figure.subplots()
    dress(axes, theme, grid="both")
    kept = share >= min(0.02, share[-1])  # of a handful of images an accuracy says nothing
    axes.plot(share[kept], accuracy[kept], color=theme.blue, linewidth=1.8)
    low = float(accuracy[kept].min())
    axes.set_xlim(0, 1.01)
    axes.set_ylim(low - 0.08 * (1 - low) - 1e-3, 1 + 0.05 * (1 - low) + 1e-3)
    if chosen is not None:
        x, y = chosen
        numbers = Numbers.current()
        said = t("sure: {share} of the images, {accuracy} right", share=numbers.percent(x), accuracy=numbers.percent(y))
        axes.plot([x], [y], "o", color=theme.red, markersize=7, label=said)
        axes.axvline(x, color=theme.red, linewidth=0.9, linestyle="--")
        axes.legend(frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="lower left")
    axes.set_xlabel(t("Share of the images that are answered"), fontsize=SMALL)
    axes.set_ylabel(t("Share that was right"), fontsize=SMALL)
    axes.xaxis.set_major_formatter(_shares())
    axes.yaxis.set_major_formatter(_shares())
    return finish(figure, theme)


def likeness(quantiles: Mapping[str, Sequence[float]], threshold: float, *, theme: Theme = LIGHT) -> Figure:
    """How like the training images garments (the first row) and each kind of stranger look: a box each, from the
    quantiles 0.01, 0.25, 0.5, 0.75 and 0.99 of their scores.

    Scores may be of any size: they are shown in spreads of the garments', squeezed far away.
    """
    rows = {t(kind): np.asarray(row, np.float64) for kind, row in quantiles.items()}
    garments = next(iter(rows.values()))
    figure = blank(7, 0.9 + 0.33 * len(rows), theme)
    axes = figure.subplots()
    dress(axes, theme, grid="x")
    middle, spread = float(garments[2]), float(garments[3] - garments[1]) or 1.0
    for place, row in enumerate(rows.values()):
        least, low, half, high, most = np.arcsinh((row - middle) / spread)
        colour = theme.blue if place == 0 else theme.red
        axes.hlines(place, least, most, color=colour, linewidth=1.2)
        axes.hlines(place, low, high, color=colour, linewidth=7, alpha=0.55)
        axes.plot([half], [place], "o" if place == 0 else "s", color=colour, markersize=6)
    at = float(np.arcsinh((threshold - middle) / spread))
    axes.axvline(at, color=theme.ink, linewidth=1, linestyle="--")
    axes.annotate(t("limit"), (at, -0.75), fontsize=SMALL, ha="center", va="bottom", annotation_clip=False)
    axes.set_yticks(range(len(rows)), [label(name) for name in rows])
    axes.set_ylim(len(rows) - 0.5, -0.7)
    axes.set_xticks([])
    axes.set_xlabel(t("← stranger    how like the training images    more alike →"), fontsize=SMALL)
    return finish(figure, theme)


def robustness(accuracies: Mapping[str, Floats], clean: float, *, theme: Theme = LIGHT) -> Figure:
    """Accuracy under each corruption (row) at each severity (S,), darker the more of the clean accuracy is lost."""
    names = [label(t(name)) for name in accuracies]
    values = np.stack(list(accuracies.values()))
    lost = np.clip((clean - values) / max(clean, 1e-9), 0, 1)
    figure = blank(6.2, 0.9 + 0.28 * len(names), theme)
    axes = figure.subplots()
    dress(axes, theme)
    pixels = np.empty((*values.shape, 4))
    pixels[..., :3] = to_rgb(HEAT_WRONG)
    pixels[..., 3] = 0.75 * lost
    axes.imshow(pixels, interpolation="nearest", aspect="auto")
    numbers = Numbers.current()
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, numbers.percent(float(value), 1), ha="center", va="center", fontsize=SMALL)
    axes.set_xticks(range(values.shape[1]), [str(severity + 1) for severity in range(values.shape[1])])
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(values.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=theme.paper, linewidth=1)
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel(t("Severity"), fontsize=SMALL)
    return finish(figure, theme)


def faithful(
    shares: Floats, ours: Mapping[str, Floats], chance: Mapping[str, Floats], *, theme: Theme = LIGHT
) -> Figure:
    """Probability of the class against the share of pixels deleted and inserted, by the map and by a random one.

    ours and chance hold "deletion" and "insertion", (S + 1,) each.
    """
    figure = blank(9, 3.3, theme)
    left, right = figure.subplots(1, 2, sharey=True)
    titles = (("deletion", t("The best pixels go first")), ("insertion", t("The best pixels come first")))
    for axes, (name, title) in zip((left, right), titles, strict=True):
        dress(axes, theme, grid="both")
        axes.plot(shares, chance[name], "--", color=theme.muted, linewidth=1.4, label=t("random map"))
        axes.plot(shares, ours[name], color=theme.blue, linewidth=1.9, label=t("this map"))
        axes.set_title(title, loc="left", fontsize=NORMAL, fontweight="bold")
        axes.set_xlabel(t("Share of the pixels"), fontsize=SMALL)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.03)
        _both(axes)
    left.set_ylabel(t("Probability of the class"), fontsize=SMALL)
    right.legend(frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="lower right")
    return finish(figure, theme)


def compared(
    names: Sequence[str], accuracies: Sequence[float], intervals: Sequence[tuple[float, float]], *, theme: Theme = LIGHT
) -> Figure:
    """Accuracy of each model with its 95 % interval, the best first."""
    order = np.argsort(-np.asarray(accuracies), kind="stable")
    figure = blank(7, 0.9 + 0.3 * len(order), theme)
    axes = figure.subplots()
    dress(axes, theme, grid="x")
    for place, at in enumerate(order):
        low, high = intervals[at]
        axes.hlines(place, low, high, color=theme.blue, linewidth=2)
        axes.plot([accuracies[at]], [place], "o", color=theme.blue, markersize=6)
    axes.set_yticks(range(len(order)), [label(names[at], 40) for at in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(_shares(1))
    axes.set_xlabel(t("Accuracy, 95% interval"), fontsize=SMALL)
    return finish(figure, theme)


def _thinned(line: Line) -> Line:
    """The points that can be told apart in a small figure: ten thousand images give thousands of points a class."""
    places = np.stack([np.rint(line.x * 400), np.rint(line.y * 400)])
    moved = np.any(np.diff(places, axis=1) != 0, axis=0)
    keep = np.append(True, moved)
    keep[-1] = True
    return Line(line.x[keep], line.y[keep], line.area)


def _both(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(_shares())
    axes.yaxis.set_major_formatter(_shares())


def _shares(digits: int | None = None) -> FuncFormatter:
    numbers = Numbers.current()

    def shown(value: float, _: int) -> str:
        own = 0 if abs(value * 100 - round(value * 100)) < 1e-6 else 1
        return numbers.percent(value, own if digits is None else digits)

    return FuncFormatter(shown)
