"""From a `Dataset` to batches on a device. Small data lives there whole, as uint8; a batch is a slice of a permutation.

No worker processes: gathering 512 images of 28 x 28 takes microseconds.
Legend: N images, C channels, H x W pixels, B images in a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ropero.data.dataset import Dataset, Images
from ropero.runtime import mix_seed

_CHUNK_VALUES = 64_000_000  # numbers in a network's largest activation, 256 MB


@dataclass(frozen=True)
class DeviceImages:
    """A Dataset on a device: pixels (N, C, H, W) uint8, labels (N,) int64."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, places: Tensor | slice) -> Tensor:
        """The images at these places; by number a copy, ten times faster than pixels[places]."""
        return self.pixels[places] if isinstance(places, slice) else self.pixels.index_select(0, places)


def to_device(dataset: Dataset, device: torch.device) -> DeviceImages:
    """The whole Dataset on the device, channels first."""
    return DeviceImages(channels_first(dataset.images).to(device), torch.tensor(dataset.labels).to(device))


def channels_first(images: Images) -> Tensor:
    """(N, H, W) or (N, H, W, C) uint8 -> (N, C, H, W) uint8 tensor, a copy."""
    pixels = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return torch.tensor(np.ascontiguousarray(pixels))


def to_unit(pixels: Tensor) -> Tensor:
    """uint8 0..255 -> float32 0..1, what every network is fed."""
    return pixels.float().div_(255)


def epoch_order(n: int, seed: int, epoch: int) -> Tensor:
    """(N,): the order of the images in this epoch; depends on nothing but the three numbers."""
    generator = torch.Generator().manual_seed(mix_seed("order", seed, epoch))
    return torch.randperm(n, generator=generator)


def batch_bounds(n: int, batch_size: int) -> list[tuple[int, int]]:
    """Start and end of each batch. A last batch of a single image joins the one before: batch-norm needs two."""
    starts = list(range(0, n, batch_size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True))


def chunk_size(values: int, device: str = "cpu") -> int:
    """Images that go through a network at once, whose largest activation has so many values for one image: on a CPU 100
    small ones, as more fall out of its cache (docs/lab-notes.md); elsewhere 1000; fewer large ones."""
    return max(1, min(100 if device == "cpu" else 1000, _CHUNK_VALUES // values))


def in_chunks(n: int, size: int) -> Iterator[slice]:
    """Slices that cover 0..n-1 in order."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def unit_batches(images: Images, size: int) -> Iterator[NDArray[np.float32]]:
    """(N, H, W[, C]) uint8 -> (n, C, H, W) float32 0..1, so many images at a time, for programs other than torch.

    Not by torch, whose threads would go on turning for a while beside the other program's: on two cores onnxruntime
    then answered at less than half its rate.
    """
    for part in in_chunks(len(images), size):
        pixels = images[part, None] if images.ndim == 3 else images[part].transpose(0, 3, 1, 2)
        found = pixels.astype(np.float32, order="C")
        found /= 255
        yield found
