"""The figures of a search: every trial is there, far ones at the edge, the best with a ring."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from ropero import texts
from ropero.reports import search
from ropero.reports.style import LIGHT, THEMES, Theme

ACCURACY = [0.86, 0.3, None, 0.88, None]
LAST = [None, None, 0.85, None, 0.0]
TRIED = {"learning_rate": [0.001, 0.1, 0.01], "flip": ["none", "random", "none"], "decay": [0.0, 0.0, 0.1]}
CHOICES = {"flip": ["none", "random", "alternating"], "decay": [0.0, 1e-5, 0.1]}
SHARES = {"learning_rate": 0.7, "weight_decay": 0.3, "erase": 0.0}


def values(theme: Theme = LIGHT, **changes: object) -> Figure:
    options = {"logarithmic": ["learning_rate"], "ordered": CHOICES, "theme": theme, **changes}
    return search.values(TRIED, [0.86, 0.3, 0.88], 2, 0.8, **options)  # type: ignore[arg-type]


DRAWINGS: dict[str, Callable[[Theme], Figure]] = {
    "trials": lambda theme: search.trials(ACCURACY, LAST, 3, 0.8, theme=theme),
    "one": lambda theme: search.trials([0.9], [None], 0, 0.89, theme=theme),
    "many": lambda theme: search.trials(list(np.linspace(0.1, 0.9, 300)), [None] * 300, 299, 0.5, theme=theme),
    "values": values,
    "values-one": lambda theme: search.values({"ema": [0.0]}, [0.9], 0, 0.89, theme=theme),
    "importance": lambda theme: search.importance(SHARES, theme=theme),
    "importance-all": lambda theme: search.importance({"ema": 1.0, "flip": 0.0}, theme=theme),
}


def said(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def points(figure: Figure, mark: str) -> list[tuple[float, float]]:
    """Where a mark stands in the first axes."""
    found: list[tuple[float, float]] = []
    for line in figure.axes[0].get_lines():
        assert isinstance(line, Line2D)
        if line.get_marker() == mark and line.get_markersize() < 10:
            xy = np.asarray(line.get_xydata())
            found += [(float(x), float(y)) for x, y in xy if np.isfinite(y)]
    return found


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("name", DRAWINGS)
def test_draws_without_a_warning(name: str, language: str, theme: str) -> None:
    with texts.language(language):
        DRAWINGS[name](THEMES[theme]).savefig(io.BytesIO(), format="png", dpi=40)


def test_every_trial_is_there_and_the_far_ones_are_at_the_edge() -> None:
    figure = DRAWINGS["trials"](LIGHT)
    assert points(figure, "o") == [(1, 0.86), (4, 0.88)]
    assert points(figure, "x") == [(3, 0.85)]
    assert points(figure, "v") == [(2, 0.8), (5, 0.8)]
    assert {"Best so far", "First trial", "Far below the others"} <= set(said(figure))
    near = search.trials([0.86, 0.88], [None, None], 1, 0.8)
    assert "Far below the others" not in said(near)


def test_choices_are_evenly_spaced_and_in_order() -> None:
    figure = values()
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(TRIED)
    decay = figure.axes[2]
    assert [tick.get_text() for tick in decay.get_xticklabels()] == ["0", "1e-05", "0.1"]
    ring = decay.get_lines()[-1]
    assert np.asarray(ring.get_xydata()).tolist() == [[2.0, 0.88]]
    assert figure.axes[0].get_xscale() == "log"


def test_bars_say_their_share() -> None:
    figure = search.importance(SHARES)
    assert {"learning_rate", "70%", "30%", "0%"} <= set(said(figure))
    assert [bar.get_width() for bar in figure.axes[0].patches] == list(SHARES.values())  # type: ignore[attr-defined]
