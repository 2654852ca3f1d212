"""The verb `train`: a config and data in, a trained run folder out; goes on where an equal run was interrupted.

Knows nothing of the command line; what it has to say goes through callbacks and the returned `Training`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from filelock import Timeout

from ropero import runtime
from ropero.data.changes import DROP, RELABEL, Changes
from ropero.data.dataset import Dataset, Splits
from ropero.data.note import DataNote
from ropero.data.raw import Progress
from ropero.data.splits import parts as cut_parts
from ropero.data.splits import split
from ropero.errors import RoperoError, UsageError
from ropero.generation.config import GeneratorConfig
from ropero.models import checkpoint, pretrained
from ropero.models.zoo import PRETRAINED
from ropero.runs import TRAINED, Run, RunStore
from ropero.storage import sha256_file, sweep, write_text
from ropero.texts import t
from ropero.training.callbacks import Callback, CsvLog, JsonLinesLog, ModelCheckpoint, Which, csv_rows, json_lines
from ropero.training.config import TrainConfig
from ropero.training.loop import check, estimate_seconds, fit
from ropero.training.tensorboard import TensorBoard
from ropero.workbench.judge import judge

C = TypeVar("C", TrainConfig, GeneratorConfig)

# The test part that is held out does not depend on a run's seed: no run may learn from another's test images.
TEST_SEED = 0


@dataclass(frozen=True)
class Training:
    """What `train` did: the run, and whether it was new, gone on with, or there already."""

    run: Run
    how: str  # "new", "resumed" or "already trained"


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What a training writes into its run's folder on request; none of it changes the result.

    Attributes:
        save_weights: weights/best.safetensors by validation, weights/last.safetensors, or a file for every epoch or
            every n-th.
        csv: history.csv, a row an epoch.
        tensorboard: tensorboard/, events for TensorBoard.
    """

    save_weights: Which | int | None = None
    csv: bool = False
    tensorboard: bool = False

    def callbacks(self, folder: Path, validation: Dataset | None) -> list[Callback]:
        """The hooks that write them below a run's folder.

        Raises:
            UsageError: weights that no rule is known for, or the best ones without a validation part.
            MissingExtra: TensorBoard is not installed.
        """
        hooks: list[Callback] = []
        if self.save_weights is not None:
            weights = ModelCheckpoint(folder / "weights", self.save_weights)
            weights.check(validation)
            hooks.append(weights)
        if self.csv:
            hooks.append(CsvLog(folder / "history.csv"))
        if self.tensorboard:
            hooks.append(TensorBoard(folder / "tensorboard"))
        return hooks


@dataclass(frozen=True)
class Plan:
    """What is about to be trained, said before the first step."""

    run: Run
    config: TrainConfig
    parts: Splits
    resumed: bool
    estimate_seconds: float


def train(
    splits: Splits,
    config: TrainConfig,
    store: RunStore,
    *,
    again: bool = False,
    callbacks: Sequence[Callback] = (),
    outputs: Outputs = Outputs(),
    announce: Callable[[Plan], None] | None = None,
    changes: Changes | None = None,
) -> Training:
    """Train as the config says, in a run folder of the store.

    An equal run (config, data, pretrained weights, ropero's own code, torch) that was interrupted is gone on with; one
    that is trained is returned as it is, since training it again would give the same weights.

    Args:
        again: train anew even when an equal run is there.
        callbacks: what is told of the progress.
        outputs: what else is written into the run's folder. Of a run that is trained already, that is history.csv.
        announce: is told the plan, with the time it will take, before the first step.
        changes: what a person decided about these splits, which come as they are in the source; the run keeps the
            list. Parts are cut first, so that the same images are held out with a list and without.

    Raises:
        UsageError, DataError, TrainingDiverged: what the config and the data do not allow.
        MissingExtra: an output that needs an optional part.
    """
    config = resolved(config)
    note, environment = DataNote.of(splits), runtime.environment(runtime.resolve_device(config.device))
    weights = base_weights(config)
    if weights:
        environment["pretrained_sha256"] = sha256_file(weights)
    changes = changes or Changes()
    found = None if again else _equal_run(store, config, note, environment, changes)
    if found and found.status == TRAINED:
        return _already(found, outputs)
    parts = cut(config, splits, changes)
    check(config, parts.train, parts.validation)
    outputs.callbacks(Path(), parts.validation)  # what they cannot do is better said before there is a run
    run = found or store.create(config, note, environment)
    try:
        with run.lock():
            # Another process may have finished or deleted the run between our look and our lock.
            if not (run.folder / "run.json").exists():
                run, found = store.create(config, note, environment), None
            elif run.status == TRAINED:
                return _already(run, outputs)
            if changes:
                write_text(run.folder / "changes.jsonl", changes.to_lines())
            if announce:
                left = 1 - _share_done(run, config, len(parts.train))
                seconds = estimate_seconds(config, parts.train, parts.validation)
                announce(Plan(run, config, parts, found is not None, left * seconds))
            decided = _changed(changes, config, splits)
            _fit(run, config, parts, decided, [*outputs.callbacks(run.folder, parts.validation), *callbacks])
    except Timeout:
        # Another process took this run between our look and our lock; it is theirs, we make our own.
        return train(
            splits, config, store, again=True, callbacks=callbacks, outputs=outputs, announce=announce, changes=changes
        )
    return Training(run, "resumed" if found else "new")


