"""ONNX's layers that have no window: products with matrices, normalisation, activations and softmax.

Legend: N images, C channels, D features.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ropero.errors import UsageError
from ropero.models.nodes import Compute, Maps, Node, Operator, room, room_for, work
from ropero.models.operators_arithmetic import place_of
from ropero.texts import t

_MOST_TERMS = 2  # of an Einsum: between more, torch makes products that no output shows


class MatMul(nn.Module):
    """A product of matrices, as numpy's; with a constant, a layer without bias."""

    def __init__(self, _: Node) -> None:
        super().__init__()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return product(x, y)


def product(x: Tensor, y: Tensor) -> Tensor:
    """x @ y. Raises TooLargeError for one that takes too much memory: torch writes out a matrix for each of the
    products that it is repeated in."""
    rows, columns = x.shape[-2] if x.ndim > 1 else 1, y.shape[-1] if y.ndim > 1 else 1
    pairs = itertools.zip_longest(x.shape[-3::-1], y.shape[-3::-1], fillvalue=1)
    many = [max(pair) for pair in pairs]
    both = max(math.prod(one.shape[-2:]) for one in (x, y)) if min(x.ndim, y.ndim) > 2 else 1
    room(*many, max(rows * columns, both))
    work(*many, rows, columns, x.shape[-1] if x.ndim else 1)
    return torch.matmul(x, y)


class Gemm(nn.Module):
    """alpha * A B + beta * C, either matrix perhaps turned: a fully connected layer."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.alpha, self.beta = node.number("alpha", 1.0), node.number("beta", 1.0)
        self.turns = [bool(node.whole(key, 0)) for key in ("transA", "transB")]

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        x, weight = (one.T if turn else one for one, turn in zip((x, weight), self.turns, strict=True))
        found = product(x, weight)
        room_for([found, bias])
        found = found if self.alpha == 1 else self.alpha * found
        return found if bias is None else found + (bias if self.beta == 1 else self.beta * bias)


class BatchNormalization(nn.Module):
    """By the mean and variance that the training kept."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        node.refuse("training_mode", allowed=(0,))
        node.refuse("spatial", allowed=(1,))
        self.epsilon = node.number("epsilon", 1e-5)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, self.epsilon)


class InstanceNormalization(nn.Module):
    """Every channel of every image by its own mean and variance."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.epsilon = node.number("epsilon", 1e-5)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional.group_norm(x, x.shape[1], weight, bias, self.epsilon)


class LayerNormalization(nn.Module):
    """Every image by its own mean and variance, from an axis on; these two are not given."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.axis, self.epsilon = node.whole("axis", -1), node.number("epsilon", 1e-5)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        sides = x.shape[place_of(self.axis, x.ndim) :]
        room_for([x, weight, bias])
        return functional.layer_norm(x, sides, None, None, self.epsilon) * weight + (0 if bias is None else bias)


