"""`Callback`: no-op hooks to override. What the training shows or writes besides its result is a callback."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ropero.data.dataset import Dataset
from ropero.errors import UsageError
from ropero.models.classifier import Classifier
from ropero.models.codes import Encoding
from ropero.storage import atomic_path, sweep, write_text
from ropero.texts import t
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord, History

Which = Literal["best", "last", "every"]


class Callback:
    """Hooks of the training loop. `on_epoch_end` may return True to end the training after that epoch.

    All hooks have had an epoch before its checkpoint is written: a training that is killed in between gives them that
    epoch once more, so what they write should be the same when it is written twice.
    """

    def on_encode(self, encoding: Encoding) -> None:
        """Before all others, again and again while the codes of a frozen base are computed, where there is one."""

    def on_set_up(self, model: Classifier, kept: Classifier, train: Dataset, validation: Dataset | None) -> None:
        """Before on_train_begin: the networks, on their device with the weights they start or go on from, and the data.

        Args:
            model: the network that learns; in on_step_end and on_epoch_end its parameters' `.grad` are those of the
                last step. Batch-norm listens in train mode: to run images through it, take a copy.
            kept: the network whose weights are judged and kept: the moving average, or `model` itself.
            train: what is learned from.
            validation: what is judged by, None without such a part.
        """

    def on_train_begin(
        self, config: TrainConfig, steps_per_epoch: int, done_steps: int, history: History
    ) -> bool | None:
        """Before the first step. When an interrupted run goes on, done_steps is more than 0 and history holds its
        finished epochs. May return True: there is nothing left to do."""

    def on_step_end(self, step: int) -> None:
        """After each step; step counts from 1 over the whole training."""

    def on_epoch_end(self, record: EpochRecord) -> bool | None:
        """After each epoch and its validation."""

    def on_train_end(self) -> None:
        """After the last epoch, also when the training was interrupted or failed."""


class EarlyStopping(Callback):
    """Ends the training when the validation loss has not got better for `patience` epochs."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self._best_loss = float("inf")
        self._best_epoch = 0

    def on_train_begin(self, config: TrainConfig, steps_per_epoch: int, done_steps: int, history: History) -> bool:
        # The answer to an epoch depends on those before it, so a run that goes on asks them all again.
        return any([self.on_epoch_end(record) for record in history])  # noqa: C419

    def on_epoch_end(self, record: EpochRecord) -> bool:
        if record.validation_loss is not None and record.validation_loss < self._best_loss:
            self._best_loss, self._best_epoch = record.validation_loss, record.epoch
        return record.epoch - self._best_epoch >= self.patience


class ModelCheckpoint(Callback):
    """Keeps weights while a network trains, those that are judged, as safetensors files that are whole or absent.

    Args:
        folder: where the files go.
        which: "best" by validation loss, the earliest of equals, in best.safetensors; "last" in last.safetensors;
            "every" epoch, or every n-th for a number n, in epoch-001.safetensors, epoch-002.safetensors, ...

    A file's metadata say of which epoch it is. Raises UsageError for another `which`, and, when the training is set
    up, for "best" without a validation part.
    """

    def __init__(self, folder: Path, which: Which | int = "best") -> None:
        if which not in get_args(Which) and (not isinstance(which, int) or isinstance(which, bool) or which < 1):
            raise UsageError(
                t("Weights to save should be best, last, every or a number of epochs, got {which!r}.", which=which)
            )
        self.folder, self.which = folder, which
        self._digits = 3
        self._best_loss = float("inf")

    def check(self, validation: Dataset | None) -> None:
        """Raises UsageError when the best weights are to be kept, and there is nothing to judge by."""
        if self.which == "best" and validation is None:
            raise UsageError(
                t("The best weights are chosen by validation: hold images out first, as with validation=0.1.")
            )

    def on_set_up(self, model: Classifier, kept: Classifier, train: Dataset, validation: Dataset | None) -> None:
        self.check(validation)
        self._kept = kept

    def on_train_begin(self, config: TrainConfig, steps_per_epoch: int, done_steps: int, history: History) -> None:
        self._digits = max(self._digits, len(str(config.epochs)))
        sweep(self._path("*"))
        # Not the best of the history: asked for late, the weights of those epochs are gone, and the best from then on
        # are the best there are.
        self._best_loss = _loss_of(self._path("best")) if done_steps else float("inf")

    def on_epoch_end(self, record: EpochRecord) -> None:
        if self.which == "last":
            self._save("last", record)
        elif self.which == "best":
            if record.validation_loss is not None and record.validation_loss < self._best_loss:
                self._best_loss = record.validation_loss
                self._save("best", record)
        elif record.epoch % (1 if self.which == "every" else self.which) == 0:
            self._save(f"epoch-{record.epoch:0{self._digits}}", record)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def _save(self, name: str, record: EpochRecord) -> None:
        weights = {key: value.detach().cpu().contiguous() for key, value in self._kept.state_dict().items()}
        with spared(self._path(name)), atomic_path(self._path(name)) as path:
            save_file(weights, path, metadata={key: json.dumps(value) for key, value in record.to_json().items()})


