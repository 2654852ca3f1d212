"""`quick`: the default network, made for a laptop's CPU. How it was found: docs/lab-notes.md.

Legend: N images, C channels, H x W pixels, D features, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ropero.models.classifier import Classifier

STEM = 32
STAGES = (64, 128)


def quick(input_shape: tuple[int, int, int], classes: int) -> Classifier:
    """Small residual network: 2 x 2 pixels become channels, two stages halve the picture, the maximum decides."""
    layers: list[nn.Module] = [Fold(), _conv(4 * input_shape[0], STEM), _conv(STEM, STEM)]
    width = STEM
    for wider in STAGES:
        layers += [_conv(width, wider, pool=True), Residual(wider)]
        width = wider
    trunk = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten())  # (N, D)
    return Classifier(trunk, nn.Linear(width, classes), input_shape, standardise=True)


class Fold(nn.Module):
    """(N, C, H, W) -> (N, 4C, H/2, W/2): every 2 x 2 pixels become four channels, odd sides are padded with zeros.

    Nothing is lost, and the convolution behind it costs a twentieth of one with stride 2 on a single channel.
    """

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        return nn.functional.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)


class Residual(nn.Module):
    """x + two convolutions of x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(_conv(width, width), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + self.inner(x)
        return found


def _conv(inputs: int, outputs: int, pool: bool = False) -> nn.Sequential:
    """3 x 3 convolution, batch-norm, ReLU; pooled in between, so that norm and ReLU touch a quarter of the memory."""
    pooling = [nn.MaxPool2d(2)] if pool else []
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), *pooling, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )
