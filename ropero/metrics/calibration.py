"""How far stated confidence is from hit rate, and the temperature that mends it. Pure functions on arrays.

Legend: N images, K classes. confidence is (N,) in [0, 1], correct is (N,) booleans, logits (N, K), labels (N,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Calibration:
    """Equal-width confidence bins, each array (B,): mean confidence, hit rate and number of images; 0 in empty bins."""

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def expected_error(self) -> float:
        """Expected calibration error (Guo et al. 2017, arXiv 1706.04599, eq. 3): in [0, 1], 0 is perfect."""
        gaps = np.abs(self.confidence - self.accuracy)
        return float((gaps * self.count).sum() / self.count.sum())


def calibration(confidence: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = 15) -> Calibration:
    """Bins are (i/B, (i+1)/B], as in the paper's code; a confidence of 0 falls in the first."""
    place = np.clip(np.ceil(confidence.astype(np.float64) * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins).astype(np.int64)
    filled = np.maximum(count, 1)
    return Calibration(
        np.bincount(place, weights=confidence, minlength=bins) / filled,
        np.bincount(place, weights=correct, minlength=bins) / filled,
        count,
    )


_COLDEST, _HOTTEST = 0.05, 20.0  # temperatures beyond say that there were too few images to fit one


def temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """The temperature whose softmax(logits / temperature) has the lowest log loss (Guo et al. 2017, section 4.2).

    Above 1 where a network is too sure of itself; within 0.05..20, and 1 where the best lies at an end of that: of
    images that are all right, or hardly ever, nothing can be learned. It changes no prediction. The loss is convex in
    the inverse of it, so that Newton's steps, kept inside the bracket, find the only minimum.
    """
    rows = logits.astype(np.float64)
    rows = rows - rows[np.arange(len(labels)), labels][:, None]  # logits above the true class's
    low, high, inverse = 1 / _HOTTEST, 1 / _COLDEST, 1.0
    for _ in range(100):
        shifted = inverse * rows
        shares = np.exp(shifted - shifted.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        mean = (shares * rows).sum(axis=1)
        slope, bend = mean.mean(), ((shares * rows**2).sum(axis=1) - mean**2).mean()
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        step = inverse - slope / bend if bend > 0 else low
        chosen = step if low < step < high else (low + high) / 2
        if abs(chosen - inverse) < 1e-9 * inverse:
            break
        inverse = chosen
    found = float(1 / inverse)
    return found if _COLDEST * 1.01 < found < _HOTTEST / 1.01 else 1.0
