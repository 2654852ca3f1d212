"""How well a score ranks what it looks for above the rest: ROC and precision-recall curves. Pure functions on arrays.

Legend: N images, T distinct thresholds. scores is (N,), higher means more likely; positive is (N,) booleans with at
least one True and one False. Every function agrees with scikit-learn's of the same name, by test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ropero.metrics.statistics import Z_95, percentiles, wilson_interval

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


_NONE = 1e-12  # areas nearer to 0 or 1 differ from it by rounding alone


def roc_auc_interval(scores: Scores, positive: Marks) -> tuple[float, float]:
    """The 95 % interval of the area under the ROC curve, from DeLong's variance (1988), taken on the logit scale.

    The variance sees how each positive stands among the negatives and each negative among the positives, by ranks, as
    Sun and Xu (2014) compute it. An area of 0 or 1 has none: then Wilson's interval of as many hits as there are
    images of the rarer kind stands in. Raises ValueError unless there are positives and negatives.
    """
    area = roc_auc(scores, positive)
    hits, misses = int(positive.sum()), int((~positive).sum())
    everywhere = _mid_ranks(scores)
    among_negatives = (everywhere[positive] - _mid_ranks(scores[positive])) / misses  # share below each positive
    among_positives = 1 - (everywhere[~positive] - _mid_ranks(scores[~positive])) / hits
    variance = sum(float(part.var(ddof=1)) / len(part) if len(part) > 1 else 0.25 / len(part)
                   for part in (among_negatives, among_positives))  # fmt: skip
    if min(area, 1 - area) < _NONE:
        few = min(hits, misses)
        return wilson_interval(round(area) * few, few)
    middle, half = math.log(area / (1 - area)), Z_95 * math.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + math.exp(min(-end, 700.0))) for end in (middle - half, middle + half))
    return low, high


def average_precision_interval(
    scores: Scores, positive: Marks, *, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the average precision, over images drawn with replacement; where the
    draws do not vary, Wilson's of as many hits as there are positives.

    Raises ValueError unless there are positives and negatives.
    """
    _counts(scores, positive)
    order = np.argsort(-scores, kind="stable")
    marks = positive[order].astype(np.float32)
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of each run of equal scores
    rng = np.random.default_rng(seed)
    found: list[float] = []
    while len(found) < draws:
        chosen = rng.integers(0, len(order), len(order))
        times = np.bincount(chosen, minlength=len(order)).astype(np.float32)
        hits = np.cumsum(times * marks, dtype=np.float64)[ends]
        if hits[-1]:  # a draw without any positive says nothing
            precision = hits / np.maximum(np.cumsum(times, dtype=np.float64)[ends], 1)
            found.append(float((np.diff(hits, prepend=0.0) * precision).sum() / hits[-1]))
    if max(found) - min(found) < _NONE:
        return wilson_interval(round(found[0]) * int(positive.sum()), int(positive.sum()))
    return percentiles(found)


def _mid_ranks(scores: Scores) -> Floats:
    """(N,) ranks from 1 on, the lowest score first; equal scores share the mean of their ranks."""
    _, group, count = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks: Floats = (last - (count - 1) / 2)[group]
    return ranks


def _counts(scores: Scores, positive: Marks) -> tuple[Floats, Floats]:
    """(T,) positives and negatives at or above each distinct score, highest score first."""
    if not 0 < positive.sum() < len(positive):
        raise ValueError("expected at least one positive and one negative")
    order = np.argsort(-scores, kind="stable")
    ranked, marks = scores[order], positive[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # of each run of equal scores
    hits = np.cumsum(marks)[last].astype(np.float64)
    return hits, last + 1 - hits