def _already(run: Run, outputs: Outputs) -> Training:
    run.checkpoints.clear()  # left there by a training that was killed at its very end
    if outputs.csv:
        write_text(run.folder / "history.csv", csv_rows(run.history))
    return Training(run, "already trained")


def resolved(config: C) -> C:
    """The config with the device and precision that `auto` means on this machine."""
    device = runtime.resolve_device(config.device)
    return config.replace(device=device.type, precision=runtime.resolve_precision(config.precision, device))


def base_weights(config: TrainConfig, progress: Progress | None = None) -> Path | None:
    """The file of pretrained weights that the config's network begins with, fetched if need be; None for others.

    Raises:
        DataNotFound: there is no such file, or it could not be fetched.
    """
    depth = None if config.layers or config.code else PRETRAINED.get(config.network)
    return pretrained.find(depth, config.weights, progress) if depth else None


def cut(config: TrainConfig, splits: Splits, changes: Changes | None = None) -> Splits:
    """The parts as this run uses them: what the config holds out of train, else what the source brings; changed then.

    Raises UsageError when a part is to be held out of data that bring their own, DataError for changes of other data.
    """
    parts = _cut(config, splits)
    if not changes:
        return parts
    changes.apply(splits)  # whether they belong to these data is said of the whole source
    done = {name: changes.applied(part, _origins(config)[name]) for name, part in parts.parts().items()}
    return replace(parts, train=done["train"], validation=done.get("validation"), test=done.get("test"))


def _cut(config: TrainConfig, splits: Splits) -> Splits:
    train, test = splits.train, splits.test
    if config.test:
        if test is not None:
            raise UsageError(
                t("{data} brings its own test part of {n} images; leave --test away.", data=splits.name, n=len(test))
            )
        train, held = split(train, _size(config.test), seed=TEST_SEED, stratified=config.stratified)
        test = held.take(range(len(held)), "test")
    if config.images:
        # Drawn by the same seed for every run: what is compared on few images is compared on the same ones.
        train = cut_parts(train, {"train": config.images}, seed=TEST_SEED, stratified=config.stratified)["train"]
    validation = splits.validation
    if config.validation and validation is not None:
        raise UsageError(
            t(
                "{data} brings its own validation part of {n} images; leave --validation away.",
                data=splits.name,
                n=len(validation),
            )
        )
    if config.validation:
        train, validation = split(train, _size(config.validation), seed=config.seed, stratified=config.stratified)
    return replace(splits, train=train, validation=validation, test=test)


def _origins(config: TrainConfig) -> dict[str, str]:
    """By part of a run, the part of the source that its images come from."""
    held = {"validation": config.validation, "test": config.test}
    return {"train": "train", **{name: "train" if share else name for name, share in held.items()}}


def _changed(changes: Changes, config: TrainConfig, splits: Splits) -> dict[str, dict[str, int]]:
    """By part of a run, on how many of its images a list decided what."""
    found: dict[str, dict[str, int]] = {}
    for name, part in _cut(config, splits).parts().items():
        rows = set(part.rows.tolist())
        mine = [one.action for one in changes if one.part == _origins(config)[name] and one.row in rows]
        counts = {action: mine.count(action) for action in (RELABEL, DROP) if action in mine}
        found |= {name: counts} if counts else {}
    return found


def _size(value: float) -> float | int:
    return value if value < 1 else int(value)


def _equal_run(
    store: RunStore, config: TrainConfig, note: DataNote, here: dict[str, Any], changes: Changes
) -> Run | None:
    """The newest run of the same config, data, changes and code that is trained, or interrupted and free to go on with.

    Of pretrained weights the content counts, not where the file lies.
    """
    for run in reversed(store.runs()):
        try:
            there = run.environment
            # What was imported has no config of its own: the defaults stand there.
            same = run.origin is None and run.config.replace(weights="") == config.replace(weights="")
            same = same and (run.data.digests, run.data.classes) == (note.digests, note.classes)
            same = same and run.changes.to_lines() == changes.to_lines()
            equal = ("code_sha256", "torch", "pretrained_sha256")
            same = same and all(there.get(name) == here.get(name) for name in equal)
            if same and (run.status == TRAINED or run.is_free()):
                return run
        except RoperoError:
            continue  # a broken or foreign run is no reason not to train
    return None


def _share_done(run: Run, config: TrainConfig, images: int) -> float:
    """How much of a training its checkpoint holds, 0 to 1."""
    notes = run.checkpoints.notes()
    return (notes["epoch"] + notes["seen"] / images) / config.epochs if notes else 0.0


def _fit(
    run: Run, config: TrainConfig, parts: Splits, changed: dict[str, dict[str, int]], callbacks: Sequence[Callback]
) -> None:
    sweep(run.folder / "*")
    writer = JsonLinesLog(run.folder / "history.jsonl")
    model, history = fit(config, parts.train, parts.validation, callbacks=[writer, *callbacks], store=run.checkpoints)
    write_text(run.folder / "history.jsonl", json_lines(history))  # the log may have failed, which this may not
    # Before the run counts as trained: killed in between, it is made again.
    run.save_judge(judge(model, parts))
    card = checkpoint.save(model, config.network, parts.classes, run.folder, config.layers, config.code)
    run.note(
        status=TRAINED,
        train_seconds=history.train_seconds,
        images={name: len(part) for name, part in parts.parts().items()},
        digests={name: part.digest for name, part in parts.parts().items()},
        changed=changed,
        weights_sha256=card.weights_sha256,
    )
    run.checkpoints.clear()
