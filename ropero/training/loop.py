"""`fit`: a config and a training part go in, a trained network and its history come out. The test part is no argument.

Deterministic: everything random in a step is seeded by (seed, epoch, step), so a training that was killed goes on
from its last checkpoint to the very same weights. Knows nothing of run folders, pages or the command line.
Legend: N images, B images in a batch, C channels, H x W pixels, K classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ropero.data.batches import DeviceImages, batch_bounds, chunk_size, epoch_order, in_chunks
from ropero.data.dataset import Dataset
from ropero.errors import TrainingDiverged, UsageError
from ropero.models import codes
from ropero.models.classifier import Classifier
from ropero.models.codes import Encoding
from ropero.models.zoo import build
from ropero.runtime import be_deterministic, keep_freed_memory, mix_seed, resolve_device, resolve_precision, threads_for
from ropero.texts import t
from ropero.training import frozen
from ropero.training.augmentation import Augmentation
from ropero.training.callbacks import Callback, endings
from ropero.training.checkpoints import CheckpointStore
from ropero.training.config import TrainConfig
from ropero.training.frozen import DeviceCodes
from ropero.training.history import EpochRecord, History
from ropero.training.optim import advance, rate_at, set_rate
from ropero.training.state import TrainState, begin, learned

CHECKPOINT_SECONDS = 30.0  # besides the one at the end of each epoch
ESTIMATE_STEPS = 4
UNCOUNTED = 2**18  # logits that wait to be counted together, which takes a small network a tenth less of its step


def fit(
    config: TrainConfig,
    train: Dataset,
    validation: Dataset | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    store: CheckpointStore | None = None,
) -> tuple[Classifier, History]:
    """Train a network as the config says.

    Args:
        config: what decides the run.
        train: what is learned from.
        validation: what early stopping and keep="best" choose by.
        callbacks: hooks; early stopping is added where the config asks for it.
        store: where checkpoints go; a training that finds one there goes on from it.

    Returns:
        The network in eval mode on the CPU (last weights, their moving average, or the best by validation) and one
        record an epoch.

    Raises:
        UsageError: the config cannot train on these data, such as a choice by validation without a validation part.
        DataError, MissingExtra: pretrained weights are not there or cannot be read.
        TrainingDiverged: the loss became infinite or not a number.
    """
    check(config, train, validation)
    device = set_up(config)
    hooks = [*callbacks, *endings(config)]
    state = begin(config, train, device)
    snapshot = store.load() if store else None
    if snapshot:
        state.restore(snapshot)

    def told(encoding: Encoding) -> None:
        for hook in hooks:
            hook.on_encode(encoding)

    parts = [train] if validation is None else [train, validation]
    given, *held_out = frozen.feed(state.model, parts, device, told)
    runner = EpochRunner(config, given, store)
    try:
        for hook in hooks:
            hook.on_set_up(state.model, state.kept, train, validation)
        # The lists inside any(): every hook is asked, also when an earlier one has said to stop.
        done = state.epoch * runner.steps + state.step
        stopped = any([bool(hook.on_train_begin(config, runner.steps, done, state.history)) for hook in hooks])  # noqa: C419
        with threads_for(state.model.peak * config.batch_size):
            while state.epoch < config.epochs and not stopped:
                runner.run(state, hooks)
                record = _judge(config, state, held_out[0] if held_out else None, runner)
                check_finite(config, state, record)
                state.close_epoch(record, config.keep == "best")
                # Before the checkpoint: killed in between, the hooks see the epoch twice, not never.
                stopped = any([bool(hook.on_epoch_end(record)) for hook in hooks])  # noqa: C419
                if store:
                    store.save(*state.snapshot(config.keep == "best"))
    finally:
        for hook in hooks:
            hook.on_train_end()
    if config.keep == "best" and state.best:
        state.take_best()
    return state.kept.cpu().eval(), state.history


def set_up(config: TrainConfig) -> torch.device:
    """The device, with everything set on it that speed and equal bits need."""
    device = resolve_device(config.device)
    be_deterministic(device)
    keep_freed_memory()
    return device


def check(config: TrainConfig, train: Dataset, validation: Dataset | None) -> None:
    """Raises UsageError when the config cannot train on these data: an unknown network, one that images of this size
    are too small for, or a choice by validation without a validation part."""
    if validation is None and (config.keep == "best" or config.patience):
        raise UsageError(
            t("keep=best and patience choose by validation: hold images out first, as with validation=0.1.")
        )
    network = build(config.network, train.input_shape, len(train.classes), config.layers, config.code).eval()
    try:
        with torch.inference_mode():
            network(torch.zeros(1, *train.input_shape))
    except RuntimeError as error:
        _, height, width = train.input_shape
        raise UsageError(
            t(
                "The network {network} cannot take images of {height} x {width} pixels; larger ones, as with "
                "--image-size 28, fit.",
                network=config.network,
                height=height,
                width=width,
            )
        ) from error
    frozen.check(config, network)
    side = min(train.input_shape[1:])
    if config.erase and config.erase_side > side:
        raise UsageError(
            t(
                "{name} should be at most {side}, the images' side in pixels, or 0; got {value}.",
                name="erase_side",
                side=side,
                value=config.erase_side,
            )
        )


class Answers(NamedTuple):
    """What a network said in one step: the mean loss, logits (B, K), and the labels (B,) that they are counted against;
    on the device, so that no step waits for them."""

    loss: Tensor
    logits: Tensor
    labels: Tensor


class EpochRunner:
    """Runs the steps of one epoch, from wherever the state stands."""

    def __init__(self, config: TrainConfig, images: DeviceImages | DeviceCodes, store: CheckpointStore | None) -> None:
        self.config, self.images, self.store = config, images, store
        self.device = images.labels.device
        self.precision = resolve_precision(config.precision, self.device)
        self.bounds = batch_bounds(len(images), config.batch_size)
        self.augmentation = Augmentation(config, len(images))
        self.loss = nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)

    @property
    def steps(self) -> int:
        return len(self.bounds)

    def run(self, state: TrainState, hooks: Sequence[Callback]) -> None:
        """All steps that the epoch still has."""
        order = epoch_order(len(self.images), self.config.seed, state.epoch)
        answers: list[Answers] = []
        started, saved = time.perf_counter() - state.seconds, time.perf_counter()
        while state.step < self.steps:
            start, end = self.bounds[state.step]
            answers.append(self.step(state, order[start:end]))
            state.step += 1
            for hook in hooks:
                hook.on_step_end(state.epoch * self.steps + state.step)
            if len(answers) * answers[-1].logits.numel() > UNCOUNTED:
                _count(state, answers)
            if self.store and time.perf_counter() - saved > CHECKPOINT_SECONDS and state.step < self.steps:
                _count(state, answers)
                state.seconds = time.perf_counter() - started
                self.store.save(*state.snapshot(self.config.keep == "best"))
                saved = time.perf_counter()
        _count(state, answers)
        state.seconds = time.perf_counter() - started

    def step(self, state: TrainState, chosen: Tensor, rate: float | None = None, taken: int | None = None) -> Answers:
        """One step on the images at these positions (B,), and what the network said of them.

        The learning rate is the schedule's unless one is given; `taken`, how many steps the optimizer has had, is the
        state's unless it is given.
        """
        config = self.config
        seed = mix_seed("step", config.seed, state.epoch, state.step)
        # Seeding the accelerators too takes as long as a small network's step, so only where there is one.
        (torch.default_generator if self.device.type == "cpu" else torch).manual_seed(seed)
        place = chosen.to(self.device)
        pixels, targets = self.augmentation.of_training(
            self.images.take(place),
            self.images.labels.index_select(0, place),
            chosen,
            state.epoch,
        )
        if self.precision == "bf16":
            with torch.autocast(self.device.type, torch.bfloat16):
                logits = frozen.ask(state.model, pixels)  # (B, K)
        else:
            logits = frozen.ask(state.model, pixels)
        loss = targets.loss(self.loss, logits.float())
        at = state.epoch * self.steps + state.step
        rate = rate_at(config, at, config.epochs * self.steps) if rate is None else rate
        set_rate(config, state.optimizer, rate, at if taken is None else taken)
        for group in state.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None  # what zero_grad does, without its bookkeeping
        loss.backward()  # type: ignore[no-untyped-call]
        if config.clip_norm:
            nn.utils.clip_grad_norm_(state.model.parameters(), config.clip_norm)
        advance(state.optimizer)
        if state.averaged is not None:
            _average(state.averaged, state.model, config.ema)
        return Answers(loss.detach(), logits.detach(), targets.heavier)


def _count(state: TrainState, answers: list[Answers]) -> None:
    """Add the answers to the epoch's sums and forget them."""
    if not answers:
        return
    # One by one in double precision: the sum is the same wherever a checkpoint has cut it.
    for one, loss in zip(answers, torch.stack([one.loss for one in answers]).tolist(), strict=True):
        state.loss_sum += loss * len(one.labels)
        state.seen += len(one.labels)
    logits, labels = torch.cat([one.logits for one in answers]), torch.cat([one.labels for one in answers])
    state.hits += int((logits.argmax(1) == labels).sum())
    answers.clear()


