"""Poolings by Keras's names, on images (H, W, C) and on sequences (T, D).

Legend: N examples, H x W pixels, C channels, T time steps, D features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from ropero.models.layers import Layer, Shape, laid
from ropero.models.spatial import OfImages, OfSequences
from ropero.models.windows import VALID, Pair, Window, largest, mean, sides


class _Pooling(Layer):
    """A window that moves by its own size unless strides say otherwise."""

    pool_size: Pair
    strides: Pair | None
    padding: str

    def output(self, shape: Shape) -> Shape:
        return (*self.window(shape).output(shape), shape[-1])

    def work(self, shape: Shape) -> int:
        margins = self.window(shape).margins(shape)
        padded = [side + sum(margins[2 * k : 2 * k + 2]) for k, side in enumerate(reversed(shape[:-1]))]
        return math.prod(padded) * shape[-1]

    def window(self, shape: Shape) -> Window:
        rank = len(shape) - 1
        size = sides("pool_size", self.pool_size, rank)
        return Window(size, size if self.strides is None else sides("strides", self.strides, rank), self.padding)


class _MaxPooling(_Pooling):
    def module(self, shape: Shape) -> nn.Module:
        return laid(shape, largest(shape, self.window(shape)))


class _AveragePooling(_Pooling):
    def module(self, shape: Shape) -> nn.Module:
        return laid(shape, mean(shape, self.window(shape)))


@dataclass(frozen=True)
class MaxPooling2D(_MaxPooling, OfImages):
    """The largest value in a window, which moves by its own size unless strides say otherwise."""

    pool_size: Pair = 2
    strides: Pair | None = None
    padding: str = VALID


@dataclass(frozen=True)
class MaxPooling1D(_MaxPooling, OfSequences):
    """The largest value in a window of time steps."""

    pool_size: int = 2
    strides: int | None = None
    padding: str = VALID


@dataclass(frozen=True)
class AveragePooling2D(_AveragePooling, OfImages):
    """The mean of a window; what "same" pads counts as nothing."""

    pool_size: Pair = 2
    strides: Pair | None = None
    padding: str = VALID


@dataclass(frozen=True)
class AveragePooling1D(_AveragePooling, OfSequences):
    """The mean of a window of time steps; what "same" pads counts as nothing."""

    pool_size: int = 2
    strides: int | None = None
    padding: str = VALID


class _Adaptive(Layer):
    """As many windows as are wanted, which may share values: the k-th of n from floor(kL/n) to ceil((k + 1)L/n)."""

    output_size: Pair

    kinds: ClassVar[dict[int, type[nn.Module]]]

    def output(self, shape: Shape) -> Shape:
        return (*sides("output_size", self.output_size, len(shape) - 1), shape[-1])

    def module(self, shape: Shape) -> nn.Module:
        rank = len(shape) - 1
        return laid(shape, self.kinds[rank](sides("output_size", self.output_size, rank)))


_MEANS: dict[int, type[nn.Module]] = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d}
_MAXIMA: dict[int, type[nn.Module]] = {1: nn.AdaptiveMaxPool1d, 2: nn.AdaptiveMaxPool2d}


@dataclass(frozen=True)
class AdaptiveAveragePooling2D(_Adaptive, OfImages):
    """Means of as many parts of a picture as are wanted."""

    output_size: Pair = 1

    kinds: ClassVar[dict[int, type[nn.Module]]] = _MEANS


@dataclass(frozen=True)
class AdaptiveAveragePooling1D(_Adaptive, OfSequences):
    """Means of as many parts of a sequence as are wanted."""

    output_size: int = 1

    kinds: ClassVar[dict[int, type[nn.Module]]] = _MEANS


@dataclass(frozen=True)
class AdaptiveMaxPooling2D(_Adaptive, OfImages):
    """The largest values of as many parts of a picture as are wanted."""

    output_size: Pair = 1

    kinds: ClassVar[dict[int, type[nn.Module]]] = _MAXIMA


@dataclass(frozen=True)
class AdaptiveMaxPooling1D(_Adaptive, OfSequences):
    """The largest values of as many parts of a sequence as are wanted."""

    output_size: int = 1

    kinds: ClassVar[dict[int, type[nn.Module]]] = _MAXIMA


class _Global(Layer):
    """One value of each channel or feature, all places taken together; with `keepdims` their sides stay, 1 long."""

    keepdims: bool

    def output(self, shape: Shape) -> Shape:
        return (*([1] * (len(shape) - 1) if self.keepdims else []), shape[-1])


@dataclass(frozen=True)
class GlobalAveragePooling2D(_Global, OfImages):
    """The mean of every channel."""

    keepdims: bool = False

    def module(self, shape: Shape) -> nn.Module:
        pool = nn.AdaptiveAvgPool2d(1)
        return pool if self.keepdims else nn.Sequential(pool, nn.Flatten())


@dataclass(frozen=True)
class GlobalMaxPooling2D(_Global, OfImages):
    """The largest value of every channel."""

    keepdims: bool = False

    def module(self, shape: Shape) -> nn.Module:
        pool = nn.AdaptiveMaxPool2d(1)
        return pool if self.keepdims else nn.Sequential(pool, nn.Flatten())


@dataclass(frozen=True)
class GlobalAveragePooling1D(_Global, OfSequences):
    """The mean over the time steps."""

    keepdims: bool = False

    def module(self, shape: Shape) -> nn.Module:
        return Pool1D(largest=False, keepdims=self.keepdims)


@dataclass(frozen=True)
class GlobalMaxPooling1D(_Global, OfSequences):
    """The largest value over the time steps."""

    keepdims: bool = False

    def module(self, shape: Shape) -> nn.Module:
        return Pool1D(largest=True, keepdims=self.keepdims)


class Pool1D(nn.Module):
    """(N, T, D) -> (N, D), or (N, 1, D) with `keepdims`."""

    def __init__(self, largest: bool, keepdims: bool) -> None:
        super().__init__()
        self.largest, self.keepdims = largest, keepdims

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(1, self.keepdims) if self.largest else x.mean(1, self.keepdims)
