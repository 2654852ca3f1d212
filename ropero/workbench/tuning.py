"""What a search is told of and what it found: `Plan`, `Watch`, `Tuning`. Knows nothing of how a search goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ropero.data.dataset import Splits
from ropero.errors import RunError
from ropero.models.codes import Encoding
from ropero.texts import t
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord
from ropero.training.search import Space
from ropero.training.space import Choices, Range
from ropero.workbench.study import Trial, lowest_shown

Ended = Literal["all trials", "all combinations", "time"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is searched.

    Attributes:
        folder: where the search is kept.
        config: what every trial changes.
        parts: the data as every trial uses them.
        trials: how many there are to be in all.
        minutes: of training in all, 0 for no limit.
        auto_validation: the validation part was held out unasked.
        starts_as_is: the first trial is the config itself; else the nearest that the space holds.
        older: a search of the same by other code, whose trials cannot stand beside these.
    """

    folder: Path
    config: TrainConfig
    space: Space
    parts: Splits
    trials: int
    minutes: float
    auto_validation: bool
    starts_as_is: bool
    older: str | None = None


class Watch:
    """No-op hooks to override: what a search shows while it goes on."""

    def on_search_begin(self, plan: Plan, over: Sequence[Trial], estimate_seconds: float) -> None:
        """Before the first trial of this call: those of earlier ones, and how long the others take when none is
        pruned."""

    def on_encode(self, encoding: Encoding) -> None:
        """While a frozen base computes its features of the images, once for all trials."""

    def on_trial_begin(self, trial: Trial, steps: int, done: int) -> None:
        """Before its first step, of so many in all; done is more than 0 when it goes on."""

    def on_step_end(self, step: int) -> None:
        """After each step of the trial."""

    def on_epoch_end(self, record: EpochRecord) -> None:
        """After each of its epochs."""

    def on_trial_end(self, trial: Trial) -> None:
        """When it is over."""

    def on_search_end(self) -> None:
        """At the end, also of a search that was interrupted or failed."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What a search found.

    Attributes:
        trials: all of them, by number.
        importance: how much of the differences each setting accounts for; None when the trials are too few to tell.
        ended: whether all trials are done, all combinations, or the time is over.
        command: trains with the best settings.
    """

    plan: Plan
    trials: Sequence[Trial]
    importance: dict[str, float] | None
    ended: Ended
    command: str

    def __repr__(self) -> str:
        best = self.best
        settings = ", ".join(f"{name}={value!r}" for name, value in best.settings.items())
        return f"Tuning({self.folder.name}: trial {best.number} of {len(self.trials)}, {best.accuracy:.2%}: {settings})"

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return self.plan.folder

    @property
    def space(self) -> Space:
        """What was searched."""
        return self.plan.space

    @property
    def best(self) -> Trial:
        """The trial with the highest validation accuracy; of equals that of the lower loss, then the earlier."""
        return best_of(self.trials)

    @property
    def standard_error(self) -> float:
        """Of the best accuracy, as of a share of independent images."""
        share = self.best.accuracy or 0.0
        assert self.plan.parts.validation is not None
        return math.sqrt(share * (1 - share) / len(self.plan.parts.validation))

    @property
    def as_good(self) -> list[Trial]:
        """The other trials within one standard error of the best."""
        best, least = self.best, (self.best.accuracy or 0.0) - self.standard_error
        return [one for one in self.trials if one is not best and (one.accuracy or 0.0) >= least]

    @property
    def best_config(self) -> TrainConfig:
        """The config of the best trial: training with it gives the very same figures again."""
        return self.plan.config.replace(**self.best.settings)

    def to_json(self) -> dict[str, Any]:
        return {
            "search": self.folder.name,
            "folder": str(self.folder),
            "ended": self.ended,
            "space": {name: asdict(axis) for name, axis in self.space.items()},
            "trials": [one.to_json() for one in self.trials],
            "best": self.best.to_json(),
            "standard_error": self.standard_error,
            "importance": self.importance,
            "config": self.best_config.to_json(),
            "command": self.command,
        }


def best_of(trials: Sequence[Trial]) -> Trial:
    """The best of the trials that are done. Raises RunError when there is none."""
    done = [one for one in trials if one.state == "done"]
    if not done:
        raise RunError(t("No trial was trained to its end yet; more time or trials, or a smaller network, would help."))
    return min(done, key=lambda one: one.rank)


def save_figures(found: Tuning) -> list[Path]:
    """Draw the trials, what each value gave and, where it can be told, what mattered, into the search's folder.

    Raises MissingExtra without the extra for figures.
    """
    from ropero.reports import search as figures
    from ropero.reports.output import save

    done = [one for one in found.trials if one.accuracy is not None]
    last = [None if one.accuracy is not None else (one.curve or (0.0,))[-1] for one in found.trials]
    low = lowest_shown([one.accuracy or 0.0 for one in done])
    accuracy = [one.accuracy for one in found.trials]
    drawn = {"trials": figures.trials(accuracy, last, found.trials.index(found.best), low)}
    drawn["values"] = figures.values(
        {name: [one.settings[name] for one in done] for name in found.space},
        [one.accuracy or 0.0 for one in done],
        done.index(found.best),
        low,
        logarithmic=[name for name, axis in found.space.items() if isinstance(axis, Range) and axis.log],
        ordered={name: axis.values for name, axis in found.space.items() if isinstance(axis, Choices)},
    )
    if found.importance:
        drawn["importance"] = figures.importance(found.importance)
    return [save(figure, found.folder / f"{name}.png") for name, figure in drawn.items()]