@torch.no_grad()
def _average(averaged: Classifier, model: Classifier, decay: float) -> None:
    """averaged = decay * averaged + (1 - decay) * model, batch-norm's running figures included."""
    ours, theirs = averaged.state_dict(), model.state_dict()
    floats = [name for name, value in learned(averaged).items() if value.is_floating_point()]
    torch._foreach_lerp_([ours[name] for name in floats], [theirs[name] for name in floats], 1 - decay)


def _judge(
    config: TrainConfig, state: TrainState, held_out: DeviceImages | DeviceCodes | None, runner: EpochRunner
) -> EpochRecord:
    """The record of the epoch that has just ended, validation included."""
    started, steps = time.perf_counter(), runner.steps
    loss = accuracy = None
    if held_out is not None:
        loss, accuracy = _validate(state.kept, held_out, runner.augmentation, state.epoch)
    return EpochRecord(
        epoch=state.epoch + 1,
        train_loss=state.loss_sum / state.seen,
        train_accuracy=state.hits / state.seen,
        validation_loss=loss,
        validation_accuracy=accuracy,
        learning_rate=rate_at(config, (state.epoch + 1) * steps - 1, config.epochs * steps),
        epoch_seconds=state.seconds + time.perf_counter() - started,
        images_per_second=state.seen / state.seconds,
    )


