"""How far the figures of an evaluation may be off: what another N images of this kind may give, in 95 of 100 cases.

Shares get Wilson's interval, areas under ROC curves DeLong's, everything else a bootstrap over the images. Knows
nothing of networks and pages. Legend: N images, K classes, D draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.metrics.calibration import calibration
from ropero.metrics.classification import class_report
from ropero.metrics.ranking import (
    average_precision_interval,
    precision_recall_curve,
    roc_auc,
    roc_auc_interval,
)
from ropero.metrics.statistics import bootstrap_interval, percentiles, wilson_interval

DRAWS = 1000
AVERAGES = ("macro", "weighted")
SCORES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Measured:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        return self.low, self.high

    @classmethod
    def share(cls, hits: int, n: int) -> Measured:
        """So many of n, which is at least 1."""
        return cls(hits / n, *wilson_interval(hits, n))


@dataclass(frozen=True)
class ClassFigures:
    """One class against the rest.

    Attributes:
        precision: None where the class was never predicted. recall: None where no image is of it.
        auc, average_precision: None where no image or every image is of it.
    """

    precision: Measured | None
    recall: Measured | None
    f1: Measured
    auc: Measured | None
    average_precision: Measured | None
    support: int

    def to_json(self) -> dict[str, Any]:
        """Every number, with English keys; precision and recall of nothing are 0, as scikit-learn has them."""
        found: dict[str, Any] = {"support": self.support}
        for name in (*SCORES, "auc", "average_precision"):
            one: Measured | None = getattr(self, name)
            found[name] = one.value if one else 0.0 if name in SCORES else None
            found[f"{name}_interval_95"] = list(one.interval) if one else None
        return found


def class_figures(
    labels: NDArray[np.int64], stated: NDArray[np.floating], confusion: NDArray[np.int64]
) -> list[ClassFigures]:
    """Of each class; stated are the probabilities (N, K) that rank the images."""
    report, f1 = class_report(confusion), _draws(confusion)["f1"]  # (D, K)
    taken, found = confusion.sum(axis=0), []
    for k in range(len(confusion)):
        mine, hits = labels == k, int(confusion[k, k])
        auc = precise = None
        if 0 < mine.sum() < len(mine):
            scores = stated[:, k]
            auc = Measured(roc_auc(scores, mine), *roc_auc_interval(scores, mine))
            average = precision_recall_curve(scores, mine).average_precision
            precise = Measured(average, *average_precision_interval(scores, mine, draws=DRAWS))
        found.append(
            ClassFigures(
                precision=Measured.share(hits, int(taken[k])) if taken[k] else None,
                recall=Measured.share(hits, int(report.support[k])) if report.support[k] else None,
                f1=Measured(float(report.f1[k]), *percentiles(f1[:, k])),
                auc=auc,
                average_precision=precise,
                support=int(report.support[k]),
            )
        )
    return found


def averages(confusion: NDArray[np.int64]) -> dict[str, dict[str, Measured]]:
    """ "macro" and "weighted" -> "precision", "recall" and "f1" over the classes."""
    report, drawn = class_report(confusion), _draws(confusion)
    support = drawn["support"] / drawn["support"].sum(axis=1, keepdims=True)
    weights = {"macro": np.full_like(support, 1 / len(confusion)), "weighted": support}
    return {
        kind: {
            name: Measured(report.average(kind)[name], *percentiles((drawn[name] * weights[kind]).sum(axis=1)))
            for name in SCORES
        }
        for kind in AVERAGES
    }


def mean(values: NDArray[np.floating]) -> Measured:
    """The mean of a figure over the images (N,)."""
    return Measured(float(values.mean()), *bootstrap_interval(len(values), lambda rows: float(values[rows].mean())))


def calibration_error(confidence: NDArray[np.floating], correct: NDArray[np.bool_]) -> Measured:
    """The expected calibration error, with the basic bootstrap interval: a draw's own error is larger by chance, which
    is taken off again (Davison and Hinkley 1997, section 5.2)."""
    value = calibration(confidence, correct).expected_error
    low, high = bootstrap_interval(
        len(correct), lambda rows: calibration(confidence[rows], correct[rows]).expected_error
    )
    return Measured(value, max(0.0, 2 * value - high), max(0.0, 2 * value - low))


def _draws(confusion: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """(D, K) precision, recall, F1 and support of D samples of the same size: to draw images with replacement is to
    draw the cells of their confusion matrix."""
    n, k = int(confusion.sum()), len(confusion)
    cells = np.random.default_rng(0).multinomial(n, confusion.ravel() / n, size=DRAWS).reshape(DRAWS, k, k)
    reports = [class_report(one) for one in cells]
    return {name: np.stack([getattr(one, name) for one in reports]).astype(np.float64) for name in (*SCORES, "support")}
