"""NumPy's .npy arrays, and .npz: a zip of them by name, as Keras publishes MNIST and its family.

Read here without numpy's own loader: that one allocates what a header promises, and could be asked to unpickle. Knows
nothing of class names.
Legend: N images, H x W pixels, C channels.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from ropero import bounds
from ropero.data.dataset import Images, Labels
from ropero.data.raw import LIMIT_BYTES, Raw, RawPart, read_at_most, too_large
from ropero.errors import DataError
from ropero.texts import joined, t

# (images, labels) of each part, as Keras and as MedMNIST name them.
_NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "train": (("x_train", "y_train"), ("train_images", "train_labels")),
    "validation": (("x_val", "y_val"), ("x_validation", "y_validation"), ("val_images", "val_labels")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
}
_HEADER_BYTES = 64 << 10
_HEADER = re.compile(
    rb"\{'descr': '(?P<type>[<>|=]?[biuf][1248])', 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>(?:\d{1,18}L?,? ?){0,8})\),? ?\}\s*"
)
_STEP = 4096  # images checked at once


def read_npz(path: Path) -> Raw:
    """The parts of an .npz file: x_train, y_train, and x_test, y_test and x_val, y_val where they are.

    Raises:
        DataError: a file that is not whole, a missing array, or values that are not pixels or labels.
    """
    with _zip(path) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        parts: dict[str, RawPart] = {}
        for part, choices in _NAMES.items():
            for pair in choices:
                if members.keys() & set(pair):
                    parts[part] = _read_part(path, archive, members, pair)
                    break
    if "train" not in parts:
        raise DataError(
            t(
                "{path} has no training data: expected arrays named x_train and y_train, got {names}.",
                path=path,
                names=joined(sorted(members)[:8]) or t("none"),
            )
        )
    return Raw(parts)


@contextmanager
def _zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with bounds.archive(path) as archive:
            yield archive
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, KeyError, IndexError) as error:
        raise DataError(
            t("{path} is not a whole .npz file ({reason}). Download or copy it again.", path=path, reason=error)
        ) from error
    except (NotImplementedError, RuntimeError) as error:  # encrypted, or packed in a way that zipfile does not know
        raise DataError(t("{path} cannot be unpacked: {reason}", path=path, reason=error)) from error
    except OSError as error:
        raise DataError(t("Cannot read {path}: {reason}", path=path, reason=error.strerror or error)) from error


def _read_part(path: Path, archive: zipfile.ZipFile, members: dict[str, str], pair: tuple[str, str]) -> RawPart:
    for name in pair:
        if name not in members:
            raise DataError(t("{path} lacks the array {name!r}.", path=path, name=name))
    images = _pixels(path, pair[0], _read_member(path, archive, members[pair[0]]))
    labels = _labels(path, pair[1], _read_member(path, archive, members[pair[1]]))
    if len(images) != len(labels):
        raise DataError(
            t(
                "{path}: {labels} holds {got} labels, but {images} holds {n} images: expected one for each.",
                path=path,
                labels=pair[1],
                got=len(labels),
                images=pair[0],
                n=len(images),
            )
        )
    return RawPart(images, labels, path)


def _read_member(path: Path, archive: zipfile.ZipFile, member: str) -> NDArray[Any]:
    with archive.open(member) as file:
        return _read_array(f"{path}: {member}", file)


def read_npy(name: str, content: bytes) -> NDArray[Any]:
    """The array of numbers in a .npy file's bytes; takes no more memory than these bytes, whatever the header promises.

    `name` is for messages.

    Raises:
        DataError: not an array of plain numbers, or sizes that do not match the content.
    """
    return _read_array(name, io.BytesIO(content))


def read_arrays(name: str, content: bytes, limit_bytes: int) -> dict[str, NDArray[Any]]:
    """All arrays of numbers of an .npz file's bytes, at most so many bytes when unpacked.

    Raises:
        DataError: not a whole .npz file, too large, or not arrays of plain numbers.
    """
    try:
        with bounds.archive(Path(name), io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(one.file_size for one in members) > limit_bytes:
                raise too_large(name, sum(one.file_size for one in members))
            found = {}
            for one in members:
                with archive.open(one) as file:
                    unpacked = bytes(read_at_most(file, one.file_size + 1))
                found[one.filename.removesuffix(".npy")] = read_npy(f"{name}: {one.filename}", unpacked)
            return found
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, KeyError, RuntimeError) as error:
        raise DataError(t("{path} is not a whole .npz file ({reason}). Download or copy it again.", path=name,
                          reason=error)) from error  # fmt: skip


def _read_array(name: str, file: IO[bytes]) -> NDArray[Any]:
    dtype, fortran, shape = _read_header(name, file)
    expected = math.prod(shape) * dtype.itemsize
    if expected > LIMIT_BYTES:
        raise too_large(name, expected)
    content = read_at_most(file, expected + 1)
    if len(content) > expected:
        raise DataError(
            t(
                "{name} should hold {expected} bytes, as its header says, but holds more of them.",
                name=name,
                expected=expected,
            )
        )
    if len(content) < expected:
        raise DataError(
            t(
                "{name} should hold {expected} bytes, as its header says, but holds {got}.",
                name=name,
                expected=expected,
                got=len(content),
            )
        )
    try:
        array = np.frombuffer(content, dtype)
        return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
    except ValueError as error:  # no values at all, in dimensions too large for numpy
        raise _not_numbers(name) from error


def _not_numbers(name: str) -> DataError:
    return DataError(t("{name} is not an array of numbers that ropero can read.", name=name))


def _read_header(name: str, file: IO[bytes]) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    start = file.read(8)
    wide = start[6:7] in (b"\2", b"\3")
    length = file.read(4 if wide else 2)
    size = int.from_bytes(length, "little")
    match = None
    if start[:6] == b"\x93NUMPY" and size <= _HEADER_BYTES:
        match = _HEADER.fullmatch(file.read(size))
    if match is None:
        raise _not_numbers(name)
    try:
        dtype = np.dtype(match["type"].decode())
    except TypeError as error:
        raise _not_numbers(name) from error
    return dtype, match["fortran"] == b"True", tuple(int(size) for size in re.findall(rb"\d+", match["shape"]))


def _pixels(path: Path, name: str, array: NDArray[Any]) -> Images:
    """(N, H, W) or (N, H, W, 3) uint8, from whole numbers of any type from 0 to 255."""
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if not array.size or not (array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3)):
        raise DataError(
            t(
                "{path}: expected {name} of shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), got {shape}.",
                path=path,
                name=name,
                shape=array.shape,
            )
        )
    if array.dtype == np.uint8:
        return cast("Images", np.ascontiguousarray(array))
    images = np.empty(array.shape, np.uint8)
    for at in range(0, len(array), _STEP):
        values = array[at : at + _STEP].astype(np.float64)
        if not ((values >= 0) & (values <= 255) & (values == np.trunc(values))).all():
            raise DataError(
                t("{path}: expected {name} as whole numbers from 0 to 255, got others.", path=path, name=name)
                + (" " + t("Multiply pixels from 0 to 1 by 255 and round them.") if not (values > 1).any() else "")
            )
        images[at : at + _STEP] = values
    return images


def _labels(path: Path, name: str, array: NDArray[Any]) -> Labels:
    """(N,) int64, from whole numbers of shape (N,) or (N, 1)."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(
            t(
                "{path}: expected {name} of shape (N,) or (N, 1), got {shape}.",
                path=path,
                name=name,
                shape=array.shape,
            )
        )
    values = array.astype(np.float64)
    wrong = np.flatnonzero(~((values >= 0) & (values < 2**31) & (values == np.trunc(values))))
    if len(wrong):
        raise DataError(
            t(
                "{path}: expected {name} as whole numbers from 0 up, got {got} for image {row}.",
                path=path,
                name=name,
                got=array[wrong[0]],
                row=int(wrong[0]),
            )
        )
    return values.astype(np.int64)
