"""How well fillers restore hidden pixels: errors on what was missing, and what a classifier says of what was filled.

From arrays alone: knows no filler, no network and no file.
Legend: N images, H x W pixels in [0, 1], C channels, D draws, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Dataset, Images
from ropero.evaluation.intervals import Measured, mean
from ropero.metrics.restoration import signal_to_noise, similarity, squared_error
from ropero.metrics.statistics import holm, mcnemar, paired_interval
from ropero.texts import mark

Floats = NDArray[np.floating]
Known = NDArray[np.bool_]
Correct = NDArray[np.bool_]

GUESS, ONE, MEAN = mark("best guess"), mark("one of several"), mark("mean of several")  # what was judged of a filler
_LEAST = 7  # pixels, the least side of an image that similarity is measured of


@dataclass(frozen=True, eq=False)
class Restored:
    """What one filler made of one kind of hole.

    Attributes:
        what: GUESS, its one filling; ONE, the first of several plausible ones; MEAN, their mean, whose accuracy is that
            of the classifier's mean probabilities over them.
        squared_error, similarity: over the missing pixels, means over the images; similarity is None of images that
            are too small for it.
        correct: (N,), whether the classifier names the filled image correctly.
        spread: mean standard deviation over the draws at missing pixels; None of a single filling.
    """

    filler: str
    what: str
    draws: int
    squared_error: Measured
    similarity: Measured | None
    correct: Correct
    spread: float | None
    seconds: float

    @property
    def psnr(self) -> float | None:
        """Decibels of the mean squared error; None of no error at all."""
        return signal_to_noise(self.squared_error.value) if self.squared_error.value else None

    @property
    def accuracy(self) -> Measured:
        return Measured.share(int(self.correct.sum()), len(self.correct))

    def to_json(self) -> dict[str, Any]:
        """Every number, with English keys."""
        return {
            "filler": self.filler,
            "what": self.what,
            "draws": self.draws,
            "mse": self.squared_error.value,
            "mse_interval_95": list(self.squared_error.interval),
            "psnr": self.psnr,
            "ssim": self.similarity.value if self.similarity else None,
            "ssim_interval_95": list(self.similarity.interval) if self.similarity else None,
            "accuracy": self.accuracy.value,
            "accuracy_interval_95": list(self.accuracy.interval),
            "spread": self.spread,
            "seconds": self.seconds,
        }


@dataclass(frozen=True, eq=False)
class Versus:
    """One row's accuracy less another's, on the same images; p is McNemar's, corrected for the rows compared."""

    first: str
    second: str
    difference: float
    interval: tuple[float, float]
    p: float


@dataclass(frozen=True, eq=False)
class Hidden:
    """All fillers on one kind of hole.

    Attributes:
        missing: the kind of hole. share: of the pixels that were hidden.
        whole, holed: whether the classifier names the images correctly, whole and with missing pixels black, (N,).
    """

    missing: str
    share: float
    whole: Correct
    holed: Correct
    rows: tuple[Restored, ...]

    def best(self, names: Sequence[str]) -> Restored | None:
        """The row of these fillers with the highest accuracy; of equal ones the one with the least error."""
        able = [row for row in self.rows if row.filler in names]
        return max(able, key=lambda row: (row.accuracy.value, -row.squared_error.value), default=None)

    def versus(self, baselines: Sequence[str]) -> list[Versus]:
        """Every row of other fillers against the best row of the baselines."""
        best = self.best(baselines)
        others = [row for row in self.rows if row.filler not in baselines]
        if best is None or not others:
            return []
        counts = [
            (int((row.correct & ~best.correct).sum()), int((best.correct & ~row.correct).sum())) for row in others
        ]
        corrected = holm([mcnemar(*pair) for pair in counts])
        n = len(self.whole)
        return [
            Versus(title(row), title(best), (more - less) / n, paired_interval(more, less, n), p)
            for row, (more, less), p in zip(others, counts, corrected, strict=True)
        ]

    def to_json(self, baselines: Sequence[str]) -> dict[str, Any]:
        """Every number, with English keys."""
        return {
            "missing": self.missing,
            "share": self.share,
            "images": len(self.whole),
            "accuracy_whole": float(self.whole.mean()),
            "accuracy_holed": float(self.holed.mean()),
            "fillers": [row.to_json() for row in self.rows],
            "against_best_baseline": [
                {"first": one.first, "second": one.second, "points": 100 * one.difference,
                 "interval_95": [100 * end for end in one.interval], "p_corrected": one.p}
                for one in self.versus(baselines)
            ],
        }  # fmt: skip


def title(row: Restored) -> str:
    """`flow (mean of several)`, in English."""
    return row.filler if row.what == GUESS else f"{row.filler} ({row.what})"


def restored(
    filler: str, what: str, truth: Floats, filled: Floats, known: Known, correct: Correct, seconds: float
) -> Restored:
    """The figures of a filler.

    Args:
        truth: (N, H, W[, C]). known: (N, H, W). correct: (N,).
        filled: (D, N, H, W[, C]): one filling, or several, of which the first or the mean is judged.
    """
    judged = filled.mean(0, dtype=np.float64) if what == MEAN else filled[0]
    small = min(truth.shape[1:3]) < _LEAST
    return Restored(
        filler,
        what,
        len(filled),
        mean(squared_error(truth, judged, ~known)),
        None if small else mean(similarity(truth, judged, ~known)),
        correct,
        float(np.nanmean(_spread(filled, known))) if what != GUESS else None,
        seconds,
    )


def _spread(filled: Floats, known: Known) -> NDArray[np.float64]:
    """(N,) mean standard deviation over the draws at the missing pixels."""
    apart = filled.std(0, dtype=np.float64)
    return np.sqrt(squared_error(apart, np.zeros_like(apart), ~known))


@dataclass(eq=False)
class Examples:
    """Some images with a hole, to be shown.

    Attributes:
        part: E of them, whole. known: (E, H, W). said: (E, K), the classifier's probabilities for the whole images.
        filled: by a filler's title its filled images (E, H, W[, C]) uint8 and the probabilities (E, K) for them.
    """

    part: Dataset
    known: Known
    said: Floats
    filled: dict[str, tuple[Images, Floats]]
