"""ONNX's operators that move values about and make shapes: none of them computes anything of a picture.

Sizes come in as tensors of whole numbers, which are read when the network runs, as a batch's size is known only then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ropero.errors import UsageError
from ropero.models.merging import Join
from ropero.models.nodes import (
    DTYPES,
    MAX_LISTED,
    Compute,
    Held,
    Maps,
    Node,
    Operator,
    as_json,
    is_number,
    numbers_in,
    numbers_of,
    room,
    wholes_of,
)
from ropero.models.operators_arithmetic import place_of, plain
from ropero.texts import t

MAX_RANGE, MAX_MARGIN = 1_000_000, 100_000
_PARTS = tuple(f"part_{place}" for place in range(16))
# How ONNX's types are held here: numbers as float32, whole numbers as int64; 8 bits as numbers, so that gradients pass.
_TYPES = {
    1: torch.float32,
    2: torch.float32,
    3: torch.float32,
    5: torch.int64,
    6: torch.int64,
    7: torch.int64,
    9: torch.bool,
    10: torch.float32,
    11: torch.float32,
    12: torch.int64,
    13: torch.int64,
    16: torch.float32,
}
_BYTES = {2: (0, 255), 3: (-128, 127)}


def constant(values: Tensor) -> dict[str, Any]:
    """A small tensor as the attributes of a Constant node."""
    listed = [as_json(value) if isinstance(value, float) else value for value in values.reshape(-1).tolist()]
    return {"dtype": Held.of(values).dtype, "shape": list(values.shape), "value": listed}


def value_of(node: Node) -> Tensor:
    """The tensor of a Constant node. Raises UsageError when its parts do not fit each other."""
    dtype = DTYPES[node.word("dtype", "", tuple(DTYPES))]
    shape, values = node.wholes("shape"), node.attributes.get("value")
    listed = values if isinstance(values, list | tuple) else ()
    fits = shape is not None and min(shape, default=0) >= 0 and math.prod(shape) == len(listed)
    if (
        shape is None
        or not fits
        or numbers_in(shape) > MAX_LISTED
        or not all(isinstance(one, bool) or is_number(one) for one in listed)
    ):
        raise UsageError(t("should hold as many numbers as its shape says."))
    if dtype != torch.float32 and any(isinstance(one, float | str) for one in listed):
        raise UsageError(t("should hold whole numbers."))
    return torch.tensor([float(one) if dtype == torch.float32 else one for one in listed], dtype=dtype).reshape(shape)


def dtype_of(kind: int) -> torch.dtype:
    """How one of ONNX's types, which it numbers, is held. Raises UsageError for one that is not."""
    if kind not in _TYPES:
        raise UsageError(t("gives type {number} of ONNX, which ropero does not compute with; it knows floats, whole "
                           "numbers and truth values.", number=kind))  # fmt: skip
    return _TYPES[kind]


def _cast(node: Node) -> Compute:
    kind = node.whole("to", 1)
    dtype = dtype_of(kind)
    if kind not in _BYTES:
        return lambda x: x.to(dtype)
    low, high = _BYTES[kind]
    # What does not fit is undefined in ONNX; cutting keeps it a number of 8 bits.
    return lambda x: x.float().trunc().clamp(low, high) if x.is_floating_point() else x.float().clamp(low, high)


def _shape(node: Node) -> Compute:
    start, end = node.whole("start", 0), node.whole("end", 2**62)
    return lambda x: torch.tensor(list(x.shape)[start:end], dtype=torch.int64)


def _reshape(node: Node) -> Compute:
    takes_zero = bool(node.whole("allowzero", 0))

    def run(x: Tensor, shape: Tensor) -> Tensor:
        sides = wholes_of(shape)
        if not takes_zero:
            sides = [x.shape[at] if side == 0 else side for at, side in enumerate(sides)]
        return x.reshape(sides)

    return run


def _flatten(node: Node) -> Compute:
    axis = node.whole("axis", 1)

    def run(x: Tensor) -> Tensor:
        cut = axis if axis == x.ndim else place_of(axis, x.ndim)
        return x.reshape(math.prod(x.shape[:cut]), math.prod(x.shape[cut:]))

    return run


def _transpose(node: Node) -> Compute:
    order = node.wholes("perm")
    return lambda x: x.permute(order if order is not None else tuple(range(x.ndim))[::-1])