def _loss_of(path: Path) -> float:
    """The validation loss that a file of weights notes of its epoch; infinite without a file that can be read."""
    with suppress(OSError, SafetensorError, KeyError, ValueError), safe_open(path, framework="pt") as file:
        return float((file.metadata() or {})["validation_loss"])
    return float("inf")


@contextmanager
def spared(path: Path) -> Iterator[None]:
    """A file that cannot be written, as on a full disk, costs a warning, not the training."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        message = t("Could not write {path}: {reason}", path=path.name, reason=reason)
        warnings.warn(message, RuntimeWarning, stacklevel=2)


class HistoryLog(Callback):
    """Keeps a text file equal to the history, whole after every epoch, however often the training is interrupted.

    Args:
        path: the file.
        render: the whole text, from all epochs so far.
    """

    def __init__(self, path: Path, render: Callable[[History], str]) -> None:
        self._path, self._render = path, render
        self._history = History()

    def on_train_begin(self, config: TrainConfig, steps_per_epoch: int, done_steps: int, history: History) -> None:
        self._history = History(history)
        self._write()

    def on_epoch_end(self, record: EpochRecord) -> None:
        self._history.records.append(record)
        self._write()

    def _write(self) -> None:
        with spared(self._path):
            write_text(self._path, self._render(self._history))


class JsonLinesLog(HistoryLog):
    """A JSON object an epoch, a line each."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, json_lines)


class CsvLog(HistoryLog):
    """A row an epoch below a row of names; what there is no figure for is empty."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, csv_rows)


class Record(Protocol):
    """What one epoch gave."""

    def to_json(self) -> dict[str, Any]: ...


def json_lines(history: Iterable[Record]) -> str:
    """The text of history.jsonl."""
    return "".join(json.dumps(record.to_json(), allow_nan=False) + "\n" for record in history)


def csv_rows(history: History) -> str:
    """The text of history.csv: the columns are the fields of EpochRecord, with a point as decimal mark."""
    text = io.StringIO()
    table = csv.DictWriter(text, [one.name for one in fields(EpochRecord)], lineterminator="\n")
    table.writeheader()
    table.writerows(record.to_json() for record in history)
    return text.getvalue()


class TimeLimit(Callback):
    """Ends the training after the epoch in which so many minutes of training are over, interruptions not counted."""

    def __init__(self, minutes: float) -> None:
        self.minutes = minutes
        self._seconds = 0.0

    def on_train_begin(self, config: TrainConfig, steps_per_epoch: int, done_steps: int, history: History) -> bool:
        self._seconds = history.train_seconds
        return self._seconds >= 60 * self.minutes

    def on_epoch_end(self, record: EpochRecord) -> bool:
        self._seconds += record.epoch_seconds
        return self._seconds >= 60 * self.minutes


def endings(config: TrainConfig) -> list[Callback]:
    """What ends a training before its last epoch, as its config asks."""
    early: list[Callback] = [EarlyStopping(config.patience)] if config.patience else []
    return [*early, *([TimeLimit(config.minutes)] if config.minutes else [])]
