"""Layers by Keras's names, as plain descriptions: each knows its options, its output shape and the module it becomes.

A description is what a zoo entry, a `my_net.toml` and a saved model have in common. Modules start as Keras's do: Glorot
uniform weights, zero biases. Images travel as torch has them, (N, C, H, W), but shapes are written as Keras writes
them, and `Flatten` and `Reshape` read in Keras's order, so that weights of both mean the same.
Legend: N images, H x W pixels, C channels, T time steps, D features, K classes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from ropero.errors import UsageError, unknown
from ropero.models import elementwise, functions
from ropero.texts import t

Shape = tuple[int, ...]  # without N: (H, W, C) of images, (T, D) of sequences, (D,) of vectors

LINEAR, SOFTMAX, LOG_SOFTMAX, LOG = "linear", "softmax", "log_softmax", "log"
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "tanh": elementwise.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "celu": nn.CELU,
    "gelu": nn.GELU,  # the exact one, as Keras 2 and 3 have it when nothing is said
    "gelu_approximate": partial(nn.GELU, approximate="tanh"),
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "leaky_relu": partial(nn.LeakyReLU, 0.2),  # Keras's slope; torch's own is 0.01
    "mish": nn.Mish,
    "exponential": partial(functions.Pointwise, torch.exp),
    "hard_sigmoid": nn.Hardsigmoid,  # Keras 3's
    "hard_sigmoid_2": partial(functions.Pointwise, functions.hard_sigmoid_2),
    "hard_silu": nn.Hardswish,
    "hard_swish": nn.Hardswish,
    "hard_tanh": nn.Hardtanh,
    "hard_shrink": nn.Hardshrink,
    "soft_shrink": nn.Softshrink,
    "tanh_shrink": nn.Tanhshrink,
    "squareplus": partial(functions.Pointwise, functions.squareplus),
    "sparse_plus": partial(functions.Pointwise, functions.sparse_plus),
    "sparse_sigmoid": partial(functions.Pointwise, functions.sparse_sigmoid),
    "sparsemax": functions.SparseShares,
    "log_sigmoid": nn.LogSigmoid,
    LOG: partial(functions.Pointwise, functions.log),
    LOG_SOFTMAX: partial(functions.Shares, log=True),
}
GLOROT = "glorot_uniform"  # what Keras's Dense and convolutions begin with
_TRUNCATED = 0.87962566  # deviation of a standard normal variable that is drawn again beyond 2


def _uniform(weight: Tensor, variance: float) -> Tensor:
    reach = math.sqrt(3 * variance)
    return nn.init.uniform_(weight, -reach, reach)


def _normal(weight: Tensor, variance: float) -> Tensor:
    """Cut off at two deviations and widened to have this variance, as Keras's."""
    deviation = math.sqrt(variance) / _TRUNCATED
    return nn.init.trunc_normal_(weight, 0.0, deviation, -2 * deviation, 2 * deviation)


# How a weight is filled, and whether the variance is 2 / (fan in + fan out), else 2 / fan in.
_SCALED: dict[str, tuple[Callable[[Tensor, float], Tensor], bool]] = {
    GLOROT: (_uniform, True),
    "glorot_normal": (_normal, True),
    "he_uniform": (_uniform, False),
    "he_normal": (_normal, False),
}
ORTHOGONAL = "orthogonal"
HE = "he_normal"  # deep ReLU networks without batch-norm do not start to learn from Glorot


@dataclass(frozen=True, kw_only=True)
class Layer(ABC):
    """One line of a layer list. A subclass is a frozen dataclass whose fields are the Keras layer's options.

    name: what other layers call it; made of its kind when left out. inputs: the names of the layers that it takes, the
    one before it when left out. ranks: the numbers of dimensions, without N, that it takes.
    """

    name: str = field(default="", repr=False)
    inputs: tuple[str, ...] = field(default=(), repr=False)

    ranks: ClassVar[tuple[int, ...]] = (1, 2, 3)

    @abstractmethod
    def output(self, shape: Shape) -> Shape:
        """What comes out for an input of this shape. Raises UsageError when nothing can."""

    @abstractmethod
    def module(self, shape: Shape) -> nn.Module:
        """The torch module for an input of this shape, which `output` has accepted."""

    def work(self, shape: Shape) -> int:
        """How many numbers the layer holds at once for one input of this shape: its output, or more on the way."""
        return math.prod(self.output(shape))

    def check(self, shape: Shape) -> None:
        """Raises UsageError for an input of the wrong number of dimensions."""
        if len(shape) not in self.ranks:
            kinds = {1: t("vectors (D,)"), 2: t("sequences (T, D)"), 3: t("images (H, W, C)")}
            raise UsageError(
                t(
                    "takes {expected}, but gets {shape}; {cure}",
                    expected=" / ".join(kinds[rank] for rank in self.ranks),
                    shape=shape,
                    cure=_cure(self.ranks, len(shape)),
                )
            )


