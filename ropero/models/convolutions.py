"""Layers on images (H, W, C) by Keras's names: convolutions, poolings and what changes a picture's size.

"same" padding is Keras's: with a stride the picture is padded more at the lower right, by what is known of its size.
Legend: N images, H x W pixels, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ropero.errors import UsageError, did_you_mean
from ropero.models.layers import GLOROT, LINEAR, Shape, activated, positive, start
from ropero.models.spatial import OfImages
from ropero.texts import t

Pair = int | tuple[int, int]


def _pair(name: str, value: Pair) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else value
    for side in pair:
        positive(name, side)
    return pair


@dataclass(frozen=True)
class Window:
    """A window that moves over a picture by `stride`; "valid" stays inside, "same" pads.

    size: what it spans, with the gaps that dilation leaves between the `cells` that it looks at.
    """

    cells: tuple[int, int]
    stride: tuple[int, int]
    padding: str
    dilation: tuple[int, int] = (1, 1)

    @property
    def size(self) -> tuple[int, int]:
        rows, columns = ((self.cells[i] - 1) * self.dilation[i] + 1 for i in (0, 1))
        return rows, columns

    def output(self, shape: Shape) -> tuple[int, int]:
        """(H, W) of what comes out. Raises UsageError for a window that is larger than the picture."""
        if self.padding not in ("valid", "same"):
            raise UsageError(
                t("{name} should be one of {known}, got {value!r}.", name="padding", known="valid, same",
                  value=self.padding) + did_you_mean(self.padding, ("valid", "same"))
            )  # fmt: skip
        # Padded, a window may hang over the edge, but one of twice the side has pixels that never meet the picture.
        room = 2 if self.padding == "same" else 1
        if self.size[0] > room * shape[0] or self.size[1] > room * shape[1]:
            raise UsageError(
                t(
                    'a window of {window} does not fit into a picture of {shape}; use a smaller one, padding = "same" '
                    "or less pooling before it.",
                    window=f"{self.size[0]} x {self.size[1]}",
                    shape=f"{shape[0]} x {shape[1]}",
                )
            )
        if self.padding == "same":
            return -(-shape[0] // self.stride[0]), -(-shape[1] // self.stride[1])
        down, right = ((shape[i] - self.size[i]) // self.stride[i] + 1 for i in (0, 1))
        return down, right

    def margins(self, shape: Shape) -> tuple[int, int, int, int]:
        """Rows and columns that "same" adds, as torch's pad wants them: left, right, top, bottom."""
        if self.padding == "valid":
            return 0, 0, 0, 0
        out = self.output(shape)
        rows, columns = (max(0, (out[i] - 1) * self.stride[i] + self.size[i] - shape[i]) for i in (0, 1))
        return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2


@dataclass(frozen=True)
class Conv2D(OfImages):
    """Convolution with `filters` windows; groups splits the channels."""

    filters: int = 32
    kernel_size: Pair = 3
    strides: Pair = 1
    padding: str = "valid"
    activation: str = LINEAR
    use_bias: bool = True
    groups: int = 1
    kernel_initializer: str = GLOROT
    dilation_rate: Pair = 1

    def output(self, shape: Shape) -> Shape:
        for name in ("filters", "groups"):
            positive(name, getattr(self, name))
        if shape[2] % self.groups or self.filters % self.groups:
            raise UsageError(
                t(
                    "groups={groups} should divide the {channels} channels and the {filters} filters.",
                    groups=self.groups,
                    channels=shape[2],
                    filters=self.filters,
                )
            )
        return (*_window(self).output(shape), self.filters)

    def module(self, shape: Shape) -> nn.Module:
        made = convolution(
            shape,
            self.filters,
            _window(self),
            bias=self.use_bias,
            groups=self.groups,
            initializer=self.kernel_initializer,
        )
        return activated(made, self.activation)


