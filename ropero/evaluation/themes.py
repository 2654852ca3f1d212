"""What mistakes have in common: the errors of each class in groups that look alike to the network.

Knows nothing of networks or pictures: features and an evaluation come in. Legend: N images, D features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from ropero.evaluation.evaluate import Evaluation

Floats = NDArray[np.float32]
FEWEST = 6  # mistakes in a theme, on average; fewer have nothing in common that could be named
MOST = 5  # themes of a class
APART = 0.05  # by how much the silhouette should be above that of one cloud of the same shape, cut in as many groups
CLOUDS = 3  # such clouds that it is compared with


@dataclass(frozen=True)
class Theme:
    """Mistakes of one true class that look alike.

    Attributes:
        true: the class.
        positions: of the images in the evaluation, the most typical first.
        predicted: (class, images) of what they were taken for, the commonest first.
        confidence: mean stated probability of the wrong answers.
    """

    true: int
    positions: tuple[int, ...]
    predicted: tuple[tuple[int, int], ...]
    confidence: float

    def __len__(self) -> int:
        return len(self.positions)


def themes(evaluation: Evaluation, features: Floats) -> list[Theme]:
    """Group the mistakes of each class by k-means on features of unit length, as many groups as the silhouette favours.

    Args:
        features: (M, D) of the wrong images alone, in the order of the evaluation.

    Returns:
        The themes of all classes, the largest first; the same every time.
    """
    wrong = np.flatnonzero(~evaluation.correct)
    units = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    found = []
    for true in np.unique(evaluation.labels[wrong]):
        mine = np.flatnonzero(evaluation.labels[wrong] == true)
        for group in _groups(units[mine]):
            members = mine[group]
            middle = units[members].mean(axis=0)
            typical = members[np.argsort(-(units[members] @ middle), kind="stable")]
            found.append(_theme(evaluation, int(true), wrong[typical]))
    return sorted(found, key=lambda theme: (-len(theme), theme.true, theme.positions[0]))


def _theme(evaluation: Evaluation, true: int, positions: NDArray[np.int64]) -> Theme:
    names, counts = np.unique(evaluation.predicted[positions], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    predicted = tuple((int(names[at]), int(counts[at])) for at in order)
    return Theme(true, tuple(positions.tolist()), predicted, float(evaluation.confidence[positions].mean()))


def _groups(units: Floats) -> list[NDArray[np.int64]]:
    """Positions of each group; one group of all where no cut tells more apart than it would in noise."""
    best, cut = APART, np.zeros(len(units), np.int64)
    clouds = [_cloud(units, seed) for seed in range(CLOUDS)]
    for count in range(2, min(MOST, len(units) // FEWEST) + 1):
        score, labels = _cut(units, count)
        score -= float(np.mean([_cut(cloud, count)[0] for cloud in clouds]))
        if score > best:
            best, cut = score, labels
    return [np.flatnonzero(cut == group) for group in np.unique(cut)]


def _cut(units: Floats, count: int) -> tuple[float, NDArray[np.int64]]:
    """(silhouette, group of each) of k-means; -1 where all points are the same."""
    if len(np.unique(units, axis=0)) < count:
        return -1.0, np.zeros(len(units), np.int64)
    labels = KMeans(count, n_init=5, random_state=0).fit_predict(units).astype(np.int64)
    return float(silhouette_score(units, labels)), labels


def _cloud(units: Floats, seed: int) -> Floats:
    """As many points of one normal distribution with the same middle and spread, of unit length too: k-means cuts
    anything, and what it makes of this is the measure of what it makes of the points (as in the gap statistic of
    Tibshirani et al. 2001)."""
    middle = units.mean(axis=0)
    drawn = np.random.default_rng(seed).standard_normal((len(units), len(units))).astype(np.float32)
    cloud = middle + drawn @ (units - middle) / np.sqrt(len(units))
    found: Floats = cloud / np.maximum(np.linalg.norm(cloud, axis=1, keepdims=True), 1e-12)
    return found
