"""Whether a map shows what a network looks at: what happens when its best pixels go first, or come first.

Deletion and insertion after Petsiuk et al. (RISE, 2018, arXiv 1806.07421). Knows nothing of networks: whoever calls
gives a function that says probabilities. Legend: N images, H x W pixels, S steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ropero.data.dataset import Images
from ropero.errors import RunError
from ropero.evaluation.explain import METHODS
from ropero.metrics.statistics import bootstrap_interval
from ropero.texts import t

Floats = NDArray[np.float64]
Maps = NDArray[np.float32]
Ask = Callable[[Images], NDArray[np.float32]]  # images -> probabilities (N, K)
STEPS = 20


@dataclass(frozen=True)
class Faithfulness:
    """Mean probability of the explained class after each share of the pixels, (S + 1,), and areas below it per image.

    deletion: the map's best pixels are blackened first, low is faithful. insertion: they are put first into a blurred
    image, high is faithful.
    """

    shares: Floats
    deletion: Floats
    insertion: Floats
    deletion_areas: Floats  # (N,)
    insertion_areas: Floats  # (N,)


@dataclass(frozen=True)
class Advantage:
    """How much better a map does than a random one, over images: mean and 95 % bootstrap interval; higher is better."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Explained:
    """How faithful a method's maps are on some images of a part.

    Attributes:
        shares, curves, chance: deletion and insertion curves (S + 1,) of the maps and of random ones, by name.
        deletion, insertion: by how much the maps do better than random ones; above 0 is better.
    """

    method: str
    images: int
    split: str
    shares: list[float]
    curves: Mapping[str, list[float]]
    chance: Mapping[str, list[float]]
    deletion: Advantage
    insertion: Advantage

    def to_json(self) -> dict[str, Any]:
        """Every number, with English keys."""
        return {**vars(self), "deletion": vars(self.deletion), "insertion": vars(self.insertion)}

    def _check(self) -> None:
        """Raises ValueError or TypeError for figures that no measurement gives."""
        rows = [self.shares, *_curves(self.curves), *_curves(self.chance), [*vars(self.deletion).values()],
                [*vars(self.insertion).values()]]  # fmt: skip
        if not all(math.isfinite(float(one)) for row in rows for one in row):
            raise ValueError("numbers")
        if len({len(row) for row in rows[:5]}) != 1 or self.method not in METHODS or not isinstance(self.images, int):
            raise ValueError("lengths")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Explained:
        """What `to_json` gave. Raises RunError for anything else."""
        try:
            deletion, insertion = (Advantage(**values.pop(name)) for name in ("deletion", "insertion"))
            made = cls(deletion=deletion, insertion=insertion, **values)
            made._check()
            return made
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise RunError(t("The stored figures of the explanations are damaged: {reason}", reason=error)) from error


def _curves(curves: Mapping[str, list[float]]) -> list[list[float]]:
    return [curves[name] for name in ("deletion", "insertion")]


def faithfulness(images: Images, maps: Maps, classes: NDArray[np.int64], ask: Ask, steps: int = STEPS) -> Faithfulness:
    """Delete and insert the pixels of each image in the order of its map, the highest first."""
    order = np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(order.shape[1])[None], axis=1)
    shares = np.linspace(0, 1, steps + 1)
    blurred, black = _blurred(images), np.zeros_like(images)
    gone, come = [], []
    for share in shares:
        first = (rank < round(share * order.shape[1])).reshape(maps.shape)
        first = first[..., None] if images.ndim == 4 else first
        gone.append(_asked(ask, np.where(first, black, images), classes))
        come.append(_asked(ask, np.where(first, images, blurred), classes))
    deletion, insertion = np.stack(gone), np.stack(come)  # (S + 1, N)
    return Faithfulness(
        shares, deletion.mean(axis=1), insertion.mean(axis=1), _area(deletion, shares), _area(insertion, shares)
    )


def random_maps(shape: tuple[int, int, int], places: int = 7, seed: int = 0) -> Maps:
    """(N, H, W) maps that know nothing, as coarse as Grad-CAM's: random on places x places, smooth between.

    Random pixels one by one would be no fair rival: they make noise, which upsets a network more than a patch does.
    """
    count, height, width = shape
    coarse = np.random.default_rng(seed).random((count, places, places), np.float32)
    grown = [np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.BICUBIC)) for one in coarse]
    return np.stack(grown)


def advantage(ours: Floats, theirs: Floats, seed: int = 0) -> Advantage:
    """Of paired figures of the same images, larger being better."""
    apart = ours - theirs
    low, high = bootstrap_interval(len(apart), lambda rows: float(apart[rows].mean()), seed=seed)
    return Advantage(float(apart.mean()), low, high)


def _asked(ask: Ask, images: Images, classes: NDArray[np.int64]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = ask(images)[np.arange(len(images)), classes]
    return found


def _area(curves: NDArray[np.floating], shares: Floats) -> Floats:
    found: Floats = ((curves[1:] + curves[:-1]) / 2 * np.diff(shares)[:, None]).sum(axis=0)
    return found


def _blurred(images: Images) -> Images:
    kernel = ImageFilter.GaussianBlur(max(images.shape[1:3]) / 6)
    return np.stack([np.asarray(Image.fromarray(one).filter(kernel)) for one in images])
