"""`Filler`: what fills missing pixels, whether it was trained, measured or copied; `Generated` is one with a generator.

Whatever fills, observed pixels come back bit for bit. Knows nothing of files, of classes or of how well it fills.
Legend: N images, H x W pixels in [0, 1], C channels, D draws.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from ropero.data.batches import in_chunks
from ropero.errors import DataError, UsageError
from ropero.generation.learner import Learner
from ropero.generation.masks import Known
from ropero.runtime import mix_seed
from ropero.texts import t

Pixels = NDArray[np.float32]
MOST_DRAWS = 1000
_AT_ONCE = 250  # images that a generator fills together


class Filler(ABC):
    """What fills images.

    Attributes:
        name: what it is called.
        shape: (H, W) or (H, W, C) of the images that it fills.
        several: whether it has more than one filling of the same image.
        learned: the digest of the training part that it may have learned from as a whole; "" where it has not.
    """

    several = False
    learned = ""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name, self.shape = name, shape

    def fill(self, images: Pixels, known: Known, draws: int = 1, seed: int = 0) -> Pixels:
        """(D, N, H, W[, C]): the images with their missing pixels filled; observed ones are as they were.

        One draw is the filler's best guess; more are plausible fillings that differ, as far as the filler has several.

        Args:
            images: (N, H, W) or (N, H, W, C) in [0, 1]; what lies where a pixel is missing is not looked at.
            known: (N, H, W), False where a pixel is missing.
            seed: the same one gives the same fillings.

        Raises:
            UsageError: draws out of range, or a filler that does not fit images of this shape.
            DataError: arrays that do not fit together, or an image of which nothing is known.
        """
        if not 1 <= draws <= MOST_DRAWS:
            raise UsageError(t("{name} should be at least {low} and at most {high}, got {value}.", name="draws", low=1,
                               high=MOST_DRAWS, value=draws))  # fmt: skip
        _check(images, known)
        if images.shape[1:] != self.shape:
            raise UsageError(
                t("{name} fills images of {expected} pixels, got {got}.", name=self.name, expected=_size(self.shape),
                  got=_size(images.shape[1:]))
            )  # fmt: skip
        shown = np.where(_wide(known, images), images, np.float32(0)).astype(np.float32, copy=False)
        distinct = draws if self.several else 1
        found = self._fill(shown, known, distinct, seed)
        assert found.shape == (distinct, *images.shape)
        clipped = np.clip(found, 0, 1).astype(np.float32, copy=False)
        if distinct < draws:
            clipped = np.broadcast_to(clipped, (draws, *images.shape))
        return np.where(_wide(known, images), images, clipped)

    @abstractmethod
    def _fill(self, images: Pixels, known: Known, draws: int, seed: int) -> Pixels:
        """As `fill`; missing pixels are 0, and what comes back for observed ones is thrown away."""


def _wide(known: Known, images: Pixels) -> Known:
    """The mask in the images' shape, the same for all channels."""
    return known if images.ndim == 3 else known[..., None]


def _check(images: Pixels, known: Known) -> None:
    """Raises DataError for arrays that do not fit together, or an image of which nothing is known."""
    if images.ndim not in (3, 4) or images.dtype != np.float32:
        raise DataError(
            t("Expected images as float32 of shape (N, H, W) or (N, H, W, C), got {dtype} {shape}.",
              dtype=images.dtype, shape=images.shape)
        )  # fmt: skip
    if known.shape != images.shape[:3] or known.dtype != np.bool_:
        raise DataError(
            t("Expected what is known as booleans of shape {expected}, got {dtype} {shape}.",
              expected=images.shape[:3], dtype=known.dtype, shape=known.shape)
        )  # fmt: skip
    empty = np.flatnonzero(~known.any((1, 2)))
    if len(empty):
        raise DataError(t("Nothing is known of image {number}: expected a pixel at least.", number=int(empty[0])))
    if not np.isfinite(images[known]).all():
        raise DataError(t("Some known pixels are no numbers; say that they are missing."))


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


class Generated(Filler):
    """A trained generator that fills gaps, behind the same face.

    Args:
        shape: (H, W) or (H, W, C) of the images that it makes.
        learned: the digest of the training part that it was trained on.
    """

    several = True

    def __init__(self, learner: Learner, name: str, shape: tuple[int, ...], learned: str = "") -> None:
        super().__init__(name, shape)
        self._learner, self.learned = learner, learned

    def _fill(self, images: Pixels, known: Known, draws: int, seed: int) -> Pixels:
        pixels = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)  # (N, C, H, W)
        found = np.empty((draws, *pixels.shape), np.float32)
        for draw in range(draws):
            # A draw's latent values depend on nothing but the seed and the draw.
            latent = self._learner.draw(len(pixels), torch.Generator().manual_seed(mix_seed(seed, draw)))
            for part in in_chunks(len(pixels), _AT_ONCE):
                shown, where = torch.tensor(pixels[part]).to(latent.device), torch.tensor(known[part, None])
                filled = self._learner.fill(shown, where.to(latent.device), latent[part])
                found[draw, part] = filled.detach().float().cpu().numpy()
        return cast("Pixels", found[:, :, 0] if images.ndim == 3 else found.transpose(0, 1, 3, 4, 2))
