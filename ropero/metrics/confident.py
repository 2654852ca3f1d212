"""Which labels look wrong: confident learning (Northcutt et al. 2021, arXiv 1911.00068). Pure functions on arrays.

cleanlab, its authors' library, is the oracle of the tests and no dependency: its licence (AGPL) is not one that every
shop can take. Legend: N images, K classes. labels is (N,), probabilities (N, K) of models that did not learn from the
image they judge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Suspects:
    """Images whose label looks wrong, the most suspect first, each array (S,).

    position: among the N. guess: the class that it looks like. margin: probability of the label less that of the
    likeliest other class, -1..1, the lower the more suspect.
    """

    position: Labels
    guess: Labels
    margin: Floats


def class_thresholds(labels: Labels, probabilities: NDArray[np.floating]) -> Floats:
    """(K,): how sure the models are of a class, on average over the images that are labelled so; 2, which nothing
    reaches, for a class without images."""
    there = np.bincount(labels, minlength=probabilities.shape[1])
    own = np.bincount(labels, weights=probabilities[np.arange(len(labels)), labels], minlength=probabilities.shape[1])
    return np.where(there > 0, own / np.maximum(there, 1), 2.0)


def confident_guess(labels: Labels, probabilities: NDArray[np.floating]) -> Labels:
    """(N,): the likeliest of the classes whose threshold the image reaches, -1 where it reaches none."""
    reached = probabilities >= class_thresholds(labels, probabilities) - 1e-6
    best = np.where(reached, probabilities, -1.0).argmax(axis=1)
    return np.where(reached.any(axis=1), best, -1).astype(np.int64)


def margins(labels: Labels, probabilities: NDArray[np.floating]) -> Floats:
    """(N,): probability of the label less that of the likeliest other class."""
    rows = np.arange(len(labels))
    own = probabilities[rows, labels].astype(np.float64)
    others = probabilities.astype(np.float64).copy()
    others[rows, labels] = -1.0
    found: Floats = own - others.max(axis=1)
    return found


def suspects(labels: Labels, probabilities: NDArray[np.floating]) -> Suspects:
    """Images that are confidently another class than their label says, the lowest margin first."""
    guess = confident_guess(labels, probabilities)
    found = np.flatnonzero((guess >= 0) & (guess != labels))
    margin = margins(labels, probabilities)[found]
    order = np.lexsort((found, margin))
    return Suspects(found[order].astype(np.int64), guess[found][order], margin[order])
