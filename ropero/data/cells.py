"""CSV tables with empty cells, whatever they are about: columns of numbers to be filled, everything else left alone.

What is not filled stays byte for byte as it was in the file: separators, quotes, line ends, other columns. Knows
nothing of what fills the cells, or of images (`tables.py`). Legend: R rows, F columns of numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ropero.data.raw import opened, read_at_most
from ropero.errors import DataError
from ropero.texts import t

LIMIT_BYTES, LIMIT_CELLS, LIMIT_COLUMNS = 64 << 20, 2_000_000, 10_000
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
EMPTY = ("", "na", "n/a", "nan", "null", "none", "?")  # what an empty cell holds, in any case
_SEPARATORS = (b",", b";", b"\t", b"|")
_BOM = b"\xef\xbb\xbf"
_NUMBER_BYTES = 64  # the longest text that is a number
_POINT = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?")
_COMMA = re.compile(r"[+-]?(?:\d+(?:,\d*)?|,\d+)(?:[eE][+-]?\d{1,4})?")

Cell = tuple[int, int]  # where its text begins and ends in the file


@dataclass(frozen=True, eq=False)
class Column:
    """One column of numbers.

    Attributes:
        at: its place among all columns. name: its header, else its number from 1.
        values: (R,), not a number where the cell is empty.
        decimals: how many digits its numbers have behind the point at most; None where they are written as 1e-5.
        comma: whether that point is a comma.
    """

    at: int
    name: str
    values: NDArray[np.float64]
    decimals: int | None
    comma: bool

    def written(self, value: float) -> str:
        """A number as this column writes them."""
        text = f"{value:.6g}" if self.decimals is None else f"{value:.{self.decimals}f}"
        if self.decimals is not None and not float(text):
            text = text.lstrip("-")  # no -0.00
        return text.replace(".", ",") if self.comma else text


@dataclass(frozen=True, eq=False)
class Table:
    """A table as its file holds it.

    Attributes:
        content: the whole file. cells: of each row below the header, where each cell lies in it.
        lines: (R,), the line of the file that each row begins in, from 1.
        columns: those of numbers. left: names of the others; empty: how many of their cells are empty, and stay so.
    """

    path: Path
    content: bytes
    cells: Sequence[Sequence[Cell]]
    lines: Sequence[int]
    columns: tuple[Column, ...]
    left: tuple[str, ...]
    empty: int

    @property
    def values(self) -> NDArray[np.float64]:
        """(R, F), not a number where a cell is empty."""
        return np.stack([column.values for column in self.columns], 1)

    def filled(self, values: NDArray[np.float64]) -> bytes:
        """The file with its empty cells filled from values (R, F), all else byte for byte as it was."""
        changes = [
            (*self.cells[row][column.at], column.written(float(values[row, number])).encode())
            for number, column in enumerate(self.columns)
            for row in np.flatnonzero(np.isnan(column.values)).tolist()
        ]
        parts, done = [], 0
        for start, end, text in sorted(changes):
            parts += [self.content[done:start], text]
            done = end
        return b"".join([*parts, self.content[done:]])


def read(path: Path) -> Table:
    """A table of a file, gzipped or not, with a header or not, separated by commas, semicolons, tabs or bars.

    Raises:
        DataError: naming the line, for a row of another length; a column without any number; a cell that is no number
            in a column of them; a file that is too large or no CSV.
    """
    with opened(path) as file:
        content = bytes(read_at_most(file, LIMIT_BYTES + 1))
    if len(content) > LIMIT_BYTES:
        raise DataError(t("{path} is larger than {limit} MB.", path=path, limit=LIMIT_BYTES >> 20))
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content:
        raise DataError(t("{path} is not CSV in UTF-8; save it as that.", path=path))
    separator = _separator(content)
    lines: list[int] = []
    cells: list[list[Cell]] = []
    for line, row in _rows(path, content, separator):
        if cells and len(row) != len(cells[0]):
            raise DataError(t("{path}, line {line}: expected {expected} columns, got {got}.", path=path, line=line,
                              expected=len(cells[0]), got=len(row)))  # fmt: skip
        lines.append(line)
        cells.append(row)
        if len(cells) * len(row) > LIMIT_CELLS:
            raise DataError(t("{path} has more than {n} cells, too many to fill at once.", path=path, n=LIMIT_CELLS))
    if not cells:
        raise DataError(t("{path} is empty: expected a table.", path=path))
    return _table(path, content, cells, lines, separator)


def _separator(content: bytes) -> bytes:
    """What stands most often in the first line, outside of quotes."""
    first = re.sub(rb'"[^"]*"', b"", content.removeprefix(_BOM).split(b"\n", 1)[0])
    return max(_SEPARATORS, key=first.count)


def _rows(path: Path, content: bytes, separator: bytes) -> Iterator[tuple[int, list[Cell]]]:
    """(line, its cells) of each row; lines without any cell are passed over."""
    mark = re.escape(separator)
    cell = re.compile(rb'(?:[ ]*"(?:[^"]++|"")*+"[ ]*|[^"%b\r\n][^%b\r\n]*+|)(%b|\r\n|\n|\r|\Z)' % (mark, mark, mark))
    place, line, began = len(_BOM) if content.startswith(_BOM) else 0, 1, 1
    row: list[Cell] = []
    while place < len(content) or row:
        found = cell.match(content, place)
        if found is None:
            raise DataError(t("{path}, line {line}: a quote in it is not closed as CSV has it.", path=path, line=line))
        row.append((found.start(), found.start(1)))
        line += content.count(b"\n", found.start(), found.end())
        place = found.end()
        if found[1] == separator:
            if len(row) >= LIMIT_COLUMNS:
                raise DataError(
                    t("{path}, line {line}: more than {n} columns.", path=path, line=began, n=LIMIT_COLUMNS)
                )
            continue
        if len(row) > 1 or row[0][0] < row[0][1]:
            yield began, row
        row, began = [], line


def _table(path: Path, content: bytes, cells: list[list[Cell]], lines: list[int], separator: bytes) -> Table:
    texts = [[_text(content[start:end]) for start, end in row] for row in cells]
    kinds = [[_kind(row[at], separator) for row in texts] for at in range(len(cells[0]))]
    header = len(cells) > 1 and _has_header(kinds)
    names = [text or str(at) for at, text in enumerate(texts[0], 1)] if header else [
        str(at) for at in range(1, len(cells[0]) + 1)
    ]  # fmt: skip
    first = int(header)
    columns, left, empty = [], [], 0
    for at, kind in enumerate(kinds):
        found = _column(path, at, names[at], [row[at] for row in texts[first:]], kind[first:], lines[first:])
        if found is not None:
            columns.append(found)
        else:
            left.append(names[at])
            empty += kind[first:].count("empty")
    return Table(path, content, cells[first:], lines[first:], tuple(columns), tuple(left), empty)


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace").strip()
    return text[1:-1].replace('""', '"').strip() if len(text) > 1 and text[0] == text[-1] == '"' else text


def _kind(text: str, separator: bytes) -> str:
    """ "empty", "point" or "comma" for a number with that mark, "whole" for one without, else "word"."""
    if text.lower() in EMPTY:
        return "empty"
    if len(text) > _NUMBER_BYTES:
        return "word"
    if _POINT.fullmatch(text) and math.isfinite(float(text)):
        return "point" if "." in text else "whole"
    if separator != b"," and _COMMA.fullmatch(text) and math.isfinite(float(text.replace(",", "."))):
        return "comma"
    return "word"


def _has_header(kinds: list[list[str]]) -> bool:
    """Whether the first row names the columns: a word stands over numbers, or there is nothing but words."""
    over = any(
        column[0] == "word" and "word" not in column[1:] and any(kind != "empty" for kind in column[1:])
        for column in kinds
    )
    return over or all(column[0] == "word" for column in kinds)


def _column(path: Path, at: int, name: str, texts: list[str], kinds: list[str], lines: list[int]) -> Column | None:
    """A column of numbers; None for one of words, whose empty cells no one can fill.

    Raises DataError for one without any content, and for a word among numbers where there are empty cells to fill.
    """
    numbers, empty = sum(kind in ("point", "comma", "whole") for kind in kinds), kinds.count("empty")
    words = len(kinds) - numbers - empty
    if empty == len(kinds):
        raise DataError(t("{path}: column {column} is all empty; remove it, there is nothing to fill it from.",
                          path=path, column=name))  # fmt: skip
    comma = kinds.count("comma") > kinds.count("point")
    good = {"whole", "empty", "comma" if comma else "point"}
    wrong = next((row for row, kind in enumerate(kinds) if kind not in good), None)
    if wrong is not None:
        if empty and numbers > words:
            raise DataError(
                t("{path}, line {line}, column {column}: expected a number or an empty cell, got {got!r}.", path=path,
                  line=lines[wrong], column=name, got=texts[wrong][:40])
            )  # fmt: skip
        return None
    plain = [text.replace(",", ".") for text, kind in zip(texts, kinds, strict=True) if kind != "empty"]
    values = np.full(len(kinds), np.nan)
    values[[kind != "empty" for kind in kinds]] = [float(text) for text in plain]
    powers = any("e" in text.lower() for text in plain)
    decimals = None if powers else max(len(text.partition(".")[2]) for text in plain)
    return Column(at, name, values, decimals, comma)
