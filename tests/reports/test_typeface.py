"""The shipped font covers Chinese, says its licence, and a page takes only what it shows."""

from __future__ import annotations

import io

from fontTools.ttLib import TTFont

from ropero.reports import typeface


def covered() -> set[int]:
    with TTFont(typeface.FILE, lazy=True) as font:
        return set(font.getBestCmap())


def test_covers_gb2312_spanish_and_punctuation() -> None:
    usual = {
        bytes([row, cell]).decode("gb2312", "ignore") for row in range(0xB0, 0xF8) for cell in range(0xA1, 0xFF)
    } - {""}
    assert len(usual) == 6763
    text = "".join(usual) + "，。：；！？（）《》“”‘’、…—·áéíóúüñÑ¿¡×"
    assert {ord(char) for char in text} <= covered()


def test_is_small_and_carries_its_licence() -> None:
    assert typeface.FILE.stat().st_size < 1_600_000
    licence = (typeface.FILE.parent / "OFL.txt").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    with TTFont(typeface.FILE, lazy=True) as font:
        names = {number: font["name"].getDebugName(number) for number in (0, 1, 13)}
    assert names[1] == typeface.SECOND
    assert names[0] in licence
    assert "SIL Open Font License" in names[13]


def test_a_page_embeds_only_what_it_shows() -> None:
    content = typeface.embedded("Dress 连衣裙，外套")
    assert len(content) < 20_000
    with TTFont(io.BytesIO(content)) as font:
        assert font.flavor == "woff"
        assert {chr(code) for code in font.getBestCmap()} == set("连衣裙，外套")
    assert content == typeface.embedded("Dress 连衣裙，外套")


def test_what_no_font_has_is_replaced() -> None:
    assert typeface.showable("裙 ñ ✓ 👗") == "裙 ñ ✓ \N{REPLACEMENT CHARACTER}"


def test_chinese_is_recognised() -> None:
    assert typeface.is_chinese("T恤")
    assert typeface.is_chinese("，")
    assert not typeface.is_chinese("Camisón ✓ – 28×28")
