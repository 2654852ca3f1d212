"""Every figure draws at its edges, in both themes, without a warning (warnings are errors) and into every format."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from ropero.errors import UsageError
from ropero.reports import figures, output, pictures
from ropero.reports.style import DARK, LIGHT, THEMES, Theme, label, shorten
from ropero.texts import language

rng = np.random.default_rng(0)
CLASSES = ("T-shirt/top", "Dress", "Coat")
CHINESE = ("连衣裙", "外套", "踝靴")
ODD = ("a$b$c", "👗 emoji", "<b>&\n")
GREY = rng.integers(0, 256, (3, 28, 28)).astype(np.uint8)
SHARES = np.array([0.7, 0.2, 0.1], np.float32)


def confusion_of(k: int) -> figures.NDArray[np.int64]:
    counts = rng.integers(0, 50, (k, k)) + np.diag(np.full(k, 12_000))
    counts[0] = 0  # a class without images
    return counts


def rate_test(marks: dict[str, float], theme: Theme = LIGHT) -> Figure:
    rates = np.geomspace(1e-7, 10, 200)
    curve = 2.3 - np.clip(np.log10(rates) + 4, 0, 2) * 0.5 + np.clip(np.log10(rates), 0, None) * 900
    return figures.rate_test(rates, curve + rng.normal(0, 0.05, 200), rates, curve, marks, theme=theme)


DRAWINGS: dict[str, Callable[[Theme], Figure]] = {
    "curves-1": lambda theme: figures.learning_curves([0.5], [0.8], [0.4], [0.9], theme=theme),
    "curves-500": lambda theme: figures.learning_curves(list(rng.random(500)), list(rng.random(500)), theme=theme),
    "curves-gap": lambda theme: figures.learning_curves([1, 0.5], [0.1, 0.2], [None, 0.6], [None, 0.3], theme=theme),
    "curves-none": lambda theme: figures.learning_curve([1, 2], [None, None], "Loss", theme=theme),
    "confusion-2": lambda theme: figures.confusion(confusion_of(2), CLASSES[:2], theme=theme),
    "confusion-zh": lambda theme: figures.confusion(confusion_of(3), CHINESE, theme=theme),
    "confusion-odd": lambda theme: figures.confusion(np.zeros((3, 3), np.int64), ODD, theme=theme),
    "counts": lambda theme: figures.class_counts({"train": np.array([5, 0, 3]), "连衣": np.ones(3)}, ODD, theme=theme),
    "scores": lambda theme: figures.class_scores(SHARES * 0, SHARES * 1, SHARES * 0.5, CHINESE, theme=theme),
    "calibration": lambda theme: figures.calibration_diagram(
        np.array([0, 0.6]), np.array([0, 0.5]), np.array([0, 9]), theme=theme
    ),
    "histogram": lambda theme: figures.pixel_histogram({"train": np.arange(256.0), "test": np.ones(256)}, theme=theme),
    "rates": lambda theme: rate_test({"Steepest": 1e-3, "Lowest / 10": 2e-3}, theme),
    "rates-none": lambda theme: rate_test({}, theme),
    "rates-nothing": lambda theme: figures.rate_test([], [], [], [], {}, theme=theme),
    "images": lambda theme: pictures.image_grid(GREY, CHINESE, theme=theme),
    "images-one": lambda theme: pictures.image_grid(GREY[:1, :, :, None], ["x"], theme=theme),
    "images-wide": lambda theme: pictures.image_grid(np.zeros((7, 5, 200, 3), np.uint8), ["wide"] * 7, theme=theme),
    "images-tall": lambda theme: pictures.image_grid(np.zeros((2, 200, 5), np.uint8), ["tall"] * 2, theme=theme),
    "means": lambda theme: pictures.mean_images(GREY, ODD, theme=theme),
    "predictions": lambda theme: pictures.prediction_grid(
        GREY, np.array([0, 1, 2]), np.array([0, 2, 2]), CHINESE, theme=theme
    ),
    "prediction-wrong": lambda theme: pictures.prediction(GREY[0], SHARES, CLASSES, 2, theme=theme),
    "prediction-right": lambda theme: pictures.prediction(GREY[0], SHARES, CHINESE, 0, theme=theme),
    "prediction-unknown": lambda theme: pictures.prediction(np.zeros((40, 90, 3), np.uint8), SHARES, ODD, theme=theme),
}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", DRAWINGS)
def test_draws_without_a_warning(name: str, theme: str) -> None:
    DRAWINGS[name](THEMES[theme]).savefig(io.BytesIO(), format="png", dpi=40)


@pytest.mark.parametrize("name", DRAWINGS)
def test_svg_is_small_valid_themed_and_always_the_same(name: str) -> None:
    text = output.as_svg(DRAWINGS[name](LIGHT))
    root = ElementTree.fromstring(text)
    assert root.tag == "svg"
    assert len(text) < 60_000
    assert "http" not in text
    assert "var(--" in text
    assert LIGHT.ink not in text
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert all(f"#{name}" in text for name in ids), "an id that nothing refers to"


def test_svg_of_the_same_figure_is_the_same_and_of_another_shares_no_id() -> None:
    one, again = (output.as_svg(figures.learning_curves([1, 2], [0.1, 0.2])) for _ in range(2))
    other = output.as_svg(figures.learning_curves([2, 1], [0.1, 0.2]))
    assert one == again
    ids = [{e.get("id") for e in ElementTree.fromstring(text).iter() if e.get("id")} for text in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_svg_keeps_text_as_text_and_escapes_it() -> None:
    text = output.as_svg(figures.confusion(np.eye(3, dtype=np.int64), ("<script>", "连衣裙", "a & b")), 'say "so" & <>')
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == 'say "so" & <>'
    assert {"<script>", "连衣裙", "a & b", "Predicted class"} <= {element.text for element in root.iter("text")}
    assert "<script" not in text


@pytest.mark.parametrize("suffix", output.FORMATS)
def test_save_gives_the_same_bytes_twice(tmp_path: Path, suffix: str) -> None:
    paths = [output.save(figures.confusion(confusion_fixed(), CHINESE), tmp_path / f"{i}{suffix}") for i in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"0{suffix}", f"1{suffix}"]


def confusion_fixed() -> figures.NDArray[np.int64]:
    return np.array([[9, 1, 0], [2, 8, 0], [0, 0, 10]])


def test_save_refuses_another_format(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        output.save(Figure(), tmp_path / "figure.bmp")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("k", [2, 10, 47])
def test_labels_of_the_confusion_matrix_never_overlap(k: int) -> None:
    names = [f"Very long category name number {i}" for i in range(k)]
    figure = figures.confusion(confusion_of(k), names)
    figure.set_dpi(72)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    centres = [tick.get_window_extent().x1 for tick in axes.get_xticklabels()]
    size = axes.get_xticklabels()[0].get_fontsize()
    # Slanted lines by 45 degrees keep apart by the sine of it.
    assert np.diff(centres).min() * np.sin(np.pi / 4) > size
    rows = sorted((tick.get_window_extent().y0, tick.get_window_extent().y1) for tick in axes.get_yticklabels())
    assert all(below[1] <= above[0] for below, above in pairwise(rows))
    width, height = figure.get_size_inches() * 72
    for text in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def test_prediction_says_what_is_wrong() -> None:
    wrong = pictures.prediction(GREY[0], SHARES, CLASSES, 2)
    assert "✗ T-shirt/top (Coat)" in texts(wrong)
    colours = [tuple(np.round(np.array(bar.get_facecolor()[:3]) * 255).astype(int)) for bar in wrong.axes[1].patches]
    assert colours[0] == tuple(bytes.fromhex(LIGHT.red[1:]))
    assert colours[2] == tuple(bytes.fromhex(LIGHT.sky[1:]))
    assert "✓ T-shirt/top" in texts(pictures.prediction(GREY[0], SHARES, CLASSES, 0))
    assert "T-shirt/top" in texts(pictures.prediction(GREY[0], SHARES, CLASSES))
    with language("es"):
        assert "no es una prenda" in texts(pictures.prediction(GREY[0], SHARES, CLASSES, verdict="not a garment"))


def test_prediction_shows_the_truth_also_among_many_classes() -> None:
    probabilities = np.linspace(1, 0, 47, dtype=np.float32)
    figure = pictures.prediction(GREY[0], probabilities, [f"c{k}" for k in range(47)], 46)
    assert "c46" in [tick.get_text() for tick in figure.axes[1].get_yticklabels()]


def test_mistakes_are_marked_in_the_grid_of_predictions() -> None:
    figure = pictures.prediction_grid(GREY, np.array([0, 1, 2]), np.array([0, 2, 2]), CLASSES)
    assert [axes.get_title() for axes in figure.axes[:3]] == ["✓ T-shirt/top", "✗ Dress (Coat)", "✓ Coat"]


def test_labels_are_one_line_of_known_glyphs() -> None:
    assert label("a$b$") == r"a\$b\$"
    assert label("two\nlines 👗") == "two lines \N{REPLACEMENT CHARACTER}"
    assert shorten("shirts of the year 2023 in blue", 15) == "shirts…in blue"
    assert shorten("short") == "short"


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_colours_are_readable(theme: Theme) -> None:
    """WCAG AA: 4.5 to 1 against the paper."""

    def luminance(colour: str) -> float:
        channels = np.array(list(bytes.fromhex(colour[1:]))) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    paper = luminance(theme.paper)
    for colour in (theme.ink, theme.muted, theme.blue, theme.red, theme.green):
        low, high = sorted((paper, luminance(colour)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour


def test_the_rate_test_marks_its_suggestions_on_the_curve_and_cuts_the_breakdown_off() -> None:
    axes = rate_test({"Steepest": 1e-3}).axes[0]
    mark = next(line for line in axes.lines if line.get_label() == "Steepest: 0.001")
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx((1e-3, 1.8))
    assert axes.get_xscale() == "log"
    bottom, top = axes.get_ylim()
    assert bottom < 1.3
    assert 2.3 < top < 4  # the loss goes on to 900
