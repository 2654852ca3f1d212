"""The conventions by which networks are shown pixels: what each makes of ropero's 0 to 1.

Knows nothing of which one a network wants (`pixels.py`).
Legend: H x W pixels, C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Dataset, Images
from ropero.models.layers import Layer, Rescaling
from ropero.models.normalization import Normalization

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scale:
    """A convention: its name, its layers, and the numbers of a Normalization among them."""

    name: str
    layers: tuple[Layer, ...] = ()
    numbers: tuple[Array, Array] | None = None  # mean and variance
    line: tuple[float, float] | None = None  # scale and offset, where it is that


def scales(train: Dataset, channels: int) -> list[Scale]:
    """All conventions, for images of the training part as a network with so many channels sees them."""
    by_pixel = _moments(train.images)
    mean = float(by_pixel[0].mean())
    deviation = max(math.sqrt(float((by_pixel[1] + by_pixel[0] ** 2).mean()) - mean**2), 1e-3)
    found = [
        _line("0-1", 1, 0),
        _line("0-255", 255, 0),
        _line("-1-1", 2, -1),
        _line("-0.5-0.5", 1, -0.5),
        _line("standardised", 1 / deviation, -mean / deviation),
        _line("mnist", 1 / 0.3081, -0.1307 / 0.3081),
        _line("centred", 1, -mean),
        _line("scaled-twice", 1 / 255, 0),
        _line("0-1-inverted", -1, 1),
        _line("0-255-inverted", -255, 255),
    ]
    flat = np.where(by_pixel[1] == 0, 1, by_pixel[1])  # a pixel that is always black stays 0, as in StandardScaler
    found += [
        _by_pixel("standardised-by-pixel", by_pixel[0], flat),
        _by_pixel("centred-by-pixel", by_pixel[0], np.ones_like(flat)),
    ]
    if channels == 3:
        means, deviations = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        caffe = np.array([103.939, 116.779, 123.68]) / 255
        found += [
            _by_colour("imagenet", means, deviations**2),
            _by_colour("imagenet-caffe", caffe, np.full(3, 255.0**-2)),
        ]
    return found


def _moments(images: Images) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of each pixel (H, W[, C]) in [0, 1], without a float copy of all images."""
    total, squares = np.zeros(images.shape[1:]), np.zeros(images.shape[1:])
    for start in range(0, len(images), 4096):
        values = images[start : start + 4096].astype(np.float64) / 255
        total += values.sum(0)
        squares += (values**2).sum(0)
    mean = total / len(images)
    return mean, np.maximum(squares / len(images) - mean**2, 0)


def _line(name: str, scale: float, offset: float) -> Scale:
    layers = (Rescaling(scale=scale, offset=offset),) if (scale, offset) != (1, 0) else ()
    return Scale(name, layers, line=(scale, offset))


def _by_pixel(name: str, mean: NDArray[Any], variance: NDArray[Any]) -> Scale:
    """Figures (H, W) or (H, W, C) of each pixel, too many to stand in a layer list: they become weights."""
    numbers = tuple(np.asarray(one, np.float32).reshape(*one.shape[:2], -1) for one in (mean, variance))
    return Scale(name, (Normalization(axis=(1, 2, 3)),), (numbers[0], numbers[1]))


def _by_colour(name: str, mean: NDArray[Any], variance: NDArray[Any]) -> Scale:
    return Scale(name, (Normalization(mean=tuple(mean.tolist()), variance=tuple(variance.tolist())),))
