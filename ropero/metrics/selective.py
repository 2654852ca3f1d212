"""Answering only where one is sure: accuracy against coverage, and the threshold that a wanted accuracy takes.

Pure functions on arrays. Legend: N images. confidence is (N,), higher means surer; correct is (N,) booleans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ropero.metrics.statistics import wilson_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Coverage:
    """What answering at each threshold gives, each array (T,), from the surest images to all of them.

    threshold: the least confidence that is answered. coverage: share of images at or above it. accuracy: of those.
    """

    threshold: Floats
    coverage: Floats
    accuracy: Floats

    @property
    def area_under_risk(self) -> float:
        """AURC (Geifman et al. 2019, arXiv 1805.08206): mean error over all coverages; 0 is perfect."""
        return float(((1 - self.accuracy) * np.diff(self.coverage, prepend=0.0)).sum())

    def at(self, coverage: float) -> float:
        """Accuracy of the surest images that make up at least this share."""
        return float(self.accuracy[min(int(np.searchsorted(self.coverage, coverage)), len(self.coverage) - 1)])


def coverage_curve(confidence: NDArray[np.floating], correct: NDArray[np.bool_]) -> Coverage:
    """One point for each distinct confidence, so that no order among equals is made up."""
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order].astype(np.float64)
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    answered = (last + 1).astype(np.float64)
    return Coverage(ranked[last], answered / len(ranked), np.cumsum(correct[order])[last] / answered)


def threshold_for(confidence: NDArray[np.floating], correct: NDArray[np.bool_], accuracy: float) -> float | None:
    """The least confidence to answer at, so that the answers are right in at least this share.

    Chosen where Wilson's 95 % interval of the answers lies above the share as a whole: among thousands of thresholds
    some reach it by luck. None where no threshold does.
    """
    curve = coverage_curve(confidence, correct)
    answered = np.rint(curve.coverage * len(confidence)).astype(int)
    for place in range(len(answered) - 1, -1, -1):
        if curve.accuracy[place] < accuracy:
            continue
        hits = round(curve.accuracy[place] * answered[place])
        if wilson_interval(hits, int(answered[place]))[0] >= accuracy:
            return float(curve.threshold[place])
    return None
