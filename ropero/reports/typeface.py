"""The typefaces of figures and pages: matplotlib's DejaVu Sans, and a shipped font where that has no glyph (Chinese).

Knows nothing of themes or of what is written. `scripts/fonts.py` makes the shipped font.
"""

from __future__ import annotations

import io
import logging
from dataclasses import replace
from functools import cache
from pathlib import Path

from fontTools import subset  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

FILE = Path(__file__).parent / "fonts" / "RoperoSansSC.otf"
FIRST, SECOND = "DejaVu Sans", "Ropero Sans SC"


@cache
def families() -> list[str]:
    """Font families for matplotlib, first choice first; the shipped one is registered when first asked for."""
    font_manager.fontManager.addfont(FILE)
    # It has one weight; offered as bold too, or matplotlib would complain of every bold title.
    regular = next(one for one in font_manager.fontManager.ttflist if one.name == SECOND)
    font_manager.fontManager.ttflist.append(replace(regular, weight=700))
    return [FIRST, SECOND]


@cache
def _glyphs(path: str) -> frozenset[int]:
    return frozenset(FT2Font(path).get_charmap())


def showable(text: str) -> str:
    """The text with a stand-in for each character that neither font can draw: emoji, say."""
    families()
    known = _glyphs(font_manager.findfont(FIRST)) | _glyphs(str(FILE))
    return "".join(char if ord(char) in known else "\N{REPLACEMENT CHARACTER}" for char in text)


def is_chinese(text: str) -> bool:
    """Whether a text holds Chinese characters or their punctuation."""
    return any("\u3000" <= char <= "\u9fff" or "\uff00" <= char <= "\uffef" for char in text)


def embedded(text: str) -> bytes:
    """The shipped font cut down to the Chinese characters of a text, as WOFF: what a page carries with it.

    A few hundred characters are some 100 kB; the whole font would be 1.5 MB in every page.
    """
    # The subsetter tells at length which tables it keeps; no user wants to know.
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    subsetter = subset.Subsetter(subset.Options(hinting=False))
    subsetter.populate(unicodes={ord(char) for char in text if is_chinese(char)})
    file = io.BytesIO()
    with TTFont(FILE, lazy=True, recalcTimestamp=False) as font:
        subsetter.subset(font)
        font.flavor = "woff"
        font.save(file)
    return file.getvalue()
