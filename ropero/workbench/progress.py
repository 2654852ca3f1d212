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
from ropero.generation.config import GeneratorConfig
from ropero.generation.learner import Learner
from ropero.generation.loop import GeneratorEpoch, Hook
from ropero.models.codes import Encoding
from ropero.storage import human_bytes
from ropero.texts import joined, t
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


class _Epochs:
    """A training's bar: epoch, rate and time left; above it, or alone where there is no terminal, a line an epoch."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._epochs = 0
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def begin(self, epochs: int, batch_size: int, steps_per_epoch: int, done_steps: int) -> None:
        self._epochs = epochs
        if not (self._console.is_terminal or self._console.is_jupyter):
            return
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            TextColumn("{task.percentage:>3.0f} %", markup=False),
            _Rate(batch_size),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._progress.start()
        self._task = self._progress.add_task(
            self._title(done_steps // steps_per_epoch), total=epochs * steps_per_epoch, completed=done_steps
        )

    def step(self, step: int) -> None:
        if self._progress:
            self._progress.update(self._task, completed=step)

    def say(self, line: str) -> None:
        # Above the bar, where there is one: the epochs stay readable when it has gone.
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)

    def epoch(self, epoch: int, figures: str, seconds: float) -> None:
        self.say(f"{self._title(epoch - 1)}  {figures}  {human_seconds(seconds)}")
        if self._progress:
            self._progress.update(self._task, description=self._title(min(epoch, self._epochs - 1)))

    def end(self) -> None:
        if self._progress:
            self._progress.stop()

    def _title(self, finished: int) -> str:
        return t("Epoch {epoch}/{epochs}", epoch=finished + 1, epochs=self._epochs)


class TrainingProgress(Callback):
    """Shows a training: epoch, bar, rate and time left, and a line of figures for every epoch that has ended."""

    def __init__(self, console: Console) -> None:
        self._epochs = _Epochs(console)
        self._encoding = EncodingProgress(console)

    def on_encode(self, encoding: Encoding) -> None:
        self._encoding(encoding)

    def on_train_begin(self, config: TrainConfig, steps_per_epoch: int, done_steps: int, history: History) -> None:
        self._epochs.begin(config.epochs, config.batch_size, steps_per_epoch, done_steps)

    def on_step_end(self, step: int) -> None:
        self._epochs.step(step)

    def on_epoch_end(self, record: EpochRecord) -> None:
        self._epochs.epoch(record.epoch, _figures(record), record.epoch_seconds)

    def on_train_end(self) -> None:
        self._epochs.end()


class GeneratorProgress(Hook):
    """The same of a generator: the losses of its nets, and when it goes back to the epoch before."""

    def __init__(self, console: Console) -> None:
        self._epochs = _Epochs(console)

    def on_train_begin(self, config: GeneratorConfig, steps_per_epoch: int, done_steps: int) -> None:
        self._epochs.begin(config.epochs, config.batch_size, steps_per_epoch, done_steps)

    def on_step_end(self, step: int) -> None:
        self._epochs.step(step)

    def on_epoch_end(self, record: GeneratorEpoch, learner: Learner) -> None:
        if record.epoch:
            losses = [f"{t(name)} {decimal(loss, 3)}" for name, loss in record.losses.items()]
            figures = t("loss: {losses}; variety {share}", losses=joined(losses), share=percent(record.spread, 0))
            self._epochs.epoch(record.epoch, figures, record.epoch_seconds)

    def on_broken(self, epoch: int, reason: str) -> None:
        self._epochs.say(
            t("Epoch {epoch} broke: {reason}. The training goes back to the end of the one before.", epoch=epoch,
              reason=reason)
        )  # fmt: skip

    def on_train_end(self) -> None:
        self._epochs.end()


class SampleProgress:
    """A bar for pictures that take long to make."""

    def __init__(self, console: Console) -> None:
        self._bar = FileProgress(console)

    def __call__(self, done: int, total: int) -> None:
        self._bar(t("Garments"), done, total, "images")

    def __enter__(self) -> SampleProgress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.__exit__(kind, error, at)


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
