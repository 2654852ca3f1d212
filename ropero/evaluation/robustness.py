"""Accuracy under corruptions: every kind at every severity, their mean and the worst.

Knows nothing of networks: whoever calls gives a function that names the classes of images.
Legend: N images, S severities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Dataset, Images
from ropero.errors import RunError
from ropero.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from ropero.metrics.statistics import bootstrap_interval
from ropero.texts import t

Ask = Callable[[Images], NDArray[np.int64]]  # images -> predicted classes (N,)
Told = Callable[[int, int], None]  # done, of how many


@dataclass(frozen=True)
class Robustness:
    """What corruptions do to a model.

    Attributes:
        images: how many were corrupted, of which part of the data.
        clean: accuracy on the same images as they are.
        accuracies: by kind, accuracy at each severity (S,).
        mean_interval, kind_intervals: 95 %, of the mean over everything and of each kind's mean over the severities:
            bootstrap over the images, each of which stands for itself in every corruption.
    """

    images: int
    split: str
    clean: float
    accuracies: Mapping[str, tuple[float, ...]]
    mean_interval: tuple[float, float]
    kind_intervals: Mapping[str, tuple[float, float]]

    @property
    def mean(self) -> float:
        """Mean corruption accuracy: over all kinds and severities alike."""
        return float(np.mean(list(self.accuracies.values())))

    @property
    def worst(self) -> str:
        """The kind whose mean over the severities is lowest."""
        return min(self.accuracies, key=lambda kind: float(np.mean(self.accuracies[kind])))

    def to_json(self) -> dict[str, Any]:
        """Every number, with English keys."""
        return {
            "images": self.images,
            "split": self.split,
            "clean_accuracy": self.clean,
            "mean_corruption_accuracy": self.mean,
            "mean_corruption_accuracy_interval_95": list(self.mean_interval),
            "worst": {"kind": self.worst, "accuracy": float(np.mean(self.accuracies[self.worst]))},
            "accuracies": {kind: list(values) for kind, values in self.accuracies.items()},
            "kind_intervals_95": {kind: list(interval) for kind, interval in self.kind_intervals.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Robustness:
        """What `to_json` gave. Raises RunError for anything else."""
        try:
            found = {str(kind): tuple(float(one) for one in row) for kind, row in values["accuracies"].items()}
            low, high = map(float, values["mean_corruption_accuracy_interval_95"])
            kinds = {kind: (float(one[0]), float(one[1])) for kind, one in values["kind_intervals_95"].items()}
            made = cls(
                int(values["images"]), str(values["split"]), float(values["clean_accuracy"]), found, (low, high), kinds
            )
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise RunError(t("The stored robustness figures are damaged: {reason}", reason=error)) from error
        numbers = [made.clean, *made.mean_interval, *(one for row in found.values() for one in row)]
        numbers += [one for pair in kinds.values() for one in pair]
        if not all(0 <= one <= 1 for one in numbers):
            raise RunError(t("The stored robustness figures are damaged: {reason}", reason=t("no shares")))
        if (
            not found
            or any(len(row) != len(SEVERITIES) for row in found.values())
            or made.images < 1
            or set(kinds) != set(found)
        ):
            raise RunError(t("The stored robustness figures are damaged: {reason}", reason=t("too few")))
        return made


def measure(ask: Ask, part: Dataset, told: Told | None = None) -> Robustness:
    """Corrupt the images of a part in every way and ask for their classes each time.

    Args:
        told: is told after each kind and severity how many are done, of how many.
    """
    total = len(CORRUPTIONS) * len(SEVERITIES)
    right: dict[str, NDArray[np.bool_]] = {}  # (S, N)
    for kind in CORRUPTIONS:
        rows: list[NDArray[np.bool_]] = []
        for severity in SEVERITIES:
            rows.append(ask(corrupted(kind, part.images, severity)) == part.labels)
            if told:
                told(len(right) * len(SEVERITIES) + len(rows), total)
        right[kind] = np.stack(rows)
    return Robustness(
        images=len(part),
        split=part.split,
        clean=float((ask(part.images) == part.labels).mean()),
        accuracies={kind: tuple(rows.mean(axis=1).tolist()) for kind, rows in right.items()},
        mean_interval=_mean_interval(np.concatenate(list(right.values()))),
        kind_intervals={kind: _mean_interval(rows) for kind, rows in right.items()},
    )


def _mean_interval(right: NDArray[np.bool_]) -> tuple[float, float]:
    """Of the mean over all rows (R, N), for images drawn with replacement."""
    each = right.mean(axis=0)
    return bootstrap_interval(len(each), lambda chosen: float(each[chosen].mean()))
