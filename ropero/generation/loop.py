"""`fit`: a config and training images go in, a generator that has learned and its history come out.

Deterministic as a classifier's training is: a step is seeded by (seed, epoch, step), so one that was killed goes on
from its last checkpoint to the same weights. A training that breaks, because a number is none or all pictures become
one, goes back to the end of the last good epoch and takes other draws. Knows nothing of folders, pages or commands.
Legend: N images, B images in a batch, Z latent values, C channels, H x W pixels.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ropero.data.batches import DeviceImages, batch_bounds, epoch_order, to_device
from ropero.data.dataset import Dataset
from ropero.errors import TrainingDiverged
from ropero.generation.config import GeneratorConfig
from ropero.generation.kinds import learner
from ropero.generation.learner import Learner
from ropero.runtime import be_deterministic, keep_freed_memory, mix_seed, resolve_device, resolve_precision
from ropero.texts import t
from ropero.training.checkpoints import CheckpointStore, Snapshot, load_optimizer_tensors, optimizer_tensors

CHECKPOINT_SECONDS = 30.0
TRIES = 3  # how often one epoch is begun again before the training is given up
WATCHED = 64  # pictures that are looked at after each epoch
COLLAPSED, SPREAD = 0.1, 0.3  # of the real images' spread: pictures that were above the second have become nearly one


@dataclass(frozen=True, kw_only=True)
class GeneratorEpoch:
    """What one epoch gave. losses: means by net, in nats. spread: how far generated pictures lie from their mean, as a
    share of what real images do. again: how often it was begun anew."""

    epoch: int
    losses: Mapping[str, float]
    spread: float
    epoch_seconds: float
    images_per_second: float
    again: int = 0

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


class Hook:
    """What is told of a generator's training; hooks to override."""

    def on_train_begin(self, config: GeneratorConfig, steps_per_epoch: int, done_steps: int) -> None:
        """Before the first step; done_steps is more than 0 when a training goes on."""

    def on_step_end(self, step: int) -> None:
        """After each step, counted from 1 over the whole training."""

    def on_epoch_end(self, record: GeneratorEpoch, learner: Learner) -> bool | None:
        """After each epoch, and before the first as epoch 0; may return True to end the training."""

    def on_broken(self, epoch: int, reason: str) -> None:
        """When the training goes back to the end of the epoch before this one."""

    def on_train_end(self) -> None:
        """After the last epoch, also when the training was interrupted or failed."""


