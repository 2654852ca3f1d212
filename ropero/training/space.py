"""What a search may try for one setting: a range, a list of choices, or a range around the setting's own value.

The fields of `TrainConfig` carry theirs as metadata. Knows nothing of configs, or of who searches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Every number from low to high; on a log scale, each tenfold is as likely as the next."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choices:
    """A few values; numbers are in order, so that a search can tell which are neighbours."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Around:
    """From the setting's own value divided by `factor` to the value times `factor`, on a log scale.

    The right learning rates of two networks can be a hundredfold apart; a recipe knows where its own is.
    """

    factor: float


Axis = Range | Choices
Tunable = Axis | Around
