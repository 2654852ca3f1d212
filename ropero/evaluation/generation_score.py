"""How near generated images come to real ones, in figures: each beside what a second set of real images gets.

Features come in, whatever made them; only figures of one feature network, against the same real images and for equal
numbers of rows, are comparable, so all of that is kept with them. Knows nothing of images, generators or pages.
Legend: N real rows, M rows of a draw, D features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropero.errors import RunError, UsageError
from ropero.evaluation.intervals import Measured
from ropero.metrics.frechet import coverage, frechet_distance, kernel_distance
from ropero.metrics.statistics import student_interval
from ropero.texts import mark, t

Floats = NDArray[np.floating]
NEIGHBOURS = 5


class Meaning(NamedTuple):
    """What a figure is called, whether more of it is better, and the ends that it cannot pass."""

    title: str
    more_is_better: bool
    low: float = 0.0
    high: float = 1.0


FIGURES = {
    "frechet": Meaning(mark("Fréchet distance"), False, high=math.inf),
    "kernel": Meaning(mark("Kernel distance"), False, -math.inf, math.inf),
    "precision": Meaning(mark("Precision of the samples"), True),
    "recall": Meaning(mark("Recall of the real images"), True),
    "density": Meaning(mark("Density"), True, high=math.inf),
    "coverage": Meaning(mark("Coverage"), True),
}


@dataclass(frozen=True)
class Figure:
    """One figure: what each draw of samples got, and each set of real images in the place of samples."""

    draws: tuple[float, ...]
    floor: tuple[float, ...]

    @property
    def mean(self) -> float:
        return math.fsum(self.draws) / len(self.draws)

    @property
    def floor_mean(self) -> float:
        """What real images get; no generator can be expected to do better."""
        return math.fsum(self.floor) / len(self.floor)

    @property
    def times_floor(self) -> float | None:
        """The figure as a multiple of what real images get; None where that is nothing, or less."""
        return self.mean / self.floor_mean if self.floor_mean > 0 else None


@dataclass(frozen=True, kw_only=True)
class GenerationScore:
    """The figures of one generator.

    Attributes:
        figures: by name, those of FIGURES.
        features: what made the features. width: how many there are.
        split: the part that the real images are of. real: how many there are. rows: of each draw, and of each set of
            other real images that stands in its place. others: the part that those are of.
        neighbours: of precision, recall, density and coverage.
    """

    figures: Mapping[str, Figure]
    features: str
    width: int
    split: str
    others: str
    real: int
    rows: int
    neighbours: int = NEIGHBOURS

    def measured(self, name: str) -> Measured | None:
        """A figure's mean with its 95 % interval over draws; None of a single draw, which tells nothing of others."""
        draws, (_, _, least, most) = self.figures[name].draws, FIGURES[name]
        if len(draws) < 2:
            return None
        low, high = student_interval(draws)
        return Measured(self.figures[name].mean, max(least, low), min(most, high))

    def to_json(self) -> dict[str, Any]:
        """Every number, with English keys."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {
            **plain,
            "figures": {
                name: {
                    "value": one.mean,
                    "interval_95": (measured := self.measured(name)) and list(measured.interval),
                    "real_images_in_its_place": one.floor_mean,
                    "draws": list(one.draws),
                    "floor": list(one.floor),
                }
                for name, one in self.figures.items()
            },
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> GenerationScore:
        """What `to_json` gave. Raises RunError for anything else."""
        try:
            found = {
                name: Figure(tuple(map(float, one["draws"])), tuple(map(float, one["floor"])))
                for name, one in values["figures"].items()
            }
            made = cls(figures=found, **{name: kind(values[name]) for name, kind in _PLAIN.items()})
            numbers = [one for figure in found.values() for one in (*figure.draws, *figure.floor)]
            if set(found) != set(FIGURES) or not all(one.draws and one.floor for one in found.values()):
                raise ValueError("figures")
            if not all(map(math.isfinite, numbers)):
                raise ValueError("numbers")
            return made
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise RunError(t("The stored score of a generator is damaged: {reason}", reason=error)) from error


_PLAIN = {"features": str, "width": int, "split": str, "others": str, "real": int, "rows": int, "neighbours": int}


def score(
    real: Floats,
    draws: Sequence[Floats],
    others: Floats,
    *,
    features: str,
    split: str,
    others_split: str,
    neighbours: int = NEIGHBOURS,
    told: Callable[[int, int], None] | None = None,
) -> GenerationScore:
    """Measure draws of samples against real rows, and other real rows in their place.

    All sets are cut to the same number of rows, since most figures depend on it; where there are other real rows for
    several sets, each is measured.

    Args:
        real: (N, D) features of the images that are the measure.
        draws: (M, D) of samples, one array for each draw; at least one.
        others: (M', D) of further real images, in an order by chance: none of `real` may be among them.
        features: what made them. split: the part that `real` is of. others_split: that of `others`.
        told: is told how many of how many sets are measured.

    Raises UsageError for too few rows.
    """
    rows = min(map(len, (others, *draws)))
    if min(rows, len(real)) <= neighbours:
        raise UsageError(
            t("A score takes more than {least} images of each kind, got {n}.", least=neighbours, n=min(rows, len(real)))
        )
    floors = [others[start : start + rows] for start in range(0, len(others) - rows + 1, rows)][: len(draws)]
    found: list[Mapping[str, float]] = []
    for one in (*(draw[:rows] for draw in draws), *floors):
        found.append(_figures(real, one, neighbours))
        if told:
            told(len(found), len(draws) + len(floors))
    ours, theirs = found[: len(draws)], found[len(draws) :]
    return GenerationScore(
        figures={name: Figure(*(tuple(one[name] for one in some) for some in (ours, theirs))) for name in FIGURES},
        features=features,
        width=int(real.shape[1]),
        split=split,
        others=others_split,
        real=len(real),
        rows=rows,
        neighbours=neighbours,
    )


def _figures(real: Floats, made: Floats, neighbours: int) -> dict[str, float]:
    covered = coverage(real, made, neighbours)
    return {
        "frechet": frechet_distance(real, made),
        "kernel": kernel_distance(real, made)[0],
        **{name: getattr(covered, name) for name in ("precision", "recall", "density", "coverage")},
    }