def check_finite(config: TrainConfig, state: TrainState, record: EpochRecord) -> None:
    """Raises TrainingDiverged when the epoch's losses or the weights it left are infinite or not a number."""
    losses = [record.train_loss, record.validation_loss or 0.0]
    weights = (p for p in state.kept.state_dict().values() if p.is_floating_point())
    if not all(map(math.isfinite, losses)) or not all(bool(p.isfinite().all()) for p in weights):
        raise TrainingDiverged(
            t(
                "The loss became infinite or not a number in epoch {epoch}; a smaller learning rate than {rate} "
                "(--learning-rate) helps.",
                epoch=record.epoch,
                rate=config.learning_rate,
            )
        )


def _validate(
    model: Classifier, held_out: DeviceImages | DeviceCodes, augmentation: Augmentation | None = None, epoch: int = 0
) -> tuple[float, float]:
    """Mean loss in nats, without label smoothing, and accuracy; in fp32. With an augmentation, of what it makes of the
    images in this epoch."""
    was_training = model.training
    model.eval()
    loss, hits = 0.0, 0
    with torch.inference_mode():
        for chunk, part in enumerate(in_chunks(len(held_out), chunk_size(model.peak, model.mean.device.type))):
            pixels = held_out.take(part)
            if augmentation is not None:
                pixels = augmentation.of_validation(pixels, epoch, chunk)
            logits = frozen.ask(model, pixels)  # (B, K)
            loss += float(nn.functional.cross_entropy(logits, held_out.labels[part], reduction="sum"))
            hits += int((logits.argmax(1) == held_out.labels[part]).sum())
    model.train(was_training)
    return loss / len(held_out), hits / len(held_out)


def estimate_seconds(config: TrainConfig, train: Dataset, validation: Dataset | None = None) -> float:
    """How long all epochs will take, from a few steps on a copy that is thrown away; validation is not counted.

    Of a network with a frozen base also how long the codes take that are still to be computed, of validation too.
    Raises what `fit` does before its first step.
    """
    device = set_up(config)
    few = train.take(list(range(min(len(train), config.batch_size))))
    state = begin(config, few, device)
    parts = [train.images] if validation is None else [train.images, validation.images]
    encoding = codes.estimate_seconds(state.model, parts) if state.model.base is not None else 0.0
    runner = EpochRunner(config, frozen.rehearsal(state.model, few, device), None)
    positions = torch.arange(len(few))
    with threads_for(state.model.peak * config.batch_size):
        runner.step(state, positions)  # the first step pays for memory and kernels
        started = time.perf_counter()
        for _ in range(ESTIMATE_STEPS):
            answers = runner.step(state, positions)
        float(answers.loss)  # waits for the device
    per_image = (time.perf_counter() - started) / ESTIMATE_STEPS / len(few)
    return encoding + per_image * len(train) * config.epochs
