"""Several models judged by the same images: who is right where, and whether the difference is more than chance.

Knows nothing of runs or pages. Legend: M models, N images, K classes.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Dataset
from ropero.errors import UsageError
from ropero.evaluation.evaluate import Evaluation
from ropero.metrics.statistics import holm, mcnemar, paired_interval
from ropero.texts import t

SIGNIFICANT = 0.05


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two models on the same images.

    Attributes:
        only_first, only_second: images that one names correctly and the other does not.
        difference, interval: by how much the first's accuracy is higher, and the 95 % interval of that.
        p: of McNemar's exact test; corrected: the same by Holm's method for all pairs that were looked at.
    """

    first: str
    second: str
    only_first: int
    only_second: int
    difference: float
    interval: tuple[float, float]
    p: float
    corrected: float

    @property
    def significant(self) -> bool:
        """Whether the difference stands though many pairs were looked at."""
        return self.corrected < SIGNIFICANT


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (0 for a single one) of a figure over the seeds of one config."""

    mean: float
    deviation: float
    n: int


def check_images(name: str, one: Dataset, other_name: str, other: Dataset) -> None:
    """Raises UsageError unless two parts of data hold the same rows, labels and classes; of any size;
    of one size they are the same pictures."""
    alike = one.images.shape != other.images.shape or np.array_equal(one.images, other.images)
    if not _same(one, other) or not alike:
        raise _not_the_same(name, other_name)


def _same(one: Dataset | Evaluation, other: Dataset | Evaluation) -> bool:
    alike = (one.classes, one.split) == (other.classes, other.split)
    return alike and np.array_equal(one.rows, other.rows) and np.array_equal(one.labels, other.labels)


def check(evaluations: Mapping[str, Evaluation]) -> None:
    """Raises UsageError unless there are two or more, all of the same images, labels and classes."""
    if len(evaluations) < 2:
        raise UsageError(t("Comparing takes two runs or more, got {n}.", n=len(evaluations)))
    (name, one), *others = evaluations.items()
    for other_name, other in others:
        if not _same(one, other):
            raise _not_the_same(name, other_name)


def _not_the_same(one: str, other: str) -> UsageError:
    return UsageError(
        t(
            "{one} and {other} are not judged by the same images; a comparison needs the same data and part.",
            one=one,
            other=other,
        )
    )


def pairs(evaluations: Mapping[str, Evaluation]) -> list[Pair]:
    """Every two of the models, in the order in which they are given."""
    return _corrected(
        [
            _pair(
                first,
                second,
                int((one.correct & ~other.correct).sum()),
                int((~one.correct & other.correct).sum()),
                len(one),
            )
            for (first, one), (second, other) in combinations(evaluations.items(), 2)
        ]
    )


def _pair(first: str, second: str, only_first: int, only_second: int, images: int) -> Pair:
    return Pair(
        first=first,
        second=second,
        only_first=only_first,
        only_second=only_second,
        difference=(only_first - only_second) / images,
        interval=paired_interval(only_first, only_second, images),
        p=mcnemar(only_first, only_second),
        corrected=1.0,
    )


def _corrected(found: list[Pair]) -> list[Pair]:
    corrected = holm([pair.p for pair in found])
    return [replace(pair, corrected=p) for pair, p in zip(found, corrected, strict=True)]


def by_class(one: Evaluation, other: Evaluation) -> list[Pair]:
    """Two models on the images of each class alone, named by the class, corrected for the number of classes: by how
    much more often the first recognises it. Classes without images are left out."""
    found = []
    for k, name in enumerate(one.classes):
        mine = one.labels == k
        if mine.any():
            right, others = one.correct[mine], other.correct[mine]
            found.append(_pair(name, name, int((right & ~others).sum()), int((~right & others).sum()), len(right)))
    return _corrected(found)


def differing(evaluations: Mapping[str, Evaluation]) -> NDArray[np.int64]:
    """Positions of the images that not all models give the same name: the most split ones first, then the surest.

    Split: how many models contradict the commonest answer.
    """
    answers = np.stack([one.predicted for one in evaluations.values()])  # (M, N)
    votes = np.stack([(answers == k).sum(axis=0) for k in range(answers.max() + 1)])  # (K, N)
    against = len(answers) - votes.max(axis=0)
    surest = np.stack([one.confidence for one in evaluations.values()]).min(axis=0)
    split = np.flatnonzero(against)
    order = np.lexsort((split, -surest[split], -against[split]))
    return split[order]


def majority(evaluations: Mapping[str, Evaluation]) -> NDArray[np.float32]:
    """(N, K) mean of the models' stated probabilities: what they say together."""
    together: NDArray[np.float32] = np.mean([one.stated for one in evaluations.values()], axis=0, dtype=np.float32)
    return together


def spread(values: Sequence[float]) -> Spread:
    """Of the same figure of several seeds."""
    return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0, len(values))
