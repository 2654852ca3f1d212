"""How well a score ranks what it looks for above the rest: ROC and precision-recall curves. Pure functions on arrays.

Legend: N images, T distinct thresholds. scores is (N,), higher means more likely; positive is (N,) booleans with at
least one True and one False. Every function agrees with scikit-learn's of the same name, by test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scores = NDArray[np.floating]
Marks = NDArray[np.bool_]


@dataclass(frozen=True)
class Roc:
    """(T + 1,) shares of negatives and of positives at or above each threshold, from (0, 0) to (1, 1)."""

    false_positive_rate: Floats
    true_positive_rate: Floats

    @property
    def area(self) -> float:
        """Area under the curve: the chance that a positive is ranked above a negative, ties counting half."""
        heights = (self.true_positive_rate[1:] + self.true_positive_rate[:-1]) / 2
        return float((np.diff(self.false_positive_rate) * heights).sum())


@dataclass(frozen=True)
class PrecisionRecall:
    """(T,) precision and recall of what is at or above each threshold, from the highest threshold to the lowest."""

    precision: Floats
    recall: Floats

    @property
    def average_precision(self) -> float:
        """Mean precision over the positives: steps of recall times the precision there, not interpolated."""
        return float((np.diff(self.recall, prepend=0.0) * self.precision).sum())


def roc_curve(scores: Scores, positive: Marks) -> Roc:
    """One point for each distinct score. Raises ValueError unless there are positives and negatives."""
    hits, alarms = _counts(scores, positive)
    return Roc(np.append(0.0, alarms / alarms[-1]), np.append(0.0, hits / hits[-1]))


def precision_recall_curve(scores: Scores, positive: Marks) -> PrecisionRecall:
    """One point for each distinct score. Raises ValueError unless there are positives and negatives."""
    hits, alarms = _counts(scores, positive)
    return PrecisionRecall(hits / (hits + alarms), hits / hits[-1])


def roc_auc(scores: Scores, positive: Marks) -> float:
    """Area under the ROC curve; 0.5 is chance, 1 perfect."""
    return roc_curve(scores, positive).area


def _counts(scores: Scores, positive: Marks) -> tuple[Floats, Floats]:
    """(T,) positives and negatives at or above each distinct score, highest score first."""
    if not 0 < positive.sum() < len(positive):
        raise ValueError("expected at least one positive and one negative")
    order = np.argsort(-scores, kind="stable")
    ranked, marks = scores[order], positive[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # of each run of equal scores
    hits = np.cumsum(marks)[last].astype(np.float64)
    return hits, last + 1 - hits
