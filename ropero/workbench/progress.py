"""What a person sees while ropero works: a bar with rate and time left, in a terminal and in a notebook.

Where there is no terminal (a log file, CI) a line an epoch is printed instead. Everything goes to stderr.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from ropero.data.raw import Unit
from ropero.models.codes import Encoding
from ropero.storage import human_bytes
from ropero.texts import t
from ropero.texts.numbers import decimal, percent, whole
from ropero.training.callbacks import Callback
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord, History

LOG_SECONDS = 60.0  # between two lines where there is no terminal


def human_seconds(seconds: float) -> str:
    """9 s, 1 min 40 s, 2 h 5 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class _Rate(ProgressColumn):
    """Images a second over the last steps."""

    def __init__(self, images_per_step: float) -> None:
        super().__init__()
        self._images = images_per_step

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(t("{rate} images/s", rate=whole(round(speed * self._images))) if speed else "")


class EncodingProgress:
    """Shows how far a frozen base is with the images: a bar where there is a terminal, else a line a minute."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._first: tuple[float, int] | None = None  # when, and how many images were done then
        self._said = 0.0

    def __call__(self, encoding: Encoding) -> None:
        """Note how far it is; the last call of an encoding has `over`."""
        if self._first is None:
            self._first = self._said, _ = time.monotonic(), encoding.done
            self._begin(encoding)
        if self._progress:
            self._progress.update(self._task, completed=encoding.done)
        elif time.monotonic() - self._said >= LOG_SECONDS:
            self._said = time.monotonic()
            self._console.print(self._line(encoding, *self._first), highlight=False, soft_wrap=True, markup=False)
        if encoding.over:
            if self._progress:
                self._progress.stop()
            self._progress = self._first = None

    def _begin(self, encoding: Encoding) -> None:
        where = t(
            "The features of {n} images are computed once and kept in {folder}: {size}, which may be deleted at any "
            "time.",
            n=whole(encoding.total),
            folder=encoding.folder,
            size=human_bytes(encoding.size),
        )
        self._console.print(where, highlight=False, soft_wrap=True, markup=False)
        if self._console.is_terminal or self._console.is_jupyter:
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=16),
                MofNCompleteColumn(),
                _Rate(1),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
                speed_estimate_period=120,
            )
            self._progress.start()
            self._task = self._progress.add_task(t("Features"), total=encoding.total, completed=encoding.done)

    def _line(self, encoding: Encoding, started: float, before: int) -> str:
        rate = max(1e-9, (encoding.done - before) / (time.monotonic() - started))
        return t(
            "Features: {done} of {total} images, {rate} images/s, {time} left",
            done=whole(encoding.done),
            total=whole(encoding.total),
            rate=decimal(rate, 1),
            time=human_seconds((encoding.total - encoding.done) / rate),
        )


class TrainingProgress(Callback):
    """Shows a training: epoch, bar, rate and time left, and a line of figures for every epoch that has ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._encoding = EncodingProgress(console)
        self._epochs = 0
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def on_encode(self, encoding: Encoding) -> None:
        self._encoding(encoding)

    def on_train_begin(self, config: TrainConfig, steps_per_epoch: int, done_steps: int, history: History) -> None:
        self._epochs = config.epochs
        if not (self._console.is_terminal or self._console.is_jupyter):
            return
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            TextColumn("{task.percentage:>3.0f} %", markup=False),
            _Rate(config.batch_size),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._progress.start()
        self._task = self._progress.add_task(
            self._title(len(history)), total=config.epochs * steps_per_epoch, completed=done_steps
        )

    def on_step_end(self, step: int) -> None:
        if self._progress:
            self._progress.update(self._task, completed=step)

    def on_epoch_end(self, record: EpochRecord) -> None:
        # Above the bar, where there is one: the epochs stay readable when it has gone.
        line = f"{self._title(record.epoch - 1)}  {_figures(record)}  {human_seconds(record.epoch_seconds)}"
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)
        if self._progress:
            self._progress.update(self._task, description=self._title(min(record.epoch, self._epochs - 1)))

    def on_train_end(self) -> None:
        if self._progress:
            self._progress.stop()

    def _title(self, finished: int) -> str:
        return t("Epoch {epoch}/{epochs}", epoch=finished + 1, epochs=self._epochs)


def _figures(record: EpochRecord) -> str:
    shown = t(
        "loss {loss}, accuracy {accuracy}",
        loss=decimal(record.train_loss, 3),
        accuracy=percent(record.train_accuracy, 2),
    )
    if record.validation_accuracy is None or record.validation_loss is None:
        return shown
    return shown + t(
        "; validation {loss}, {accuracy}",
        loss=decimal(record.validation_loss, 3),
        accuracy=percent(record.validation_accuracy, 2),
    )


class _ByUnit(ProgressColumn):
    """A column for what is counted in bytes, another for what is counted in images."""

    def __init__(self, columns: Mapping[Unit, ProgressColumn]) -> None:
        super().__init__()
        self._columns = columns

    def render(self, task: Task) -> RenderableType:
        return self._columns[task.fields["unit"]].render(task)


class FileProgress:
    """A bar for downloads and long readings, as `sources.load` and `explore` report them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int | None, unit: Unit = "bytes", /) -> None:
        """Note that `done` of `total` of `what` is there."""
        if not (self._console.is_terminal or self._console.is_jupyter):
            return
        if self._progress is None:
            self._progress = Progress(
                # Names of files are no markup: "[red].csv" is shown as it is.
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                _ByUnit({"bytes": DownloadColumn(), "images": MofNCompleteColumn()}),
                _ByUnit({"bytes": TransferSpeedColumn(), "images": _Rate(1)}),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._progress.start()
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, unit=unit)
        self._progress.update(self._tasks[what], completed=done, total=total)

    def __enter__(self) -> FileProgress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._progress:
            self._progress.stop()
