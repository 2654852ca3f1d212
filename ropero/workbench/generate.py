"""The verb `generate --train`: a config and images in, a trained generator's folder out; goes on where an equal one was
interrupted. What a trained one makes is in `sampling.py`.

Knows nothing of the command line; what it has to say goes through hooks and the returned `GeneratorTraining`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from filelock import Timeout

from ropero import runtime
from ropero.data.dataset import Dataset, Splits
from ropero.data.note import DataNote
from ropero.data.splits import parts as cut_parts
from ropero.errors import MissingExtra, RoperoError, RunError, UsageError
from ropero.generation.config import GeneratorConfig
from ropero.generation.estimate import estimate_seconds
from ropero.generation.learner import Learner
from ropero.generation.loop import GeneratorEpoch, Hook, fit
from ropero.generation.stored import MAX_SIDE
from ropero.generators import GeneratorRun, GeneratorStore
from ropero.shelf import TRAINED
from ropero.storage import sweep
from ropero.texts import t
from ropero.training.callbacks import spared
from ropero.workbench import growth
from ropero.workbench.train import TEST_SEED, resolved

ROOMS = ("data", "generation", "models", "training")  # whose code decides what a training gives


@dataclass(frozen=True)
class GeneratorTraining:
    """What `train_generator` did: the run, whether it was new, gone on with, or there already, and what could not be
    drawn, as sentences."""

    run: GeneratorRun
    how: str  # "new", "resumed" or "already trained"
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class GeneratorPlan:
    """What is about to be trained, said before the first step."""

    run: GeneratorRun
    config: GeneratorConfig
    train: Dataset
    resumed: bool
    estimate_seconds: float


def train_generator(
    splits: Splits,
    config: GeneratorConfig,
    store: GeneratorStore,
    *,
    again: bool = False,
    hooks: Sequence[Hook] = (),
    announce: Callable[[GeneratorPlan], None] | None = None,
) -> GeneratorTraining:
    """Train as the config says, in a folder of the store.

    An equal run (config, data, ropero's own code, torch) that was interrupted is gone on with; one that is trained is
    returned as it is, since training it again would give the same weights.

    Args:
        splits: of which the training part alone is looked at.
        again: train anew even when an equal run is there.
        hooks: what is told of the progress.
        announce: is told the plan, with the time it will take, before the first step.

    Raises:
        UsageError, DataError, TrainingDiverged: what the config and the data do not allow.
    """
    config = resolved(config)
    part = learned_from(config, splits)
    note, environment = DataNote.of(splits), _environment(config)
    found = None if again else _equal_run(store, config, note, environment)
    if found and found.status == TRAINED:
        found.checkpoints.clear()  # left there by a training that was killed at its very end
        return GeneratorTraining(found, "already trained")
    run = found or store.create(config, note, environment)
    try:
        with run.lock():
            # Another process may have finished or deleted the run between our look and our lock.
            if not (run.folder / "run.json").exists():
                run, found = store.create(config, note, environment), None
            elif run.status == TRAINED:
                return GeneratorTraining(run, "already trained")
            if announce:
                seconds = (1 - _share_done(run, config, len(part))) * estimate_seconds(config, part)
                announce(GeneratorPlan(run, config, part, found is not None, seconds))
            missing = _fit(run, config, part, hooks)
    except Timeout:
        # Another process took this run between our look and our lock; it is theirs, we make our own.
        return train_generator(splits, config, store, again=True, hooks=hooks, announce=announce)
    return GeneratorTraining(run, "resumed" if found else "new", missing)


def learned_from(config: GeneratorConfig, splits: Splits) -> Dataset:
    """The images that a training with this config learns from: those that a classifier with as many would.

    Raises UsageError for pictures that are too large.
    """
    if max(splits.train.input_shape) > MAX_SIDE:
        _, height, width = splits.train.input_shape
        raise UsageError(
            t("A generator makes pictures of at most {limit} pixels a side, these are {width} x {height}; --image-size "
              "64 makes them smaller.", limit=MAX_SIDE, width=width, height=height)
        )  # fmt: skip
    if not config.images:
        return splits.train
    return cut_parts(splits.train, {"train": config.images}, seed=TEST_SEED)["train"]


def _environment(config: GeneratorConfig) -> dict[str, Any]:
    here = runtime.environment(runtime.resolve_device(config.device))
    return {**here, "code_sha256": runtime.code_digest(ROOMS)}


def _equal_run(
    store: GeneratorStore, config: GeneratorConfig, note: DataNote, here: dict[str, Any]
) -> GeneratorRun | None:
    """The newest run of the same config, data and code that is trained, or interrupted and free to go on with."""
    for run in reversed(store.runs()):
        try:
            there = run.environment
            same = run.config == config and (run.data.digests, run.data.classes) == (note.digests, note.classes)
            same = same and all(there.get(name) == here.get(name) for name in ("code_sha256", "torch"))
            if same and (run.status == TRAINED or run.is_free()):
                return run
        except RoperoError:
            continue  # a broken or foreign run is no reason not to train
    return None


def _share_done(run: GeneratorRun, config: GeneratorConfig, images: int) -> float:
    """How much of a training its checkpoint holds, 0 to 1."""
    notes = run.checkpoints.notes()
    return (notes["epoch"] + notes["seen"] / images) / config.epochs if notes else 0.0


def _fit(run: GeneratorRun, config: GeneratorConfig, part: Dataset, hooks: Sequence[Hook]) -> tuple[str, ...]:
    """Train, keep what has learned and draw it; sentences for what could not be drawn."""
    sweep(run.folder / "*")
    mine = [HistoryLog(run), growth.Watched(run)]
    made, history = fit(config, part, hooks=[*mine, *hooks], store=run.checkpoints)
    run.save_history(history)  # the log may have failed, which this may not
    card = run.save(made)
    garment = growth.random_garment(run, made)
    missing = draw(run)
    run.note(
        status=TRAINED,
        train_seconds=sum(one.epoch_seconds for one in history),
        epochs=len(history),
        images=len(part),
        train_digest=part.digest,
        weights_sha256=card.weights_sha256,
        garment=garment,
    )
    run.checkpoints.clear()
    return missing


def draw(run: GeneratorRun) -> tuple[str, ...]:
    """The losses as a figure and how the four garments grew as GIF, MP4 and WebM; sentences for what needs an optional
    part that is not installed."""
    missing = []
    for one in (growth.losses_figure, growth.animation, growth.video):
        try:
            one(run)
        except MissingExtra as error:
            missing.append(str(error))
    return tuple(dict.fromkeys(missing))


class HistoryLog(Hook):
    """Keeps history.jsonl equal to the history, whole after every epoch, however often the training is interrupted."""

    def __init__(self, run: GeneratorRun) -> None:
        self._run = run
        self._records: list[GeneratorEpoch] = []
        with suppress(RunError):  # the training has its own; a damaged file is no reason not to go on
            self._records = run.history

    def on_epoch_end(self, record: GeneratorEpoch, learner: Learner) -> None:
        before = [one for one in self._records if one.epoch < record.epoch]
        self._records = [*before, record] if record.epoch else []
        with spared(self._run.history_path):
            self._run.save_history(self._records)
