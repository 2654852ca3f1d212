"""Figures of numbers: learning curves, confusion matrix, class bars and dots, calibration, pixel histogram.

Pure functions of arrays that return a matplotlib Figure; none knows a model, a run or a file.
Legend: E epochs, K classes, B confidence bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

from ropero.metrics.statistics import wilson_interval
from ropero.reports import style
from ropero.reports.style import LIGHT, NORMAL, SMALL, Theme, blank, dress, finish, label
from ropero.texts import t
from ropero.texts.numbers import Numbers

Values = Sequence[float | None]


def learning_curves(
    train_loss: Values,
    train_accuracy: Values,
    validation_loss: Values | None = None,
    validation_accuracy: Values | None = None,
    *,
    theme: Theme = LIGHT,
) -> Figure:
    """Loss and accuracy of every epoch side by side; arguments are (E,), validation where a part was held out."""
    figure = blank(9, 3.6, theme)
    left, right = figure.subplots(1, 2)
    _curve(left, train_loss, validation_loss, t("Loss"), theme)
    _curve(right, train_accuracy, validation_accuracy, t("Accuracy"), theme, percent=True)
    return finish(figure, theme)


def learning_curve(
    train: Values,
    validation: Values | None,
    title: str,
    *,
    percent: bool = False,
    epochs: Sequence[int] | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """One of the two learning curves, for a narrow page; epochs (E,) where not all from the first are there."""
    figure = blank(4.7, 3.2, theme)
    _curve(figure.subplots(), train, validation, title, theme, percent=percent, epochs=epochs)
    return finish(figure, theme)


def _curve(
    axes: Axes,
    train: Values,
    validation: Values | None,
    title: str,
    theme: Theme,
    *,
    percent: bool = False,
    epochs: Sequence[int] | None = None,
) -> None:
    dress(axes, theme, grid="y")
    epochs = list(range(1, len(train) + 1)) if epochs is None else epochs
    shape = "o" if len(train) <= 30 else ""
    axes.plot(epochs, _floats(train), marker=shape, markersize=4, color=theme.blue, label=t("Train"))
    if validation is not None and np.isfinite(_floats(validation)).any():
        other = "s" if shape else ""
        axes.plot(epochs, _floats(validation), "--", marker=other, markersize=4, color=theme.red, label=t("Validation"))
    axes.set_title(title, loc="left", fontsize=NORMAL, fontweight="bold")
    axes.set_xlabel(t("Epoch"), fontsize=SMALL)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    if epochs[-1] <= 12:
        axes.set_xticks(epochs)
        axes.set_xlim(0.5, epochs[-1] + 0.5)
    axes.yaxis.set_major_formatter(_percent_axis() if percent else _general_axis())
    legend = axes.legend(
        frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="lower right", bbox_to_anchor=(1, 1), ncols=2
    )
    legend.set_in_layout(True)


def _floats(values: Values) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _percent_axis() -> FuncFormatter:
    numbers = Numbers.current()
    return FuncFormatter(lambda value, _: numbers.percent(value, 0 if abs(value * 100 % 1) < 1e-6 else 1))


def _general_axis() -> FuncFormatter:
    numbers = Numbers.current()
    return FuncFormatter(lambda value, _: numbers.general(round(float(value), 9)))


def _whole_axis() -> FuncFormatter:
    numbers = Numbers.current()
    return FuncFormatter(lambda value, _: numbers.whole(round(value)))


def confusion(counts: NDArray[np.int64], classes: Sequence[str], *, theme: Theme = LIGHT) -> Figure:
    """The (K, K) confusion matrix: images in each cell, colour by share of the row; blue right, orange wrong."""
    k = len(classes)
    cell = 0.62 if k <= 12 else 0.36  # inches
    names = [label(t(name), 22) for name in classes]
    figure = blank(k * cell + 2.6, k * cell + 2.4, theme)
    axes = figure.subplots()
    axes.imshow(style.heat_pixels(style.heat_shares(counts)[1]), interpolation="nearest")
    on = np.arange(k)
    dress(axes, theme)
    digits = max(2, len(str(int(counts.max(initial=0)))))
    size = min(10.0, cell * 72 * 0.8 / (digits * 0.64))
    for row, column in zip(*np.nonzero(counts), strict=True):
        bold = "bold" if row == column else "normal"
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=size, fontweight=bold)
    axes.set_xticks(on, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(on, names)
    axes.set_xticks(np.arange(k + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(k + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=theme.paper, linewidth=1)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel(t("Predicted class"), fontsize=NORMAL)
    axes.set_ylabel(t("True class"), fontsize=NORMAL)
    axes.set_title(t("Confusion matrix"), loc="left", fontsize=NORMAL, fontweight="bold")
    return finish(figure, theme)


def class_counts(counts: Mapping[str, ArrayLike], classes: Sequence[str], *, theme: Theme = LIGHT) -> Figure:
    """Images of each class: a bar for every part of the data, `counts` maps its name to a (K,) array."""
    k, parts = len(classes), len(counts)
    figure = blank(7, 1.3 + k * (0.1 + 0.16 * parts), theme)
    axes = figure.subplots()
    dress(axes, theme, grid="x")
    fills = (theme.blue, theme.red, theme.green, theme.muted)
    thick = 0.8 / parts
    highest = max(float(np.max(np.asarray(values))) for values in counts.values())
    numbers = Numbers.current()
    for part, (name, values) in enumerate(counts.items()):
        middle = np.arange(k) + (part - (parts - 1) / 2) * thick
        axes.barh(middle, np.asarray(values), thick * 0.9, color=fills[part % len(fills)], label=label(name))
        for y, value in zip(middle, np.asarray(values), strict=True):
            axes.annotate(
                numbers.whole(int(value)), (float(value), float(y)), (4, 0), textcoords="offset points",
                va="center", fontsize=7.5, color=theme.muted,
            )  # fmt: skip
    axes.set_yticks(np.arange(k), [label(t(name)) for name in classes])
    axes.set_xlim(0, max(highest, 1) * 1.12)
    axes.set_ylim(k - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.xaxis.set_major_formatter(_whole_axis())
    axes.set_xlabel(t("Images"), fontsize=SMALL)
    figure.legend(frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="outside upper left", ncols=4)
    return finish(figure, theme)


def class_scores(
    precision: NDArray[np.float64],
    recall: NDArray[np.float64],
    f1: NDArray[np.float64],
    classes: Sequence[str],
    *,
    narrow: bool = False,
    theme: Theme = LIGHT,
) -> Figure:
    """Precision, recall and F1 of each class as dots on a line, best F1 first; arguments are (K,) in 0..1."""
    order = np.argsort(-f1, kind="stable")
    y = np.arange(len(order))
    figure = blank(4.9 if narrow else 7, 1.3 + 0.3 * len(order), theme)
    axes = figure.subplots()
    dress(axes, theme, grid="x")
    low = np.minimum(np.minimum(precision, recall), f1)[order]
    high = np.maximum(np.maximum(precision, recall), f1)[order]
    axes.hlines(y, low, high, color=theme.rule, linewidth=3)
    axes.plot(precision[order], y, ">", color=theme.blue, markersize=6.5, linestyle="", label=t("Precision"))
    axes.plot(recall[order], y, "<", color=theme.red, markersize=6.5, linestyle="", label=t("Recall"))
    axes.plot(f1[order], y, "o", color=theme.ink, markersize=6, linestyle="", label=t("F1"))
    axes.set_yticks(y, [label(t(classes[k])) for k in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_xlim(min(float(low.min()), 0.98) - 0.02, 1.01)
    axes.xaxis.set_major_formatter(_percent_axis())
    figure.legend(frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="outside upper left", ncols=3)
    return finish(figure, theme)


def calibration_diagram(
    confidence: NDArray[np.float64],
    hit_rate: NDArray[np.float64],
    count: NDArray[np.int64],
    *,
    theme: Theme = LIGHT,
) -> Figure:
    """Stated confidence against hit rate with its 95 % interval, arguments (B,); below it, how many images each bin
    holds."""
    figure = blank(4.7, 4.2, theme)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = len(count)
    edges = np.arange(bins) / bins
    filled = count > 0
    dress(above, theme, grid="y")
    above.plot([0, 1], [0, 1], color=theme.muted, linewidth=1, linestyle="--", label=t("Perfectly calibrated"))
    above.bar(
        edges[filled], hit_rate[filled], 1 / bins, align="edge", color=theme.sky, edgecolor=theme.blue, linewidth=0.8,
        label=t("Share that was right"),
    )  # fmt: skip
    counts = count[filled]
    ends = [wilson_interval(round(rate * n), int(n)) for rate, n in zip(hit_rate[filled], counts, strict=True)]
    above.vlines(confidence[filled], *np.array(ends).T, color=theme.ink, linewidth=1)
    above.plot(confidence[filled], hit_rate[filled], "o", color=theme.ink, markersize=3.5)
    above.set_xlim(0, 1)
    above.set_ylim(0, 1.02)
    above.set_ylabel(t("Share that was right"), fontsize=SMALL)
    above.legend(frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="upper left")
    dress(below, theme, grid="y")
    below.bar(edges, count, 1 / bins, align="edge", color=theme.muted, edgecolor=theme.paper, linewidth=0.8)
    below.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3))
    below.set_ylabel(t("Images"), fontsize=SMALL)
    below.set_xlabel(t("Stated confidence"), fontsize=SMALL)
    below.xaxis.set_major_formatter(_percent_axis())
    below.yaxis.set_major_formatter(_whole_axis())
    above.yaxis.set_major_formatter(_percent_axis())
    return finish(figure, theme)


def pixel_histogram(shares: Mapping[str, NDArray[np.float64]], *, theme: Theme = LIGHT) -> Figure:
    """How often each grey value occurs: `shares` maps a part's name to its (256,) counts or shares."""
    figure = blank(7, 3, theme)
    axes = figure.subplots()
    dress(axes, theme, grid="y")
    lines = ((theme.blue, "-"), (theme.red, "--"), (theme.green, ":"), (theme.muted, "-."))
    for place, (name, values) in enumerate(shares.items()):
        colour, dash = lines[place % len(lines)]
        total = max(float(values.sum()), 1e-12)
        axes.stairs(values / total, np.arange(257), color=colour, linestyle=dash, linewidth=1.3, label=label(name))
    axes.set_yscale("log")
    axes.set_xlim(0, 256)
    axes.set_xticks([0, 64, 128, 192, 255])
    axes.set_xlabel(t("Grey value, 0 is black"), fontsize=SMALL)
    axes.set_ylabel(t("Share of the pixels"), fontsize=SMALL)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: Numbers.current().percent_short(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    figure.legend(frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="outside upper left", ncols=4)
    return finish(figure, theme)


def rate_test(
    rates: ArrayLike,
    losses: ArrayLike,
    smoothed_rates: ArrayLike,
    smoothed_losses: ArrayLike,
    marks: Mapping[str, float],
    *,
    theme: Theme = LIGHT,
) -> Figure:
    """The learning-rate range test: losses (S,) as dots, the smoothed curve (S,), `marks` names rates to point out.

    What lies far above the curve's beginning is cut off: there the training has broken down.
    """
    figure = blank(7, 3.6, theme)
    axes = figure.subplots()
    dress(axes, theme, grid="both")
    raw, places = np.asarray(losses, np.float64), np.asarray(smoothed_rates, np.float64)
    curve = np.asarray(smoothed_losses, np.float64)
    axes.plot(np.asarray(rates), raw, ".", color=theme.sky, markersize=4, label=t("Loss of a step"))
    axes.plot(places, curve, color=theme.blue, linewidth=1.8, label=t("Smoothed"))
    axes.set_xscale("log")
    shapes = (("o", theme.red, "-"), ("s", theme.green, "--"), ("D", theme.muted, ":"))
    for (name, rate), (shape, colour, dash) in zip(marks.items(), shapes, strict=False):
        at = float(np.interp(np.log(rate), np.log(places), curve))
        axes.axvline(rate, color=colour, linewidth=1.1, linestyle=dash)
        shown = f"{label(name)}: {Numbers.current().general(float(f'{rate:.2g}'))}"
        axes.plot([rate], [at], shape, color=colour, markersize=7, linestyle="", label=shown)
    if len(curve):
        begin = float(curve[: int(curve.argmin()) + 1].max())
        low, high = min(float(curve.min()), float(raw.min())), min(float(curve.max()), 1.5 * begin)
        room = max(0.06 * (high - low), 1e-3 * max(high, 1e-9))
        axes.set_ylim(low - room, high + room)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"1e{round(np.log10(value))}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(t("Learning rate"), fontsize=SMALL)
    axes.set_ylabel(t("Loss"), fontsize=SMALL)
    figure.legend(frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="outside upper left", ncols=4)
    return finish(figure, theme)
