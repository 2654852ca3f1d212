"""Dropout and tanh that train faster on a CPU: the same functions, computed otherwise.

torch draws dropout's masks one double at a time and takes tanh value by value: together a quarter of a step of
monterrey's cnn (benchmarks/elementwise.py).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_BITS = 16  # of chance for each value, so that a rate is met to 1 / 65,536
_LARGE = 2**16  # values from which on moving them into oneDNN's form and back pays


class Dropout(nn.Dropout):
    """Sets values to zero with probability p while training and scales the others by 1 / (1 - p)."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not 0 < self.p < 1 or x.device.type != "cpu":
            return super().forward(x)
        return x * _factors(x, self.p)


def _factors(like: Tensor, rate: float) -> Tensor:
    """0 with probability `rate`, otherwise 1 / (1 - rate), in the shape, the type and the memory order of `like`."""
    factors = torch.empty_like(like)
    many = 64 // _BITS  # values that share one number of 64 random bits
    words = torch.empty(-(-like.numel() // many), dtype=torch.int64).random_(-(2**63), None)
    dropped = min(round(rate * 2**_BITS), 2**_BITS - 1) - 2 ** (_BITS - 1)
    kept = words.view(torch.int16).as_strided(factors.size(), factors.stride()) >= dropped
    return factors.copy_(kept).mul_(1 / (1 - rate))


class Tanh(nn.Tanh):
    """tanh, by oneDNN's kernel while training with many values."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() >= _LARGE and _by_onednn(x):
            found: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]
            return found
        return super().forward(x)


def _by_onednn(x: Tensor) -> bool:
    """Whether oneDNN can take these values as they lie in memory."""
    dense = x.is_contiguous() or (x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last))
    if x.device.type != "cpu" or not dense or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return x.dtype == torch.float32 or (
        x.dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        flat = x.as_strided((x.numel(),), (1,))
        y = flat.to_mkldnn().tanh_().to_dense(x.dtype).as_strided(x.size(), x.stride())
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        found: Tensor = torch.ops.aten.tanh_backward(gradient, y)
        return found