class RMSNormalization(nn.Module):
    """Every image by the root of its mean square, from an axis on."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.axis, self.epsilon = node.whole("axis", -1), node.number("epsilon", 1e-5)

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        axes = tuple(range(place_of(self.axis, x.ndim), x.ndim))
        room_for([x, weight])
        return x * (x.square().mean(axes, keepdim=True) + self.epsilon).rsqrt() * weight


class GroupNormalization(nn.Module):
    """Groups of channels by their own mean and variance; a scale for each channel, in older files for each group."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.groups, self.epsilon = node.whole("num_groups", 1), node.number("epsilon", 1e-5)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if len(weight) == self.groups != x.shape[1]:
            weight, bias = (one.repeat_interleave(x.shape[1] // self.groups) for one in (weight, bias))
        return functional.group_norm(x, self.groups, weight, bias, self.epsilon)


def _mean_variance(node: Node) -> Compute:
    axes = node.wholes("axes") or (0, 2, 3)

    def run(x: Tensor) -> Tensor:
        centred = x - x.mean(axes, keepdim=True)
        return centred / (centred.square().mean(axes, keepdim=True) + 1e-9).sqrt()

    return run


def _norm(node: Node) -> Compute:
    """LpNormalization; a row of zeros stays."""
    axis, p = node.whole("axis", -1), node.whole("p", 2)

    def run(x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, p, axis, keepdim=True)
        return x / torch.where(length == 0, 1, length)

    return run


def _softmax(how: Callable[..., Tensor]) -> Callable[[Node], Compute]:
    """Over an axis; with `flat`, as before opset 13, over all values from the axis on."""

    def make(node: Node) -> Compute:
        flat = bool(node.whole("flat", 0))
        axis = node.whole("axis", 1 if flat else -1)

        def run(x: Tensor) -> Tensor:
            place = place_of(axis, x.ndim)
            return how(x.flatten(place), place).reshape(x.shape) if flat else how(x, place)

        return run

    return make


def _einsum(node: Node) -> Compute:
    equation = node.attributes.get("equation")
    if not isinstance(equation, str) or len(equation) > 200 or equation.count(",") >= _MOST_TERMS:
        raise UsageError(t("needs an equation of at most {n} terms.", n=_MOST_TERMS))

    def run(*parts: Tensor) -> Tensor:
        every, given = _sides(equation.replace(" ", ""), parts)
        room(*given)
        work(*every)
        return torch.einsum(equation, *parts)

    return run


def _sides(equation: str, parts: Sequence[Tensor]) -> tuple[list[int], list[int]]:
    """All sides of an equation, and those of what it gives."""
    before, arrow, after = equation.partition("->")
    terms = before.split(",")
    sides: dict[str, int] = {}
    for term, part in zip(terms, parts, strict=True):
        start, dots, end = term.partition("...")
        spare = part.ndim - len(start) - len(end)
        letters = [*start, *(str(spare - place) for place in range(spare)), *end] if dots else [*term]
        for letter, side in zip(letters, part.shape, strict=True):
            sides[letter] = max(side, sides.get(letter, 1))
    wanted = set(after) if arrow else {letter for letter in sides if before.count(letter) == 1}
    dotted = not arrow or "..." in after
    given = [side for letter, side in sides.items() if letter in wanted or (letter.isdigit() and dotted)]
    return list(sides.values()), given


class Clip(nn.Module):
    """Nothing below a least or above a most, which are inputs or, in older files, attributes."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.least, self.most = node.number("min", -math.inf), node.number("max", math.inf)

    def forward(self, x: Tensor, least: Tensor | None = None, most: Tensor | None = None) -> Tensor:
        if x.is_floating_point():
            x = x.clamp(self.least, self.most)
        x = x if least is None else x.maximum(least.to(x.dtype))
        return x if most is None else x.minimum(most.to(x.dtype))


class PRelu(nn.Module):
    """x, or below zero a slope times x."""

    def __init__(self, _: Node) -> None:
        super().__init__()

    def forward(self, x: Tensor, slope: Tensor) -> Tensor:
        return torch.where(x >= 0, x, slope * x)


class Formula(nn.Module):
    """An activation that torch has no module for."""

    def __init__(self, formula: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, x: Tensor) -> Tensor:
        return self.formula(x)


class HardSigmoid(Formula):
    """A straight line between 0 and 1."""


class Selu(Formula):
    """gamma * x, or below zero gamma * alpha * (exp(x) - 1)."""


class Swish(Formula):
    """x * sigmoid(alpha * x)."""


class Shrink(Formula):
    """0 around zero, beyond it x less a bias."""


def _hard_sigmoid(node: Node) -> nn.Module:
    alpha, beta = node.number("alpha", 0.2), node.number("beta", 0.5)
    return HardSigmoid(lambda x: (alpha * x + beta).clamp(0, 1))


def _selu(node: Node) -> nn.Module:
    alpha, gamma = node.number("alpha", 1.67326319217681884765625), node.number("gamma", 1.05070102214813232421875)
    return Selu(lambda x: gamma * functional.elu(x, alpha))


def _swish(node: Node) -> nn.Module:
    alpha = node.number("alpha", 1.0)
    return Swish(lambda x: x * torch.sigmoid(alpha * x))


def _shrink(node: Node) -> nn.Module:
    edge, bias = node.number("lambd", 0.5), node.number("bias", 0.0)
    return Shrink(lambda x: torch.where(x > edge, x - bias, torch.where(x < -edge, x + bias, torch.zeros_like(x))))


ACTIVATIONS: dict[str, Callable[[Node], nn.Module]] = {
    "Celu": lambda node: nn.CELU(node.number("alpha", 1.0)),
    "Elu": lambda node: nn.ELU(node.number("alpha", 1.0)),
    "Gelu": lambda node: nn.GELU(node.word("approximate", "none", ("none", "tanh"))),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda _: nn.Hardswish(),
    "LeakyRelu": lambda node: nn.LeakyReLU(node.number("alpha", 0.01)),
    "Mish": lambda _: nn.Mish(),
    "Relu": lambda _: nn.ReLU(),
    "Selu": _selu,
    "Shrink": _shrink,
    "Sigmoid": lambda _: nn.Sigmoid(),
    "Softplus": lambda _: nn.Softplus(),
    "Softsign": lambda _: nn.Softsign(),
    "Swish": _swish,
    "Tanh": lambda _: nn.Tanh(),
    "ThresholdedRelu": lambda node: nn.Threshold(node.number("alpha", 1.0), 0.0),
}

_WEIGHTED = ("", "weight", "bias")
OPERATORS: dict[str, Operator] = {
    "BatchNormalization": Operator(
        BatchNormalization, names=(*_WEIGHTED, "running_mean", "running_var"), maps=Maps.AS_GIVEN
    ),
    "Clip": Operator(Clip, maps=Maps.AS_GIVEN, spreads=True),
    "Einsum": Operator(_einsum, names=("left", "right")),
    "Gemm": Operator(Gemm, names=("input", "weight", "bias")),
    "GroupNormalization": Operator(GroupNormalization, names=_WEIGHTED, maps=Maps.ALWAYS),
    "InstanceNormalization": Operator(InstanceNormalization, names=_WEIGHTED, maps=Maps.ALWAYS),
    "LayerNormalization": Operator(LayerNormalization, names=_WEIGHTED, maps=Maps.AS_GIVEN),
    "LogSoftmax": Operator(_softmax(torch.log_softmax), maps=Maps.AS_GIVEN),
    "LpNormalization": Operator(_norm, maps=Maps.AS_GIVEN),
    "MatMul": Operator(MatMul, names=("left", "right")),
    "MeanVarianceNormalization": Operator(_mean_variance, maps=Maps.AS_GIVEN),
    "PRelu": Operator(PRelu, names=("", "slope"), maps=Maps.AS_GIVEN, spreads=True),
    "RMSNormalization": Operator(RMSNormalization, names=_WEIGHTED, maps=Maps.AS_GIVEN),
    "Softmax": Operator(_softmax(torch.softmax), maps=Maps.AS_GIVEN),
    **{name: Operator(make, maps=Maps.AS_GIVEN) for name, make in ACTIVATIONS.items()},
}
