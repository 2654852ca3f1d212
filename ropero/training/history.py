"""`History`: one record an epoch, kept as JSON lines. Knows nothing of how the numbers came about."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """What one epoch gave. Training figures are running means over augmented images while the weights move;
    validation figures are of the weights that would be kept (their moving average where one is made).

    epoch counts from 1; losses are in nats, accuracies in 0..1; validation figures are None without a validation part.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    epoch_seconds: float
    images_per_second: float

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


class History:
    """The epochs of a run, in order."""

    def __init__(self, records: Iterable[EpochRecord] = ()) -> None:
        self.records = list(records)

    def __repr__(self) -> str:
        last = f", {self.records[-1]}" if self.records else ""
        return f"History({len(self)} epochs{last})"

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[EpochRecord]:
        return iter(self.records)

    def column(self, name: str) -> list[float | None]:
        """One figure of every epoch, such as `train_loss`."""
        return [getattr(record, name) for record in self.records]

    @property
    def train_seconds(self) -> float:
        """Seconds spent in all epochs, validation included."""
        return sum(record.epoch_seconds for record in self.records)

    def best_epoch(self) -> EpochRecord | None:
        """The epoch of the lowest validation loss, the earliest of equals; None without validation."""
        judged = [record for record in self.records if record.validation_loss is not None]
        return min(judged, key=lambda record: record.validation_loss or 0.0) if judged else None

    def kept(self, keep: str) -> EpochRecord | None:
        """The epoch whose weights are kept, "best" or "last"; the last without validation, None without epochs."""
        best = self.best_epoch() if keep == "best" else None
        return best or (self.records[-1] if self.records else None)

    def to_json(self) -> list[dict[str, Any]]:
        return [record.to_json() for record in self.records]

    @classmethod
    def from_json(cls, records: Iterable[dict[str, Any]]) -> History:
        return cls(EpochRecord(**record) for record in records)
