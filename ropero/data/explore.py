"""What a source holds, in numbers: sizes, pixel values, classes, mean garments, duplicates.

Arrays and numbers only: drawing is the reports' work.
Legend: N images, H x W pixels, C channels, K classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Dataset, Labels, Splits
from ropero.data.duplicates import LISTED, NEAR_COSINE, Pairs, find_duplicates
from ropero.data.raw import Progress

FIRST_IMAGES = 10
_STEP = 4096  # images summed at once


@dataclass(frozen=True)
class PartFacts:
    """One part in numbers.

    Args:
        shape: of the images, (N, H, W) or (N, H, W, C).
        dtype: of the images, "uint8".
        elements: numbers in the images' array.
        image_bytes: bytes of the images' array.
        label_bytes: bytes of the labels' array.
        lowest, highest: the range of pixel values, 0 to 255.
        mean, deviation: of all pixels, scaled to 0 to 1; the deviation is the population's.
        black_share: the share of pixels that are pure black: 0 in every channel.
        counts: images of each class, in the order of the classes.
        histogram: how often each pixel value occurs, 256 counts over all channels.
        digest: SHA-256 that tells this part from any other.
    """

    shape: tuple[int, ...]
    dtype: str
    elements: int
    image_bytes: int
    label_bytes: int
    lowest: int
    highest: int
    mean: float
    deviation: float
    black_share: float
    counts: tuple[int, ...]
    histogram: tuple[int, ...]
    digest: str


@dataclass(frozen=True, eq=False, repr=False)
class Exploration:
    """What `explore` found.

    Args:
        name: of the source.
        source: what `sources.load` takes to load it again.
        classes: K class names.
        parts: facts by part name.
        mean_garments: (K, H, W) or (K, H, W, C), the mean image of each class of the train part, in [0, 1]; zeros for
            a class without images.
        first_images: for each class the positions of its first images in the train part, ten at the most.
        duplicates: exact and near pairs, inside and across parts.
        near_cosine: from which cosine on two images count as nearly the same.
        skipped: files passed over on loading, by reason.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    parts: dict[str, PartFacts]
    mean_garments: NDArray[np.float32]
    first_images: tuple[tuple[int, ...], ...]
    duplicates: tuple[Pairs, ...]
    near_cosine: float
    skipped: dict[str, int]

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {part.shape}" for name, part in self.parts.items())
        return f"Exploration({self.name}: {parts}; {sum(one.total for one in self.duplicates)} pairs of duplicates)"

    def pairs(self, kind: str, part: str, other: str | None = None) -> Pairs:
        """The "exact" or "near" pairs inside a part, or between two. Raises KeyError for parts that are not there."""
        wanted = {part, other or part}
        for one in self.duplicates:
            if one.kind == kind and set(one.parts) == wanted:
                return one
        raise KeyError((kind, part, other))

    def to_json(self) -> dict[str, object]:
        """All of it as JSON types; mean garments as 0..255, rounded."""
        return {
            "name": self.name,
            "source": self.source,
            "classes": list(self.classes),
            "parts": {name: asdict(part) for name, part in self.parts.items()},
            "mean_garments": np.round(self.mean_garments * 255).astype(int).tolist(),
            "first_images": [list(one) for one in self.first_images],
            "near_cosine": self.near_cosine,
            "duplicates": [one.to_json() for one in self.duplicates],
            "skipped": dict(self.skipped),
        }


def explore(
    splits: Splits, *, near_cosine: float = NEAR_COSINE, listed: int = LISTED, progress: Progress | None = None
) -> Exploration:
    """Measure a source: every part, the mean garment of each class, and all duplicates (see `duplicates.py`)."""
    return Exploration(
        splits.name,
        splits.source,
        splits.classes,
        {name: part_facts(part) for name, part in splits.parts().items()},
        mean_garments(splits.train),
        tuple(
            tuple(np.flatnonzero(splits.train.labels == label)[:FIRST_IMAGES].tolist())
            for label in range(len(splits.classes))
        ),
        find_duplicates(splits.parts(), near_cosine=near_cosine, listed=listed, progress=progress),
        near_cosine,
        dict(splits.skipped),
    )


def part_facts(part: Dataset) -> PartFacts:
    """One part in numbers; exact sums, whatever the number of images."""
    histogram = _histogram(part)
    values = np.arange(256)
    pixels = int(histogram.sum())
    mean = float(histogram @ values) / pixels
    deviation = float(np.sqrt(histogram @ (values - mean) ** 2 / pixels))
    present = np.flatnonzero(histogram)
    return PartFacts(
        tuple(part.images.shape),
        str(part.images.dtype),
        int(part.images.size),
        int(part.images.nbytes),
        int(part.labels.nbytes),
        int(present[0]),
        int(present[-1]),
        mean / 255,
        deviation / 255,
        _black_share(part),
        tuple(part.counts.tolist()),
        tuple(histogram.tolist()),
        part.digest,
    )


def _histogram(part: Dataset) -> Labels:
    """(256,): how often each pixel value occurs."""
    counts = np.zeros(256, np.int64)
    for start in range(0, len(part), _STEP):
        counts += np.bincount(part.images[start : start + _STEP].reshape(-1), minlength=256)
    return counts


def _black_share(part: Dataset) -> float:
    if part.images.ndim == 3:
        return float(1 - np.count_nonzero(part.images) / part.images.size)
    lit = sum(int(part.images[at : at + _STEP].any(axis=3).sum()) for at in range(0, len(part), _STEP))
    return float(1 - lit * part.images.shape[3] / part.images.size)


def mean_garments(part: Dataset) -> NDArray[np.float32]:
    """(K, H, W) or (K, H, W, C): the mean image of each class in [0, 1]; zeros for a class without images."""
    means = np.zeros((len(part.classes), *part.images.shape[1:]), np.float32)
    for label in np.flatnonzero(part.counts):
        of_class = np.flatnonzero(part.labels == label)
        total = np.zeros(part.images.shape[1:], np.int64)
        for start in range(0, len(of_class), _STEP):
            total += part.images[of_class[start : start + _STEP]].sum(axis=0, dtype=np.int64)
        means[label] = total / (255 * len(of_class))
    return means
