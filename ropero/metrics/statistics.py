"""Intervals: how sure a measured share is. Pure functions on numbers."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054  # the normal distribution's 97.5 % point


def wilson_interval(hits: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 % by default (Wilson 1927); right also near 0 and 1 and for small n.

    Raises ValueError unless 0 <= hits <= n and n > 0.
    """
    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"expected 0 <= hits <= n with n > 0, got hits={hits}, n={n}")
    share, shrink = hits / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
