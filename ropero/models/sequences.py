"""Layers on sequences (T, D) by Keras's names: what the layers on images are, along one side.

Legend: N sequences, T time steps, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from ropero.models.layers import Layer, Shape


@dataclass(frozen=True)
class GlobalAveragePooling1D(Layer):
    """The mean over the time steps."""

    ranks: ClassVar[tuple[int, ...]] = (2,)

    def output(self, shape: Shape) -> Shape:
        return (shape[1],)

    def module(self, shape: Shape) -> nn.Module:
        return Pool1D(largest=False)


@dataclass(frozen=True)
class GlobalMaxPooling1D(Layer):
    """The largest value over the time steps."""

    ranks: ClassVar[tuple[int, ...]] = (2,)

    def output(self, shape: Shape) -> Shape:
        return (shape[1],)

    def module(self, shape: Shape) -> nn.Module:
        return Pool1D(largest=True)


class Pool1D(nn.Module):
    """(N, T, D) -> (N, D)."""

    def __init__(self, largest: bool) -> None:
        super().__init__()
        self.largest = largest

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(1) if self.largest else x.mean(1)
