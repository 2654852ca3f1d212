"""The verb `tune`: a config and data in, the settings that validation likes best out; goes on where it stopped.

    <runs>/tune/<name>/
      study.json     what the search is: config, space, data, environment
      study.db       its trials (study.py)
      best.json      the best settings, as a config and as a command

The name ends in a digest of everything that decides the search, so the same command finds it again and a changed one
makes its own. The test part is not looked at. Knows nothing of the command line; what it has to say goes through
`Watch` and the returned `Tuning`.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ropero import runtime
from ropero.data.dataset import Splits
from ropero.data.note import DataNote
from ropero.errors import RunError, TrainingDiverged, UsageError
from ropero.models.codes import Encoding
from ropero.runs import RunStore
from ropero.storage import read_json, sha256_file, write_json
from ropero.texts import t
from ropero.training import search as searching
from ropero.training.callbacks import Callback
from ropero.training.checkpoints import CheckpointStore
from ropero.training.commands import command
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord, History
from ropero.training.loop import check, estimate_seconds, fit
from ropero.training.search import Space
from ropero.workbench.study import Running, State, Study, Trial, require_optuna
from ropero.workbench.train import base_weights, cut, resolved
from ropero.workbench.tuning import Ended, Plan, Tuning, Watch, best_of

TRIALS = 20
HELD_OUT, HELD_OUT_SHARE = 10_000, 6  # at most so many validation images, at most one in so many
FORMAT = 1
MOST_EPOCHS = 100_000  # that a config takes
NO_WATCH = Watch()


def tune(
    splits: Splits,
    config: TrainConfig,
    store: RunStore,
    *,
    search: Sequence[str] = (),
    given: Collection[str] = (),
    trials: int = TRIALS,
    minutes: float = 0.0,
    prune: bool = True,
    words: Sequence[str] = (),
    named: str = "",
    watch: Watch = NO_WATCH,
) -> Tuning:
    """Search for better settings than the config's, by validation accuracy.

    The first trial is the config itself. A search of the same config, space and data goes on where it stopped, with
    the trial that was interrupted; with more trials or minutes, it goes on further.

    Args:
        search: what to try, as `ropero.training.search.space` reads it.
        given: settings that the user has fixed; they are not searched unless asked.
        trials: how many there are in all.
        minutes: of training for the whole search, earlier calls counted; 0 for no limit.
        prune: end a trial after half of its epochs when half of the others were better by then.
        words: end the command that is told.
        named: what the user calls the network, for that command.
        watch: is told of the progress.

    Raises:
        MissingExtra: Optuna is not installed.
        UsageError: what the config, the space and the data do not allow.
        RunError: another process is at the same search, its files are damaged, or no trial came to its end.
    """
    require_optuna()
    if trials < 1 or minutes < 0:
        raise UsageError(t("A search needs at least one trial, and minutes that are not negative."))
    asked, auto = with_validation(config, splits)
    config = resolved(asked)
    parts = cut(config, splits)
    weights = base_weights(config)
    # A frozen base sees each image once, as it is.
    fixed = {*given, "erase"} if weights else given
    space = searching.space(config, search, fixed, min(parts.train.input_shape[1:]))
    check(config.replace(**searching.extremes(space)), parts.train, parts.validation)
    first, as_is = searching.start(space, config)
    identity = _identity(config, space, splits, prune, weights)
    folder = store.folder / "tune" / f"{_slug(config.network)}-{_digest(identity)}"
    plan = Plan(
        folder=folder,
        config=config,
        space=space,
        parts=parts,
        trials=trials,
        minutes=minutes,
        auto_validation=auto,
        starts_as_is=as_is,
        older=None if folder.exists() else _older(folder.parent, identity),
    )
    warm = math.ceil(config.epochs / 2) if prune else 0
    with _alone(folder, identity), Study(folder, space, first, seed=config.seed, warm_epochs=warm) as study:
        ended = _search(study, plan, watch)
        found, importance = study.trials(), study.importance()
    final = _final(asked, auto).replace(**best_of(found).settings)
    told = command(final, splits.source, splits.image_size, words, named=named)
    done = Tuning(plan=plan, trials=found, importance=importance, ended=ended, command=told)
    write_json(
        folder / "best.json",
        {**done.best.to_json(), "command": done.command, "config": done.best_config.to_json()},
    )
    return done


@contextmanager
def _alone(folder: Path, identity: dict[str, Any]) -> Iterator[None]:
    """Holds the search, its study.json written. Raises RunError when another process has it, or it is another one."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(t("{run} is in use by another process.", run=folder.name)) from error
    try:
        _remember(folder, identity)
        yield
    finally:
        lock.release()


