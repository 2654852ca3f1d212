"""Reads the convolutions of a VGG out of files of three kinds: torch's, safetensors and Keras's HDF5.

A stranger's file runs no code, is bounded and leads to no other file; each layer's shape is checked, dense layers are
left alone. The kind is told by the first bytes, not by the name. HDF5 is read by `hdf5.py`, in a process of its own,
which costs a second and 250 MB for all of VGG19. Knows nothing of where files come from (`pretrained.py`) or of what
the weights are used for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from ropero import bounds
from ropero.bounds import ZIP_MAGIC
from ropero.errors import DataError, RoperoError
from ropero.models import hdf5
from ropero.models.hdf5 import HDF5_MAGIC
from ropero.storage import human_bytes
from ropero.texts import t

LIMIT_BYTES = 1 << 30  # all of VGG19, its dense layers included, takes 575 MB
PICKLE_MAGIC = b"\x80\x02"  # what torch wrote before 1.6, torchvision's published files among it
# Where the kernels and biases are in HDF5: by layer names (Keras 2), counted (Keras 3), each also within a whole model.
_BY_NAME = re.compile(r"(?:model_weights/)?(block\d+_conv\d+)/.+")
_BY_NUMBER = re.compile(r"(?:model_weights/)?layers/(conv2d(?:_\d+)?)/.+")

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]  # kernel (out, in, h, w) and bias (out,)
T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """A convolution by torchvision's name ("features.0") and Keras's ("block1_conv1"), and its kernel's shape."""

    torch: str
    keras: str
    shape: tuple[int, int, int, int]  # (out, in, h, w)


