"""What may become of a file on its way: other weights, another card. It stays a file of the same format."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import load_file, save_file

h5py: Any = __import__("h5py")
Change = Callable[[dict[str, Any]], None]


def other_weights(path: Path) -> None:
    """A tenth is added to the largest array of weights."""
    _WEIGHTS[path.suffix](path)


def other_card(path: Path, change: Change) -> None:
    """The card's JSON is changed, and nothing else."""
    _CARDS[path.suffix](path, change)


def _text(content: str | bytes, change: Change) -> str:
    values = json.loads(content)
    change(values)
    return json.dumps(values)


def _onnx_weights(path: Path) -> None:
    model = onnx.load(path)
    one = max(model.graph.initializer, key=lambda one: int(np.prod(one.dims)))
    one.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(one) + np.float32(0.1), one.name))
    onnx.save(model, path)


def _onnx_card(path: Path, change: Change) -> None:
    model = onnx.load(path)
    for one in model.metadata_props:
        one.value = _text(one.value, change)
    onnx.save(model, path)


def _louder(file: Any) -> None:
    found: list[Any] = []
    file.visititems(lambda _, one: found.append(one) if isinstance(one, h5py.Dataset) else None)
    largest = max(found, key=lambda one: one.size)
    largest[...] = largest[()] + np.float32(0.1)


def _h5_weights(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        _louder(file)


def _h5_card(path: Path, change: Change) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["ropero"] = _text(file.attrs["ropero"], change)


def zipped(path: Path, change: Callable[[str, bytes], bytes]) -> None:
    """The archive with its members as `change` makes them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, change(name, content))


def _keras_weights(path: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        if not name.endswith(".h5"):
            return content
        buffer = io.BytesIO(content)
        with h5py.File(buffer, "r+") as file:
            _louder(file)
        return buffer.getvalue()

    zipped(path, change)


def _keras_card(path: Path, change: Change) -> None:
    def done(name: str, content: bytes) -> bytes:
        if name != "metadata.json":
            return content
        return _text(content, lambda values: change(values["ropero"])).encode()

    zipped(path, done)


def _pt2_weights(path: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        if not name.endswith("data/weights/weight_0"):
            return content
        return (np.frombuffer(content, np.float32) + np.float32(0.1)).tobytes()

    zipped(path, change)


def _pt2_card(path: Path, change: Change) -> None:
    zipped(path, lambda name, content: _text(content, change).encode() if name.endswith("ropero.json") else content)


def _metadata(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return dict(header.get("__metadata__", {}))


def _safetensors_weights(path: Path) -> None:
    tensors, metadata = load_file(path), _metadata(path)
    name = max(tensors, key=lambda name: tensors[name].numel())
    tensors[name] = torch.add(tensors[name], 0.1)
    save_file(tensors, path, metadata)


def _safetensors_card(path: Path, change: Change) -> None:
    metadata = _metadata(path)
    save_file(load_file(path), path, {**metadata, "ropero": _text(metadata["ropero"], change)})


_WEIGHTS: dict[str, Callable[[Path], None]] = {
    ".onnx": _onnx_weights,
    ".keras": _keras_weights,
    ".h5": _h5_weights,
    ".safetensors": _safetensors_weights,
    ".pt2": _pt2_weights,
}
_CARDS: dict[str, Callable[[Path, Change], None]] = {
    ".onnx": _onnx_card,
    ".keras": _keras_card,
    ".h5": _h5_card,
    ".safetensors": _safetensors_card,
    ".pt2": _pt2_card,
}
