"""How much an image looks like what a network has learned: four scores, and which of them fits a network best.

Knows nothing of networks, only of what they give. Legend: N images, M images that a score is fitted to, D features,
K classes. features are (N, D) float32, what the head decides from; logits (N, K). A score is (N,), higher means more
like the training images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ropero.texts import mark

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

WIDEST = 512  # features beyond are projected: neighbours and covariances of 36,864 numbers would take gigabytes
NARROW = 509  # of projected ones; a prime, so that a channel, which comes again every 16 or 64 features, is in all sums
BANK = 5_000  # images that neighbours are sought among
NEIGHBOUR = 10
SHRINKAGE = 0.05  # of the covariance towards a sphere, so that features which never move divide by nothing
_ROWS = 1_000  # images whose distances are computed at once

METHODS = {
    "softmax": mark("the probability of the likeliest class"),
    "energy": mark("the energy of the logits"),
    "mahalanobis": mark("the Mahalanobis distance to the nearest class"),
    "neighbours": mark("the distance to the nearest training images"),
}


@dataclass(frozen=True, eq=False)
class Known:
    """A score fitted to training images: what `score` needs to know of them, by name of the array."""

    method: str
    arrays: Mapping[str, Floats]

    def score(self, features: Floats, logits: Floats) -> NDArray[np.float64]:
        """(N,): how much each image is like the training images."""
        if self.method == "softmax":
            return -_log_sum(logits - logits.max(axis=1, keepdims=True))
        if self.method == "energy":
            return _log_sum(logits)
        narrow = project(features)
        if self.method == "mahalanobis":
            return _mahalanobis(narrow, self.arrays["means"], self.arrays["whitening"])
        return _neighbours(_unit(narrow), self.arrays["bank"])


def fit(method: str, features: Floats, labels: Labels) -> Known:
    """Fit a score to training images (M, D) and their classes (M,).

    `softmax`: Hendrycks and Gimpel 2017, arXiv 1610.02136. `energy`: Liu et al. 2020, arXiv 2010.03759.
    `mahalanobis`: Lee et al. 2018, arXiv 1807.03888, of the last features alone. `neighbours`: Sun et al. 2022,
    arXiv 2204.06507.
    """
    if method in ("softmax", "energy"):
        return Known(method, {})
    narrow = project(features)
    if method == "neighbours":
        step = max(1, len(narrow) // BANK)
        return Known(method, {"bank": _unit(narrow[::step][:BANK])})
    there = np.unique(labels)
    means = np.stack([narrow[labels == k].mean(axis=0) for k in there])
    apart = (narrow - means[np.searchsorted(there, labels)]).astype(np.float64)
    covariance = apart.T @ apart / len(apart)
    sphere = max(np.trace(covariance) / len(covariance), 1e-12)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * sphere * np.eye(len(covariance))
    whitening = np.linalg.inv(np.linalg.cholesky(covariance)).T
    return Known(method, {"means": means, "whitening": whitening.astype(np.float32)})


def width(features: int) -> int:
    """How many `project` leaves of so many."""
    return features if features <= WIDEST else NARROW


def project(features: Floats) -> Floats:
    """(N, D) as they are where D <= WIDEST, else (N, NARROW): every 509th feature in one sum, each with a sign drawn
    by chance, which keeps distances nearly as they are (Weinberger et al. 2009, arXiv 0902.2206).

    By einsum, which starts no threads: those of a product would go on turning beside onnxruntime's.
    """
    wide = features.shape[1]
    if wide <= WIDEST:
        return features
    signs = _signs(wide)
    rows, left = divmod(wide, NARROW)
    whole = features[:, : wide - left].reshape(-1, rows, NARROW)
    found: Floats = np.einsum("nrw,rw->nw", whole, signs[:rows])
    found[:, :left] += features[:, wide - left :] * signs[rows, :left]
    return found


@lru_cache(maxsize=1)
def _signs(wide: int) -> Floats:
    """(rows, NARROW) of 1 and -1; drawn by the old generator, whose stream NumPy promises never to change, so that they
    need not be stored."""
    drawn = np.random.RandomState(wide).choice([-1, 1], (wide // NARROW + 1, NARROW))
    found: Floats = drawn.astype(np.float32)
    return found


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Floats = vectors / np.maximum(lengths, np.float32(1e-12))
    return found


def _log_sum(values: Floats) -> NDArray[np.float64]:
    """(N,) logarithm of the sum of exponentials of each row."""
    wide = values.astype(np.float64)
    highest = wide.max(axis=1)
    total: NDArray[np.float64] = highest + np.log(np.exp(wide - highest[:, None]).sum(axis=1))
    return total


def _mahalanobis(features: Floats, means: Floats, whitening: Floats) -> NDArray[np.float64]:
    white, centres = features @ whitening, means @ whitening
    nearest: NDArray[np.float64] = _squares(white, centres).min(axis=1)
    return -nearest


def _neighbours(features: Floats, bank: Floats) -> NDArray[np.float64]:
    nth = min(NEIGHBOUR, len(bank)) - 1
    parts = [
        np.partition(_squares(features[start : start + _ROWS], bank), nth, axis=1)[:, nth]
        for start in range(0, len(features), _ROWS)
    ]
    return -np.concatenate(parts)


def _squares(points: Floats, others: Floats) -> NDArray[np.float64]:
    """(N, M) squared distances."""
    crossed = points @ others.T
    found: NDArray[np.float64] = (
        (points.astype(np.float64) ** 2).sum(axis=1)[:, None]
        + (others.astype(np.float64) ** 2).sum(axis=1)
        - 2 * crossed
    )
    return found
