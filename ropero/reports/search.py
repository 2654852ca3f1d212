"""Figures of a search for settings: what each trial gave, what each value gave, which setting matters.

Pure functions of arrays that return a matplotlib Figure; none knows a study, a config or a file.
Legend: T trials, S settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from ropero.reports.style import LIGHT, NORMAL, SMALL, Theme, blank, dress, finish, label
from ropero.texts import t
from ropero.texts.numbers import Numbers


def trials(
    accuracy: Sequence[float | None], last: Sequence[float | None], best: int, low: float, *, theme: Theme = LIGHT
) -> Figure:
    """Validation accuracy of each trial in order, the best so far as a line, and the first trial's as another.

    Args:
        accuracy: (T,) of the trials that were trained to their end, None for the others.
        last: (T,) of the others, what they had when they were stopped, 0 for nothing.
        best: position of the best trial.
        low: what is below this is drawn at the lower edge, so that the others stay apart.
    """
    figure = blank(8, 4, theme)
    axes = figure.subplots()
    dress(axes, theme, grid="y")
    done, stopped = _floats(accuracy), _floats(last)
    numbers = np.arange(1, len(done) + 1)
    reached = np.fmax.accumulate(done)
    axes.step(numbers, reached, where="post", color=theme.blue, linewidth=1.2, label=t("Best so far"))
    if np.isfinite(done[:1]).any():
        axes.axhline(done[0], color=theme.muted, linewidth=1, linestyle="--", label=t("First trial"))
    far = _points(axes, numbers, done, low, "o", theme.blue, t("Trained to the end"))
    far |= _points(axes, numbers, stopped, low, "x", theme.red, t("Stopped early, last figure"))
    if far:
        axes.plot([], [], "v", color=theme.muted, markersize=7, linestyle="", label=t("Far below the others"))
    axes.plot(numbers[best], done[best], "o", markersize=12, markerfacecolor="none", color=theme.ink, label=t("Best"))
    axes.set_xlabel(t("Trial"), fontsize=SMALL)
    axes.set_ylabel(t("Validation accuracy"), fontsize=SMALL)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    axes.yaxis.set_major_formatter(_percents())
    figure.legend(frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="outside upper left", ncols=3)
    return finish(figure, theme)


def _points(
    axes: Axes,
    x: NDArray[Any],
    values: NDArray[np.float64],
    low: float,
    mark: str,
    colour: str,
    name: str,
) -> bool:
    """The values as marks; those below `low` as triangles at the lower edge. Whether there are any."""
    far = values < low
    if np.isfinite(values).any():
        near = np.where(far, np.nan, values)
        axes.plot(x, near, mark, color=colour, markersize=6, linestyle="", label=name)
    if far.any():
        axes.plot(x[far], np.full(far.sum(), low), "v", color=colour, markersize=7, linestyle="")
    return bool(far.any())


def values(
    tried: Mapping[str, Sequence[Any]],
    accuracy: Sequence[float],
    best: int,
    low: float,
    *,
    logarithmic: Sequence[str] = (),
    ordered: Mapping[str, Sequence[Any]] | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Validation accuracy against the value of each setting, a panel each.

    Args:
        tried: (S,) settings, each with its value in the (T,) trials that were trained to their end.
        accuracy: (T,) of these trials.
        best: position of the best trial.
        low: as for `trials`.
        logarithmic: the settings that were searched on a log scale.
        ordered: the choices of the settings that have a list of them, in order; they are evenly spaced.
    """
    columns = 2 if len(tried) == 4 else min(3, len(tried))
    rows = -(-len(tried) // columns)
    figure = blank(3.1 * columns + 0.4, 2.5 * rows + 0.5, theme)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    heights = np.asarray(accuracy, np.float64)
    for axes, (name, column) in zip(panels, tried.items(), strict=False):
        dress(axes, theme, grid="y")
        choices = (ordered or {}).get(name)
        x = np.array([choices.index(one) for one in column] if choices else column, np.float64)
        _points(axes, x, heights, low, "o", theme.blue, "")
        axes.plot(x[best], heights[best], "o", markersize=12, markerfacecolor="none", color=theme.ink)
        if choices:
            names = [_word(one) for one in choices]
            turned = 35 if sum(map(len, names)) > 22 else 0
            axes.set_xticks(range(len(choices)), names, rotation=turned, ha="right" if turned else "center")
            axes.set_xlim(-0.5, len(choices) - 0.5)
        else:
            _scale(axes, name in logarithmic)
        axes.set_title(label(name), loc="left", fontsize=NORMAL, fontweight="bold")
        axes.yaxis.set_major_formatter(_percents())
    for axes in panels[len(tried) :]:
        axes.remove()
    figure.supylabel(t("Validation accuracy"), fontsize=SMALL)
    return finish(figure, theme)


def _scale(axes: Axes, logarithmic: bool) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=5))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(axis="x", which="minor", color=axes.spines["bottom"].get_edgecolor())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: Numbers.current().general(value)))


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return Numbers.current().general(value) if isinstance(value, float) else label(str(value))


def importance(shares: Mapping[str, float], *, theme: Theme = LIGHT) -> Figure:
    """How much of the differences in accuracy each of the (S,) settings accounts for, as shares of 1."""
    figure = blank(7, 1.0 + 0.34 * len(shares), theme)
    axes = figure.subplots()
    dress(axes, theme, grid="x")
    y = np.arange(len(shares))
    widths = np.array(list(shares.values()), np.float64)
    axes.barh(y, widths, 0.62, color=theme.sky, edgecolor=theme.blue, linewidth=0.8)
    for place, width in enumerate(widths):
        axes.annotate(
            Numbers.current().percent(float(width), 0), (float(width), place), (5, 0), textcoords="offset points",
            va="center", fontsize=SMALL, color=theme.ink,
        )  # fmt: skip
    axes.set_yticks(y, [label(name) for name in shares])
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.set_xlim(0, min(1.12, float(widths.max()) * 1.18))
    axes.xaxis.set_major_formatter(_percents())
    axes.set_xlabel(t("Share of the differences in validation accuracy"), fontsize=SMALL)
    return finish(figure, theme)


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _percents() -> FuncFormatter:
    numbers = Numbers.current()
    return FuncFormatter(lambda value, _: numbers.percent(value, 0 if abs(value * 100 % 1) < 1e-6 else 1))
