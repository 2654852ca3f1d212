"""ONNX's arithmetic: value by value, reductions over axes, comparisons and logic.

Sums and products count as layers, as they do where Keras merges branches; the rest are plain functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

from ropero.errors import UsageError
from ropero.models.merging import Elementwise, Mean
from ropero.models.nodes import Compute, Maps, Node, Operator, wholes_of
from ropero.texts import t

_SIDES = ("left", "right")
_TERMS = tuple(f"term_{place}" for place in range(16))


class Add(Elementwise):
    """The sum of its inputs; a constant one is a bias."""

    def __init__(self, _: Node) -> None:
        super().__init__(torch.add, keras=False)


class Mul(Elementwise):
    """The product of its inputs; a constant one is a scale that was learned."""

    def __init__(self, _: Node) -> None:
        super().__init__(torch.mul, keras=False)


class Average(Mean):
    """The mean of its inputs."""

    def __init__(self, _: Node) -> None:
        super().__init__(keras=False)


def plain(function: Compute) -> Callable[[Node], Compute]:
    """What makes a function of a node whose attributes say nothing."""
    return lambda _: function


def _taking(many: int, function: Compute) -> Callable[[Node], Compute]:
    """What makes a function of so many inputs; torch's own may take more, with another meaning."""

    def run(*given: Tensor) -> Tensor:
        if len(given) != many:
            raise TypeError
        found: Tensor = function(*given)
        return found

    return lambda _: run


def _folded(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Node], Compute]:
    return lambda _: lambda *parts: reduce(function, parts)


def _divide(x: Tensor, y: Tensor) -> Tensor:
    """Whole numbers are cut towards 0."""
    if x.is_floating_point() or y.is_floating_point():
        return x / y
    # The least number by -1 is a fault of the processor, which ends the process.
    quotient = torch.div(x, torch.where(y == -1, 1, y), rounding_mode="trunc")
    return torch.where(y == -1, -quotient, quotient)


def _modulo(node: Node) -> Compute:
    how = torch.fmod if node.whole("fmod", 0) else torch.remainder

    def run(x: Tensor, y: Tensor) -> Tensor:
        if x.is_floating_point():
            return how(x, y)
        return torch.where(y == -1, 0, how(x, torch.where(y == -1, 1, y)))  # as in _divide

    return run


def _power(x: Tensor, y: Tensor) -> Tensor:
    return torch.pow(x, y).to(x.dtype)


def _round_tensor(x: Tensor) -> Tensor:
    return torch.round(x)  # halves to the even neighbour, as ONNX has it


def _infinite(node: Node) -> Compute:
    above, below = node.whole("detect_positive", 1), node.whole("detect_negative", 1)
    return lambda x: x.isinf() & (((x > 0) & bool(above)) | ((x < 0) & bool(below)))


def _where(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.where(condition.bool(), x, y)


def _trigonometry() -> dict[str, Operator]:
    names = ("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh")
    return {name: Operator(_taking(1, getattr(torch, name.lower())), maps=Maps.AS_GIVEN) for name in names}


Reduction = Callable[[Tensor, list[int], bool], Tensor]


def _reduction(how: Reduction) -> Callable[[Node], Compute]:
    """Over the axes of an input or, in older files, of an attribute; over all when neither names any."""

    def make(node: Node) -> Compute:
        keep, none = bool(node.whole("keepdims", 1)), node.whole("noop_with_empty_axes", 0)
        written = node.wholes("axes")

        def run(x: Tensor, axes: Tensor | None = None) -> Tensor:
            chosen = list(written or ()) if axes is None else wholes_of(axes)
            if not chosen and none:
                return x
            places = [place_of(axis, x.ndim) for axis in chosen] or list(range(x.ndim))
            return how(x, places, keep) if places else x

        return run

    return make


def place_of(axis: int, rank: int) -> int:
    """An axis counted from the front. Raises UsageError for one that a tensor with so many sides lacks."""
    if not -rank <= axis < max(rank, 1):
        raise UsageError(t("axis {axis} is none of an input with {n} sides.", axis=axis, n=rank))
    return axis % max(rank, 1)


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    found = x.permute(*rest, *axes).flatten(len(rest)).prod(-1)
    return found.reshape([1 if axis in axes else side for axis, side in enumerate(x.shape)]) if keep else found


def _mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    if x.is_floating_point():
        return x.mean(axes, keep)
    count = math.prod(x.shape[axis] for axis in axes)
    return _divide(x.sum(axes, keep), torch.tensor(count))


REDUCTIONS: dict[str, Reduction] = {
    "ReduceMean": _mean,
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keep),
    "ReduceProd": _product,
    "ReduceL1": lambda x, axes, keep: x.abs().sum(axes, keep),
    "ReduceL2": lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep),
    "ReduceSumSquare": lambda x, axes, keep: (x * x).sum(axes, keep),
    "ReduceLogSum": lambda x, axes, keep: x.sum(axes, keep).log(),
    "ReduceLogSumExp": lambda x, axes, keep: x.logsumexp(axes, keep),
}

_SINGLE: dict[str, Compute] = {
    "Abs": torch.abs,
    "Ceil": torch.ceil,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "IsNaN": torch.isnan,
    "Log": torch.log,
    "Neg": torch.neg,
    "Not": lambda x: ~x.bool(),
    "Reciprocal": torch.reciprocal,
    "Round": _round_tensor,
    "Sign": torch.sign,
    "Sqrt": torch.sqrt,
}
_PAIRED: dict[str, Compute] = {
    "Div": _divide,
    "Pow": _power,
    "Sub": torch.sub,
    "And": lambda x, y: x.bool() & y.bool(),
    "Or": lambda x, y: x.bool() | y.bool(),
    "Xor": lambda x, y: x.bool() ^ y.bool(),
    "Equal": torch.eq,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
}

OPERATORS: dict[str, Operator] = {
    "Add": Operator(Add, names=_SIDES, maps=Maps.AS_GIVEN, spreads=True),
    "Mul": Operator(Mul, names=_SIDES, maps=Maps.AS_GIVEN, spreads=True),
    "Sum": Operator(Add, names=_TERMS, maps=Maps.AS_GIVEN, spreads=True),
    "Mean": Operator(Average, names=_TERMS, maps=Maps.AS_GIVEN, spreads=True),
    "Max": Operator(_folded(torch.maximum), maps=Maps.AS_GIVEN, spreads=True),
    "Min": Operator(_folded(torch.minimum), maps=Maps.AS_GIVEN, spreads=True),
    "Mod": Operator(_modulo, maps=Maps.AS_GIVEN, spreads=True),
    "IsInf": Operator(_infinite, maps=Maps.AS_GIVEN),
    "Where": Operator(plain(_where), maps=Maps.AS_GIVEN, spreads=True),
    **{name: Operator(_taking(1, one), maps=Maps.AS_GIVEN) for name, one in _SINGLE.items()},
    **{name: Operator(_taking(2, one), maps=Maps.AS_GIVEN, spreads=True) for name, one in _PAIRED.items()},
    **{name: Operator(_reduction(how), host=(1,)) for name, how in REDUCTIONS.items()},
    **_trigonometry(),
}