def _cure(ranks: tuple[int, ...], got: int) -> str:
    """What helps a layer that takes `ranks` dimensions and gets another number."""
    if 1 in ranks:
        return t("put Flatten before it.")
    if 2 in ranks:
        return t("put Rows before it.") if got == 3 else t("put return_sequences = true into the layer before it.")
    return t("put it before Flatten and before recurrent layers.")


class Activated(nn.Sequential):
    """A layer and its activation: two modules, one line in a table."""


def activated(layer: nn.Module, activation: str) -> nn.Module:
    """The layer with its activation behind it, or alone when it has none."""
    return layer if activation == LINEAR else Activated(layer, activation_module(activation))


def activation_module(name: str) -> nn.Module:
    """Raises UsageError for an unknown activation."""
    if name == LINEAR:
        return nn.Identity()
    if name == SOFTMAX:
        return functions.Shares()
    if name not in ACTIVATIONS:
        raise unknown(t("activation"), name, [LINEAR, SOFTMAX, *ACTIVATIONS])
    return ACTIVATIONS[name]()


def positive(name: str, value: float) -> None:
    """Raises UsageError for an option that is not more than zero."""
    if value <= 0:
        raise UsageError(t("{name} should be more than 0, got {value}.", name=name, value=value))


def share(name: str, value: float) -> None:
    """Raises UsageError for an option that is not at least 0 and below 1."""
    if not 0 <= value < 1:
        raise UsageError(t("{name} should be at least 0 and below 1, got {value}.", name=name, value=value))


def place(axis: int, rank: int) -> int:
    """Which side of a shape an axis is, which Keras counts with the batch, from the front or from behind.

    Raises UsageError for one that is none.
    """
    found = axis - 1 if axis > 0 else axis + rank
    if axis == 0 or not 0 <= found < rank:
        raise UsageError(t("axis {axis} is none of an input with {n} sides.", axis=axis, n=rank))
    return found


def torch_axis(side: int, rank: int) -> int:
    """The axis of torch's tensor that a side of a shape is: images have their channels first."""
    return {0: 2, 1: 3, 2: 1}[side] if rank == 3 else side + 1


