"""Tensors and attributes as ONNX files hold them: checked before memory is taken, and never followed to other files.

Floats of any size become float32, whole numbers a type that ropero computes with. Errors name no file: the caller does.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.errors import DataError
from ropero.models.entries import cut
from ropero.models.nodes import MAX_LISTED, as_json, numbers_in
from ropero.texts import t
from ropero.texts.numbers import whole

Array = NDArray[Any]
MAX_NUMBERS = 500_000_000
MAX_RANK = 8

# ONNX's types: how their bytes lie in a file, where they stand when they are listed, and what they become.
_KINDS: dict[int, tuple[str, str, str]] = {
    1: ("<f4", "float_data", "float32"),
    2: ("u1", "int32_data", "uint8"),
    3: ("i1", "int32_data", "int8"),
    4: ("<u2", "int32_data", "uint16"),
    5: ("<i2", "int32_data", "int16"),
    6: ("<i4", "int32_data", "int32"),
    7: ("<i8", "int64_data", "int64"),
    9: ("u1", "int32_data", "bool"),
    10: ("<f2", "int32_data", "float32"),
    11: ("<f8", "double_data", "float32"),
    12: ("<u4", "uint64_data", "int64"),
    13: ("<u8", "uint64_data", "int64"),
    16: ("<u2", "int32_data", "float32"),
}
_HALF, _BRAIN = 10, 16  # 16-bit floats, listed as whole numbers of the same bits
_EXTERNAL = 1  # where ONNX says that a tensor lies in another file
_STRING = 8


def leads_out(tensor: Any) -> bool:
    """Whether the numbers of a TensorProto lie in another file."""
    return bool(tensor.data_location == _EXTERNAL or tensor.external_data)


def shape_of(tensor: Any) -> tuple[int, ...]:
    """The shape that a TensorProto says it has. Raises DataError for one that none has."""
    shape = tuple(tensor.dims)
    if len(shape) > MAX_RANK or any(side < 0 for side in shape) or numbers_in(shape) > MAX_NUMBERS:
        raise DataError(t("the tensor {name!r} has the shape {shape}, which ropero does not read.",
                          name=cut(tensor.name), shape=cut(shape)))  # fmt: skip
    return shape


def array(tensor: Any) -> Array:
    """The numbers of a TensorProto. Raises DataError for a type, a shape or a place that ropero does not read."""
    shape, name = shape_of(tensor), cut(tensor.name)
    if leads_out(tensor):
        raise DataError(t("the tensor {name!r} lies in another file, which is not followed; save the network as one "
                          "file (onnx.save(model, path, save_as_external_data=False)).", name=name))  # fmt: skip
    if tensor.data_type not in _KINDS:
        raise DataError(
            t("the tensor {name!r} is of ONNX's type {number}, which ropero does not compute with; it knows floats, "
              "whole numbers and truth values.", name=name, number=tensor.data_type)
        )  # fmt: skip
    form, field, becomes = _KINDS[tensor.data_type]
    if tensor.HasField("raw_data"):
        raw = tensor.raw_data
        count, rest = divmod(len(raw), np.dtype(form).itemsize)
        found = np.frombuffer(raw, form) if not rest else np.empty(0)
    else:
        listed = getattr(tensor, field)
        count, rest = len(listed), 0
        found = _listed(listed, tensor.data_type, form) if count == math.prod(shape) else np.empty(0)
    if rest or count != math.prod(shape):
        raise DataError(t("the tensor {name!r} should hold {n} numbers, as its shape {shape} says, but holds {got}.",
                          name=name, n=whole(math.prod(shape)), shape=shape, got=whole(count)))  # fmt: skip
    if tensor.data_type == _BRAIN:
        found = (found.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):  # a double beyond float32 is as good as infinite
        found = found.astype(becomes, copy=True).reshape(shape)
    if becomes == "float32" and np.isnan(found).any():
        raise DataError(t("the tensor {name!r} holds what is no number.", name=name))
    return found


def _listed(listed: Any, kind: int, form: str) -> Array:
    if kind in (_HALF, _BRAIN):
        return np.array(listed, np.int64).astype(np.uint16).view(form)
    return np.array(listed, np.dtype(form).newbyteorder("=") if kind in (1, 7, 11, 13) else np.int64).astype(form)


def words(tensor: Any) -> tuple[str, ...]:
    """The words of a TensorProto of strings, or its whole numbers as words; nothing of another."""
    shape = shape_of(tensor)
    if tensor.data_type == _STRING:
        return tuple(one.decode("utf-8", "replace") for one in tensor.string_data)
    if tensor.data_type in (6, 7) and math.prod(shape) <= MAX_LISTED:
        return tuple(str(one) for one in array(tensor).reshape(-1).tolist())
    return ()


def attribute(found: Any) -> Any:
    """An attribute as JSON holds it; a tensor as itself, and None for what no operator of ropero's takes.

    Raises DataError for a list that is too long.
    """
    kind = found.type
    many = {6: found.floats, 7: found.ints, 8: found.strings}.get(kind)
    if many is not None and len(many) > MAX_LISTED:
        raise DataError(t("an attribute holds {n} values; {limit} at most are allowed.",
                          n=whole(len(many)), limit=whole(MAX_LISTED)))  # fmt: skip
    if kind == 1:
        return as_json(float(found.f))
    if kind == 2:
        return int(found.i)
    if kind == 3:
        return found.s.decode("utf-8", "replace")
    if kind == 4:
        return array(found.t)
    if kind == 6:
        return [as_json(float(one)) for one in found.floats]
    if kind == 7:
        return [int(one) for one in found.ints]
    if kind == 8:
        return [one.decode("utf-8", "replace") for one in found.strings]
    return None
