"""What a person sees of a search: a table of trials that grows, a bar, the time that is left; in a notebook too.

Where there is no terminal (a log file, CI) a line a trial is printed instead. Everything goes to stderr.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ropero.models.codes import Encoding
from ropero.texts import joined, t
from ropero.texts.numbers import Numbers, percent, whole
from ropero.training.history import EpochRecord
from ropero.training.search import Space
from ropero.workbench.progress import EncodingProgress, human_seconds
from ropero.workbench.study import STATES, Trial
from ropero.workbench.tuning import Plan, Watch

ROWS = 12  # the newest trials; the best one is always there


def shown(value: Any) -> str:
    """A setting as a table shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    return Numbers.current().general(value) if isinstance(value, float) else str(value)


def heads(space: Space) -> list[str]:
    """The columns of a table of trials."""
    return [t("trial"), *space, t("validation accuracy"), t("epochs"), t("state"), t("time")]


def row(trial: Trial, space: Space) -> list[str]:
    """A trial in such a table; of one that was not trained to its end, the last figure in brackets."""
    figure = "-"
    if trial.accuracy is not None:
        figure = percent(trial.accuracy, 2)
    elif trial.curve:
        figure = f"({percent(trial.curve[-1], 2)})"
    settings = [shown(trial.settings[name]) for name in space]
    return [
        str(trial.number),
        *settings,
        figure,
        str(len(trial.curve)),
        t(STATES[trial.state]),
        human_seconds(trial.seconds),
    ]


def best_yet(trials: Sequence[Trial]) -> Trial | None:
    """The best of those that are done, None when none is."""
    return min((one for one in trials if one.state == "done"), key=lambda one: one.rank, default=None)


class TuningProgress(Watch):
    """Shows a search: trial, settings, validation accuracy, state and time of each; bar, time left and best so far."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._over: list[Trial] = []
        self._now: Trial | None = None
        self._share = 0.0  # of the trial that is running
        self._encoding: Encoding | None = None
        self._log_of_encoding = EncodingProgress(console)

    def on_search_begin(self, plan: Plan, over: Sequence[Trial], estimate_seconds: float) -> None:
        self._plan, self._over, self._before, self._began = plan, list(over), list(over), time.perf_counter()
        self._estimate = estimate_seconds
        if (self._console.is_terminal or self._console.is_jupyter) and len(over) < plan.trials:
            self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=4, transient=True)
            self._live.start()

    def on_encode(self, encoding: Encoding) -> None:
        if self._live is None:
            return self._log_of_encoding(encoding)
        self._encoding = None if encoding.over else encoding
        return None

    def on_trial_begin(self, trial: Trial, steps: int, done: int) -> None:
        self._now, self._steps, self._share = trial, steps, done / max(1, steps)

    def on_step_end(self, step: int) -> None:
        self._share = step / self._steps

    def on_epoch_end(self, record: EpochRecord) -> None:
        assert self._now is not None
        seconds = self._now.seconds + record.epoch_seconds
        curve = (*self._now.curve, record.validation_accuracy or 0.0)
        self._now = Trial(number=self._now.number, settings=self._now.settings, seconds=seconds, curve=curve)

    def on_trial_end(self, trial: Trial) -> None:
        self._over.append(trial)
        self._now, self._share = None, 0.0
        if self._live is None:
            self._console.print(self._line(trial), highlight=False, soft_wrap=True, markup=False)

    def on_search_end(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def _line(self, trial: Trial) -> str:
        number, *values, figure, epochs, state, seconds = row(trial, self._plan.space)
        line = t(
            "Trial {number}/{trials}: {settings}; validation {figure}, epochs: {epochs}, {state}, {time}",
            number=number,
            trials=self._plan.trials,
            settings=joined(f"{name} {value}" for name, value in zip(self._plan.space, values, strict=True)),
            figure=figure,
            epochs=epochs,
            state=state,
            time=seconds,
        )
        return line + self._best()

    def _best(self) -> str:
        best = best_yet(self._over)
        if best is None:
            return ""
        return "; " + t("best {figure} (trial {number})", figure=percent(best.accuracy or 0.0, 2), number=best.number)

    def _render(self) -> RenderableType:
        over, now = list(self._over), self._now
        best = best_yet(over)
        rows = over[-ROWS:]
        if best is not None and best not in rows:
            rows = [best, *rows]
        # Names and values come from the config alone, but a table's words are never markup.
        table = Table(box=box.SIMPLE, pad_edge=False)
        for place, head in enumerate(heads(self._plan.space)):
            table.add_column(Text(head), justify="right" if place else "left", overflow="fold")
        for one in [*rows, *([now] if now else [])]:
            style = "bold green" if one is best else "dim" if one.state in ("pruned", "diverged") else ""
            cells = row(one, self._plan.space)
            cells[0] += "*" if one is best else ""
            table.add_row(*(Text(cell) for cell in cells), style=style)
        return Group(table, self._bar(len(over)))

    def _bar(self, over: int) -> RenderableType:
        done = over + self._share
        grid = Table.grid(padding=(0, 1))
        now = self._now
        title = t("Trial {number}/{trials}", number=min(over + 1, self._plan.trials), trials=self._plan.trials)
        if now is not None:
            title += ", " + t("Epoch {epoch}/{epochs}", epoch=self._epoch(now), epochs=self._plan.config.epochs)
        if self._encoding is not None:
            seen = {"done": whole(self._encoding.done), "total": whole(self._encoding.total)}
            title += ", " + t("features of {done} of {total} images", **seen)
        left = t("about {time} left", time=human_seconds(self.seconds_left()))
        bar = ProgressBar(total=self._plan.trials, completed=done, width=24)
        grid.add_row(Text(title), bar, Text(left + self._best()))
        return grid

    def _epoch(self, now: Trial) -> int:
        return min(len(now.curve) + 1, self._plan.config.epochs)

    def seconds_left(self) -> float:
        """From what the trials of this call took; before the first has ended, from the plan."""
        spent = time.perf_counter() - self._began
        done = len(self._over) - len(self._before) + self._share
        if len(self._over) == len(self._before):
            return max(0.0, self._estimate - spent)
        guess = spent / done * (self._plan.trials - len(self._over) - self._share)
        if self._plan.minutes:
            guess = min(guess, 60 * self._plan.minutes - sum(one.seconds for one in self._over))
        return max(0.0, guess)
