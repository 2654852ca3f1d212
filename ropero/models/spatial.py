"""Layers that change how many pixels or time steps there are, or where they stand, and no more; by Keras's names.

Legend: N examples, H x W pixels, C channels, T time steps, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.models.layers import Layer, OverTime, Shape, positive
from ropero.texts import t

Sides = int | tuple[int, ...]  # for all sides, (rows, columns), or (top, bottom, left, right)


class OfImages(Layer):
    """A layer that takes images alone."""

    ranks: ClassVar[tuple[int, ...]] = (3,)


class OfSequences(Layer):
    """A layer that takes sequences alone."""

    ranks: ClassVar[tuple[int, ...]] = (2,)


@dataclass(frozen=True)
class ZeroPadding2D(OfImages):
    """Rows and columns of zeros: one number for every side, (rows, columns), or (top, bottom, left, right)."""

    padding: Sides = 1

    def output(self, shape: Shape) -> Shape:
        top, bottom, left, right = margins("padding", self.padding)
        return shape[0] + top + bottom, shape[1] + left + right, shape[2]

    def module(self, shape: Shape) -> nn.Module:
        top, bottom, left, right = margins("padding", self.padding)
        return nn.ZeroPad2d((left, right, top, bottom))


@dataclass(frozen=True)
class Cropping2D(OfImages):
    """Rows and columns taken off: one number for every side, (rows, columns), or (top, bottom, left, right)."""

    cropping: Sides = 0

    def output(self, shape: Shape) -> Shape:
        top, bottom, left, right = margins("cropping", self.cropping)
        return shape[0] - top - bottom, shape[1] - left - right, shape[2]

    def module(self, shape: Shape) -> nn.Module:
        return Crop(margins("cropping", self.cropping))


class Crop(nn.Module):
    """(N, C, H, W) without some rows and columns."""

    def __init__(self, sides: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.sides = sides

    def forward(self, x: Tensor) -> Tensor:
        top, bottom, left, right = self.sides
        return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def margins(name: str, given: Sides) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of what an option says. Raises UsageError for another form, or less than 0."""
    sides = (given,) * 4 if isinstance(given, int) else given
    if len(sides) == 2:
        sides = (sides[0], sides[0], sides[1], sides[1])
    if len(sides) != 4:
        raise UsageError(t("{name} should be one number, two or four, got {n}.", name=name, n=len(sides)))
    top, bottom, left, right = (_no_less(name, side) for side in sides)
    return top, bottom, left, right


def _no_less(name: str, side: int) -> int:
    """Raises UsageError for less than 0."""
    if side < 0:
        raise UsageError(t("{name} should be 0 or more, got {value}.", name=name, value=side))
    return side


@dataclass(frozen=True)
class ZeroPadding1D(OfSequences):
    """Steps of zeros: one number for both ends, or (before, after)."""

    padding: int | tuple[int, int] = 1

    def output(self, shape: Shape) -> Shape:
        return shape[0] + sum(ends("padding", self.padding)), shape[1]

    def module(self, shape: Shape) -> nn.Module:
        return OverTime(nn.ConstantPad1d(ends("padding", self.padding), 0.0))


@dataclass(frozen=True)
class Cropping1D(OfSequences):
    """Steps taken off: one number for both ends, or (before, after)."""

    cropping: int | tuple[int, int] = 1

    def output(self, shape: Shape) -> Shape:
        return shape[0] - sum(ends("cropping", self.cropping)), shape[1]

    def module(self, shape: Shape) -> nn.Module:
        before, after = ends("cropping", self.cropping)
        return OverTime(nn.ConstantPad1d((-before, -after), 0.0))


def ends(name: str, given: int | tuple[int, int]) -> tuple[int, int]:
    """(before, after) of what an option says. Raises UsageError for less than 0."""
    before, after = (given, given) if isinstance(given, int) else given
    return _no_less(name, before), _no_less(name, after)


@dataclass(frozen=True)
class UpSampling1D(OfSequences):
    """Every step `size` times."""

    size: int = 2

    def output(self, shape: Shape) -> Shape:
        positive("size", self.size)
        return shape[0] * self.size, shape[1]

    def module(self, shape: Shape) -> nn.Module:
        return Again(self.size)