def with_validation(config: TrainConfig, splits: Splits) -> tuple[TrainConfig, bool]:
    """The config with images held out to judge by, and whether they had to be: 10,000, or a sixth of fewer."""
    if config.validation or splits.validation is not None:
        return config, False
    n = len(cut(config, splits).train)
    return config.replace(validation=max(1, min(HELD_OUT, n // HELD_OUT_SHARE))), True


def _final(config: TrainConfig, auto: bool) -> TrainConfig:
    """How to train with what was found: on the images that were held out unasked too, unless the config chooses by
    them."""
    return config.replace(validation=0.0) if auto and config.keep == "last" and not config.patience else config


def _identity(config: TrainConfig, space: Space, splits: Splits, prune: bool, weights: Path | None) -> dict[str, Any]:
    """Everything that decides which trials there are and what they give."""
    here = runtime.environment(runtime.resolve_device(config.device))
    if weights:
        here["pretrained_sha256"] = sha256_file(weights)
    found = {
        "format": FORMAT,
        "config": config.to_json(),
        "space": {name: asdict(axis) for name, axis in space.items()},
        "prune": prune,
        "data": asdict(DataNote.of(splits)),
        "environment": here,
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def _older(folder: Path, identity: dict[str, Any]) -> str | None:
    """A search of the same config, space and data that other code, or another torch, made."""
    for path in sorted(folder.glob("*/study.json")):
        with suppress(RunError, KeyError, TypeError):
            if _digest(read_json(path), by_code=False) == _digest(identity, by_code=False):
                return path.parent.name
    return None


def _digest(identity: dict[str, Any], *, by_code: bool = True) -> str:
    data, here = identity["data"], identity["environment"]
    # Of pretrained weights the content counts, not where the file lies.
    deciding = [identity["format"], {**identity["config"], "weights": ""}, identity["space"], identity["prune"]]
    deciding += [data["digests"], data["classes"], here.get("pretrained_sha256")]
    deciding += [here["code_sha256"], here["torch"]] if by_code else []
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:8]


def _slug(network: str) -> str:
    return "".join(one if one.isalnum() else "-" for one in network.lower()).strip("-")[:40] or "network"


def _remember(folder: Path, identity: dict[str, Any]) -> None:
    """Write study.json. Raises RunError when the folder holds another search, or one of a newer ropero."""
    path = folder / "study.json"
    if not path.exists():
        return write_json(path, identity)
    try:
        same = _digest(read_json(path)) == _digest(identity)
    except (KeyError, TypeError) as error:
        raise RunError(t("{path} is damaged: {reason}", path=path, reason=error)) from error
    if not same:
        raise RunError(t("{path} is damaged: {reason}", path=path, reason=t("it is of another search")))
    return None


def _search(study: Study, plan: Plan, watch: Watch) -> Ended:
    """Train trials until there are enough; why it ended."""
    over = study.trials()
    guess = 0.0
    if len(over) < plan.trials and _left(plan, over) > 0:
        # As one long training: a frozen base computes its features once for all trials.
        epochs = min(MOST_EPOCHS, plan.config.epochs * (plan.trials - len(over)))
        whole = estimate_seconds(plan.config.replace(epochs=epochs), plan.parts.train, plan.parts.validation)
        guess = min(whole, _left(plan, over))
    watch.on_search_begin(plan, over, guess)
    try:
        while len(over) < plan.trials:
            if _left(plan, over) <= 0:
                return "time"
            running = study.begin()
            if running is None:
                break
            note = _one(running, plan, _left(plan, over), watch)
            if note is None:
                return "time"
            running.end(note)
            watch.on_trial_end(note)
            over = study.trials()
    finally:
        watch.on_search_end()
    shutil.rmtree(study.folder / "trials", ignore_errors=True)
    return "all trials" if len(over) >= plan.trials else "all combinations"


def _left(plan: Plan, over: Sequence[Trial]) -> float:
    """The seconds that trials may still train."""
    return 60 * plan.minutes - sum(one.seconds for one in over) if plan.minutes else math.inf


def _one(running: Running, plan: Plan, seconds: float, watch: Watch) -> Trial | None:
    """Train one trial; None when its time is over before it is: it will go on from its checkpoint."""
    config, parts = plan.config.replace(**running.settings), plan.parts
    judge = _Judge(running, config, seconds, watch)
    state: State = "done"
    try:
        fit(config, parts.train, parts.validation, callbacks=[judge], store=CheckpointStore(running.folder))
    except TrainingDiverged:
        state = "diverged"
    if judge.out_of_time:
        return None
    history = judge.history
    over = Trial(
        number=running.number,
        settings=running.settings,
        state="pruned" if judge.pruned else state,
        seconds=history.train_seconds,
        curve=tuple(record.validation_accuracy or 0.0 for record in history),
    )
    if over.state != "done":
        return over
    kept = history.kept(config.keep)
    assert kept is not None
    return replace(over, accuracy=kept.validation_accuracy, loss=kept.validation_loss, epoch=kept.epoch)


class _Judge(Callback):
    """Reports each epoch of a trial, and ends it when the others are better or the time is over."""

    def __init__(self, running: Running, config: TrainConfig, seconds: float, watch: Watch) -> None:
        self._running, self._config, self._seconds, self._watch = running, config, seconds, watch
        self.history = History()
        self.pruned = self.out_of_time = False

    def on_encode(self, encoding: Encoding) -> None:
        self._watch.on_encode(encoding)

    def on_train_begin(self, config: TrainConfig, steps_per_epoch: int, done_steps: int, history: History) -> bool:
        trial = Trial(number=self._running.number, settings=self._running.settings)
        self._watch.on_trial_begin(trial, config.epochs * steps_per_epoch, done_steps)
        # A trial that goes on is asked about all its epochs again: killed in between, it may have been pruned.
        return any([self.on_epoch_end(record) for record in history])  # noqa: C419

    def on_step_end(self, step: int) -> None:
        self._watch.on_step_end(step)

    def on_epoch_end(self, record: EpochRecord) -> bool:
        self.history.records.append(record)
        self._watch.on_epoch_end(record)
        worse = self._running.report(record.epoch, record.validation_accuracy or 0.0)
        if record.epoch >= self._config.epochs:
            return False
        self.pruned = self.pruned or worse
        self.out_of_time = not self.pruned and self.history.train_seconds >= self._seconds
        return self.pruned or self.out_of_time
