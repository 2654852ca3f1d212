"""Convolutions by Keras's names, on images (H, W, C) and on sequences (T, D).

What a layer does on both is said once, in its base; the options are those of Keras's layer of that name.
Legend: N examples, H x W pixels, C channels, T time steps, D features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from ropero.errors import UsageError
from ropero.models.layers import GLOROT, LINEAR, Layer, Shape, activated, laid, positive
from ropero.models.spatial import OfImages, OfSequences
from ropero.models.windows import (
    CAUSAL,
    SAME,
    VALID,
    Pair,
    Window,
    convolution,
    depthwise,
    separable,
    sides,
    turned,
    turned_sides,
)
from ropero.texts import t


class _Convolving(Layer):
    """What has a window of weights, and then an activation."""

    kernel_size: Pair
    strides: Pair
    padding: str
    activation: str
    use_bias: bool
    dilation_rate: Pair

    def window(self, shape: Shape) -> Window:
        rank = len(shape) - 1
        return Window(
            sides("kernel_size", self.kernel_size, rank),
            sides("strides", self.strides, rank),
            self.padding,
            sides("dilation_rate", self.dilation_rate, rank),
            (VALID, SAME, CAUSAL) if rank == 1 else (VALID, SAME),
        )

    def finished(self, shape: Shape, made: nn.Module) -> nn.Module:
        return activated(laid(shape, made), self.activation)


class _Convolution(_Convolving):
    filters: int
    groups: int
    kernel_initializer: str

    def output(self, shape: Shape) -> Shape:
        for name in ("filters", "groups"):
            positive(name, getattr(self, name))
        if shape[-1] % self.groups or self.filters % self.groups:
            raise UsageError(
                t(
                    "groups={groups} should divide the {channels} channels and the {filters} filters.",
                    groups=self.groups,
                    channels=shape[-1],
                    filters=self.filters,
                )
            )
        return (*self.window(shape).output(shape), self.filters)

    def module(self, shape: Shape) -> nn.Module:
        made = convolution(
            shape,
            self.filters,
            self.window(shape),
            bias=self.use_bias,
            groups=self.groups,
            initializer=self.kernel_initializer,
        )
        return self.finished(shape, made)


@dataclass(frozen=True)
class Conv2D(_Convolution, OfImages):
    """Convolution with `filters` windows; groups splits the channels."""

    filters: int = 32
    kernel_size: Pair = 3
    strides: Pair = 1
    padding: str = VALID
    activation: str = LINEAR
    use_bias: bool = True
    groups: int = 1
    kernel_initializer: str = GLOROT
    dilation_rate: Pair = 1


@dataclass(frozen=True)
class Conv1D(_Convolution, OfSequences):
    """Convolution over the time steps; "causal" padding lets no step see a later one."""

    filters: int = 32
    kernel_size: int = 3
    strides: int = 1
    padding: str = VALID
    activation: str = LINEAR
    use_bias: bool = True
    groups: int = 1
    kernel_initializer: str = GLOROT
    dilation_rate: int = 1


class _Depthwise(_Convolving):
    depth_multiplier: int

    def output(self, shape: Shape) -> Shape:
        positive("depth_multiplier", self.depth_multiplier)
        return (*self.window(shape).output(shape), shape[-1] * self.depth_multiplier)

    def module(self, shape: Shape) -> nn.Module:
        made = depthwise(shape, self.depth_multiplier, self.window(shape), bias=self.use_bias)
        return self.finished(shape, made)


@dataclass(frozen=True)
class DepthwiseConv2D(_Depthwise, OfImages):
    """One convolution for every channel, or `depth_multiplier` of them."""

    kernel_size: Pair = 3
    strides: Pair = 1
    padding: str = VALID
    depth_multiplier: int = 1
    activation: str = LINEAR
    use_bias: bool = True
    dilation_rate: Pair = 1


@dataclass(frozen=True)
class DepthwiseConv1D(_Depthwise, OfSequences):
    """One convolution over the time steps for every feature, or `depth_multiplier` of them."""

    kernel_size: int = 3
    strides: int = 1
    padding: str = VALID
    depth_multiplier: int = 1
    activation: str = LINEAR
    use_bias: bool = True
    dilation_rate: int = 1


class _Separable(_Convolving):
    filters: int
    depth_multiplier: int

    def output(self, shape: Shape) -> Shape:
        for name in ("filters", "depth_multiplier"):
            positive(name, getattr(self, name))
        return (*self.window(shape).output(shape), self.filters)

    def work(self, shape: Shape) -> int:
        between = math.prod(self.window(shape).output(shape)) * shape[-1] * self.depth_multiplier
        return max(between, super().work(shape))

    def module(self, shape: Shape) -> nn.Module:
        made = separable(shape, self.depth_multiplier, self.filters, self.window(shape), bias=self.use_bias)
        return self.finished(shape, made)


@dataclass(frozen=True)
class SeparableConv2D(_Separable, OfImages):
    """A convolution for every channel, then a mixture of the channels."""

    filters: int = 32
    kernel_size: Pair = 3
    strides: Pair = 1
    padding: str = VALID
    depth_multiplier: int = 1
    activation: str = LINEAR
    use_bias: bool = True
    dilation_rate: Pair = 1


@dataclass(frozen=True)
class SeparableConv1D(_Separable, OfSequences):
    """A convolution over the time steps for every feature, then a mixture of the features."""

    filters: int = 32
    kernel_size: int = 3
    strides: int = 1
    padding: str = VALID
    depth_multiplier: int = 1
    activation: str = LINEAR
    use_bias: bool = True
    dilation_rate: int = 1


class _Turned(Layer):
    filters: int
    kernel_size: Pair
    strides: Pair
    padding: str
    activation: str
    use_bias: bool

    def output(self, shape: Shape) -> Shape:
        positive("filters", self.filters)
        return (*turned_sides(shape, *self._window(len(shape) - 1), self.padding), self.filters)

    def module(self, shape: Shape) -> nn.Module:
        cells, strides = self._window(len(shape) - 1)
        made = turned(shape, self.filters, cells, strides, self.padding, bias=self.use_bias)
        return activated(laid(shape, made), self.activation)

    def _window(self, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return sides("kernel_size", self.kernel_size, rank), sides("strides", self.strides, rank)


@dataclass(frozen=True)
class Conv2DTranspose(_Turned, OfImages):
    """A convolution turned round, which makes a picture larger by its strides. A window may be smaller than a stride:
    the pixels that it does not reach get the bias alone."""

    filters: int = 32
    kernel_size: Pair = 3
    strides: Pair = 1
    padding: str = VALID
    activation: str = LINEAR
    use_bias: bool = True


@dataclass(frozen=True)
class Conv1DTranspose(_Turned, OfSequences):
    """A convolution turned round, which makes a sequence longer by its strides."""

    filters: int = 32
    kernel_size: int = 3
    strides: int = 1
    padding: str = VALID
    activation: str = LINEAR
    use_bias: bool = True
