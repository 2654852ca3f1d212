"""Activations as Keras computes them, where torch has no module for them. Knows nothing of layers.

Legend: N images, H x W pixels, C channels, T time steps, D features.
"""

from __future__ import annotations

from torch import Tensor, nn


class Shares(nn.Module):
    """Softmax, or its logarithm, over the features of (N, D) and (N, T, D) and the channels of (N, C, H, W)."""

    def __init__(self, log: bool = False) -> None:
        super().__init__()
        self.log = log

    def forward(self, x: Tensor) -> Tensor:
        axis = 1 if x.ndim == 4 else -1
        return x.log_softmax(axis) if self.log else x.softmax(axis)
