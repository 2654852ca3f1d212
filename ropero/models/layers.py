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

LINEAR, SOFTMAX, LOG_SOFTMAX = "linear", "softmax", "log_softmax"
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "tanh": elementwise.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "leaky_relu": partial(nn.LeakyReLU, 0.2),  # Keras's slope; torch's own is 0.01
    "mish": nn.Mish,
    "log_sigmoid": nn.LogSigmoid,
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
    """A fully connected layer; on a sequence it works on every time step. Without units it gives one value a class."""

    units: int | None = None
    activation: str = LINEAR
    use_bias: bool = True
    kernel_initializer: str = GLOROT

    ranks: ClassVar[tuple[int, ...]] = (1, 2)

    def output(self, shape: Shape) -> Shape:
        if self.units is None:
            raise UsageError(t("needs units, such as units = 128; only the last Dense may leave them out."))
        positive("units", self.units)
        return (*shape[:-1], self.units)

    def module(self, shape: Shape) -> nn.Module:
        linear = start(nn.Linear(shape[-1], self.units or 0, bias=self.use_bias), self.kernel_initializer)
        return activated(linear, self.activation)


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
    """x * scale + offset. Pixels come as 0 to 1 already: 1/255 here is the fault of scaling twice."""

    scale: float = 1.0
    offset: float = 0.0

    def output(self, shape: Shape) -> Shape:
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return Affine(self.scale, self.offset)


@dataclass(frozen=True)
class BatchNormalization(Layer):
    """Normalises every channel over the batch; Keras's defaults. torch writes momentum as what is taken of the new.

    torch and Keras's fused kernel, which the reports of 2018 to 2023 ran on images, keep the unbiased variance.
    """

    momentum: float = 0.99
    epsilon: float = 1e-3

    def output(self, shape: Shape) -> Shape:
        share("momentum", self.momentum)
        positive("epsilon", self.epsilon)
        return shape

    def module(self, shape: Shape) -> nn.Module:
        kind = {1: nn.BatchNorm1d, 2: SequenceNorm, 3: nn.BatchNorm2d}[len(shape)]
        return kind(shape[-1], eps=self.epsilon, momentum=1 - self.momentum)


@dataclass(frozen=True)
class LayerNormalization(Layer):
    """Normalises the last dimension of every example: features, or the channels of a pixel."""

    epsilon: float = 1e-3

    def output(self, shape: Shape) -> Shape:
        positive("epsilon", self.epsilon)
        return shape

    def module(self, shape: Shape) -> nn.Module:
        norm = nn.LayerNorm(shape[-1], eps=self.epsilon)
        return ChannelsLast(norm) if len(shape) == 3 else norm


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


class SequenceNorm(nn.BatchNorm1d):
    """Batch normalisation of the features (N, T, D) over examples and time steps."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(0, 1)).view_as(x)


class ChannelsLast(nn.Module):
    """Applies a module to (N, H, W, C)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.inner(x.permute(0, 2, 3, 1))
        return found.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
