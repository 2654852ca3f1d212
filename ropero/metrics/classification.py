"""Classification figures as pure functions on arrays. Knows nothing of networks, runs or pages.

Legend: N images, K classes. labels and predicted are (N,) integers, probabilities (N, K) rows that sum to 1.
Every function agrees with scikit-learn's of the same name, by test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Floats = NDArray[np.float64]


def confusion_matrix(labels: Labels, predicted: Labels, classes: int) -> Labels:
    """(K, K): row the true class, column the predicted one."""
    pairs = labels.astype(np.int64) * classes + predicted
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def accuracy(confusion: Labels) -> float:
    """Share of images on the diagonal of a confusion matrix."""
    return float(np.trace(confusion) / confusion.sum())


@dataclass(frozen=True)
class ClassReport:
    """Precision, recall, F1 and support of each class, each array (K,)."""

    precision: Floats
    recall: Floats
    f1: Floats
    support: Labels

    def average(self, kind: str) -> dict[str, float]:
        """`macro` counts every class alike, `weighted` by its support."""
        weights = self.support / self.support.sum() if kind == "weighted" else np.full(len(self.f1), 1 / len(self.f1))
        return {name: float(getattr(self, name) @ weights) for name in ("precision", "recall", "f1")}


def class_report(confusion: Labels) -> ClassReport:
    """Per-class figures; 0 where a class was never predicted or never occurs, as scikit-learn's zero_division=0."""
    hits = np.diag(confusion).astype(np.float64)
    predicted, support = confusion.sum(axis=0), confusion.sum(axis=1)
    precision = _ratio(hits, predicted)
    recall = _ratio(hits, support)
    return ClassReport(precision, recall, _ratio(2 * hits, predicted + support), support)


def _ratio(above: Floats, below: Labels) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def log_loss(labels: Labels, probabilities: NDArray[np.floating]) -> float:
    """Mean negative log probability of the true class, in nats; clipped at float32's epsilon."""
    return float(log_losses(labels, probabilities).mean())


def log_losses(labels: Labels, probabilities: NDArray[np.floating]) -> Floats:
    """(N,) the negative log probability of the true class of each image."""
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    losses: Floats = -np.log(np.clip(true, np.finfo(np.float32).eps, 1.0))
    return losses


def top_k_accuracy(labels: Labels, probabilities: NDArray[np.floating], k: int) -> float:
    """Share of images whose true class is among the k most probable; k of K or more gives 1.

    Ties go to the smaller class number, so that the figure does not depend on the sorting method.
    """
    true = probabilities[np.arange(len(labels)), labels][:, None]
    before = (probabilities > true) | ((probabilities == true) & (np.arange(probabilities.shape[1]) < labels[:, None]))
    return float((before.sum(axis=1) < k).mean())