@dataclass(frozen=True)
class DepthwiseConv2D(OfImages):
    """One convolution for every channel, or `depth_multiplier` of them."""

    kernel_size: Pair = 3
    strides: Pair = 1
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = LINEAR
    use_bias: bool = True
    dilation_rate: Pair = 1

    def output(self, shape: Shape) -> Shape:
        positive("depth_multiplier", self.depth_multiplier)
        return (*_window(self).output(shape), shape[2] * self.depth_multiplier)

    def module(self, shape: Shape) -> nn.Module:
        made = depthwise(shape, self.depth_multiplier, _window(self), bias=self.use_bias)
        return activated(made, self.activation)


@dataclass(frozen=True)
class SeparableConv2D(OfImages):
    """A convolution for every channel, then a mixture of the channels."""

    filters: int = 32
    kernel_size: Pair = 3
    strides: Pair = 1
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = LINEAR
    use_bias: bool = True
    dilation_rate: Pair = 1

    def output(self, shape: Shape) -> Shape:
        for name in ("filters", "depth_multiplier"):
            positive(name, getattr(self, name))
        return (*_window(self).output(shape), self.filters)

    def work(self, shape: Shape) -> int:
        between = math.prod(_window(self).output(shape)) * shape[2] * self.depth_multiplier
        return max(between, super().work(shape))

    def module(self, shape: Shape) -> nn.Module:
        first = depthwise(shape, self.depth_multiplier, _window(self), bias=False)
        pointwise = start(nn.Conv2d(shape[2] * self.depth_multiplier, self.filters, 1, bias=self.use_bias))
        return activated(Separable(first, pointwise), self.activation)


def depthwise(shape: Shape, multiplier: int, window: Window, *, bias: bool) -> nn.Module:
    """`multiplier` convolutions of each channel alone. Keras's kernel is (height, width, C, multiplier)."""
    channels, values = shape[2], math.prod(window.cells)
    fans = (channels * values, multiplier * values)
    return convolution(shape, channels * multiplier, window, bias=bias, groups=channels, fans=fans)


class Separable(nn.Sequential):
    """Depthwise and pointwise convolution: one line in a table."""


class PaddedConv(nn.Sequential):
    """Padding and a convolution: one line in a table."""


def _window(layer: Conv2D | DepthwiseConv2D | SeparableConv2D) -> Window:
    return Window(
        _pair("kernel_size", layer.kernel_size),
        _pair("strides", layer.strides),
        layer.padding,
        _pair("dilation_rate", layer.dilation_rate),
    )


def convolution(
    shape: Shape,
    filters: int,
    window: Window,
    *,
    bias: bool,
    groups: int = 1,
    initializer: str = GLOROT,
    fans: tuple[int, int] | None = None,
) -> nn.Module:
    """A convolution that starts as Keras's and pads as Keras does; fans as in `start`."""
    left, right, top, bottom = window.margins(shape)
    even = left == right and top == bottom
    padding = (top, left) if even else (0, 0)
    made = nn.Conv2d(shape[2], filters, window.cells, window.stride, padding, window.dilation, groups=groups, bias=bias)
    start(made, initializer, fans)
    return made if even else PaddedConv(nn.ZeroPad2d((left, right, top, bottom)), made)


