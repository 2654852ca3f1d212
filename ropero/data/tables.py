"""CSV as Kaggle publishes MNIST and its family: a row an image, a label and H x H pixels, with a header or not.

Knows the text format; knows nothing of class names or of other formats. Whole blocks of bytes are turned into numbers
by numpy; only a block that is not perfectly regular is read line by line, to accept it or to name the bad line.
Legend: N images, H x H pixels, M values in a block.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ropero.data.raw import (
    LIMIT_BYTES,
    LIMIT_CLASSES,
    Progress,
    Raw,
    RawPart,
    opened,
    parts_by_name,
    too_large,
)
from ropero.errors import DataError
from ropero.texts import joined, t

SUFFIXES = (".csv", ".csv.gz")
_BLOCK_BYTES = 1 << 20
_LINE_BYTES = 4 << 20  # a line of 512 x 512 pixels takes 1 MB at the most
_LABEL_NAMES = ("label", "labels", "class", "target", "y")


@dataclass(frozen=True)
class _Shape:
    """What the first line tells: the number of columns, which one is the label, and whether the line is a header."""

    columns: int
    label_at: int
    header: bool

    @property
    def side(self) -> int:
        return math.isqrt(self.columns - 1)


def read_tables(path: Path, name: str = "", progress: Progress | None = None) -> Raw:
    """The parts of a CSV file (the train part) or of a folder of CSV files with the part in their names.

    Where file names of the folder begin with `name`, other files are left out: Kaggle's EMNIST is all in one folder.

    Raises:
        DataError: naming the file and the line.
    """
    files = [path] if path.is_file() else [one for one in path.iterdir() if one.name.lower().endswith(SUFFIXES)]
    files = [one for one in files if name and one.name.lower().startswith(name)] or files
    parts: dict[str, RawPart] = {}
    for part, (first, *others) in parts_by_name(path, files).items():
        if others:
            raise DataError(
                t(
                    "{path} holds more than one {part} file: {files}. Keep one, or give one file.",
                    path=path,
                    part=part,
                    files=joined(one.name for one in (first, *others)),
                )
            )
        parts[part] = read_csv(first, progress)
    return Raw(parts, stored_raw=True)


def read_csv(path: Path, progress: Progress | None = None) -> RawPart:
    """The images (N, H, H) and labels (N,) of one CSV file, gzipped or not.

    Raises:
        DataError: naming the line, for a wrong number of columns, or a value that is not a whole number from 0 to 255.
    """
    images: list[NDArray[np.uint8]] = []
    labels: list[NDArray[np.int64]] = []
    shape: _Shape | None = None
    line, held, done = 1, 0, 0
    with opened(path) as file:
        total = None if isinstance(file, gzip.GzipFile) else path.stat().st_size
        for block in _blocks(path, file):
            done += len(block)
            text = block
            if shape is None:
                first, _, rest = block.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
                shape = _first_line(path, first)
                text, line = (rest, 2) if shape.header else (block.removeprefix(b"\xef\xbb\xbf"), 1)
            values = _parse_block(text, shape.columns)
            if values is None or not _in_range(values, shape.label_at):
                values = _parse_lines(path, text, shape, line)
            line += text.count(b"\n")
            labels.append(values[:, shape.label_at].astype(np.int64))
            pixels = values[:, 1:] if shape.label_at == 0 else np.delete(values, shape.label_at, axis=1)
            images.append(pixels.astype(np.uint8))
            held += pixels.size
            if held > LIMIT_BYTES:
                raise too_large(path, held)
            if progress:
                progress(path.name, done, total)
    if shape is None or not held:
        raise DataError(t("{path} is empty: expected a row of numbers for each image.", path=path))
    return RawPart(np.concatenate(images).reshape(-1, shape.side, shape.side), np.concatenate(labels), path)


def _blocks(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    """The file in blocks of whole lines, each ending in \\n."""
    kept = b""
    while chunk := file.read(_BLOCK_BYTES):
        head, newline, tail = chunk.rpartition(b"\n")
        if newline:
            yield (kept + head + newline).replace(b"\r\n", b"\n")
            kept = tail
        else:
            kept += chunk
        if len(kept) > _LINE_BYTES:
            raise DataError(t("{path} is not CSV: it has a line of more than {n} bytes.", path=path, n=_LINE_BYTES))
    if kept.strip():
        yield kept.rstrip(b"\r") + b"\n"


def _number(field: str) -> float | None:
    try:
        return float(field.strip().strip('"'))
    except ValueError:
        return None


def _first_line(path: Path, line: bytes) -> _Shape:
    fields = [field.strip().strip('"').lower() for field in line.decode("utf-8", "replace").split(",")]
    words = [at for at, field in enumerate(fields) if _number(field) is None]
    # pandas writes the header label,0,1,2...: one word is enough when it is the usual one.
    named = [at for at in words if fields[at] in _LABEL_NAMES]
    header = bool(named) or len(words) > len(fields) // 2
    shape = _Shape(len(fields), named[0] if named else 0, header)
    if len(fields) < 2 or shape.side**2 != len(fields) - 1:
        side = math.isqrt(len(fields))
        raise DataError(
            t("{path}, line 1: {n} columns; expected a label and H x H pixels, such as 785.", path=path, n=len(fields))
            + (" " + t("The label column seems to be missing.") if side > 1 and side**2 == len(fields) else "")
        )
    return shape


def _parse_block(block: bytes, columns: int) -> NDArray[np.uint16] | None:
    """(rows, columns) of a block that is nothing but numbers of 1 to 3 digits, commas and line ends; else None."""
    content = np.frombuffer(block, np.uint8)
    digits = content - np.uint8(ord("0"))  # anything that is not a digit wraps around to more than 9
    ends = np.flatnonzero(digits > 9)  # (M,), where each number ends
    if not len(ends) or len(ends) % columns:
        return None
    marks = content[ends].reshape(-1, columns)
    lengths = np.diff(ends, prepend=-1) - 1
    if (marks[:, :-1] != ord(",")).any() or (marks[:, -1] != ord("\n")).any():
        return None
    if lengths.min() < 1 or lengths.max() > 3:
        return None
    values = digits[ends - 1].astype(np.uint16)
    values += np.where(lengths > 1, digits[ends - 2], 0).astype(np.uint16) * np.uint16(10)
    values += np.where(lengths > 2, digits[ends - 3], 0).astype(np.uint16) * np.uint16(100)
    return values.reshape(-1, columns)


def _in_range(values: NDArray[np.uint16], label_at: int) -> bool:
    if values.max() <= 255:
        return True
    pixels = np.delete(values, label_at, axis=1)
    return bool(pixels.max() <= 255 and values[:, label_at].max() < LIMIT_CLASSES)


def _parse_lines(path: Path, block: bytes, shape: _Shape, first_line: int) -> NDArray[np.uint16]:
    """(rows, columns), line by line: accepts spaces, quotes, 12.0 and blank lines; names the first bad line."""
    rows: list[NDArray[np.uint16]] = []
    tops = np.full(shape.columns, 255)
    tops[shape.label_at] = LIMIT_CLASSES - 1
    for line, text in enumerate(block.decode("utf-8", "replace").split("\n"), first_line):
        if not text.strip():
            continue
        fields = text.split(",")
        if len(fields) != shape.columns:
            raise DataError(
                t(
                    "{path}, line {line}: expected {expected} columns, got {got}.",
                    path=path,
                    line=line,
                    expected=shape.columns,
                    got=len(fields),
                )
            )
        numbers = [_number(field) for field in fields]
        row = np.array([math.nan if number is None else number for number in numbers])
        good = (row >= 0) & (row <= tops) & (row == np.trunc(row))
        if not good.all():
            at = int(np.argmin(good))
            raise DataError(
                t(
                    "{path}, line {line}, column {column}: expected a whole number from 0 to {top}, got {got!r}.",
                    path=path,
                    line=line,
                    column=at + 1,
                    top=tops[at],
                    got=fields[at].strip()[:40],
                )
            )
        rows.append(row.astype(np.uint16))
    return np.stack(rows) if rows else np.empty((0, shape.columns), np.uint16)
