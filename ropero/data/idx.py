"""IDX, the format MNIST and its family are published in: one file of images, one of labels, for each part.

Knows the format and the usual file names; knows nothing of class names (`known.py`) or of where folders are.
An IDX file: two zero bytes, a type byte (8: unsigned bytes), the number of dimensions, each dimension as a big-endian
32-bit number, then the values.
Legend: N images, H x W pixels.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ropero.data.raw import LIMIT_BYTES, PART_WORDS, Raw, RawPart, opened, read_at_most, too_large
from ropero.errors import DataError
from ropero.texts import joined, mark, t

_UNSIGNED_BYTES = 8
# train-images-idx3-ubyte.gz, t10k-labels.idx1-ubyte, emnist-letters-test-images-idx3-ubyte.gz ...
_NAME = re.compile(r"(?P<prefix>|[\w-]+-)(?P<part>train|t10k|test)-(?P<what>images|labels)[-.]idx[13][-.]ubyte(\.gz)?")
_WHATS = (mark("images"), mark("labels"))


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array in an IDX file, gzipped or not: (N,) for 1 dimension, (N, H, W) for 3.

    Never reads more than the header promises, and never allocates because the header promises.

    Raises:
        DataError: not IDX, other dimensions than expected, or sizes that do not match the content.
    """
    with opened(path) as file:
        shape = _read_header(path, file.read(4 + 4 * dimensions), dimensions)
        expected = math.prod(shape)
        if expected > LIMIT_BYTES:
            raise too_large(path, expected)
        content = read_at_most(file, expected + 1)
    if len(content) > expected:
        raise DataError(
            t(
                "{path}: more follows than the {shape} = {expected} bytes that the header promises. "
                "The file is damaged; download or copy it again.",
                path=path,
                shape=" x ".join(map(str, shape)),
                expected=expected,
            )
        )
    if len(content) < expected:
        raise DataError(
            t(
                "{path}: the header promises {shape} = {expected} bytes, but {got} follow. "
                "The file is cut or damaged; download or copy it again.",
                path=path,
                shape=" x ".join(map(str, shape)),
                expected=expected,
                got=len(content),
            )
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_header(path: Path, header: bytes, dimensions: int) -> tuple[int, ...]:
    if not header:
        raise DataError(t("{path} is empty. Download or copy it again.", path=path))
    if len(header) < 4 or header[:2] != b"\0\0" or header[2] != _UNSIGNED_BYTES or header[3] != dimensions:
        raise DataError(
            t(
                "{path} is not the IDX file it should be: expected it to begin with {expected}, got {got}.",
                path=path,
                expected=bytes((0, 0, _UNSIGNED_BYTES, dimensions)).hex(" "),
                got=header[:4].hex(" "),
            )
        )
    if len(header) < 4 + 4 * dimensions:
        raise DataError(t("{path} is cut short inside its header. Download or copy it again.", path=path))
    shape = struct.unpack(f">{dimensions}I", header[4:])
    if 0 in shape:
        raise DataError(
            t("{path} holds nothing: its header says {shape}.", path=path, shape=" x ".join(map(str, shape)))
        )
    return shape


def is_idx_name(name: str) -> bool:
    """Whether a file is called as IDX files usually are."""
    return _NAME.fullmatch(name.lower()) is not None


def idx_files(folder: Path) -> dict[str, dict[tuple[str, str], Path]]:
    """The IDX files of a folder and of the folders right below it: by file name prefix, then by (part, what).

    Kaggle unpacks each file into a folder of the same name, torchvision puts them into `raw`. Of two versions of one
    file the uncompressed one is taken: it loads faster.
    """
    found: dict[str, dict[tuple[str, str], Path]] = {}
    for path in sorted(_files(folder), key=lambda one: (one.suffix == ".gz", len(one.parts))):
        match = _NAME.fullmatch(path.name.lower())
        if match:
            found.setdefault(match["prefix"] or "", {}).setdefault((PART_WORDS[match["part"]], match["what"]), path)
    return found


def _files(folder: Path) -> Iterable[Path]:
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif path.is_dir() and not path.name.startswith("."):
            yield from (inner for inner in path.iterdir() if is_idx_name(inner.name) and inner.is_file())


def read_folder(folder: Path, prefix: str | None = None) -> Raw:
    """The train part, and the test part if there, of a folder of IDX files.

    `prefix` says which source is meant when the folder holds several; files without a prefix serve for any source.

    Raises:
        DataError: several sources and no telling which, none of the wanted one, a missing file, or a broken one.
    """
    found = idx_files(folder)
    if prefix is not None:
        found = {one: files for one, files in found.items() if one in (prefix, "")}
        found = {prefix: found[prefix]} if prefix in found else found
    if len(found) != 1:
        raise _not_one(folder, prefix)
    found_prefix, files = next(iter(found.items()))
    parts: dict[str, RawPart] = {}
    for part in ("train", "test"):
        if part == "train" or (part, "images") in files or (part, "labels") in files:
            parts[part] = _read_part(folder, files, part)
    return Raw(parts, known_as=found_prefix.rstrip("-"), stored_raw=True)


def _not_one(folder: Path, prefix: str | None) -> DataError:
    """The error for a folder of several sources, or of others than the wanted one."""
    names = sorted(name.rstrip("-") for name in idx_files(folder))
    known = joined(name or "train-*" for name in names)
    if prefix:
        return DataError(
            t("{path} does not hold {name}, but {known}.", path=folder, name=prefix.rstrip("-"), known=known)
        )
    return DataError(
        t(
            "{path} holds more than one source: {known}. Say which, as in {example}.",
            path=folder,
            known=known,
            example=f"{next(filter(None, names), 'mnist')}={folder}",
        )
    )


def _read_part(folder: Path, files: dict[tuple[str, str], Path], part: str) -> RawPart:
    for what in _WHATS:
        if (part, what) not in files:
            raise DataError(
                t(
                    "{path} lacks the {what} of the {part} part: expected a file like {name}.",
                    path=folder,
                    what=t(what),
                    part=t(part),
                    name=f"{'train' if part == 'train' else 't10k'}-{what}-idx{3 if what == 'images' else 1}-ubyte.gz",
                )
            )
    images = read_idx(files[part, "images"], 3)
    labels = read_idx(files[part, "labels"], 1)
    if len(images) != len(labels):
        raise DataError(
            t(
                "{path} holds {got} labels, but {images} holds {n} images: expected one label for each image.",
                path=files[part, "labels"],
                got=len(labels),
                images=files[part, "images"],
                n=len(images),
            )
        )
    return RawPart(images, labels.astype(np.int64), files[part, "labels"])
