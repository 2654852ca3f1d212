"""What a stranger has written cannot move, colour, erase or turn anything in a terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropero.cli.app import run as command
from ropero.errors import DataError, MissingExtra, RoperoError
from ropero.export.checks import Check
from ropero.models.entries import cut
from ropero.texts.plain import NAME, shown, shown_json, shown_lines

ANY = st.text(st.characters(exclude_categories=()), max_size=40)
WHOLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(ANY)
def test_no_control_character_is_left(text: str) -> None:
    for said, allowed in ((shown(text), ""), (shown_lines(text), "\t\n")):
        assert not [one for one in said if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") and one not in allowed]
        assert not [one for one in said if unicodedata.bidirectional(one) in ("RLO", "LRO", "RLE", "LRE", "RLI", "LRI")]
        said.encode()  # a half of a character could not be written


@given(WHOLE)
def test_json_says_the_same(text: str) -> None:
    said = shown_json(json.dumps({text: [text]}, ensure_ascii=False, indent=2))
    assert json.loads(said) == {text: [text]}
    assert shown_lines(said) == said


@pytest.mark.parametrize("text", ["dense", "Café 毛衣", "a\\b", "👩‍👧", "abrigo, niña; 100 %"])
def test_what_people_write_stays(text: str) -> None:
    assert shown(text) == text


def test_long_names_are_cut() -> None:
    assert shown("a" * 10_000) == "a" * NAME + "…"
    assert len(shown_lines("a" * 10_000)) == 10_000


@pytest.mark.parametrize("make", [RoperoError, DataError, cut, lambda text: Check("file", False, text).note])
def test_errors_findings_and_repeated_values_are_plain(make: object) -> None:
    assert str(make("layer \x1b[2J\x9b1A\u202e")) == "layer \\x1b[2J\\x9b1A\\u202e"  # type: ignore[operator]


def test_few_errors_have_lines_and_all_end() -> None:
    assert str(DataError("one\n  two")) == "one\\n  two"
    assert str(DataError("one\n  two\x1b", lines=True)) == "one\n  two\\x1b"
    assert len(str(DataError("a" * 1_000_000))) < 5000
    assert str(MissingExtra("\x1b", "keras")).startswith("\\x1b needs")


def test_the_command_line_prints_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["verify", "\x1b[2J\x9b.onnx"]) == 2
    said = capsys.readouterr()
    assert "\x1b[2J" not in said.out + said.err
    assert "\\x1b[2J\\x9b.onnx" in said.out + said.err
