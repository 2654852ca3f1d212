"""`Dataset`: images, labels and class names, frozen. `Splits`: the train, validation and test part of one source.

Knows nothing of files (`sources.py`) or of tensors (`batches.py`).
Legend: N images, H x W pixels, C channels, K classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ropero.errors import DataError, UsageError
from ropero.texts import joined, mark, t

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

PARTS = (mark("train"), mark("validation"), mark("test"))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images of one size with their labels. Arrays are read-only; `take` makes a smaller Dataset.

    Args:
        images: (N, H, W) or (N, H, W, C), uint8, C of 1 or 3.
        labels: (N,), integers in 0..K-1.
        classes: the K class names, in English where ropero knows them; what is displayed is translated later.
        name: what the data is called, such as "fashion-mnist".
        split: "train", "validation", "test", or "all".
        rows: (N,), where each image stood in its source file; 0..N-1 when not given.

    Raises:
        DataError: shapes, types or label values that do not fit together.
    """

    images: Images
    labels: Labels
    classes: tuple[str, ...]
    name: str = "data"
    split: str = "all"
    rows: Labels = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        images, labels = np.asarray(self.images), np.asarray(self.labels)
        _check_arrays(images, labels, tuple(self.classes))
        rows = np.asarray(self.rows, np.int64) if len(self.rows) else np.arange(len(images))
        if len(rows) != len(images):
            raise DataError(t("Expected {n} row numbers, got {got}.", n=len(images), got=len(rows)))
        for name, array in (("images", images), ("labels", labels.astype(np.int64)), ("rows", rows)):
            view = array.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)
        object.__setattr__(self, "classes", tuple(self.classes))

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.images.shape[1:]))
        return f"Dataset({self.name}/{self.split}: {len(self):,} images {size}, {len(self.classes)} classes)"

    @property
    def channels(self) -> int:
        """C: 1 for grey images, 3 for colour."""
        return 1 if self.images.ndim == 3 else int(self.images.shape[3])

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W), the shape of one image as a network sees it."""
        return (self.channels, int(self.images.shape[1]), int(self.images.shape[2]))

    @cached_property
    def counts(self) -> Labels:
        """(K,): images of each class."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over shape, images, labels and class names: two Datasets with one digest are the same data."""
        digest = hashlib.sha256(repr((self.images.shape, self.classes)).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()

    def take(self, indices: Sequence[int] | Labels, split: str | None = None) -> Dataset:
        """The images at these positions, in this order, with their rows of origin."""
        chosen = np.asarray(indices, np.int64)
        return Dataset(
            self.images[chosen],
            self.labels[chosen],
            self.classes,
            self.name,
            self.split if split is None else split,
            self.rows[chosen],
        )


def _check_arrays(images: NDArray[np.generic], labels: NDArray[np.generic], classes: tuple[str, ...]) -> None:
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise DataError(
            t(
                "Expected images as uint8 of shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), got {dtype} {shape}.",
                dtype=images.dtype,
                shape=images.shape,
            )
        )
    if not len(images) or 0 in images.shape:
        raise DataError(t("Expected at least one image, got an array of shape {shape}.", shape=images.shape))
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            t(
                "Expected {n} integer labels, one for each image, got {dtype} {shape}.",
                n=len(images),
                dtype=labels.dtype,
                shape=labels.shape,
            )
        )
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise DataError(t("Expected at least two different class names, got {classes}.", classes=joined(classes)))
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))  # type: ignore[operator]
    if len(wrong):
        raise DataError(
            t(
                "Label {label} of image {row} is out of range: expected 0 to {last}.",
                label=labels[wrong[0]],
                row=int(wrong[0]),
                last=len(classes) - 1,
            )
        )


@dataclass(frozen=True, eq=False)
class Splits:
    """The parts of one source. `train` is always there; validation is usually cut from it later, by seed.

    Args:
        train: what may be learned from.
        validation: what choices are made by, where the source brings one.
        test: opened once, at the end, by the verb that records it.
        source: where it came from, as `sources.load` was asked for it; enough to load it again.
            Empty for data made in Python, which cannot be loaded again.
        skipped: files that were passed over, and why, by count ("not an image": 3).
        image_size: the side in pixels that all images were brought to, None when none was asked for.
    """

    train: Dataset
    validation: Dataset | None = None
    test: Dataset | None = None
    source: str = ""
    skipped: dict[str, int] = field(default_factory=dict)
    image_size: int | None = None

    def __post_init__(self) -> None:
        for name in PARTS:
            part = getattr(self, name)
            if part is not None and part.split != name:
                object.__setattr__(self, name, replace(part, split=name))
        for part in (self.validation, self.test):
            if part is not None and (
                part.classes != self.train.classes or part.images.shape[1:] != self.train.images.shape[1:]
            ):
                raise DataError(
                    t(
                        "The {split} part does not fit the train part: expected images {expected} of the same classes, "
                        "got {got}.",
                        split=part.split,
                        expected=self.train.images.shape[1:],
                        got=part.images.shape[1:],
                    )
                )

    @property
    def name(self) -> str:
        return self.train.name

    @property
    def classes(self) -> tuple[str, ...]:
        return self.train.classes

    def parts(self) -> dict[str, Dataset]:
        """The parts that are there, by name."""
        named = zip(PARTS, (self.train, self.validation, self.test), strict=True)
        return {name: part for name, part in named if part is not None}

    def part(self, name: str) -> Dataset:
        """One part by name. Raises UsageError when the source has no such part."""
        parts = self.parts()
        if name not in parts:
            raise UsageError(
                t(
                    "{data} has no {split} part, only {known}; --{split} 0.1, for example, holds one out of train.",
                    data=self.name,
                    split=name,
                    known=joined(parts),
                )
            )
        return parts[name]

    def __repr__(self) -> str:
        return "Splits(" + ", ".join(f"{name}={part!r}" for name, part in self.parts().items()) + ")"