@dataclass(frozen=True)
class Conv2DTranspose(OfImages):
    """A convolution turned round, which makes a picture larger by its strides. A window may be smaller than a stride:
    the pixels that it does not reach get the bias alone."""

    filters: int = 32
    kernel_size: Pair = 3
    strides: Pair = 1
    padding: str = "valid"
    activation: str = LINEAR
    use_bias: bool = True

    def output(self, shape: Shape) -> Shape:
        positive("filters", self.filters)
        Window((1, 1), (1, 1), self.padding).output(shape)  # is it "valid" or "same"?
        kernel, strides = _pair("kernel_size", self.kernel_size), _pair("strides", self.strides)
        room = [max(0, kernel[i] - strides[i]) if self.padding == "valid" else 0 for i in (0, 1)]
        return shape[0] * strides[0] + room[0], shape[1] * strides[1] + room[1], self.filters

    def module(self, shape: Shape) -> nn.Module:
        kernel, strides = _pair("kernel_size", self.kernel_size), _pair("strides", self.strides)
        made = nn.ConvTranspose2d(shape[2], self.filters, kernel, strides, bias=self.use_bias)
        window = math.prod(kernel)
        start(made, GLOROT, (shape[2] * window, self.filters * window))
        # What the strides alone would give is wanted; torch gives (n - 1) * stride + kernel.
        over = [kernel[i] - strides[i] if self.padding == "same" else min(0, kernel[i] - strides[i]) for i in (0, 1)]
        first = [max(0, one) // 2 for one in over]
        if any(over):
            return activated(Trimmed(made, first, [over[i] - first[i] for i in (0, 1)]), self.activation)
        return activated(made, self.activation)


class Trimmed(nn.Module):
    """A transposed convolution without some rows and columns before and after; less than none adds them, of bias."""

    def __init__(self, inner: nn.ConvTranspose2d, before: Sequence[int], after: Sequence[int]) -> None:
        super().__init__()
        self.inner = inner
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        (top, left), (bottom, right) = self.before, self.after
        if self.inner.bias is None or min(bottom, right) >= 0:
            return functional.pad(self.inner(x), (-left, -right, -top, -bottom))
        bare = functional.conv_transpose2d(x, self.inner.weight, None, self.inner.stride)
        return functional.pad(bare, (-left, -right, -top, -bottom)) + self.inner.bias[:, None, None]


@dataclass(frozen=True)
class MaxPooling2D(OfImages):
    """The largest value in a window, which moves by its own size unless strides say otherwise."""

    pool_size: Pair = 2
    strides: Pair | None = None
    padding: str = "valid"

    def output(self, shape: Shape) -> Shape:
        return (*_pool_window(self).output(shape), shape[2])

    def module(self, shape: Shape) -> nn.Module:
        window = _pool_window(self)
        margins = window.margins(shape)
        pool = nn.MaxPool2d(window.size, window.stride)
        return nn.Sequential(nn.ConstantPad2d(margins, float("-inf")), pool) if any(margins) else pool


@dataclass(frozen=True)
class AveragePooling2D(OfImages):
    """The mean of a window; what "same" pads counts as nothing."""

    pool_size: Pair = 2
    strides: Pair | None = None
    padding: str = "valid"

    def output(self, shape: Shape) -> Shape:
        return (*_pool_window(self).output(shape), shape[2])

    def module(self, shape: Shape) -> nn.Module:
        window = _pool_window(self)
        margins = window.margins(shape)
        return PaddedMean(window, shape) if any(margins) else nn.AvgPool2d(window.size, window.stride)


def _pool_window(layer: MaxPooling2D | AveragePooling2D) -> Window:
    size = _pair("pool_size", layer.pool_size)
    return Window(size, size if layer.strides is None else _pair("strides", layer.strides), layer.padding)


class PaddedMean(nn.Module):
    """Mean over windows that hang over the edge, of the pixels inside only."""

    share: Tensor

    def __init__(self, window: Window, shape: Shape) -> None:
        super().__init__()
        self.window, self.margins = window, window.margins(shape)
        inside = self._pool(torch.ones(1, 1, *shape[:2]))
        self.register_buffer("share", inside, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self._pool(x) / self.share

    def _pool(self, x: Tensor) -> Tensor:
        return functional.avg_pool2d(functional.pad(x, self.margins), self.window.size, self.window.stride)


@dataclass(frozen=True)
class GlobalMaxPooling2D(OfImages):
    """The largest value of every channel."""

    def output(self, shape: Shape) -> Shape:
        return (shape[2],)

    def module(self, shape: Shape) -> nn.Module:
        return nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())


@dataclass(frozen=True)
class GlobalAveragePooling2D(OfImages):
    """The mean of every channel."""

    def output(self, shape: Shape) -> Shape:
        return (shape[2],)

    def module(self, shape: Shape) -> nn.Module:
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
