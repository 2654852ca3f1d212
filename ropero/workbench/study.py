"""`Study`: the trials of one search in a SQLite file, by Optuna; what to try next, what came out, what goes on.

    study.db         every trial, written as it happens; `optuna-dashboard sqlite:///study.db` reads it too
    trials/<n>/      the checkpoint of a trial that is not done

A trial is a number from 1, whatever Optuna counts: one that was interrupted goes on as the same trial.
Knows nothing of how a trial is trained.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import statistics
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from ropero.errors import MissingExtra, RunError
from ropero.runtime import mix_seed
from ropero.storage import atomic_path
from ropero.texts import mark, t
from ropero.training.search import Settings, Space, is_number, is_whole, tidy
from ropero.training.space import Axis, Choices, Range

if TYPE_CHECKING:
    import optuna

State = Literal["running", "done", "pruned", "diverged"]
STATES = {
    "running": mark("running"),
    "done": mark("done"),
    "pruned": mark("pruned"),
    "diverged": mark("diverged"),
}
RANDOM_TRIALS = 6  # of which the first is the start; then TPE proposes
JUDGED_TRIALS = 5  # so many are trained to the end before any is pruned
IMPORTANCE_TRIALS = 15  # below this, importances are noise (docs/lab-notes.md)
LOW_SPREADS = 4.0  # further below the best than so many times the median is, a trial is simply bad
DRAWS = 1000
_NAME = "ropero"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial as it stands: what was tried and what it gave.

    Attributes:
        number: from 1, in the order of their beginnings.
        accuracy: by validation, of the weights that the config keeps; None unless the trial is done.
        loss: of the same weights, in nats.
        epoch: the epoch of these weights.
        curve: validation accuracy after each epoch.
    """

    number: int
    settings: Settings
    state: State = "running"
    accuracy: float | None = None
    loss: float | None = None
    epoch: int | None = None
    seconds: float = 0.0
    curve: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Trial:
        return cls(**{**values, "curve": tuple(values["curve"])})

    @property
    def rank(self) -> tuple[float, float, int]:
        """Smallest is best: by accuracy, ties by loss, then the earlier."""
        return (-(self.accuracy or 0.0), self.loss or 0.0, self.number)


class Study:
    """The trials in a folder; use it in a `with` block.

    Args:
        folder: where study.db is or will be.
        space: what is tried.
        first: the settings of the first trial.
        seed: of what is proposed. A trial's proposal depends on the seed and the trials before it alone, so a search
            that was interrupted goes on as it would have gone.
        warm_epochs: no trial is pruned before so many epochs; 0 prunes none.

    Raises:
        MissingExtra: Optuna is not installed.
        RunError: study.db is damaged.
    """

    def __init__(self, folder: Path, space: Space, first: Settings, *, seed: int, warm_epochs: int) -> None:
        require_optuna()
        self.folder, self._space, self._seed = folder, space, seed
        self._distributions = {name: _distribution(name, axis) for name, axis in space.items()}
        with _quiet():
            self._open(first, warm_epochs)

    def _open(self, first: Settings, warm_epochs: int) -> None:
        import optuna

        path = self.folder / "study.db"
        if not path.exists():
            with atomic_path(path) as temporary, closing_storage(temporary) as storage:
                optuna.create_study(storage=storage, study_name=_NAME, direction="maximize")
        _check(path)
        self._storage = optuna.storages.RDBStorage(_url(path))
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if warm_epochs:
            pruner = optuna.pruners.MedianPruner(JUDGED_TRIALS, warm_epochs)
        self._study = optuna.load_study(study_name=_NAME, storage=self._storage, pruner=pruner)
        self._requeue()
        if not self._alive():
            self._enqueue(first, 1)

    def __enter__(self) -> Study:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _close(self._storage)

    def _alive(self) -> list[optuna.trial.FrozenTrial]:
        """All trials but those that failed: they were interrupted, and another one goes on for them, or begun twice."""
        return [one for one in self._study.get_trials(deepcopy=False) if one.state.name != "FAIL"]

    def _requeue(self) -> None:
        """What was running when a process died is tried again, under its number, from its checkpoint."""
        import optuna

        alive = self._alive()
        waiting = {one.user_attrs.get("number") for one in alive if one.state.name == "WAITING"}
        for one in alive:
            if one.state.name != "RUNNING":
                continue
            number = one.user_attrs.get("number")
            if number is not None and number not in waiting and "settings" in one.user_attrs:
                self._enqueue(one.user_attrs["settings"], number)
            self._study.tell(one.number, state=optuna.trial.TrialState.FAIL)

    def _enqueue(self, settings: Settings, number: int) -> None:
        parameters = {name: _parameter(name, axis, settings[name]) for name, axis in self._space.items()}
        self._study.enqueue_trial(parameters, user_attrs={"number": number, "settings": settings})

    def trials(self) -> list[Trial]:
        """Those that are over, by number."""
        notes = [one.user_attrs["note"] for one in self._alive() if one.state.name in ("COMPLETE", "PRUNED")]
        return sorted(map(Trial.from_json, notes), key=lambda one: one.number)

    def begin(self) -> Running | None:
        """The next trial: one that was interrupted, or what TPE proposes. None when everything has been tried."""
        import optuna

        with _quiet():
            over = self.trials()
            number = 1 + max([one.number for one in over], default=0)
            self._study.sampler = optuna.samplers.TPESampler(
                seed=mix_seed("tune", self._seed, number) % 2**32, n_startup_trials=RANDOM_TRIALS
            )
            asked = self._study.ask(self._distributions)
            if "settings" not in asked.user_attrs:
                settings: Settings | None = {
                    name: _setting(name, axis, asked.params[name]) for name, axis in self._space.items()
                }
                tried = [one.settings for one in over]
                if settings in tried:
                    self._study.tell(asked, state=optuna.trial.TrialState.FAIL)
                    settings = self._untried(tried, number)
                    if settings is None:
                        return None
                    self._enqueue(settings, number)
                    asked = self._study.ask(self._distributions)
                asked.set_user_attr("settings", settings)
                asked.set_user_attr("number", number)
            return Running(self._study, asked, self.folder / "trials")

    def _untried(self, tried: Sequence[Settings], number: int) -> Settings | None:
        """Settings by chance that no trial had; None when there seem to be none left."""
        rng = random.Random(mix_seed("untried", self._seed, number))
        for _ in range(DRAWS):
            settings = {name: _random(name, axis, rng) for name, axis in self._space.items()}
            if settings not in tried:
                return settings
        return None

    def importance(self) -> dict[str, float] | None:
        """How much of the differences in accuracy each setting accounts for, as shares of 1, largest first (fANOVA);
        None when the trials are too few or too much alike to tell.

        Trials far below the others count as little below them, or they alone would decide.
        """
        import optuna

        over = [one for one in self._alive() if one.state.name in ("COMPLETE", "PRUNED")]
        notes = [Trial.from_json(one.user_attrs["note"]) for one in over]
        done = [note.accuracy for note in notes if note.accuracy is not None]
        if len(over) < IMPORTANCE_TRIALS or not done or len(self._space) < 2:
            return None
        low = lowest_shown(done)
        values = [max(low, note.accuracy or (note.curve or (0.0,))[-1]) for note in notes]
        if len(set(values)) < 2:
            return None  # all alike: there are no differences to account for
        with _quiet():
            study = optuna.create_study(direction="maximize")
            for one, value in zip(over, values, strict=True):
                study.add_trial(
                    optuna.trial.create_trial(params=one.params, distributions=one.distributions, value=value)
                )
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self._seed)
            found = optuna.importance.get_param_importances(study, evaluator=evaluator)
        return dict(sorted(found.items(), key=lambda item: -item[1]))


