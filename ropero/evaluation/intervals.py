"""How far the figures of an evaluation may be off: what another N images of this kind may give, in 95 of 100 cases.

Shares get Wilson's interval, areas under ROC curves DeLong's, everything else a bootstrap over the images. Knows
nothing of networks and pages. Legend: N images, K classes, D draws.
"""

from __future__ import annotations

import math
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
_SAME = 1e-12
_QUICK = 200_000  # numbers
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


def apart(first: Measured, second: Measured) -> Measured:
    """By how much the first is higher, each being of images of its own: the interval follows from theirs (Newcombe
    1998, method 10)."""
    value = first.value - second.value
    low = value - math.hypot(first.value - first.low, second.high - second.value)
    return Measured(value, low, value + math.hypot(first.high - first.value, second.value - second.low))


@dataclass(frozen=True)
class ClassFigures:
    """One class against the rest.

    Attributes:
        precision: None where the class was never predicted. recall, f1: None where no image is of it.
        auc, average_precision: None where no image or every image is of it.
    """

    precision: Measured | None
    recall: Measured | None
    f1: Measured | None
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
    report, f1 = class_report(confusion), f1_scores(confusion)
    taken, found = confusion.sum(axis=0), []
    few = DRAWS if stated.size <= _QUICK else DRAWS // 5  # a draw takes 0.3 ms a class for 10,000 images
    for k in range(len(confusion)):
        mine, hits = labels == k, int(confusion[k, k])
        auc = precise = None
        if 0 < mine.sum() < len(mine):
            scores = stated[:, k]
            auc = Measured(roc_auc(scores, mine), *roc_auc_interval(scores, mine))
            average = precision_recall_curve(scores, mine).average_precision
            precise = Measured(average, *average_precision_interval(scores, mine, draws=few))
        found.append(
            ClassFigures(
                precision=Measured.share(hits, int(taken[k])) if taken[k] else None,
                recall=Measured.share(hits, int(report.support[k])) if report.support[k] else None,
                f1=f1[k],
                auc=auc,
                average_precision=precise,
                support=int(report.support[k]),
            )
        )
    return found


def f1_scores(confusion: NDArray[np.int64]) -> list[Measured | None]:
    """F1 of each class; None where no image is of it."""
    report, drawn = class_report(confusion), _draws(confusion)["f1"]
    return [
        _drawn(float(report.f1[k]), drawn[:, k], int(report.support[k])) if report.support[k] else None
        for k in range(len(confusion))
    ]


def averages(confusion: NDArray[np.int64]) -> dict[str, dict[str, Measured]]:
    """ "macro" and "weighted" -> "precision", "recall" and "f1" over the classes."""
    report, drawn = class_report(confusion), _draws(confusion)
    weights = {"macro": np.full(len(confusion), 1 / len(confusion)), "weighted": report.support / report.support.sum()}
    images = int(confusion.sum())
    return {
        kind: {name: _drawn(report.average(kind)[name], drawn[name] @ weights[kind], images) for name in SCORES}
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
    # Of a calibrated network chance makes nearly all of the error: the interval reaches up to the figure at least.
    return Measured(value, max(0.0, min(value, 2 * value - high)), max(value, 2 * value - low))


def _draws(confusion: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """(D, K) precision, recall and F1 of D samples with as many images of each class: to draw a class's images with
    replacement is to draw the cells of its row of the confusion matrix. Drawn without regard to the class, a small one
    would be missing from many samples and count as nothing."""
    rng = np.random.default_rng(0)
    cells = np.zeros((DRAWS, *confusion.shape), np.int64)
    for k, row in enumerate(confusion):
        if row.sum():
            cells[:, k] = rng.multinomial(int(row.sum()), row / row.sum(), size=DRAWS)
    reports = [class_report(one) for one in cells]
    return {name: np.stack([getattr(one, name) for one in reports]) for name in SCORES}


def _drawn(value: float, draws: NDArray[np.float64], n: int) -> Measured:
    """A figure with the middle 95 % of its draws. Where they do not vary, which happens at 0 and 1, n images say no
    more than Wilson's interval of that share does."""
    if np.ptp(draws) < _SAME:
        return Measured(value, *wilson_interval(round(value * n), n))
    return Measured(value, *percentiles(draws))
