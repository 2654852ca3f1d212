"""A few made-up pictures and what a network says to them: by these a copy of it is known, wherever it was taken to.

Knows nothing of files; `checkpoint.py` keeps them beside a run's weights, `export/` inside every file.
Legend: N images, H x W pixels, C channels, K classes.
"""

from __future__ import annotations

import base64
import copy
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Images
from ropero.models.classifier import Classifier
from ropero.models.inference import Floats, logits

COUNT = 8
TOLERANCE = 1e-4  # of the largest logit, at least of 1: two programs add the same numbers in another order
_BLOCKS = 16  # a side has at most so many blocks of one brightness, so that large pictures are packed small


@dataclass(frozen=True, eq=False)
class Samples:
    """Pictures (N, H, W, C) uint8 and the logits (N, K) float32 that were given for them."""

    images: Images
    logits: Floats

    def to_json(self) -> dict[str, Any]:
        """How cards write it: `images` are the bytes in this order, packed by zlib, in base64."""
        packed = base64.b64encode(zlib.compress(self.images.tobytes(), 9)).decode("ascii")
        return {
            "shape": list(self.images.shape),
            "order": "N, H, W, C",
            "type": "uint8",
            "images": packed,
            "logits": [[float(value) for value in row] for row in self.logits],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], input_shape: tuple[int, int, int], classes: int) -> Samples:
        """What `to_json` wrote for a network of images (C, H, W). Raises ValueError for anything else."""
        try:
            count = len(values["logits"])
            if not 0 < count <= COUNT:
                raise ValueError(f"{count} rows")
            with np.errstate(over="ignore"):  # infinite is refused below
                said = np.array(values["logits"], np.float32)
            channels, height, width = input_shape
            shape = (count, height, width, channels)
            size = math.prod(shape)
            packed = base64.b64decode(values["images"], validate=True)
            pixels = zlib.decompressobj().decompress(packed, size + 1)  # whatever it would unpack to
        except (KeyError, TypeError, ValueError, OverflowError, zlib.error) as error:
            raise ValueError(f"samples: {error}") from error
        if said.shape != (count, classes) or not np.isfinite(said).all():
            raise ValueError(f"samples: logits {said.shape}")
        if len(pixels) != size:
            raise ValueError(f"samples: {len(pixels)} bytes of images {shape}")
        return cls(np.frombuffer(pixels, np.uint8).reshape(shape), said)


def of(model: Classifier) -> Samples:
    """The samples of a network, computed on the CPU as every reader of them will."""
    images = pictures(COUNT, model.input_shape)
    return Samples(images, logits(copy.deepcopy(model).cpu(), images))


def pictures(count: int, input_shape: tuple[int, int, int], seed: int = 0) -> Images:
    """(N, H, W, C) uint8: blocks of any brightness, every other picture only within an oval, as a garment is on
    black."""
    channels, *sides = input_shape
    height, width = sides
    blocks = [min(side, _BLOCKS) for side in sides]
    drawn = np.random.default_rng(seed).integers(0, 256, (count, *blocks, channels), np.uint8)
    rows, columns = (np.arange(side) * most // side for side, most in zip(sides, blocks, strict=True))
    found = drawn[:, rows][:, :, columns]
    down, right = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    oval: NDArray[np.bool_] = (down / 0.9) ** 2 + (right / 0.6) ** 2 < 1
    found[1::2] *= oval[:, :, None]
    return found


def difference(expected: Floats, got: Floats, tolerance: float = TOLERANCE) -> tuple[float, float]:
    """(the largest difference, what is allowed) of logits (N, K); infinite where shapes or values do not fit."""
    allowed = tolerance * max(1.0, float(np.abs(expected).max(initial=0)))
    if got.shape != expected.shape or not np.isfinite(got).all():
        return math.inf, allowed
    return float(np.abs(got - expected).max(initial=0)), allowed