def read(path: Path, wanted: Sequence[Wanted]) -> tuple[list[Pair], bool]:
    """(the convolutions' weights, whether they are Keras's: for BGR pixels in 0..255 without Caffe's means).

    Raises:
        DataError: the file cannot be read, is of another kind, damaged, or of another network.
        MissingExtra: HDF5 without h5py.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
        size = path.stat().st_size
    except OSError as error:
        raise DataError(t("Cannot read {path}: {reason}", path=path, reason=error.strerror or error)) from error
    if size > LIMIT_BYTES:
        raise DataError(
            t("{path} takes {size}; weights of VGG take at most {limit}.",
              path=path, size=human_bytes(size), limit=human_bytes(LIMIT_BYTES))
        )  # fmt: skip
    if head.startswith(HDF5_MAGIC):
        return _guarded(path, lambda: _from_keras(path, wanted)), True
    if head.startswith((ZIP_MAGIC, PICKLE_MAGIC)):
        return _guarded(path, lambda: _from_torch(path, wanted, head.startswith(ZIP_MAGIC))), False
    if head[8:9] == b"{":
        return _guarded(path, lambda: _from_safetensors(path, wanted)), False
    raise DataError(
        t("{path} is no file of weights that ropero reads: torchvision's .pth or .safetensors, or Keras's .h5.",
          path=path)
    )  # fmt: skip


def _guarded(path: Path, work: Callable[[], T]) -> T:
    try:
        return work()
    except RoperoError:
        raise
    except Exception as error:  # what three libraries raise on damaged files is written down nowhere
        reason = re.split(r"[.:\n]", str(error).strip())[0][:120] or type(error).__name__
        raise DataError(t("{path} is damaged or not a file of weights: {reason}", path=path, reason=reason)) from error


def _from_torch(path: Path, wanted: Sequence[Wanted], zipped: bool) -> list[Pair]:
    if zipped:
        with bounds.archive(path) as archive:
            bounds.stored(path, archive)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, Mapping):
        raise DataError(t("{path} should hold named tensors, got {kind}.", path=path, kind=type(state).__name__))
    tensors = {str(name): one for name, one in state.items() if isinstance(one, Tensor)}
    return _by_torch_names(path, wanted, {name: tuple(one.shape) for name, one in tensors.items()}, tensors.get)


def _from_safetensors(path: Path, wanted: Sequence[Wanted]) -> list[Pair]:
    with safe_open(path, framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118, not a dict
        return _by_torch_names(path, wanted, shapes, file.get_tensor)


def _by_torch_names(
    path: Path, wanted: Sequence[Wanted], shapes: Mapping[str, Shape], tensor: Callable[[str], Any]
) -> list[Pair]:
    pairs: list[Pair] = []
    known = {f"{one.torch}.weight" for one in wanted}
    others = [name for name, shape in shapes.items() if name.startswith("features.") and len(shape) == 4]
    for one in wanted:
        names = (f"{one.torch}.weight", f"{one.torch}.bias")
        for name, expected in zip(names, (one.shape, one.shape[:1]), strict=True):
            if name not in shapes:
                raise _lacking(path, name)
            _fits(path, name, expected, shapes[name])
        kernel, bias = (_finite(path, name, tensor(name)) for name in names)
        pairs.append((kernel, bias))
    _no_more(path, [name for name in others if name not in known])
    return pairs


def _from_keras(path: Path, wanted: Sequence[Wanted]) -> list[Pair]:
    found = hdf5.read(path, hdf5.Wish(only=f"{_BY_NAME.pattern}|{_BY_NUMBER.pattern}", plain=True))
    pattern = _BY_NUMBER if any(_BY_NUMBER.fullmatch(place) for place in found.arrays) else _BY_NAME
    layers: dict[str, list[NDArray[Any]]] = {}
    for place, array in found.arrays.items():
        match = pattern.fullmatch(place)
        if match:
            layers.setdefault(match[1], []).append(array)
    numbers = ["conv2d" if not place else f"conv2d_{place}" for place in range(len(wanted))]
    names = [one.keras for one in wanted] if pattern is _BY_NAME else numbers
    pairs: list[Pair] = []
    for name, one in zip(names, wanted, strict=True):
        if name not in layers:
            raise _lacking(path, name)
        pairs.append(_keras_layer(path, name, layers[name], one.shape))
    _no_more(path, [name for name in layers if name not in names])
    return pairs


def _keras_layer(path: Path, name: str, found: Sequence[NDArray[Any]], shape: tuple[int, int, int, int]) -> Pair:
    """The only two arrays of a layer: kernel (h, w, in, out) and bias (out,)."""
    arrays = sorted(found, key=lambda one: -one.ndim)
    if len(arrays) != 2 or any(one.dtype.kind != "f" for one in arrays):
        raise DataError(
            t("{path}: layer {layer} should hold a kernel and a bias, got {n} arrays.",
              path=path, layer=name, n=len(arrays))
        )  # fmt: skip
    out, inputs, height, width = shape
    for one, expected in zip(arrays, ((height, width, inputs, out), (out,)), strict=True):
        _fits(path, name, expected, tuple(one.shape))
    kernel, bias = (_finite(path, name, torch.from_numpy(one)) for one in arrays)
    return kernel.permute(3, 2, 0, 1), bias


def _fits(path: Path, layer: str, expected: Shape, got: Shape) -> None:
    if got != expected:
        raise DataError(
            t("{path}: layer {layer} should have the shape {expected}, got {got}.",
              path=path, layer=layer, expected=expected, got=got)
        )  # fmt: skip


def _finite(path: Path, layer: str, found: Tensor) -> Tensor:
    if not found.is_floating_point() or not bool(found.isfinite().all()):
        raise DataError(t("{path}: layer {layer} holds what is no finite number.", path=path, layer=layer))
    return found.float()


def _lacking(path: Path, layer: str) -> DataError:
    return DataError(t("{path} has no layer {layer}; it is of another network.", path=path, layer=layer))


def _no_more(path: Path, names: Iterable[str]) -> None:
    for name in names:
        raise DataError(t("{path} has a layer {layer} too many; it is of another network.", path=path, layer=name))
