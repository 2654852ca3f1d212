"""Cutting a Dataset into named parts: exact sizes, every class in its share, the same parts for the same seed.

Pure functions of a Dataset; knows nothing of files.
Legend: N images, K classes, P parts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Dataset, Labels
from ropero.errors import UsageError
from ropero.texts import joined, t

Size = int | float  # images, or a fraction of all of them between 0 and 1

_NAMES = ("train", "validation", "test")


def split(dataset: Dataset, validation: Size, *, seed: int = 0, stratified: bool = True) -> tuple[Dataset, Dataset]:
    """(train, validation): a validation part of so many images, or of such a fraction, and the rest to learn from.

    Raises:
        UsageError: a size that leaves either part empty.
    """
    (held,) = _counts({"validation": validation}, len(dataset))
    if held >= len(dataset):
        raise UsageError(
            t(
                "Holding out {n} of {total} images leaves nothing to learn from.",
                n=held,
                total=len(dataset),
            )
        )
    both = parts(dataset, {"train": len(dataset) - held, "validation": held}, seed=seed, stratified=stratified)
    return both["train"], both["validation"]


def parts(dataset: Dataset, sizes: Mapping[str, Size], seed: int = 0, stratified: bool = True) -> dict[str, Dataset]:
    """Disjoint parts of exactly these sizes, in seeded order, each remembering its rows of origin.

    Whole numbers count images; fractions are of all images, rounded by largest remainder so that fractions that sum
    to 1 use every image. Sizes that sum to less leave images out. Stratified parts hold each class in its share, also
    by largest remainder: no class is off by one image or more in the first part, nor by much in the others.
    The order is numpy's PCG64 generator seeded with `seed`: the same on every machine.

    Raises:
        UsageError: sizes below one image, or more images than there are.
    """
    counts = _counts(sizes, len(dataset))
    rng = np.random.Generator(np.random.PCG64(seed))
    order = rng.permutation(len(dataset))
    if not stratified:
        ends = np.cumsum(counts)
        chosen = [order[end - count : end] for end, count in zip(ends, counts, strict=True)]
    else:
        chosen = _stratified(dataset.labels[order], dataset.counts, counts)
        # Classes come one after another so far; each part gets its own order.
        chosen = [order[rng.permutation(one)] for one in chosen]
    return {name: dataset.take(one, split=name) for name, one in zip(sizes, chosen, strict=True)}


def _stratified(labels: Labels, available: Labels, counts: list[int]) -> list[NDArray[np.int64]]:
    """For each part the positions in `labels` that it takes: each class in order, in its share."""
    by_class = [np.flatnonzero(labels == label) for label in range(len(available))]
    left = available.copy()  # (K,)
    chosen: list[NDArray[np.int64]] = []
    for count in counts:
        shares = _largest_remainder(left * (count / left.sum()), count)  # (K,), never more than is left
        used = available - left
        chosen.append(
            np.concatenate([found[start : start + n] for found, start, n in zip(by_class, used, shares, strict=True)])
        )
        left = left - shares
    return chosen


def _largest_remainder(quotas: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Whole numbers nearest to the quotas that sum to `total`; the first of equal remainders goes first."""
    quotas = np.round(quotas, 9)  # 3 * (1 / 3) is not to lose an image to the last bit
    whole = np.floor(quotas).astype(np.int64)
    first = np.argsort(-(quotas - whole), kind="stable")[: total - int(whole.sum())]
    whole[first] += 1
    return whole


def _counts(sizes: Mapping[str, Size], total: int) -> list[int]:
    """Images of each part; fractions are rounded together. Raises UsageError for sizes that cannot be."""
    if not sizes:
        raise UsageError(t("No sizes given: expected some, such as 50000/10000 or 80/20."))
    for name, size in sizes.items():
        fraction = isinstance(size, float)
        if isinstance(size, bool) or not (0 < size < 1 if fraction else size >= 1):
            raise UsageError(
                t(
                    "Size {size} of the {name} part: expected a number of images from 1, or a fraction from 0 to 1.",
                    size=size,
                    name=name,
                )
            )
    quotas = np.array([size * total if isinstance(size, float) else size for size in sizes.values()], np.float64)
    wanted = quotas.sum()
    # Fractions of 1 in all, give or take a rounding error, use every image.
    exact = round(float(wanted), 6)
    counts = [int(n) for n in _largest_remainder(quotas, math.floor(exact + 0.5))]
    if sum(counts) > total:
        raise UsageError(
            t(
                "The parts {sizes} need {n} images, but there are {total}.",
                sizes=_show(sizes),
                n=sum(counts),
                total=total,
            )
        )
    for name, count in zip(sizes, counts, strict=True):
        if count < 1:
            raise UsageError(
                t("The {name} part would be empty: {size} of {total} images.", name=name, size=sizes[name], total=total)
            )
    return counts


def _show(sizes: Mapping[str, Size]) -> str:
    return joined(f"{name}={size}" for name, size in sizes.items())


def parse(text: str) -> dict[str, Size]:
    """Sizes from a text: "50000/10000" images, "80/20" per cent, "0.8/0.2" fractions, "a=100/b=200" by name.

    Whole numbers that sum to exactly 100 are percentages. Two or three sizes without names are train, validation
    (and test).

    Raises:
        UsageError: a text that says something else.
    """
    fields = [field.strip() for field in text.split("/")]
    named = [re.fullmatch(r"(?:([A-Za-z][\w-]*)\s*=\s*)?(\d+(?:\.\d+)?|\.\d+)\s*(%?)", field) for field in fields]
    names = [match[1] or "" for match in named if match]
    if len(names) < len(fields) or (any(names) and not all(names)) or (not any(names) and not 2 <= len(fields) <= 3):
        raise UsageError(
            t(
                "Cannot read the sizes {text!r}: expected some such as 50000/10000, 80/20 or train=80/test=20.",
                text=text,
            )
        )
    names = names if any(names) else list(_NAMES[: len(fields)])
    if len(set(names)) != len(names):
        raise UsageError(t("The sizes {text!r} name a part twice.", text=text))
    values = [match[2] for match in named if match]
    percent = all(match and match[3] for match in named)
    whole = all(value.isdigit() for value in values)
    if percent or (whole and sum(map(int, values)) == 100):
        return {name: float(value) / 100 for name, value in zip(names, values, strict=True)}
    if any(match and match[3] for match in named):
        raise UsageError(t("The sizes {text!r} mix percentages with other numbers.", text=text))
    return {name: int(value) if value.isdigit() else float(value) for name, value in zip(names, values, strict=True)}
