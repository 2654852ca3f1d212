"""What every reader of files gives back, before names and checks: arrays by part, perhaps class names.

Knows nothing of any file format (`idx.py`, `tables.py`, `folders.py` and others) or of where data lies (`finder.py`).
Legend: N images, H x W pixels, C channels, K classes.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, Protocol, cast

from ropero.data.dataset import Images, Labels
from ropero.errors import DataError
from ropero.storage import CHUNK_BYTES, human_bytes
from ropero.texts import joined, t

Unit = Literal["bytes", "images"]


class Progress(Protocol):
    """Is told how far a long work has come."""

    def __call__(self, what: str, done: int, total: int | None, unit: Unit = "bytes", /) -> None:
        """Note that `done` of `total` of `what` is there; total is None while it is not known."""


# The most that one array may take in memory. EMNIST ByClass, the largest known source, takes 0.55 GB.
LIMIT_BYTES = 4 << 30
# More classes than this is a sign of a column that is not a label.
LIMIT_CLASSES = 1000
GZIP_MAGIC = b"\x1f\x8b"
# A text beside the data with one class name a line.
CLASS_FILES = ("classes.txt", "labels.txt")

# What a part may be called in the name of a file or a folder.
PART_WORDS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "t10k": "test",
}


def part_of(name: str) -> str:
    """The part that a file or folder name tells of, '' when it tells of none: fashion-mnist_train.csv is "train"."""
    words = re.split(r"[^a-z0-9]+", name.lower())
    return next((PART_WORDS[word] for word in words if word in PART_WORDS), "")


def parts_by_name(folder: Path, files: Iterable[Path]) -> dict[str, list[Path]]:
    """Files by the part their names tell of, in order; a lone file that tells of none is the train part.

    Raises:
        DataError: several files and no telling which is for training.
    """
    files = sorted(files)
    named: dict[str, list[Path]] = {}
    for path in files:
        if part := part_of(path.name):
            named.setdefault(part, []).append(path)
    if len(files) == 1:
        return {"train": files}
    if "train" not in named:
        raise DataError(
            t(
                "{path}: no telling which file is for training among {files}. "
                "Put 'train' and 'test' into their names, or give one file.",
                path=folder,
                files=joined(path.name for path in files[:5]),
            )
        )
    return {part: named[part] for part in ("train", "validation", "test") if part in named}


@dataclass(frozen=True, eq=False)
class RawPart:
    """One part as its file holds it: images (N, H, W[, C]) uint8, labels (N,) int64, and the file, for messages."""

    images: Images
    labels: Labels
    path: Path


@dataclass(frozen=True, eq=False)
class Raw:
    """All parts of one source: keys are "train", "validation" and "test".

    `classes` are the names the files bring, None when they bring none. `known_as` is the known source that the file
    names give away (such as "emnist-letters"), else "". `stored_raw` is true for the formats that keep EMNIST's
    transposed pixels as they were published.
    """

    parts: dict[str, RawPart]
    classes: tuple[str, ...] | None = None
    known_as: str = ""
    stored_raw: bool = False
    skipped: dict[str, int] = field(default_factory=dict)


def too_large(path: Path | str, size: int) -> DataError:
    """The error for data that would not fit the memory bound."""
    return DataError(
        t(
            "{path} says it holds {size}, more than the {limit} that ropero reads at once. "
            "Check the file, or use a smaller one.",
            path=path,
            size=human_bytes(size),
            limit=human_bytes(LIMIT_BYTES),
        )
    )


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file opened for reading bytes, unpacked on the fly when it is gzip (told by content, not by name).

    Raises DataError, inside the block too, for a file that cannot be read or a gzip that is cut or damaged.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP_MAGIC
            file.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield cast("IO[bytes]", unpacked)
            else:
                yield file
    except EOFError as error:
        raise DataError(
            t("{path} is cut short: the gzip data ends too early. Download or copy it again.", path=path)
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            t("{path} is damaged gzip data ({reason}). Download or copy it again.", path=path, reason=error)
        ) from error
    except OSError as error:
        raise DataError(t("Cannot read {path}: {reason}", path=path, reason=error.strerror or error)) from error


def read_at_most(file: IO[bytes], limit: int) -> bytearray:
    """Up to `limit` bytes, in steps: memory follows what the file really holds, never what its header promises."""
    content = bytearray()
    while len(content) < limit and (chunk := file.read(min(CHUNK_BYTES, limit - len(content)))):
        content += chunk
    return content
