"""Fillers without a generator: what a generator has to beat. Mean and median pixels, the nearest training images,
regressions of pixels on pixels, and smooth surfaces over the hole.

Knows nothing of files, classes or scores. Legend: N images, M training images, H x W pixels in [0, 1], C channels,
D draws, F numbers of an image (H W C).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ropero.data.batches import in_chunks
from ropero.data.dataset import Dataset
from ropero.errors import unknown
from ropero.generation import rows
from ropero.generation.fillers import Filler, Pixels
from ropero.generation.masks import Known
from ropero.texts import mark, t

_LEARNED = 1000  # training images that regressions learn from
_NUMBERS = 1024  # of an image that regressions take; of larger ones they see means of squares of pixels
_PREDICTORS = 40  # numbers that one is regressed on
_AT_ONCE = 1000  # images that are filled together


class Pixelwise(Filler):
    """The mean or the median that the training images have at each pixel."""

    def __init__(self, train: Dataset, name: str) -> None:
        super().__init__(name, train.images.shape[1:])
        taken = np.median(train.images, axis=0) if name == "median" else train.images.mean(axis=0, dtype=np.float64)
        self._taken = (taken / 255).astype(np.float32)

    def _fill(self, images: Pixels, known: Known, draws: int, seed: int) -> Pixels:
        return np.broadcast_to(self._taken, (draws, *images.shape))


class Nearest(Filler):
    """The training images nearest by the observed pixels alone: the mean of five, or one for each draw."""

    several = True

    def __init__(self, train: Dataset, name: str) -> None:
        super().__init__(name, train.images.shape[1:])
        self._train = train.images

    def _fill(self, images: Pixels, known: Known, draws: int, seed: int) -> Pixels:
        count = min(rows.NEIGHBOURS if draws == 1 else draws, len(self._train))
        flat, observed = images.reshape(len(images), -1) * np.float32(255), _flat(known, images)
        found = rows.nearest(flat, observed, self._train.reshape(len(self._train), -1), count)  # (N, k)
        if draws == 1:
            taken = [self._train[found[part]].mean(1, dtype=np.float32) for part in in_chunks(len(found), _AT_ONCE)]
            filled = np.concatenate(taken)[None]
        else:  # where there are fewer training images than draws, they come again
            filled = np.stack([self._train[found[:, draw % count]] for draw in range(draws)])
        return (filled / 255).astype(np.float32)


class Regressed(Filler):
    """scikit-learn's IterativeImputer: each missing pixel by regression on others, learned from 1,000 training images
    and from the images themselves; of images with more than 1,024 numbers, by means over squares of pixels."""

    several = True

    def __init__(self, train: Dataset, name: str) -> None:
        rows.need("sklearn", t("Filling by regression"))
        super().__init__(name, train.images.shape[1:])
        some = np.random.default_rng(0).permutation(len(train))[:_LEARNED]
        self._train = train.images[some].astype(np.float32) / np.float32(255)

    def _fill(self, images: Pixels, known: Known, draws: int, seed: int) -> Pixels:
        factor = 1
        while _squares(images[:1], known[:1], factor).size > _NUMBERS:
            factor += 1
        learned = _squares(self._train, np.ones(self._train.shape[:3], bool), factor)
        found = np.empty((draws, *images.shape), np.float32)
        for part in in_chunks(len(images), _AT_ONCE):
            asked = _squares(images[part], known[part], factor)
            both = np.concatenate([learned, asked]).reshape(len(learned) + len(asked), -1)
            span = np.zeros(both.shape[1]), np.ones(both.shape[1])
            filled = rows.regressed(both, draws, seed, *span, columns=_PREDICTORS)[:, len(learned) :]
            wide = filled.reshape(draws, *asked.shape).repeat(factor, 2).repeat(factor, 3)
            found[:, part] = wide[:, :, : images.shape[1], : images.shape[2]]
        return found


def _squares(images: Pixels, known: Known, factor: int) -> NDArray[np.float64]:
    """(N, h, w[, C]) means of the known pixels in squares of factor x factor; not a number where none is known."""
    height, width = images.shape[1:3]
    pad = [(0, 0), (0, -height % factor), (0, -width % factor), (0, 0)]
    values = np.pad(images[..., None] if images.ndim == 3 else images, pad)
    weights = np.pad(known[..., None], pad).astype(np.float64)
    cut = (len(images), values.shape[1] // factor, factor, values.shape[2] // factor, factor)
    total = (values * weights).reshape(*cut, -1).sum((2, 4))
    count = np.broadcast_to(weights.reshape(*cut, -1).sum((2, 4)), total.shape)
    found = np.full(total.shape, np.nan)
    np.divide(total, count, out=found, where=count > 0)
    return found[..., 0] if images.ndim == 3 else found


class Smooth(Filler):
    """scikit-image's biharmonic inpainting: the smoothest surface that fits the hole's edge; it learns from nothing."""

    def __init__(self, train: Dataset, name: str) -> None:
        rows.need("skimage", t("Filling by smooth surfaces"))
        super().__init__(name, train.images.shape[1:])

    def _fill(self, images: Pixels, known: Known, draws: int, seed: int) -> Pixels:
        from skimage.restoration import inpaint_biharmonic

        found = images.astype(np.float64)
        groups: dict[bytes, list[int]] = {}  # images with one hole are solved together, as channels of one
        for number, one in enumerate(known):
            if not one.all():
                groups.setdefault(one.tobytes(), []).append(number)
        for numbers in groups.values():
            for start in range(0, len(numbers), _AT_ONCE):
                some = numbers[start : start + _AT_ONCE]
                shown = images[some].astype(np.float64).reshape(len(some), *images.shape[1:3], -1)  # (n, H, W, C)
                channels = shown.transpose(1, 2, 0, 3).reshape(*images.shape[1:3], -1)
                solved = inpaint_biharmonic(channels, ~known[some[0]], channel_axis=-1)
                solved = solved.reshape(*images.shape[1:3], len(some), -1).transpose(2, 0, 1, 3)
                found[some] = solved.reshape(len(some), *images.shape[1:])
        return found.astype(np.float32)[None]


def _flat(known: Known, images: Pixels) -> Known:
    """(N, F): the mask for each number of an image."""
    wide = known if images.ndim == 3 else np.broadcast_to(known[..., None], images.shape)
    return wide.reshape(len(images), -1)


BASELINES: dict[str, Callable[[Dataset, str], Filler]] = {
    mark("mean"): Pixelwise,
    mark("median"): Pixelwise,
    mark("knn"): Nearest,
    mark("iterative"): Regressed,
    mark("biharmonic"): Smooth,
}


def baseline(name: str, train: Dataset) -> Filler:
    """A filler by its name in BASELINES, with what it takes of training images.

    Raises:
        UsageError: an unknown name.
        MissingExtra: it needs a package that is not installed.
    """
    if name not in BASELINES:
        raise unknown(t("filler"), name, BASELINES)
    return BASELINES[name](train, name)