@dataclass(frozen=True)
class RepeatVector(Layer):
    """A vector as a sequence of n equal steps."""

    n: int = 2

    ranks: ClassVar[tuple[int, ...]] = (1,)

    def output(self, shape: Shape) -> Shape:
        positive("n", self.n)
        return self.n, shape[0]

    def module(self, shape: Shape) -> nn.Module:
        return nn.Sequential(nn.Unflatten(1, (1, shape[0])), Again(self.n))


class Again(nn.Module):
    """(N, T, D), each step several times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat_interleave(self.times, 1)


@dataclass(frozen=True)
class UpSampling2D(OfImages):
    """Every pixel becomes a block of `size`: of equal ones, or blended between neighbours."""

    size: int | tuple[int, int] = 2
    interpolation: str = "nearest"

    def output(self, shape: Shape) -> Shape:
        _known(self.interpolation)
        rows, columns = self._pair()
        return shape[0] * rows, shape[1] * columns, shape[2]

    def module(self, shape: Shape) -> nn.Module:
        rows, columns = self._pair()
        factors = (float(rows), float(columns))
        if self.interpolation == "nearest":
            return nn.Upsample(scale_factor=factors, mode="nearest")
        return nn.Upsample(scale_factor=factors, mode="bilinear", align_corners=False)

    def _pair(self) -> tuple[int, int]:
        rows, columns = (self.size, self.size) if isinstance(self.size, int) else self.size
        positive("size", rows)
        positive("size", columns)
        return rows, columns


def _known(interpolation: str) -> None:
    """Raises UsageError for a way of filling in pixels that is not known."""
    if interpolation not in ("nearest", "bilinear"):
        raise UsageError(
            t("{name} should be one of {known}, got {value!r}.", name="interpolation", known="nearest, bilinear",
              value=interpolation)
        )  # fmt: skip


@dataclass(frozen=True)
class Resizing(OfImages):
    """Resizing with half-pixel centres and no filter, as Keras's layer does it: blended, or of the nearest pixels."""

    height: int = 28
    width: int = 28
    interpolation: str = "bilinear"

    def output(self, shape: Shape) -> Shape:
        _known(self.interpolation)
        positive("height", self.height)
        positive("width", self.width)
        return self.height, self.width, shape[2]

    def module(self, shape: Shape) -> nn.Module:
        if self.interpolation == "nearest":
            return nn.Upsample(size=(self.height, self.width), mode="nearest-exact")
        return nn.Upsample(size=(self.height, self.width), mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class ToColour(OfImages):
    """Grey images as three equal channels; colour images stay. Keras has no such layer: reports repeat the channel."""

    def output(self, shape: Shape) -> Shape:
        if shape[2] not in (1, 3):
            raise UsageError(t("takes grey or colour images, but gets {shape}.", shape=shape))
        return (*shape[:2], 3)

    def module(self, shape: Shape) -> nn.Module:
        return nn.Identity() if shape[2] == 3 else RepeatChannel()


class RepeatChannel(nn.Module):
    """(N, 1, H, W) -> (N, 3, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Permute(Layer):
    """The sides of each example in another order; counted from 1 as Keras does: (2, 1) turns a sequence on its side."""

    dims: tuple[int, ...] = (1,)

    def output(self, shape: Shape) -> Shape:
        if sorted(self.dims) != list(range(1, len(shape) + 1)):
            raise UsageError(
                t("dims should be the numbers from 1 to {n} in any order, got {value}.", n=len(shape), value=self.dims)
            )
        return tuple(shape[side - 1] for side in self.dims)

    def module(self, shape: Shape) -> nn.Module:
        self.output(shape)
        return Turn(self.dims)


class Turn(nn.Module):
    """The sides of (N, ...) in another order, counted as Keras has them, channels last."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        images = x.ndim == 4
        x = (x.permute(0, 2, 3, 1) if images else x).permute(0, *self.dims)
        return x.permute(0, 3, 1, 2) if images else x