def _squeeze(node: Node) -> Compute:
    written = node.wholes("axes")

    def run(x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = written if axes is None else wholes_of(axes)
        if chosen is None:  # every side of 1; that of the batch stays, or one image alone would lose it
            chosen = [at for at, side in enumerate(x.shape) if side == 1 and (at or x.ndim == 1)]
        places = {place_of(axis, x.ndim) for axis in chosen}
        if any(x.shape[place] != 1 for place in places):
            raise UsageError(t("takes off a side of 1, but gets {shape}.", shape=tuple(x.shape)))
        return x.reshape([side for at, side in enumerate(x.shape) if at not in places])

    return run


def _unsqueeze(node: Node) -> Compute:
    written = node.wholes("axes")

    def run(x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = (written or ()) if axes is None else wholes_of(axes)
        rank = x.ndim + len(chosen)
        places = {place_of(axis, rank) for axis in chosen}
        if len(places) < len(chosen):
            raise UsageError(t("names an axis twice."))
        sides = iter(x.shape)
        return x.reshape([1 if at in places else next(sides) for at in range(rank)])

    return run


class Concat(Join):
    """Several tensors one behind the other. A constant that was written for one image stands beside every one."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.whole("axis", 1))

    def forward(self, *parts: Tensor) -> Tensor:
        most = max((len(part) for part in parts if part.ndim), default=0)
        room(sum(part.numel() * (most if len(part) == 1 else 1) for part in parts))
        alone = place_of(self.axis, parts[0].ndim) and any(len(part) != most for part in parts)
        return super().forward(*(p.expand(most, *p.shape[1:]) if alone and len(p) == 1 else p for p in parts))


def _split(node: Node) -> Compute:
    axis, written, count = node.whole("axis", 0), node.wholes("split"), len(node.outputs)

    def run(x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        place = place_of(axis, x.ndim)
        chosen = list(written or ()) if sizes is None else wholes_of(sizes)
        if not chosen:
            size = -(-x.shape[place] // count)  # the last one takes what is left
            chosen = [size] * (count - 1) + [x.shape[place] - size * (count - 1)]
        return torch.split(x, chosen, place)

    return run


def _slice(node: Node) -> Compute:
    written = [node.wholes(key) for key in ("starts", "ends", "axes")]

    def run(x: Tensor, *given: Tensor | None) -> Tensor:
        starts, ends, axes, steps = _bounds(x.ndim, given, written)
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
            place = place_of(axis, x.ndim)
            if step == 0:
                raise UsageError(t("a step should not be 0."))
            places = range(x.shape[place])[start:end:step]
            if step < 0:  # torch goes forwards alone
                x, last = x.flip(place), x.shape[place] - 1
                places = range(last - places.start, last - places.stop, -step)
            x = x[(slice(None),) * place + (slice(places.start, places.stop, places.step),)]
        return x

    return run


def _bounds(rank: int, given: Sequence[Tensor | None], written: Sequence[Sequence[int] | None]) -> list[list[int]]:
    """Starts, ends, axes and steps, of inputs or, in older files, of attributes."""
    starts, ends, axes = (list(one) if one is not None else None for one in written)
    read = [None if one is None else wholes_of(one) for one in given]
    read += [None] * (4 - len(read))
    starts, ends, axes = (new if new is not None else old for new, old in zip(read, (starts, ends, axes), strict=False))
    if starts is None or ends is None or len(starts) > rank:
        raise UsageError(t("needs a start and an end for each axis."))
    return [starts, ends, axes if axes is not None else list(range(len(starts))), read[3] or [1] * len(starts)]


def _from_end(indices: Tensor, side: int) -> Tensor:
    return torch.where(indices < 0, indices + side, indices).to(torch.int64)


def _gather(node: Node) -> Compute:
    axis = node.whole("axis", 0)

    def run(x: Tensor, indices: Tensor) -> Tensor:
        place = place_of(axis, x.ndim)
        room(*x.shape[:place], *indices.shape, *x.shape[place + 1 :])
        found = x.index_select(place, _from_end(indices, x.shape[place]).reshape(-1))
        return found.reshape([*x.shape[:place], *indices.shape, *x.shape[place + 1 :]])

    return run


def _gather_elements(node: Node) -> Compute:
    axis = node.whole("axis", 0)

    def run(x: Tensor, indices: Tensor) -> Tensor:
        place = place_of(axis, x.ndim)
        return x.gather(place, _from_end(indices, x.shape[place]))

    return run


def _expand(x: Tensor, shape: Tensor) -> Tensor:
    """Both ways: a side of 1 in the shape keeps the tensor's own. It takes no memory itself."""
    return x.expand(torch.broadcast_shapes(x.shape, wholes_of(shape)))  # type: ignore[no-untyped-call]


def _tile(x: Tensor, repeats: Tensor) -> Tensor:
    times = wholes_of(repeats)
    room(*(side * many for side, many in zip(x.shape, times, strict=False)), *times[x.ndim :])
    return x.repeat(times)


def _filled(node: Node) -> Compute:
    value = value_of(Node("", "", (), (), node.attributes)) if "value" in node.attributes else torch.zeros(1)

    return lambda shape: value.reshape(()).expand(wholes_of(shape))  # takes no memory


def _range(start: Tensor, end: Tensor, step: Tensor) -> Tensor:
    read = wholes_of if not start.is_floating_point() else numbers_of
    first, last, by = (read(one)[0] for one in (start, end, step))
    if by == 0:
        raise UsageError(t("a step should not be 0."))
    count = max(0, math.ceil((last - first) / by))
    if count > MAX_RANGE:
        raise UsageError(t("would count to {n}; {limit} at most are allowed.", n=count, limit=MAX_RANGE))
    return first + torch.arange(count, dtype=start.dtype) * by


def _pad(node: Node) -> Compute:
    mode = node.word("mode", "constant", ("constant", "reflect", "edge", "wrap"))
    written, fixed = node.wholes("pads") or node.wholes("paddings"), node.number("value", 0.0)

    def run(x: Tensor, pads: Tensor | None = None, value: Tensor | None = None, axes: Tensor | None = None) -> Tensor:
        sizes = list(written or ()) if pads is None else wholes_of(pads)
        chosen = [place_of(axis, x.ndim) for axis in (range(x.ndim) if axes is None else wholes_of(axes))]
        if len(sizes) != 2 * len(chosen):
            raise UsageError(t("needs two margins for each axis, got {n} for {axes}.", n=len(sizes), axes=len(chosen)))
        margins = {axis: (sizes[at], sizes[at + len(chosen)]) for at, axis in enumerate(chosen)}
        if max(map(abs, sizes), default=0) > MAX_MARGIN:
            raise UsageError(t("has a margin of {value}; {limit} at most are allowed.",
                               value=max(map(abs, sizes)), limit=MAX_MARGIN))  # fmt: skip
        room(*(side + sum(margins.get(axis, (0, 0))) for axis, side in enumerate(x.shape)))
        if mode == "constant":
            flat = [margin for axis in reversed(range(x.ndim)) for margin in margins.get(axis, (0, 0))]
            return functional.pad(x, flat, value=fixed if value is None else numbers_of(value)[0])
        for axis, (before, after) in margins.items():
            if before or after:
                x = x.index_select(axis, _mirrored(mode, x.shape[axis], before, after).to(x.device))
        return x

    return run


def _mirrored(mode: str, side: int, before: int, after: int) -> Tensor:
    """Which value stands at each place of a padded axis."""
    places = torch.arange(-before, side + after)
    if mode == "edge":
        return places.clamp(0, side - 1)
    if mode == "wrap":
        return places % side
    period = max(1, 2 * (side - 1))
    return (side - 1) - (places % period - (side - 1)).abs()


def _triangle(node: Node) -> Compute:
    how = torch.triu if node.whole("upper", 1) else torch.tril
    return lambda x, k=None: how(x, 0 if k is None else wholes_of(k)[0])


def _depth_to_space(node: Node) -> Compute:
    size, mode = node.whole("blocksize", 1), node.word("mode", "DCR", ("DCR", "CRD"))

    def run(x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        if mode == "DCR":
            parts = x.reshape(n, size, size, -1, height, width).permute(0, 3, 4, 1, 5, 2)
        else:
            parts = x.reshape(n, -1, size, size, height, width).permute(0, 1, 4, 2, 5, 3)
        return parts.reshape(n, channels // size**2, height * size, width * size)

    return run


def _space_to_depth(node: Node) -> Compute:
    size = node.whole("blocksize", 1)

    def run(x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        parts = x.reshape(n, channels, height // size, size, width // size, size).permute(0, 3, 5, 1, 2, 4)
        return parts.reshape(n, channels * size**2, height // size, width // size)

    return run


def _same(x: Tensor, *_: Any) -> Tensor:
    return x


OPERATORS: dict[str, Operator] = {
    "Cast": Operator(_cast, maps=Maps.AS_GIVEN),
    "CastLike": Operator(plain(lambda x, like: x.to(like.dtype)), maps=Maps.AS_GIVEN),
    "Concat": Operator(Concat, names=_PARTS, maps=Maps.AS_GIVEN),
    "ConstantOfShape": Operator(_filled, host=(0,)),
    "DepthToSpace": Operator(_depth_to_space, maps=Maps.ALWAYS),
    "Dropout": Operator(plain(_same), maps=Maps.AS_GIVEN),
    "Expand": Operator(plain(_expand), host=(1,), names=("start",)),
    "Flatten": Operator(_flatten),
    "Gather": Operator(_gather, names=("rows",)),
    "GatherElements": Operator(_gather_elements),
    "Identity": Operator(plain(_same), maps=Maps.AS_GIVEN),
    "Pad": Operator(_pad, host=(1, 2, 3), maps=Maps.AS_GIVEN),
    "Range": Operator(plain(_range), host=(0, 1, 2)),
    "Reshape": Operator(_reshape, host=(1,)),
    "Shape": Operator(_shape),
    "Size": Operator(plain(lambda x: torch.tensor(x.numel()))),
    "Slice": Operator(_slice, host=(1, 2, 3, 4), maps=Maps.AS_GIVEN),
    "SpaceToDepth": Operator(_space_to_depth, maps=Maps.ALWAYS),
    "Split": Operator(_split, host=(1,), maps=Maps.AS_GIVEN),
    "Squeeze": Operator(_squeeze, host=(1,)),
    "Tile": Operator(plain(_tile), host=(1,)),
    "Transpose": Operator(_transpose),
    "Trilu": Operator(_triangle, host=(1,)),
    "Unsqueeze": Operator(_unsqueeze, host=(1,)),
}
