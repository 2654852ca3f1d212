"""How far stated confidence is from hit rate. Pure functions on arrays.

Legend: N images. confidence is (N,) in [0, 1], correct is (N,) booleans.
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
