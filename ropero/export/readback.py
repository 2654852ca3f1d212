"""Reads back what `ropero export` wrote: the card, and the digest of the arrays, of a file of any of its formats.

A file is read here without any other program's help, bounded, and led nowhere else; `clients.py` has it opened by the
programs that it was written for.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ropero.errors import DataError, DataNotFound, RoperoError, unknown
from ropero.export import card as cards
from ropero.export import guard, onnx_writer, portable, traced
from ropero.export.card import KEY, Card, digest
from ropero.export.keras_writer import CONFIG, GROUP, METADATA, WEIGHTS
from ropero.models.weight_files import child, h5py
from ropero.storage import human_bytes
from ropero.texts import joined, t

LIMIT_BYTES = 4 << 30  # of a file
_ONNX_BYTES = (2 << 30) - 1  # what a protocol buffer may have
_DEEPEST, _MOST = 12, 100_000  # groups of an HDF5 file within each other, and things in one

Arrays = dict[str, NDArray[Any]]
T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """A file that was read: its card, and the digest of the arrays that are in it."""

    path: Path
    card: Card
    arrays_sha256: str


def read(path: Path) -> Found:
    """Read a file of the format that its name ends in, and see that it holds nothing that could run code.

    Raises:
        NoCardError: ropero did not write it.
        DataError: the file is missing, damaged, or holds what ropero does not write.
        MissingExtra: a library that reads this format is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise unknown(t("kind of file"), suffix or path.name, READERS)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataNotFound(t("There is no file {path}.", path=path)) from error
    if size > LIMIT_BYTES:
        raise DataError(
            t("{path} takes {size}; ropero opens files of up to {limit}.", path=path, size=human_bytes(size),
              limit=human_bytes(LIMIT_BYTES))
        )  # fmt: skip
    try:
        text, arrays = READERS[suffix](path)
        if text is None:
            raise cards.unknown_file(path)
        return Found(path, cards.read(text, path), digest(arrays))
    except RoperoError:
        raise
    except Exception as error:  # what five libraries raise on damaged files is written down nowhere
        said = (str(error).strip() or type(error).__name__).split("\n")[0][:200]
        raise DataError(t("Cannot read {path}: {reason}", path=path, reason=said)) from error


def onnx_model(path: Path) -> Any:
    """The model of an ONNX file, all in this file. Raises DataError for one whose weights lie elsewhere."""
    onnx = onnx_writer.library("onnx")
    if path.stat().st_size > _ONNX_BYTES:
        raise DataError(t("{path} is too large for an ONNX file.", path=path))
    model = onnx.load_model(str(path), format="protobuf", load_external_data=False)
    for one in model.graph.initializer:
        if one.data_location == onnx.TensorProto.EXTERNAL:
            raise DataError(t("{path}: {name} leads out of the file, which is not followed.", path=path, name=one.name))
    return model


def _onnx(path: Path) -> tuple[str | None, Arrays]:
    model = onnx_model(path)
    card = onnx_writer.card_of(model)
    return card, {} if card is None else onnx_writer.arrays(model)


def _keras(path: Path) -> tuple[str | None, Arrays]:
    with zipfile.ZipFile(path) as archive:
        members = {one.filename: one for one in archive.infolist()}
        card = _card_of(archive, members.get(METADATA))
        if card is None:
            return None, {}
        if sorted(members) != sorted((METADATA, CONFIG, WEIGHTS)):
            raise guard.held(path, joined(sorted(members)))
        for one in members.values():
            if one.compress_type != zipfile.ZIP_STORED or one.file_size > LIMIT_BYTES:
                raise DataError(t("{path}: {name} is packed, as Keras's files are not.", path=path, name=one.filename))
        config, weights = (archive.read(name) for name in (CONFIG, WEIGHTS))
    guard.keras_config(json.loads(config), path)
    with h5py().File(io.BytesIO(weights), "r") as file:
        return card, dict(_datasets(path, file, "", 0))


def _card_of(archive: zipfile.ZipFile, about: zipfile.ZipInfo | None) -> str | None:
    """The card in what a .keras file says of itself, read no further than a card may go."""
    if about is None or about.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return None  # other ways of packing unpack far more than is asked for
    with archive.open(about) as file:
        card = json.loads(file.read(cards.MAX_BYTES)).get(KEY)
    return None if card is None else json.dumps(card)


def _h5(path: Path) -> tuple[str | None, Arrays]:
    with h5py().File(path, "r") as file:
        config, card = (_text(file.attrs.get(name)) for name in ("model_config", KEY))
        if card is None:
            return None, {}
        guard.keras_config(json.loads(config or ""), path)
        return card, dict(_datasets(path, child(path, file, GROUP), GROUP, 0))


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else value


def _datasets(path: Path, group: Any, place: str, depth: int) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every array below a group, by its place."""
    if depth > _DEEPEST or len(group) > _MOST:
        raise DataError(t("{path} is nested deeper than Keras's files are.", path=path))
    for name in group:
        found, here = child(path, group, name), f"{place}/{name}" if place else name
        if isinstance(found, h5py().Group):
            yield from _datasets(path, found, here, depth + 1)
        elif found.chunks is not None or found.id.get_storage_size() < found.nbytes or found.dtype.kind not in "fiu":
            # A chunk may unpack to gigabytes, and an array without bytes be as large as it says; ropero writes neither.
            raise DataError(t("{path}: {name} is packed, as Keras's files are not.", path=path, name=here))
        else:
            yield here, np.asarray(found[()])


def _safetensors(path: Path) -> tuple[str | None, Arrays]:
    card = portable.card_text(path)
    tensors = {} if card is None else portable.read_tensors(path)
    return card, {name: tensor.numpy() for name, tensor in tensors.items()}


def _pt2(path: Path) -> tuple[str | None, Arrays]:
    guard.program(path)
    return traced.card_text(path), {**traced.arrays(path)}


READERS: dict[str, Callable[[Path], tuple[str | None, Arrays]]] = {
    ".onnx": _onnx,
    ".keras": _keras,
    ".h5": _h5,
    ".safetensors": _safetensors,
    ".pt2": _pt2,
}
SUFFIXES = tuple(READERS)
