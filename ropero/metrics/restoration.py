"""How near filled pixels come to those that were hidden. Pure functions on arrays; knows nothing of who filled them.

Every function gives one figure an image; `where` picks the pixels that count, those that were missing for example.
Legend: N images, H x W pixels in [0, 1], C channels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Where = NDArray[np.bool_]

_WINDOW = 7  # pixels, a window's side
_SMALL = (0.01**2, 0.03**2)  # what Wang et al. add for pixels in [0, 1], so that flat windows divide by something


def squared_error(truth: Floats, found: Floats, where: Where | None = None) -> Doubles:
    """(N,) mean squared error of each image; not a number for an image of which no pixel counts.

    Args:
        truth, found: (N, H, W) or (N, H, W, C).
        where: (N, H, W), the pixels that count; all when None.

    Raises ValueError for shapes that do not fit together.
    """
    first, second = _checked(truth, found, where)
    return _means((first - second) ** 2, where)


def absolute_error(truth: Floats, found: Floats, where: Where | None = None) -> Doubles:
    """(N,) mean absolute error of each image; else as `squared_error`."""
    first, second = _checked(truth, found, where)
    return _means(np.abs(first - second), where)


def signal_to_noise(squared: float) -> float:
    """Peak signal-to-noise ratio in decibels of a mean squared error, for pixels in [0, 1]; higher is better, infinite
    for no error."""
    return float("inf") if squared == 0 else float(-10 * np.log10(squared))


def similarity(truth: Floats, found: Floats, where: Where | None = None) -> Doubles:
    """(N,) structural similarity, -1 to 1, higher is better (Wang et al. 2004), in windows of 7 x 7 as scikit-image has
    it: plain means, covariances of samples.

    The mean over windows that lie in the image as a whole; with `where`, over the windows around its pixels, and beyond
    the edge an image goes on mirrored. Else as `squared_error`.

    Raises ValueError also for images smaller than a window.
    """
    first, second = _checked(truth, found, where)
    if min(first.shape[1:3]) < _WINDOW:
        raise ValueError(f"expected images of {_WINDOW} x {_WINDOW} pixels or more, got {first.shape[1:3]}")
    near = _similarities(first, second)
    edge = _WINDOW // 2
    return _means(near, where) if where is not None else _means(near[:, edge:-edge, edge:-edge], None)


def _similarities(first: Doubles, second: Doubles) -> Doubles:
    """The similarity of the window around each pixel, in the images' shape."""
    left, right = _smooth(first), _smooth(second)
    sample = _WINDOW**2 / (_WINDOW**2 - 1)
    spread = sample * (_smooth(first * first) - left * left), sample * (_smooth(second * second) - right * right)
    shared = sample * (_smooth(first * second) - left * right)
    one, two = _SMALL
    above = (2 * left * right + one) * (2 * shared + two)
    found: Doubles = above / ((left**2 + right**2 + one) * (spread[0] + spread[1] + two))
    return found


def _smooth(images: Doubles) -> Doubles:
    """The mean of the window around each pixel; beyond the edge an image goes on mirrored, its last row twice."""
    edge = _WINDOW // 2
    found = images
    for axis in (1, 2):
        pad = [(0, 0)] * images.ndim
        pad[axis] = (edge, edge)
        wide, size = np.pad(found, pad, mode="symmetric"), images.shape[axis]
        slices = (np.take(wide, range(start, start + size), axis) for start in range(_WINDOW))
        found = np.add.reduce(list(slices)) / _WINDOW
    return found


def _checked(truth: Floats, found: Floats, where: Where | None) -> tuple[Doubles, Doubles]:
    """Both as doubles. Raises ValueError for shapes that do not fit together."""
    if truth.shape != found.shape or truth.ndim not in (3, 4):
        raise ValueError(
            f"expected two arrays of one shape (N, H, W) or (N, H, W, C), got {truth.shape} and {found.shape}"
        )
    if where is not None and where.shape != truth.shape[:3]:
        raise ValueError(f"expected where of shape {truth.shape[:3]}, got {where.shape}")
    return truth.astype(np.float64), found.astype(np.float64)


def _means(values: Doubles, where: Where | None) -> Doubles:
    """(N,) means of values (N, H, W[, C]) over the pixels that count and their channels."""
    if values.ndim == 4:
        values = values.mean(3)
    if where is None:
        return np.asarray(values.mean((1, 2)))
    count = where.sum((1, 2))
    total = np.where(where, values, 0).sum((1, 2))
    found = np.full(len(values), np.nan)
    np.divide(total, count, out=found, where=count > 0)
    return found
