"""Parquet as Hugging Face publishes image sets: a column of encoded pictures, a column of labels.

Knows the format and Hugging Face's description of it; needs pyarrow, the extra "tables".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ropero.data import pictures
from ropero.data.dataset import Labels
from ropero.data.raw import LIMIT_BYTES, Progress, Raw, RawPart, parts_by_name, too_large
from ropero.errors import DataError, MissingExtra
from ropero.storage import human_bytes
from ropero.texts import joined, t

SUFFIXES = (".parquet",)
_IMAGE_NAMES = ("image", "img", "picture", "photo")
_LABEL_NAMES = ("label", "labels", "class", "target", "fine_label")
_BATCH_ROWS = 256  # unpacked by pyarrow at once


@dataclass
class _Rows:
    """The rows of one part: a source for each picture, and its label as stored."""

    sources: list[pictures.Source]
    labels: list[int | str]
    path: Path
    image_bytes: int = 0


def read_parquet(path: Path, *, image_size: int | None = None, progress: Progress | None = None) -> Raw:
    """The parts of a Parquet file (the train part) or of a folder of them (train*, test*, validation*).

    The image column holds {bytes, path} or bytes, the label column whole numbers or names.

    Raises:
        DataError: naming the file, and the row where there is one.
        MissingExtra: pyarrow is not installed.
    """
    files = [path] if path.is_file() else [one for one in path.iterdir() if one.suffix.lower() in SUFFIXES]
    names: tuple[str, ...] | None = None
    rows: dict[str, _Rows] = {}
    for part, chosen in parts_by_name(path, files).items():
        rows[part] = _Rows([], [], chosen[0])
        for file in chosen:
            room = LIMIT_BYTES - sum(one.image_bytes for one in rows.values())
            names = _read_file(file, rows[part], room) or names
    sources = [source for one in rows.values() for source in one.sources]
    names, labels = _number(rows, names)
    images = pictures.gather(sources, image_size=image_size, what=path.name, progress=progress)
    parts: dict[str, RawPart] = {}
    start = 0
    for part, one in rows.items():
        parts[part] = RawPart(images[start : start + len(one.sources)], labels[part], one.path)
        start += len(one.sources)
    return Raw(parts, classes=names)


def _number(rows: dict[str, _Rows], names: tuple[str, ...] | None) -> tuple[tuple[str, ...] | None, dict[str, Labels]]:
    """The class names, where there are any, and the labels as numbers."""
    words = {label for one in rows.values() for label in one.labels if isinstance(label, str)}
    if words:
        names = tuple(sorted(words))
    at = {name: number for number, name in enumerate(names or ())}
    labels = {
        part: np.array([at[label] if isinstance(label, str) else label for label in one.labels], np.int64)
        for part, one in rows.items()
    }
    return names, labels


def _read_file(path: Path, rows: _Rows, room: int) -> tuple[str, ...] | None:
    """Adds the rows of one file, `room` bytes of pictures at the most; gives the class names in its metadata."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra(t("Reading Parquet"), "tables") from error
    try:
        with pq.ParquetFile(path) as file:
            size = sum(file.metadata.row_group(at).total_byte_size for at in range(file.metadata.num_row_groups))
            if size > LIMIT_BYTES:
                raise too_large(path, size)
            schema = file.schema_arrow
            image, label = _columns(path, schema)
            names = _class_names(schema.metadata, label)
            room += rows.image_bytes
            for row, (image_row, label_row) in enumerate(_pairs(file, image, label)):
                _add(path, rows, row, image_row, label_row)
                if rows.image_bytes > room:
                    raise _unpacks_too_large(path)
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DataError(t("{path} is not whole Parquet ({reason}).", path=path, reason=error)) from error
    if not rows.sources:
        raise DataError(t("{path} is empty: expected a row for each image.", path=path))
    return names


def _unpacks_too_large(path: Path) -> DataError:
    return DataError(
        t(
            "{path} unpacks to more than the {limit} that ropero reads at once. Check the file, or use a smaller one.",
            path=path,
            limit=human_bytes(LIMIT_BYTES),
        )
    )


def _pairs(file: Any, image: str, label: str) -> Iterator[tuple[Any, Any]]:
    """(image, label) of every row, one by one: a dictionary lets a small file hold a large picture in many rows."""
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=[image, label]):
        for image_row, label_row in zip(batch.column(image), batch.column(label), strict=True):
            yield image_row.as_py(), label_row.as_py()


def _columns(path: Path, schema: Any) -> tuple[str, str]:
    """The names of the image and of the label column."""
    lower = {name.lower(): name for name in schema.names}
    image = next((lower[name] for name in _IMAGE_NAMES if name in lower), None)
    label = next((lower[name] for name in _LABEL_NAMES if name in lower), None)
    if image is None or label is None:
        raise DataError(
            t(
                "{path}: expected a column 'image' and a column 'label', got {names}.",
                path=path,
                names=joined(schema.names[:8]) or t("none"),
            )
        )
    return image, label


def _class_names(metadata: dict[bytes, bytes] | None, label: str) -> tuple[str, ...] | None:
    try:
        feature = json.loads((metadata or {})[b"huggingface"])["info"]["features"][label]
        names = feature["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)


def _add(path: Path, rows: _Rows, row: int, image: Any, label: Any) -> None:
    content = image.get("bytes") if isinstance(image, dict) else image
    if not isinstance(content, bytes):
        raise DataError(t("{path}, row {row}: expected the bytes of a picture, got none.", path=path, row=row))
    is_label = isinstance(label, str) or (isinstance(label, int) and not isinstance(label, bool) and 0 <= label < 2**31)
    if not is_label:
        raise DataError(
            t(
                "{path}, row {row}: expected a label as a whole number or a name, got {got!r}.",
                path=path,
                row=row,
                got=label,
            )
        )
    rows.sources.append((t("{path}, row {row}", path=path, row=row), content))
    rows.labels.append(label)
    rows.image_bytes += len(content)
