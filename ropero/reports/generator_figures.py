"""Figures of a generator: the losses of its nets, the classes that its pictures show, how near they come to real ones.

Pure functions of arrays that return a matplotlib Figure; none knows a generator or a file.
Legend: E epochs, K classes, N pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from ropero.evaluation.intervals import Measured
from ropero.reports.style import LIGHT, SMALL, Theme, blank, dress, finish, label
from ropero.texts import mark, t
from ropero.texts.numbers import Numbers

NETS = (mark("generator"), mark("discriminator"), mark("network"))  # as a history calls them
_LINES = ("-", "--", ":", "-.")
BINS = 40


def losses(epochs: Sequence[int], by_net: Mapping[str, Sequence[float]], title: str, *, theme: Theme = LIGHT) -> Figure:
    """The loss of each net, or another figure of each, by epoch; epochs and values are (E,)."""
    figure = blank(4.7, 3.2, theme)
    axes = figure.subplots()
    dress(axes, theme, grid="y")
    colours = (theme.blue, theme.red, theme.green, theme.muted)
    shape = "o" if len(epochs) <= 30 else ""
    for place, (name, values) in enumerate(by_net.items()):
        axes.plot(
            epochs, np.asarray(values, np.float64), _LINES[place % len(_LINES)], marker=shape, markersize=4,
            color=colours[place % len(colours)], label=label(t(name) if name in NETS else name),
        )  # fmt: skip
    axes.set_title(title, loc="left", fontsize=SMALL + 1.5, fontweight="bold", pad=20 if len(by_net) > 1 else 6)
    axes.set_xlabel(t("Epoch"), fontsize=SMALL)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: Numbers.current().general(round(float(value), 9))))
    if len(by_net) > 1:
        axes.legend(
            frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=4
        )
    return finish(figure, theme)


def balance(
    shares: Sequence[Measured],
    expected: NDArray[np.float64],
    real: Sequence[float] | None,
    classes: Sequence[str],
    *,
    theme: Theme = LIGHT,
) -> Figure:
    """The share of each class among generated pictures as bars with their 95 % intervals, arguments (K,).

    A line across each bar is what was expected; a diamond, where real is given, the share that real images are given.
    """
    y = np.arange(len(shares))
    figure = blank(7, 1.2 + 0.3 * len(shares), theme)
    axes = figure.subplots()
    dress(axes, theme, grid="x")
    axes.barh(y, [one.value for one in shares], 0.62, color=theme.sky, label=t("Generated"))
    axes.hlines(y, [one.low for one in shares], [one.high for one in shares], color=theme.ink, linewidth=1.4)
    axes.vlines(
        expected, y - 0.42, y + 0.42, color=theme.red, linewidth=1.8, linestyle="--", label=t("Expected")
    )  # fmt: skip
    if real is not None:
        axes.plot(real, y, "D", color=theme.green, markersize=5.5, linestyle="", label=t("Real images"))
    axes.set_yticks(y, [label(t(name)) for name in classes])
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.set_xlim(0, None)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: Numbers.current().percent_short(round(value, 6))))
    axes.set_xlabel(t("Share of the pictures that are taken for the class"), fontsize=SMALL)
    figure.legend(frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="outside upper left", ncols=3)
    return finish(figure, theme)


def distances(made: NDArray[np.floating], usual: NDArray[np.floating], limit: float, *, theme: Theme = LIGHT) -> Figure:
    """How far samples (N,) and real images (M,) are from their nearest training image, and the limit below
    which a sample is called a copy."""
    figure = blank(4.9, 3.2, theme)
    axes = figure.subplots()
    dress(axes, theme, grid="y")
    edges = np.linspace(0, float(max(made.max(), usual.max())) * 1.02 + 1e-9, BINS + 1)
    lines = ((usual, theme.muted, "--", t("Real images")), (made, theme.blue, "-", t("Samples")))
    for values, colour, dash, name in lines:
        counts = np.histogram(values, edges)[0] / len(values)
        axes.stairs(counts, edges, color=colour, linestyle=dash, linewidth=1.6, label=name)
    axes.axvline(limit, color=theme.red, linewidth=1.2, linestyle=":", label=t("limit"))
    axes.set_xlabel(t("Distance to the nearest training image"), fontsize=SMALL)
    axes.set_ylabel(t("Share of the pictures"), fontsize=SMALL)
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(0, None)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: Numbers.current().percent_short(round(value, 6))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: Numbers.current().general(round(float(value), 6))))
    figure.legend(frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="outside upper left", ncols=3)
    return finish(figure, theme)
