"""`Callback`: no-op hooks to override. What the training shows or writes besides its result is a callback."""

from __future__ import annotations

from ropero.data.dataset import Dataset
from ropero.models.classifier import Classifier
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord, History


class Callback:
    """Hooks of the training loop. `on_epoch_end` may return True to end the training after that epoch.

    All hooks have had an epoch before its checkpoint is written: a training that is killed in between gives them that
    epoch once more, so what they write should be the same when it is written twice.
    """

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
