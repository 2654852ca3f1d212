"""Activations as Keras computes them, where torch has no module for them. Knows nothing of layers.

Keras 2 and 3 differ in one: `hard_sigmoid` is relu6(x + 3) / 6 since 3.0, and was clip(0.2 x + 0.5, 0, 1) in every 2.x.
Legend: N images, H x W pixels, C channels, T time steps, D features.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

LEAST = 1e-30  # of a share, before its logarithm


class Pointwise(nn.Module):
    """A function of each value."""

    def __init__(self, how: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        return self.how(x)

    def extra_repr(self) -> str:
        return self.how.__name__


def hard_sigmoid_2(x: Tensor) -> Tensor:
    """Keras 2's hard_sigmoid; gates of LSTM and GRU had it, when nothing was said, up to 2.2 and in tf.keras 1."""
    return (0.2 * x + 0.5).clamp(0, 1)


def log(x: Tensor) -> Tensor:
    """The natural logarithm; of what is below LEAST, shares of 0 among it, that of LEAST."""
    return x.clamp(min=LEAST).log()


def squareplus(x: Tensor) -> Tensor:
    """A softplus of square roots (arXiv 2112.11687)."""
    return (x + (x**2 + 4).sqrt()) / 2


def sparse_plus(x: Tensor) -> Tensor:
    """0 up to -1, x from 1 on, a parabola between (arXiv 1602.02068)."""
    return torch.where(x < 1, (x.clamp(min=-1) + 1) ** 2 / 4, x)


def sparse_sigmoid(x: Tensor) -> Tensor:
    """0 up to -1, 1 from 1 on, a line between."""
    return ((x + 1) / 2).clamp(0, 1)


class Shares(nn.Module):
    """Softmax, or its logarithm, over the features of (N, D) and (N, T, D) and the channels of (N, C, H, W)."""

    def __init__(self, log: bool = False) -> None:
        super().__init__()
        self.log = log

    def forward(self, x: Tensor) -> Tensor:
        axis = _features(x)
        return x.log_softmax(axis) if self.log else x.softmax(axis)


class SparseShares(nn.Module):
    """Keras 3's sparsemax over features or channels.

    Not that of arXiv 1602.02068: in every backend the threshold comes from the sum of the running sums of the largest
    values, where the paper has the last running sum, so that what is left does not add up to 1.
    """

    def forward(self, x: Tensor) -> Tensor:
        axis = _features(x)
        falling = x.sort(axis, descending=True).values
        running = falling.cumsum(axis)
        counts = torch.arange(1, x.shape[axis] + 1, device=x.device).view(-1, *[1] * (x.ndim - 2 if axis == 1 else 0))
        above = falling * counts > running - 1
        threshold = ((running * above).sum(axis, keepdim=True) - 1) / above.sum(axis, keepdim=True)
        return (x - threshold).clamp(min=0)


def _features(x: Tensor) -> int:
    """The axis of channels or features."""
    return 1 if x.ndim == 4 else -1
