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
from ropero.metrics.statistics import wilson_interval
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
    """

    images: int
    split: str
    clean: float
    accuracies: Mapping[str, tuple[float, ...]]

    @property
    def mean(self) -> float:
        """Mean corruption accuracy: over all kinds and severities alike."""
        return float(np.mean(list(self.accuracies.values())))

    @property
    def worst(self) -> str:
        """The kind whose mean over the severities is lowest."""
        return min(self.accuracies, key=lambda kind: float(np.mean(self.accuracies[kind])))

    def interval(self, kind: str, severity: int) -> tuple[float, float]:
        """Wilson's 95 % interval of one of the accuracies."""
        return wilson_interval(round(self.accuracies[kind][severity - 1] * self.images), self.images)

    def to_json(self) -> dict[str, Any]:
        """Every number, with English keys."""
        return {
            "images": self.images,
            "split": self.split,
            "clean_accuracy": self.clean,
            "mean_corruption_accuracy": self.mean,
            "worst": {"kind": self.worst, "accuracy": float(np.mean(self.accuracies[self.worst]))},
            "accuracies": {kind: list(values) for kind, values in self.accuracies.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Robustness:
        """What `to_json` gave. Raises RunError for anything else."""
        try:
            found = {str(kind): tuple(float(one) for one in row) for kind, row in values["accuracies"].items()}
            made = cls(int(values["images"]), str(values["split"]), float(values["clean_accuracy"]), found)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(t("The stored robustness figures are damaged: {reason}", reason=error)) from error
        if not found or any(len(row) != len(SEVERITIES) for row in found.values()) or made.images < 1:
            raise RunError(t("The stored robustness figures are damaged: {reason}", reason=t("too few")))
        return made


def measure(ask: Ask, part: Dataset, told: Told | None = None) -> Robustness:
    """Corrupt the images of a part in every way and ask for their classes each time.

    Args:
        told: is told after each kind and severity how many are done, of how many.
    """
    total = len(CORRUPTIONS) * len(SEVERITIES)
    found: dict[str, tuple[float, ...]] = {}
    for kind in CORRUPTIONS:
        row: list[float] = []
        for severity in SEVERITIES:
            row.append(float((ask(corrupted(kind, part.images, severity)) == part.labels).mean()))
            if told:
                told(len(found) * len(SEVERITIES) + len(row), total)
        found[kind] = tuple(row)
    return Robustness(len(part), part.split, float((ask(part.images) == part.labels).mean()), found)
