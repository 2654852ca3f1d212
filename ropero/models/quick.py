"""`quick`: the default network, made for a laptop's CPU."""

from __future__ import annotations

from torch import Tensor, nn

from ropero.models.classifier import Classifier


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(conv(width, width), conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)  # type: ignore[no-any-return]


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def quick(input_shape: tuple[int, int, int], classes: int) -> Classifier:
    trunk = nn.Sequential(
        conv(input_shape[0], 32, 4, 2),
        conv(32, 32),
        nn.MaxPool2d(2),
        conv(32, 64),
        _Residual(64),
        nn.MaxPool2d(2),
        conv(64, 128),
        _Residual(128),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
    )
    return Classifier(trunk, nn.Linear(128, classes), input_shape, standardise=True)
