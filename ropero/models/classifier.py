"""`Classifier`: normalise -> (frozen base ->) trunk -> head. Pixels in [0, 1] go in, logits come out.

Knows nothing of data files or training. Normalisation is part of the network, so training, exported files, command
line and service all feed it the same thing.
Legend: N images, C channels, H x W pixels, D features, K classes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ropero.models.layers import Layer

GUESSED_CHANNELS = 16


class Classifier(nn.Module):
    """A network with its own normalisation.

    Args:
        trunk: (N, C, H, W) -> features (N, D).
        head: features (N, D) -> logits (N, K).
        input_shape: (C, H, W).
        standardise: whether pixels are normalised by the buffers mean and std, of each channel, which the training
            fills from its images; without it they stay 0 and 1. Buffers count in no parameter total.
        base: a pretrained part before the trunk that is not trained; what it gives can be kept and used again.

    design: the layer list it was built from, empty when it was written by hand.
    peak: values of its largest activation for one image, by which memory is planned; guessed when written by hand.
    memory_format: how its weights lie in memory while it trains; contiguous for code that works with nothing else.
    own_head: of a module that a user brought, what its code calls the head, "" when that is no part of it; else None.
    """

    mean: Tensor
    std: Tensor
    base: nn.Module | None

    def __init__(
        self,
        trunk: nn.Module,
        head: nn.Module,
        input_shape: tuple[int, int, int],
        standardise: bool = False,
        base: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.input_shape = input_shape
        self.standardise = standardise
        self.design: tuple[Layer, ...] = ()
        self.peak = GUESSED_CHANNELS * math.prod(input_shape)
        self.memory_format = torch.channels_last
        self.own_head: str | None = None
        self.register_buffer("mean", torch.zeros(1, input_shape[0], 1, 1))
        self.register_buffer("std", torch.ones(1, input_shape[0], 1, 1))
        self.base = None if base is None else base.eval().requires_grad_(False)
        self.trunk = trunk
        self.head = head

    def measure(self, pixels: Tensor) -> None:
        """Fill mean and std from training images, (N, C, H, W) uint8; does nothing unless `standardise`."""
        if self.standardise:
            # The histogram of 256 values gives both exactly, without a float copy of all images.
            values = torch.arange(256, dtype=torch.float64) / 255
            for channel in range(pixels.shape[1]):
                share = torch.bincount(pixels[:, channel].flatten().cpu(), minlength=256).double()
                share /= share.sum()
                mean = (share * values).sum()
                self.mean[0, channel] = float(mean)
                self.std[0, channel] = max(1e-3, float(((values - mean) ** 2 * share).sum().sqrt()))

    def train(self, mode: bool = True) -> Classifier:
        """The base stays as it is: its dropout and batch-norm never train."""
        super().train(mode)
        if self.base is not None:
            self.base.eval()
        return self

    def encode(self, pixels: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] -> what the trunk takes: normalised pixels, or what the base makes of them."""
        if self.standardise:
            pixels = (pixels - self.mean) / self.std
        if self.memory_format == torch.contiguous_format:
            pixels = pixels.contiguous()
        if self.base is None:
            return pixels
        with torch.no_grad():
            found: Tensor = self.base(pixels)
        return found

    def decide(self, codes: Tensor) -> Tensor:
        """What `encode` gave -> logits (N, K)."""
        logits: Tensor = self.head(self.trunk(codes))
        return logits

    def features(self, pixels: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] -> (N, D), what the head decides from."""
        found: Tensor = self.trunk(self.encode(pixels))
        return found

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, C, H, W) float in [0, 1] -> logits (N, K)."""
        logits: Tensor = self.head(self.features(pixels))
        return logits


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """(total, trainable) as Keras counts: the running figures of layers that normalise are non-trainable parameters."""
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    figures = ("running_mean", "running_var", "running_count")
    running = sum(b.numel() for name, b in model.named_buffers() if name.endswith(figures))
    return trainable + frozen + running, trainable
