"""VGG16 and VGG19 (Simonyan & Zisserman 2014, arXiv 1409.1556): whole ones to train, and frozen ones with ImageNet
weights whose features a small head learns from, as lunzhi-2018 does it.

Reading the weights is `pretrained.py`'s work; what is built here starts at random.
Legend: N images, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ropero.models import elementwise
from ropero.models.classifier import Classifier
from ropero.models.convolutions import Conv2D
from ropero.models.layers import HE, Affine, Dense, Dropout, Flatten, Layer, start
from ropero.models.pooling import MaxPooling2D
from ropero.models.spatial import RepeatChannel, Resizing, ToColour

STAGES = {16: ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 19: ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))}
FROZEN_SIDE = 150  # pixels; the size to which lunzhi-2018 brings its images
TRAINED_SIDE = 32  # pixels; the smallest that five poolings leave something of

# Mean and deviation that ImageNet weights expect of RGB pixels in [0, 1]: torchvision's, and Keras's (once Caffe's).
Scaling = tuple[tuple[float, float, float], tuple[float, float, float]]
TORCHVISION: Scaling = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CAFFE: Scaling = ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255))


def vgg19() -> list[Layer]:
    """The whole network, trained from scratch on images of 32 x 32 in three channels."""
    layers: list[Layer] = [Resizing(TRAINED_SIDE, TRAINED_SIDE), ToColour()]
    for filters, count in STAGES[19]:
        layers += [Conv2D(filters, padding="same", activation="relu", kernel_initializer=HE) for _ in range(count)]
        layers += [MaxPooling2D()]
    layers.append(Flatten())
    for _ in range(2):
        layers += [Dense(4096, "relu", kernel_initializer=HE), Dropout(0.5)]
    return [*layers, Dense()]


def frozen(depth: int, input_shape: tuple[int, int, int], classes: int, scaled_twice: bool = False) -> Classifier:
    """ImageNet features of images brought to 150 x 150 in three channels, then Flatten, Dense 512 relu, dropout, Dense.

    Args:
        depth: 16 or 19.
        scaled_twice: the fault of lunzhi-2018: pixels divided by 255 a second time before the network's own means are
            taken off, so that it sees almost the same dark picture everywhere.
    """
    base = FrozenVGG(depth, input_shape[0], scaled_twice)
    features = STAGES[depth][-1][0] * (FROZEN_SIDE // 32) ** 2
    hidden = start(nn.Linear(features, 512))
    trunk = nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), elementwise.Dropout(0.5))
    head = nn.Linear(512, classes)
    start(head)
    model = Classifier(trunk, head, input_shape, base=base)
    model.peak = 64 * FROZEN_SIDE**2
    return model


class FrozenVGG(nn.Module):
    """(N, C, H, W) in [0, 1] -> (N, 512, 4, 4). `mean` and `std` (3,) belong to the weights that are loaded."""

    mean: Tensor
    std: Tensor

    def __init__(self, depth: int, channels: int, scaled_twice: bool) -> None:
        super().__init__()
        self.depth = depth
        self.resize = nn.Upsample(size=(FROZEN_SIDE, FROZEN_SIDE), mode="bilinear", align_corners=False)
        self.colour = RepeatChannel() if channels == 1 else nn.Identity()
        self.scale = Affine(1 / 255 if scaled_twice else 1.0, 0.0)
        self.register_buffer("mean", torch.tensor(TORCHVISION[0]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(TORCHVISION[1]).view(1, 3, 1, 1))
        layers: list[nn.Module] = []
        inputs = 3
        for filters, count in STAGES[depth]:
            for _ in range(count):
                convolution = nn.Conv2d(inputs, filters, 3, padding=1)
                start(convolution, HE)
                layers += [convolution, nn.ReLU(inplace=True)]
                inputs = filters
            layers.append(nn.MaxPool2d(2))
        self.layers = nn.Sequential(*layers)

    def forward(self, pixels: Tensor) -> Tensor:
        pixels = self.scale(self.colour(self.resize(pixels)))
        found: Tensor = self.layers((pixels - self.mean) / self.std)
        return found

    def adopt(self, weights: Sequence[tuple[Tensor, Tensor]], scaling: Scaling) -> None:
        """Take over kernels (out, in, h, w) for RGB and biases, of each convolution in order, and their scaling."""
        with torch.no_grad():
            for layer, (kernel, bias) in zip(self.convolutions(), weights, strict=True):
                assert layer.bias is not None
                layer.weight.copy_(kernel)
                layer.bias.copy_(bias)
            for buffer, values in zip((self.mean, self.std), scaling, strict=True):
                buffer.copy_(torch.tensor(values).view(1, 3, 1, 1))

    def extra_repr(self) -> str:
        """What is done to the pixels, beside the layers: the codes that are kept on disk depend on it."""
        return f"VGG{self.depth}, bilinear to {FROZEN_SIDE}, times {self.scale.scale}"

    def convolutions(self) -> list[nn.Conv2d]:
        """The convolutions in order: 13 or 16."""
        return [layer for layer in self.layers if isinstance(layer, nn.Conv2d)]
