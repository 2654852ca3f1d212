"""Reads back what `ropero export` wrote: the card, and the digest of the arrays, of a file of any of its formats.

A file is read here without any other program's help, bounded, and led nowhere else; `clients.py` has it opened by the
programs that it was written for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ropero import bounds
from ropero.errors import DataError, DataNotFound, RoperoError, unknown
from ropero.export import card as cards
from ropero.export import guard, onnx_file, onnx_writer, portable, traced
from ropero.export.card import KEY, Card, digest
from ropero.export.keras_container import CONFIG, GROUP, MAX_JSON, METADATA, MODEL_CONFIG, WEIGHTS
from ropero.models import hdf5
from ropero.storage import human_bytes
from ropero.texts import joined, t
from ropero.texts.plain import shown

_PLAIN, _NONE = hdf5.Wish(plain=True), hdf5.Wish(only="(?!)")

Arrays = dict[str, NDArray[Any]]


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
    if size > bounds.MAX_BYTES:
        raise DataError(
            t("{path} takes {size}; ropero opens files of up to {limit}.", path=path, size=human_bytes(size),
              limit=human_bytes(bounds.MAX_BYTES))
        )  # fmt: skip
    try:
        text, arrays = READERS[suffix](path)
        if text is None:
            raise cards.unknown_file(path)
        return Found(path, cards.read(text, path), digest(arrays))
    except RoperoError:
        raise
    except Exception as error:  # what five libraries raise on damaged files is written down nowhere
        said = shown((str(error).strip() or type(error).__name__).split("\n")[0])
        raise DataError(t("Cannot read {path}: {reason}", path=path, reason=said)) from error


def _onnx(path: Path) -> tuple[str | None, Arrays]:
    model = onnx_file.model(path)
    card = onnx_writer.card_of(model)
    return card, {} if card is None else onnx_writer.arrays(model)


def _keras(path: Path) -> tuple[str | None, Arrays]:
    with bounds.archive(path) as archive:
        members = archive.namelist()
        about = bounds.member(path, archive, METADATA, cards.MAX_BYTES) if METADATA in members else b"{}"
        card = json.loads(about).get(KEY)
        if card is None:  # before all that ropero writes otherwise than Keras
            return None, {}
        if sorted(members) != sorted((METADATA, CONFIG, WEIGHTS)):
            raise guard.held(path, joined(sorted(members)[:8]))
        bounds.stored(path, archive)
        config = bounds.member(path, archive, CONFIG, MAX_JSON)
        weights = bounds.member(path, archive, WEIGHTS, bounds.MAX_BYTES)
    guard.keras_config(json.loads(config), path)
    return json.dumps(card), dict(hdf5.read_content(weights, path.name, _PLAIN).arrays)


def _h5(path: Path) -> tuple[str | None, Arrays]:
    root = hdf5.read(path, _NONE).attributes[""]
    if KEY not in root:
        return None, {}
    guard.keras_config(json.loads(str(root.get(MODEL_CONFIG, ""))), path)
    arrays = hdf5.read(path, _PLAIN).arrays
    return str(root[KEY]), {place: array for place, array in arrays.items() if place.startswith(f"{GROUP}/")}


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
