"""A generator's figures show the numbers that they are given, by shape as well as by colour, in both themes."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.patches import StepPatch

from ropero.evaluation.intervals import Measured
from ropero.reports import generator_figures, output
from ropero.reports.style import DARK, LIGHT, Theme

SHARES = [Measured.share(hits, 60) for hits in (30, 20, 10)]
EVEN = np.full(3, 1 / 3)
CLASSES = ("stripe", "block", "ring $x$")


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_losses_are_drawn_by_epoch_each_with_its_own_line(theme: Theme) -> None:
    losses = {"generator": [3.0, 2.0, 1.0], "discriminator": [1.0, 1.1, 1.2]}
    figure = generator_figures.losses([1, 2, 3], losses, "Loss", theme=theme)
    (axes,) = figure.axes
    for line, values in zip(axes.lines, losses.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), values)
        np.testing.assert_allclose(line.get_xdata(), [1, 2, 3])
    assert len({line.get_linestyle() for line in axes.lines}) == 2
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(losses)
    single = generator_figures.losses([1], {"spread": [0.5]}, "Spread", theme=theme)
    assert single.axes[0].get_legend() is None


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_bars_are_shares_beside_what_was_expected(theme: Theme) -> None:
    figure = generator_figures.balance(SHARES, EVEN, [0.3, 0.3, 0.4], CLASSES, theme=theme)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.5, 1 / 3, 1 / 6])
    intervals, expected = (one for one in axes.collections if isinstance(one, LineCollection))
    for segment, share in zip(intervals.get_segments(), SHARES, strict=True):
        np.testing.assert_allclose(np.asarray(segment)[:, 0], share.interval)
    assert all(np.allclose(np.asarray(one)[:, 0], 1 / 3) for one in expected.get_segments())
    (real,) = axes.lines
    np.testing.assert_allclose(real.get_xdata(), [0.3, 0.3, 0.4])
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first class is on top"
    assert not generator_figures.balance(SHARES, EVEN, None, CLASSES, theme=theme).axes[0].lines
    assert "<svg" in output.as_svg(figure, "what it shows")


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_distances_are_shares_and_the_limit_is_marked(theme: Theme) -> None:
    made, usual = np.array([0.1, 0.2, 0.3, 0.4]), np.linspace(0.2, 0.5, 50)
    (axes,) = generator_figures.distances(made, usual, 0.21, theme=theme).axes
    steps = [one for one in axes.patches if isinstance(one, StepPatch)]
    assert [float(one.get_data().values.sum()) for one in steps] == pytest.approx([1, 1])
    assert steps[0].get_linestyle() != steps[1].get_linestyle()
    assert axes.lines[0].get_xdata()[0] == 0.21
    same = generator_figures.distances(np.zeros(3), np.zeros(3), 0.0, theme=theme)
    assert output.as_svg(same)
