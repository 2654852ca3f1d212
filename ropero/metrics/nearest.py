"""Which rows of one set are nearest to rows of another, exactly. Pure functions on arrays of whole numbers.

Knows nothing of what the rows are.
Legend: M rows asked about, N rows looked among, D numbers of a row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK_VALUES = 1 << 22  # numbers of the rows looked among that are doubles at once: 32 MB
_ASKED = 1 << 11  # rows asked about at once


def nearest(
    asked: NDArray[np.uint8], among: NDArray[np.uint8], without: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """((M,) the nearest row of each, the first of equals; (M,) their distance, the root mean square of differences).

    Sums of products of bytes are whole numbers far below 2^53: doubles hold them exactly, in any order.

    Args:
        asked: (M, D). among: (N, D).
        without: (M,) for each row asked about one that is not looked at, such as itself; None looks at all.

    Raises ValueError for other types or shapes, or for nothing to look among.
    """
    if asked.dtype != np.uint8 or among.dtype != np.uint8:
        raise ValueError(f"expected bytes, got {asked.dtype} and {among.dtype}")
    if asked.ndim != 2 or among.ndim != 2 or asked.shape[1] != among.shape[1] or not asked.shape[1]:
        raise ValueError(f"expected (M, D) and (N, D), got {asked.shape} and {among.shape}")
    if len(among) < (1 if without is None else 2):
        raise ValueError(f"expected rows to look among, got {len(among)}")
    rows, squares = np.zeros(len(asked), np.int64), np.full(len(asked), np.inf)
    size = max(1, _BLOCK_VALUES // among.shape[1])
    for start in range(0, len(among), size):
        block = among[start : start + size].astype(np.float64)
        own = (block**2).sum(1)
        for first in range(0, len(asked), _ASKED):
            part = slice(first, first + _ASKED)
            wanted = asked[part].astype(np.float64)
            apart = (wanted**2).sum(1)[:, None] + own - 2 * wanted @ block.T  # (some, rows of the block)
            if without is not None:
                place = without[part] - start
                inside = np.flatnonzero((place >= 0) & (place < len(block)))
                apart[inside, place[inside]] = np.inf
            best = apart.argmin(1)
            found = apart[np.arange(len(apart)), best]
            nearer = found < squares[part]
            rows[part] = np.where(nearer, best + start, rows[part])
            squares[part] = np.where(nearer, found, squares[part])
    return rows, np.sqrt(squares / asked.shape[1])
