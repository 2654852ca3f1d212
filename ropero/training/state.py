"""`TrainState`: all that changes while a network trains, and how it goes into a checkpoint and comes back.

Knows nothing of batches or losses (`loop.py`), nor of files (`checkpoints.py`).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ropero.data.batches import channels_first
from ropero.data.dataset import Dataset
from ropero.models.classifier import Classifier
from ropero.models.zoo import build
from ropero.runtime import mix_seed
from ropero.training.checkpoints import Snapshot, load_optimizer_tensors, optimizer_tensors
from ropero.training.config import TrainConfig
from ropero.training.frozen import begin_base
from ropero.training.history import EpochRecord, History
from ropero.training.optim import make_optimizer


@dataclass
class TrainState:
    """epoch and step count finished ones, step within the epoch; loss_sum (nats), hits, seen and seconds are of the
    epoch that runs."""

    model: Classifier
    averaged: Classifier | None
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    hits: int = 0
    seen: int = 0
    seconds: float = 0.0
    history: History = field(default_factory=History)
    best: dict[str, Tensor] | None = None

    @property
    def kept(self) -> Classifier:
        """The weights that are judged and kept: the moving average where one is made."""
        return self.model if self.averaged is None else self.averaged

    def close_epoch(self, record: EpochRecord, keep_best: bool) -> None:
        """Note the epoch, keep its weights when they are the best so far and that is asked, and start the next."""
        self.history.records.append(record)
        if keep_best and self.history.best_epoch() is record:
            self.best = {name: value.detach().clone() for name, value in learned(self.kept).items()}
        self.epoch += 1
        self.step = self.hits = self.seen = 0
        self.loss_sum = self.seconds = 0.0

    def take_best(self) -> None:
        """Put the best weights so far into the network that is kept, if there are any."""
        self.kept.load_state_dict({**self.kept.state_dict(), **(self.best or {})})

    def snapshot(self, keep_best: bool) -> Snapshot:
        """Everything that `restore` needs, as named tensors and a JSON object."""
        tensors = {f"model/{name}": value for name, value in learned(self.model).items()}
        tensors |= {f"optimizer/{name}": value for name, value in optimizer_tensors(self.optimizer).items()}
        if self.averaged is not None:
            tensors |= {f"averaged/{name}": value for name, value in learned(self.averaged).items()}
        if keep_best and self.best is not None:
            tensors |= {f"best/{name}": value for name, value in self.best.items()}
        names = ("epoch", "step", "loss_sum", "hits", "seen", "seconds")
        return tensors, {**{name: getattr(self, name) for name in names}, "history": self.history.to_json()}

    def restore(self, snapshot: Snapshot) -> None:
        """Put everything back as `snapshot` found it."""
        tensors, notes = snapshot
        self.model.load_state_dict({**_frozen(self.model), **_below(tensors, "model/")})
        load_optimizer_tensors(self.optimizer, _below(tensors, "optimizer/"))
        if self.averaged is not None:
            self.averaged.load_state_dict({**_frozen(self.averaged), **_below(tensors, "averaged/")})
        self.best = _below(tensors, "best/") or None
        history: list[dict[str, Any]] = notes.pop("history")
        self.history = History.from_json(history)
        for name, value in notes.items():
            setattr(self, name, value)


def begin(config: TrainConfig, train: Dataset, device: torch.device) -> TrainState:
    """A fresh network on the device, started from the config's seed, normalised by the training part; a frozen base has
    its pretrained weights.

    Raises:
        DataError, MissingExtra: the pretrained weights are not there, cannot be fetched or read.
    """
    torch.manual_seed(mix_seed("weights", config.seed))
    model = build(config.network, train.input_shape, len(train.classes), config.layers, config.code)
    if model.standardise:
        model.measure(channels_first(train.images))
    begin_base(config, model)
    model = model.to(device, memory_format=model.memory_format).train()  # type: ignore[call-overload]
    averaged = copy.deepcopy(model).eval() if config.ema else None
    return TrainState(model, averaged, make_optimizer(config, model))


def learned(model: Classifier) -> dict[str, Tensor]:
    """The state without a frozen base, which would only make checkpoints large: it never changes."""
    return {name: value for name, value in model.state_dict().items() if not name.startswith("base.")}


def _frozen(model: Classifier) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if name.startswith("base.")}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
