"""Activations as layers of their own, by Keras's names."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.models.layers import Layer, Shape, activation_module, place, torch_axis
from ropero.texts import t


@dataclass(frozen=True)
class Activation(Layer):
    """An activation on its own."""

    activation: str = "relu"

    def output(self, shape: Shape) -> Shape:
        activation_module(self.activation)
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return activation_module(self.activation)


@dataclass(frozen=True)
class ReLU(Layer):
    """0 below zero, or negative_slope * (x - threshold) below threshold; at most max_value, where that is not 0.

    Keras 2's ThresholdedReLU(theta) is this with threshold = theta.
    """

    max_value: float = 0.0
    negative_slope: float = 0.0
    threshold: float = 0.0

    def output(self, shape: Shape) -> Shape:
        for name in ("max_value", "negative_slope", "threshold"):
            if getattr(self, name) < 0:
                raise UsageError(t("{name} should be 0 or more, got {value}.", name=name, value=getattr(self, name)))
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return BentReLU(self.max_value or math.inf, self.negative_slope, self.threshold)


class BentReLU(nn.Module):
    """x above threshold up to most, otherwise slope * (x - threshold)."""

    def __init__(self, most: float, slope: float, threshold: float) -> None:
        super().__init__()
        self.most, self.slope, self.threshold = most, slope, threshold

    def forward(self, x: Tensor) -> Tensor:
        below = self.slope * (x - self.threshold)
        return torch.where(x > self.threshold, x, below).clamp(max=self.most)


@dataclass(frozen=True)
class LeakyReLU(Layer):
    """x, or negative_slope * x below zero."""

    negative_slope: float = 0.3

    def output(self, shape: Shape) -> Shape:
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return nn.LeakyReLU(self.negative_slope)


@dataclass(frozen=True)
class ELU(Layer):
    """x, or alpha * (exp(x) - 1) below zero."""

    alpha: float = 1.0

    def output(self, shape: Shape) -> Shape:
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return nn.ELU(self.alpha)


@dataclass(frozen=True)
class PReLU(Layer):
    """x, or a slope that is learned times x below zero: one for each value, or where shared_axes names axes, counted
    from 1 as Keras does, one for all along them."""

    shared_axes: tuple[int, ...] = ()

    def output(self, shape: Shape) -> Shape:
        for axis in self.shared_axes:
            if not 1 <= axis <= len(shape):
                raise UsageError(t("axis {axis} is none of an input with {n} sides.", axis=axis, n=len(shape)))
        return shape

    def module(self, shape: Shape) -> nn.Module:
        sides = [1 if axis in self.shared_axes else side for axis, side in enumerate(shape, 1)]
        return LearnedSlope((sides[2], *sides[:2]) if len(sides) == 3 else tuple(sides))


class LearnedSlope(nn.Module):
    """x, or slope * x below zero; slope has the shape of an example as torch has it, with sides of 1 where shared."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x >= 0, x, self.slope * x)


@dataclass(frozen=True)
class Softmax(Layer):
    """Shares that sum to 1 along an axis, counted with the batch as Keras does: -1 are features or channels."""

    axis: int = -1

    def output(self, shape: Shape) -> Shape:
        place(self.axis, len(shape))
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return nn.Softmax(torch_axis(place(self.axis, len(shape)), len(shape)))
