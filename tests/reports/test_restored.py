"""The pages of filled pictures: whole, safe, in three languages; holes are see-through."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic
from numpy.typing import NDArray
from PIL import Image

from ropero.data.dataset import Dataset
from ropero.evaluation.restored import GUESS, MEAN, Examples, Hidden, Restored, restored, title
from ropero.generation.masks import parse
from ropero.reports.restored import Filled, Scored, holed_thumbnail, versus_words, write_pictures, write_scores
from ropero.texts import LANGUAGES, language

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "img", "br", "link", "input"}


class Closed(HTMLParser):
    """Fails where an element is not closed where it was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [] if tag in VOID else [tag]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens nothing."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(page: str) -> None:
    reader = Closed()
    reader.feed(page)
    assert not reader.open
    assert EVIL not in page
    assert not re.search(r'https?:|@import|url\((?!#|"?data:)|(src|href)="(?!data:|#)', page)


def scored(seen: tuple[str, ...] = ()) -> Scored:
    part = synthetic(9, split="validation")
    part = Dataset(part.images, part.labels, (EVIL, "Coat", "Bag"), "<data>", "validation")
    known = parse("half-bottom").known(9, 28, 28)
    truth = part.images.astype(np.float32) / 255
    said: NDArray[np.float32] = np.eye(3, dtype=np.float32)[part.labels] * 0.8 + 0.05
    right = np.arange(9) < 7
    rows: list[Restored] = []
    for name, what in (("mean", GUESS), (EVIL, GUESS), (EVIL, MEAN)):
        filled = np.where(known, truth, 0.5)[None].repeat(2 if what == MEAN else 1, 0)
        rows.append(restored(name, what, truth, filled, known, right, 0.1))
    examples = Examples(part, known, said, {title(row): (part.images, said[::-1]) for row in rows})
    hidden = Hidden("half-bottom", 0.5, np.ones(9, bool), np.zeros(9, bool), tuple(rows))
    return Scored("run", part.name, "validation", 9, [hidden], [examples], ["mean"], seen)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_of_scores_is_whole_and_safe(lang: str, tmp_path: Path) -> None:
    page = write_scores(scored(("flow",)), tmp_path / "p.html", lang).read_text("utf-8")
    check(page)
    assert page.count("<figure") == 9 * 5
    assert page.count('<figure class="right">') + page.count('<figure class="wrong">') == 9 * 4
    assert page.count('<figure class="wrong">') == 3 * 6, (
        "the filled ones are said backwards: right where labels mirror"
    )
    assert "flow" in page


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("draws", [1, 4])
def test_the_page_of_pictures_is_whole_and_safe(lang: str, draws: int, tmp_path: Path) -> None:
    image = synthetic(1).images[0]
    known = parse("0.5").known(1, 28, 28)[0]
    one = Filled(EVIL, image, known, np.stack([image] * draws), image, image)
    page = write_pictures([one] * 61, "knn", tmp_path / "p.html", lang).read_text("utf-8")
    check(page)
    assert page.count('class="strip"') == 60
    assert page.count("<figure") == 60 * (2 if draws == 1 else 1 + draws + 2)
    assert "60" in page
    assert "61" in page


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3), (28, 28, 1)])
def test_holes_are_see_through_and_the_rest_is_not(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    known = parse("0.4").known(1, 28, 28)[0]
    content = holed_thumbnail(image, known).partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(content))) as file:
        pixels = np.asarray(file.convert("RGBA"))
    np.testing.assert_array_equal(pixels[..., 3] == 255, known)
    wide = np.broadcast_to(image.reshape(28, 28, -1), (28, 28, 3))
    np.testing.assert_array_equal(pixels[known][:, :3], wide[known])


def test_a_comparison_is_said_with_its_interval() -> None:
    with language("en"):
        first, second = versus_words(scored().holes[0], ["mean"])
    assert "against the best baseline, mean: 0.0 points of accuracy (" in first
    assert first.endswith("p 1.0000.")
    assert "mean of several against" in second