class Running:
    """A trial while it is trained."""

    def __init__(self, study: optuna.Study, trial: optuna.Trial, folder: Path) -> None:
        self._study, self._trial = study, trial
        self.number: int = trial.user_attrs["number"]
        self.settings: Settings = trial.user_attrs["settings"]
        self.folder = folder / f"{self.number:03}"

    def report(self, epoch: int, accuracy: float) -> bool:
        """Note what an epoch gave; whether the trial should end here, because half of the others were better by now."""
        with _quiet():
            self._trial.report(accuracy, epoch)
            return self._trial.should_prune()

    def end(self, note: Trial) -> None:
        """The trial is over. Killed within, it goes on from its checkpoint, which ends it at once."""
        import optuna

        states = optuna.trial.TrialState
        with _quiet():
            self._trial.set_user_attr("note", note.to_json())
            if note.state == "done":
                self._study.tell(self._trial, note.accuracy)
            else:
                self._study.tell(self._trial, state=states.PRUNED)
        shutil.rmtree(self.folder, ignore_errors=True)


def lowest_shown(accuracies: Sequence[float]) -> float:
    """The accuracy below which it does not matter any more how bad a trial is."""
    best, middle = max(accuracies), statistics.median(accuracies)
    return best - LOW_SPREADS * max(best - middle, 0.002)


def require_optuna() -> None:
    """Raises MissingExtra when Optuna, or scikit-learn, which its importances need, is not installed."""
    if find_spec("optuna") is None or find_spec("sklearn") is None:
        raise MissingExtra(t("A search for settings"), "tune")


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna says nothing on its own: what matters is said in ropero's words. Its settings are put back after."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def closing_storage(path: Path) -> Iterator[optuna.storages.RDBStorage]:
    """A new storage in a file, closed at the end, so that the file can be renamed."""
    import optuna

    storage = optuna.storages.RDBStorage(_url(path))
    try:
        yield storage
    finally:
        _close(storage)


def _close(storage: optuna.storages.RDBStorage) -> None:
    storage.remove_session()
    storage.engine.dispose()


def _url(path: Path) -> str:
    return f"sqlite:///{path.resolve().as_posix()}"


def _check(path: Path) -> None:
    """Raises RunError for a file that is no whole database."""
    try:
        with closing(sqlite3.connect(path)) as database:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        cure = t("delete the folder to begin anew")
        raise RunError(t("{path} is damaged: {reason}", path=path, reason=f"{found}; {cure}"))


def _distribution(name: str, axis: Axis) -> optuna.distributions.BaseDistribution:
    from optuna import distributions

    if isinstance(axis, Range):
        if is_whole(name):
            return distributions.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
        return distributions.FloatDistribution(axis.low, axis.high, log=axis.log)
    if is_number(name):
        return distributions.IntDistribution(0, len(axis.values) - 1)  # the place in the list: neighbours are near
    return distributions.CategoricalDistribution(axis.values)


def _parameter(name: str, axis: Axis, value: Any) -> Any:
    return axis.values.index(value) if isinstance(axis, Choices) and is_number(name) else value


def _setting(name: str, axis: Axis, parameter: Any) -> Any:
    if isinstance(axis, Range):
        return tidy(name, axis, parameter)
    return axis.values[parameter] if is_number(name) else parameter


def _random(name: str, axis: Axis, rng: random.Random) -> Any:
    if isinstance(axis, Choices):
        return rng.choice(axis.values)
    return tidy(name, axis, rng.uniform(axis.low, axis.high))
