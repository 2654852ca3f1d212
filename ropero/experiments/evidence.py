"""Figures that reasons name, from the results of benchmarks and of reproductions on the makers' machine.

`evidence.json` is written by scripts/evidence.py out of benchmarks/results; no figure is typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ropero.storage import read_json

FILE = Path(__file__).with_name("evidence.json")


@dataclass(frozen=True)
class Reason:
    """Why claimed and measured figures differ: a marked text with {names}, and where each name's figure is from.

    figures: by name the place in the results, FILE:KEY/KEY, such as "why_santiago:models/4/strong/train_accuracy".
        Names that begin with `n_` are whole numbers, those with `x_` decimal ones, all others shares of 1.
    """

    text: str
    figures: Mapping[str, str] = field(default_factory=dict)

    def found(self) -> dict[str, float]:
        """The figures by name. Raises KeyError for one that the evidence does not hold."""
        return {name: _evidence()[place] for name, place in self.figures.items()}


@cache
def _evidence() -> dict[str, float]:
    content: dict[str, float] = read_json(FILE)
    return content
