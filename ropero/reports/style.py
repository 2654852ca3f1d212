"""How ropero's figures and pages look: two themes, one palette, a blank figure. Knows nothing of what is drawn.

The palette is Okabe and Ito's (2008), told apart with every kind of colour blindness; what is text is a darker or
lighter shade of it, at least 4.5 : 1 against the paper (WCAG AA). Colour never speaks alone: a mark or a shape says
the same.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from numpy.typing import NDArray

from ropero.reports.typeface import families, showable


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, by their part on the page; no two are the same, so a page can swap them."""

    paper: str
    ink: str
    muted: str
    rule: str
    panel: str
    blue: str
    red: str
    green: str
    sky: str


LIGHT = Theme("#ffffff", "#1b1f24", "#59626e", "#d5dae0", "#f4f6f8", "#0072b2", "#b94700", "#00795a", "#8fcbee")
DARK = Theme("#14171c", "#e8eaed", "#9aa4b0", "#343b45", "#1d2229", "#56b4e9", "#ff8a5c", "#3cc99c", "#22597c")
THEMES = {"light": LIGHT, "dark": DARK}

# Fills of the confusion matrix: at most this strong, the theme's ink is readable on both, in both themes.
HEAT_RIGHT, HEAT_WRONG, HEAT_STRENGTH = "#0072b2", "#d55e00", 0.75

SMALL, NORMAL, LARGE = 8.5, 10.0, 12.0  # points


def css_variables(theme: Theme) -> str:
    """The theme as CSS custom properties: `--ink: #1b1f24; ...`."""
    return " ".join(f"--{one.name}: {getattr(theme, one.name)};" for one in fields(theme))


def heat_pixels(strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, K, 4) colours and opacity of a confusion matrix's cells; the paper of any theme shows through."""
    pixels = np.empty((*strength.shape, 4))
    pixels[..., :3] = to_rgb(HEAT_WRONG)
    pixels[np.arange(len(strength)), np.arange(len(strength)), :3] = to_rgb(HEAT_RIGHT)
    pixels[..., 3] = strength * HEAT_STRENGTH
    return pixels


def heat_shares(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How strongly to colour a (K, K) confusion matrix: the share of the row, and the strength in 0..1.

    The diagonal is as strong as its share. Mistakes are few: they are stretched (square root) so that the largest one
    of the matrix is full, or they would all look white.
    """
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    off = share.copy()
    np.fill_diagonal(off, 0)
    strength = np.sqrt(off / off.max()) if off.max() > 0 else off
    np.fill_diagonal(strength, np.diag(share))
    return share, strength


def blank(width: float, height: float, theme: Theme) -> Figure:
    """An empty figure in inches, of no window system and no global state."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    return Figure(figsize=(width, height), layout=layout, facecolor=theme.paper)


def dress(axes: Axes, theme: Theme, *, grid: Literal["", "x", "y", "both"] = "") -> None:
    """Quiet axes: no box, thin rules, the theme's ink. grid is "x", "y" or "both"."""
    axes.set_facecolor("none")
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(theme.rule)
    axes.tick_params(colors=theme.muted, labelcolor=theme.ink, labelsize=SMALL, labelfontfamily=families(), length=3)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=theme.rule, linewidth=0.7)


def bare(axes: Axes) -> None:
    """Axes of a picture: nothing but the picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def finish(figure: Figure, theme: Theme) -> Figure:
    """Give every text the fonts that have its glyphs and, unless it has one of its own, the theme's ink."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_fontfamily(families())
        if to_hex(text.get_color()) == "#000000":  # as matplotlib made it
            text.set_color(theme.ink)
    return figure


def label(name: str, longest: int = 24) -> str:
    """A name as a figure can show it: one line, known glyphs, never formulas, not longer than `longest`."""
    # A dollar sign would start a formula.
    return shorten(showable(" ".join(name.split())), longest).replace("$", r"\$")


def shorten(line: str, longest: int = 24) -> str:
    """The line cut in the middle when it is too long: "shirts of 2023" and "shirts of 2024" differ at the end."""
    if len(line) <= longest:
        return line
    kept = longest - 1
    return line[: kept - kept // 2].rstrip() + "…" + line[-(kept // 2) :].lstrip()