@dataclass
class State:
    """epoch and step count finished ones, step within the epoch; sums, seen and seconds are of the epoch that runs."""

    learner: Learner
    epoch: int = 0
    step: int = 0
    again: int = 0
    seen: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[GeneratorEpoch] = field(default_factory=list)

    def snapshot(self) -> Snapshot:
        """Everything that `restore` needs, copied."""
        tensors: dict[str, Tensor] = {}
        for name, net in self.learner.nets.items():
            tensors |= {f"{name}/{key}": value.detach().clone() for key, value in net.state_dict().items()}
        for name, optimizer in self.learner.optimizers.items():
            state = optimizer_tensors(optimizer)
            tensors |= {f"{name}-optimizer/{key}": value.detach().clone() for key, value in state.items()}
        notes = {name: getattr(self, name) for name in ("epoch", "step", "again", "seen", "seconds", "sums")}
        return tensors, {**notes, "sums": dict(self.sums), "history": [one.to_json() for one in self.history]}

    def restore(self, snapshot: Snapshot) -> None:
        """Put everything back as `snapshot` found it."""
        tensors, notes = snapshot
        for name, net in self.learner.nets.items():
            net.load_state_dict(_below(tensors, f"{name}/"))
        for name, optimizer in self.learner.optimizers.items():
            load_optimizer_tensors(optimizer, _below(tensors, f"{name}-optimizer/"))
        self.history = [GeneratorEpoch(**one) for one in notes["history"]]
        for name in ("epoch", "step", "again", "seen", "seconds"):
            setattr(self, name, notes[name])
        self.sums = dict(notes["sums"])


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def fit(
    config: GeneratorConfig, train: Dataset, *, hooks: Sequence[Hook] = (), store: CheckpointStore | None = None
) -> tuple[Learner, list[GeneratorEpoch]]:
    """Train a generator as the config says.

    Args:
        train: what is learned from; whether its labels are looked at is the kind's affair.
        hooks: are told of the progress.
        store: where checkpoints go; a training that finds one there goes on from it.

    Returns:
        The generator with the weights of the last epoch, and a record an epoch.

    Raises:
        TrainingDiverged: an epoch broke again and again.
    """
    device = resolve_device(config.device)
    be_deterministic(device)
    keep_freed_memory()
    torch.manual_seed(mix_seed("generator", config.seed))
    state = State(learner(config, train.input_shape, len(train.classes), device))
    if store and (found := store.load()):
        state.restore(found)
    images = to_device(train, device)
    spread = _spread(images.pixels[:: max(1, len(images) // 1000)].float() / 255)
    bounds = batch_bounds(len(images), config.batch_size)
    good = state.snapshot()
    try:
        for hook in hooks:
            hook.on_train_begin(config, len(bounds), state.epoch * len(bounds) + state.step)
        stopped = _is_over(config, state.history)
        if not state.epoch and not state.step:
            _told(hooks, GeneratorEpoch(epoch=0, losses={}, spread=0, epoch_seconds=0, images_per_second=0), state)
        while state.epoch < config.epochs and not stopped:
            _epoch(config, state, images, bounds, hooks, store)
            record = _record(state, spread)
            reason = _broken(state, record)
            if reason:
                _back(state, good, reason, hooks)
                continue
            state.history.append(record)
            state.epoch, state.step, state.again, state.seen, state.seconds = state.epoch + 1, 0, 0, 0, 0.0
            state.sums = {}
            stopped = _told(hooks, record, state) or _is_over(config, state.history)
            good = state.snapshot()
            if store:
                store.save(*good)
    finally:
        for hook in hooks:
            hook.on_train_end()
    return state.learner, state.history


def _told(hooks: Iterable[Hook], record: GeneratorEpoch, state: State) -> bool:
    # A list inside any(): every hook is asked, also when an earlier one has said to stop.
    return any([bool(hook.on_epoch_end(record, state.learner)) for hook in hooks])  # noqa: C419


def _is_over(config: GeneratorConfig, history: Sequence[GeneratorEpoch]) -> bool:
    return bool(config.minutes) and sum(one.epoch_seconds for one in history) > 60 * config.minutes


def _epoch(
    config: GeneratorConfig,
    state: State,
    images: DeviceImages,
    bounds: Sequence[tuple[int, int]],
    hooks: Sequence[Hook],
    store: CheckpointStore | None,
) -> None:
    """All steps that the epoch still has."""
    device = images.labels.device
    precision = resolve_precision(config.precision, device)
    order = epoch_order(len(images), config.seed, state.epoch)
    started, saved = time.perf_counter() - state.seconds, time.perf_counter()
    losses: list[Mapping[str, Tensor]] = []
    while state.step < len(bounds):
        start, end = bounds[state.step]
        seed = mix_seed("step", config.seed, state.epoch, state.step, state.again)
        (torch.default_generator if device.type == "cpu" else torch).manual_seed(seed)
        rows = order[start:end].to(device)
        real = images.take(rows).float().div_(127.5).sub_(1)
        losses.append(state.learner.step(real, images.labels[rows], precision))
        state.step += 1
        state.seen += end - start
        for hook in hooks:
            hook.on_step_end(state.epoch * len(bounds) + state.step)
        if store and time.perf_counter() - saved > CHECKPOINT_SECONDS and state.step < len(bounds):
            _count(state, losses)
            state.seconds = time.perf_counter() - started
            if all(map(math.isfinite, state.sums.values())):  # what broke is not gone on with
                store.save(*state.snapshot())
            saved = time.perf_counter()
    _count(state, losses)
    state.seconds = time.perf_counter() - started


def _count(state: State, losses: list[Mapping[str, Tensor]]) -> None:
    """Add the losses of some steps to the epoch's sums, one by one, so that a checkpoint between them changes none."""
    for one in losses:
        for name, loss in one.items():
            state.sums[name] = state.sums.get(name, 0.0) + float(loss)
    losses.clear()


def _record(state: State, spread: float) -> GeneratorEpoch:
    draws = torch.Generator().manual_seed(mix_seed("watched", state.epoch))
    pictures = state.learner.pictures(state.learner.draw(WATCHED, draws))
    return GeneratorEpoch(
        epoch=state.epoch + 1,
        losses={name: total / state.step for name, total in state.sums.items()},
        spread=_spread(pictures) / max(spread, 1e-9),
        epoch_seconds=state.seconds,
        images_per_second=state.seen / state.seconds,
        again=state.again,
    )


def _spread(pictures: Tensor) -> float:
    """Root mean square distance of pictures (N, C, H, W) in [0, 1] from their mean, a pixel."""
    return math.sqrt(float(pictures.float().var(0, correction=0).mean()))


def _broken(state: State, record: GeneratorEpoch) -> str:
    """Why the epoch that has just ended is no good; "" for a good one."""
    tensors = [value for net in state.learner.nets.values() for value in net.state_dict().values()]
    finite = all(bool(one.isfinite().all()) for one in tensors if one.is_floating_point())
    if not finite or not all(map(math.isfinite, (*record.losses.values(), record.spread))):
        return t("a number became infinite or none")
    if record.spread < COLLAPSED and any(one.spread > SPREAD for one in state.history):  # an untrained one has little
        return t("all pictures became nearly the same")
    return ""


def _back(state: State, good: Snapshot, reason: str, hooks: Iterable[Hook]) -> None:
    """Back to the end of the last good epoch, with other draws from there. Raises TrainingDiverged when that was tried
    before, to no avail."""
    epoch, again = state.epoch + 1, state.again + 1
    if again > TRIES:
        raise TrainingDiverged(
            t("Epoch {epoch} broke {n} times ({reason}); a smaller --learning-rate helps.", epoch=epoch, n=again,
              reason=reason)
        )  # fmt: skip
    for hook in hooks:
        hook.on_broken(epoch, reason)
    state.restore(good)
    state.again = again