def start(layer: nn.Module, initializer: str = GLOROT, fans: tuple[int, int] | None = None) -> nn.Module:
    """Zero biases, and weights by a Keras initializer.

    Args:
        fans: (in, out) as Keras counts them, where its weights have another shape than torch's.

    Raises UsageError for an unknown initializer.
    """
    if initializer not in (*_SCALED, ORTHOGONAL):
        raise unknown(t("initializer"), initializer, [*_SCALED, ORTHOGONAL])
    for name, parameter in layer.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif initializer == ORTHOGONAL:
            nn.init.orthogonal_(parameter)
        else:
            window = math.prod(parameter.shape[2:])
            into, out = fans or (parameter.shape[1] * window, parameter.shape[0] * window)
            fill, both = _SCALED[initializer]
            fill(parameter, 2 / (into + out if both else into))
    return layer


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer, of every time step of a sequence and every pixel of an image. Without units it gives one
    value a class."""

    units: int | None = None
    activation: str = LINEAR
    use_bias: bool = True
    kernel_initializer: str = GLOROT

    def output(self, shape: Shape) -> Shape:
        if self.units is None:
            raise UsageError(t("needs units, such as units = 128; only the last Dense may leave them out."))
        positive("units", self.units)
        return (*shape[:-1], self.units)

    def module(self, shape: Shape) -> nn.Module:
        linear = start(nn.Linear(shape[-1], self.units or 0, bias=self.use_bias), self.kernel_initializer)
        return activated(ChannelsLast(linear) if len(shape) == 3 else linear, self.activation)


@dataclass(frozen=True)
class Dropout(Layer):
    """Sets values to zero with probability `rate` while training, and scales the others up."""

    rate: float = 0.5

    def output(self, shape: Shape) -> Shape:
        share("rate", self.rate)
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return elementwise.Dropout(self.rate)


@dataclass(frozen=True)
class Flatten(Layer):
    """All values in one row, in Keras's order: row by row, pixel by pixel, channel by channel."""

    def output(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def module(self, shape: Shape) -> nn.Module:
        return Rearrange(shape, self.output(shape))


@dataclass(frozen=True)
class Reshape(Layer):
    """The same values, in Keras's order, in another shape; one side may be -1."""

    target_shape: tuple[int, ...] = (-1,)

    def output(self, shape: Shape) -> Shape:
        if not 1 <= len(self.target_shape) <= 3:  # before any product of a stranger's numbers
            raise UsageError(t("target_shape should have 1 to 3 sides, got {n}.", n=len(self.target_shape)))
        values, known = math.prod(shape), math.prod(side for side in self.target_shape if side != -1)
        free = self.target_shape.count(-1)
        fits = known > 0 and (values % known == 0 if free == 1 else values == known and not free)
        if not fits:
            raise UsageError(
                t(
                    "cannot bring the {n} values of {shape} into {target}; one side may be -1, which takes what is "
                    "left.",
                    n=values,
                    shape=shape,
                    target=self.target_shape,
                )
            )
        return tuple(values // known if side == -1 else side for side in self.target_shape)

    def module(self, shape: Shape) -> nn.Module:
        return Rearrange(shape, self.output(shape))


@dataclass(frozen=True)
class Rescaling(Layer):
    """x * scale + offset, numbers for all or one for each channel. Pixels come as 0 to 1 already: 1/255 here is the
    fault of scaling twice."""

    scale: float | tuple[float, ...] = 1.0
    offset: float | tuple[float, ...] = 0.0

    def output(self, shape: Shape) -> Shape:
        for name in ("scale", "offset"):
            given = getattr(self, name)
            if isinstance(given, tuple) and len(given) not in (1, shape[-1]):
                raise UsageError(
                    t("{name} should be one number or {n}, got {got}.", name=name, n=shape[-1], got=len(given))
                )
        return shape

    def module(self, shape: Shape) -> nn.Module:
        if isinstance(self.scale, float) and isinstance(self.offset, float):
            return Affine(self.scale, self.offset)
        scale, offset = (torch.tensor(given).expand(shape[-1]).clone() for given in (self.scale, self.offset))
        return ChannelAffine(scale, offset, len(shape))


class Rearrange(nn.Module):
    """From one shape to another, reading and writing in Keras's order (channels last)."""

    def __init__(self, before: Shape, after: Shape) -> None:
        super().__init__()
        self.is_image, self.after = len(before) == 3, after

    def forward(self, x: Tensor) -> Tensor:
        if self.is_image:
            x = x.permute(0, 2, 3, 1)  # no copy: images lie in memory with channels last
        x = x.reshape(x.shape[0], *self.after)
        return x.permute(0, 3, 1, 2) if len(self.after) == 3 else x


class Affine(nn.Module):
    """x * scale + offset, two constants."""

    def __init__(self, scale: float, offset: float) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.offset


class ChannelAffine(nn.Module):
    """x * scale + offset, constants of each channel or feature; they belong to the description, not to the weights."""

    scale: Tensor
    offset: Tensor

    def __init__(self, scale: Tensor, offset: Tensor, rank: int) -> None:
        super().__init__()
        sides = (-1, 1, 1) if rank == 3 else (-1,)
        self.register_buffer("scale", scale.view(sides), persistent=False)
        self.register_buffer("offset", offset.view(sides), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.offset


class ChannelsLast(nn.Module):
    """Applies a module to (N, H, W, C)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.inner(x.permute(0, 2, 3, 1))
        return found.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


class OverTime(nn.Module):
    """Applies a module of (N, D, T), torch's order of a sequence, to (N, T, D)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.inner(x.transpose(1, 2))
        return found.transpose(1, 2)


def laid(shape: Shape, module: nn.Module) -> nn.Module:
    """A module that takes channels or features first, as one for an input of this shape, image or sequence."""
    return OverTime(module) if len(shape) == 2 else module
