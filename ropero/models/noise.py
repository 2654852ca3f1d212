"""Layers that do something while training and nothing afterwards, by Keras's names.

Legend: N examples, H x W pixels, C channels, T time steps, D features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.models.layers import Layer, OverTime, Shape, share
from ropero.models.spatial import OfImages, OfSequences
from ropero.texts import t


class _Dropping(Layer):
    """A layer with a rate."""

    rate: float

    def output(self, shape: Shape) -> Shape:
        share("rate", self.rate)
        return shape


@dataclass(frozen=True)
class SpatialDropout1D(_Dropping, OfSequences):
    """Sets whole features of a sequence to zero with probability `rate` while training."""

    rate: float = 0.5

    def module(self, shape: Shape) -> nn.Module:
        return OverTime(nn.Dropout1d(self.rate))


@dataclass(frozen=True)
class SpatialDropout2D(_Dropping, OfImages):
    """Sets whole channels to zero with probability `rate` while training."""

    rate: float = 0.5

    def module(self, shape: Shape) -> nn.Module:
        return nn.Dropout2d(self.rate)


@dataclass(frozen=True)
class AlphaDropout(_Dropping):
    """Dropout for selu: what is dropped becomes selu's lowest value, and mean and deviation stay (arXiv 1706.02515)."""

    rate: float = 0.5

    def module(self, shape: Shape) -> nn.Module:
        return nn.AlphaDropout(self.rate)


@dataclass(frozen=True)
class GaussianDropout(_Dropping):
    """Multiplies by normal noise about 1, as wide as dropout's of this rate, while training."""

    rate: float = 0.5

    def module(self, shape: Shape) -> nn.Module:
        return Noise(math.sqrt(self.rate / (1 - self.rate)), times=True)


@dataclass(frozen=True)
class GaussianNoise(Layer):
    """Adds normal noise of this deviation while training."""

    stddev: float = 0.1

    def output(self, shape: Shape) -> Shape:
        if not 0 <= self.stddev <= 1:
            raise UsageError(t("{name} should be from 0 to 1, got {value}.", name="stddev", value=self.stddev))
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return Noise(self.stddev, times=False)


class Noise(nn.Module):
    """Normal noise while training: added, or multiplied with about 1."""

    def __init__(self, deviation: float, times: bool) -> None:
        super().__init__()
        self.deviation, self.times = deviation, times

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.deviation == 0:
            return x
        noise = torch.randn_like(x) * self.deviation
        return x + x * noise if self.times else x + noise


@dataclass(frozen=True)
class ActivityRegularization(Layer):
    """Nothing to values. In Keras's training it adds a penalty on them to the loss, which ropero's has no part for."""

    l1: float = 0.0
    l2: float = 0.0

    def output(self, shape: Shape) -> Shape:
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return nn.Identity()
