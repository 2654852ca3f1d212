"""The verbs as Python functions, made for notebooks: `rp.load`, `rp.train`, `run.evaluate()`, and `run` as a page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from ropero.data import splits as splits_of
from ropero.data.changes import read as read_changes
from ropero.data.dataset import Dataset, Splits
from ropero.data.explore import Exploration
from ropero.data.explore import explore as explore_splits
from ropero.errors import MissingExtra, UsageError
from ropero.models.own import Network, lend
from ropero.runs import Run, RunStore
from ropero.texts import current, t
from ropero.training.callbacks import Callback, Which
from ropero.training.lr_find import RateTest
from ropero.workbench import compare as compare_verb
from ropero.workbench import data as data_verb
from ropero.workbench import importing as import_verb
from ropero.workbench import lr_find as lr_find_verb
from ropero.workbench import suspects as suspects_verb
from ropero.workbench import train as train_verb
from ropero.workbench import tune as tune_verb
from ropero.workbench import verify as verify_verb
from ropero.workbench.compare import Comparison
from ropero.workbench.networks import recipe_for
from ropero.workbench.progress import EncodingProgress, FileProgress, TrainingProgress, human_seconds
from ropero.workbench.suspects import Suspected
from ropero.workbench.trained import Trained
from ropero.workbench.tune_progress import TuningProgress
from ropero.workbench.tuning import Tuning, save_figures
from ropero.workbench.verify import Verified


def load(source: str | Path = data_verb.DEFAULT, *, image_size: int | None = None) -> Splits:
    """Data by name ("fashion-mnist", found on this machine or fetched) or by path.

    Raises:
        DataNotFound, DataError, UsageError: see `ropero.data.sources.load`.
    """
    with FileProgress(Console(stderr=True)) as progress:
        return data_verb.load(str(source), image_size=image_size, progress=progress)


def split(data: Splits | Dataset, sizes: str, *, seed: int = 0, stratified: bool = True) -> Splits:
    """Cut a training part by sizes or shares: "50000/10000" or "80/20" (train/validation), "70/15/15" (and test).

    Given Splits, its own test part stays, and only the training part is cut.

    Raises:
        UsageError: sizes that cannot be read, are more than there is, or a test part where there is one already.
    """
    whole = data.train if isinstance(data, Splits) else data
    made = splits_of.parts(whole, splits_of.parse(sizes), seed=seed, stratified=stratified)
    test = data.test if isinstance(data, Splits) else None
    if test is not None and "test" in made:
        raise UsageError(t("{data} has a test part already; give two sizes, as in 80/20.", data=whole.name))
    return Splits(made["train"], made.get("validation"), made.get("test", test))


def train(
    data: Splits | Dataset | str | Path = data_verb.DEFAULT,
    network: Network = "quick",
    *,
    runs: str | Path | None = None,
    again: bool = False,
    save_weights: Which | int | None = None,
    csv: bool = False,
    tensorboard: bool = False,
    callbacks: Sequence[Callback] = (),
    changes: str | Path | None = None,
    **options: Any,
) -> Trained:
    """Train a network with its own recipe, changed where you say so: `rp.train(data, "quick", epochs=5, seed=1)`.

    An equal run that is there already, or was interrupted, is taken up instead of training twice; `again=True` trains
    anew. The other options are the fields of `ropero.TrainConfig`.

    Args:
        network: a name of the zoo, or one of your own: a file my_net.toml or my_net.py:build, a list of layers such as
            {"type": "Conv2D", "filters": 32}, a torch module, or a class or function that makes one. A module is
            copied, not trained in place: the copy begins with its weights, and `run.model()` is what was learned. A
            class or function is called with what it takes of input_shape (C, H, W) and classes, and begins with
            weights that the seed decides.
        save_weights: keep weight files in the run's `weights` while it trains: "best" by validation, "last", those of
            "every" epoch, or for a number n of every n-th.
        csv, tensorboard: write history.csv, a row an epoch, or events into the run's `tensorboard`.
        callbacks: hooks of your own.
        changes: a list of changed labels, changes.jsonl, as the page of `rp.suspects` saves it.

    Raises:
        DataError: a list that is damaged or belongs to other data.
        UsageError: an option that does not exist or is out of range, or a network that is unknown or cannot be trained.
        MissingExtra: TensorBoard is asked for and not installed.
        TrainingDiverged: the loss became infinite or not a number.
    """
    splits = _splits_of(data)
    config = recipe_for(network, splits).replace(**options)
    decided = read_changes(Path(changes)) if changes is not None else None
    console = Console(stderr=True)
    with FileProgress(console) as fetching:
        train_verb.base_weights(config, fetching)

    def announce(plan: train_verb.Plan) -> None:
        console.print(
            t("Training {network}: about {time}.", network=config.network, time=human_seconds(plan.estimate_seconds))
        )

    progress = TrainingProgress(console)
    store = RunStore(Path(runs) if runs else None)
    outputs = train_verb.Outputs(save_weights=save_weights, csv=csv, tensorboard=tensorboard)
    done = train_verb.train(
        splits,
        config,
        store,
        again=again,
        callbacks=[progress, *callbacks],
        outputs=outputs,
        announce=announce,
        changes=decided,
    )
    if done.how == "already trained":
        console.print(t("This very training is there already; again=True trains it anew."))
    return Trained(done.run, splits)


def lr_find(
    data: Splits | Dataset | str | Path = data_verb.DEFAULT,
    network: Network = "quick",
    *,
    out: str | Path | None = None,
    **changes: Any,
) -> RateTest:
    """Test learning rates for a training with these options: `rp.lr_find(data, "dense").suggestion.rate`.

    Args:
        out: a .png, .svg or .pdf to draw the test into.

    Raises:
        UsageError: an option that does not exist or is out of range.
        MissingExtra: a drawing without Matplotlib.
    """
    splits = _splits_of(data)
    with FileProgress(Console(stderr=True)) as progress:
        found = lr_find_verb.lr_find(splits, recipe_for(network, splits).replace(**changes), progress=progress)
    if out is not None:
        lr_find_verb.save(found, Path(out))
    return found


def tune(
    data: Splits | Dataset | str | Path = data_verb.DEFAULT,
    network: Network = "quick",
    *,
    search: str | Sequence[str] = (),
    trials: int = tune_verb.TRIALS,
    minutes: float = 0.0,
    prune: bool = True,
    runs: str | Path | None = None,
    **changes: Any,
) -> Tuning:
    """Search for better settings by validation: `found = rp.tune(data, "dense", trials=20, epochs=5)`.

    The first trial is the network's own recipe; the other options, fields of `ropero.TrainConfig`, stay as they are.
    The same call goes on with a search that was interrupted. Then `rp.train(data, "dense", **found.best.settings)`.

    Args:
        search: what to try: "learning_rate,erase", or with values "learning_rate=1e-4..1e-2", "optimizer=adam,sgd".
        trials: how many there are in all.
        minutes: of training in all, 0 for no limit; `minutes` of a single trial is no option here.
        prune: end a trial halfway when half of the others were better by then.

    Raises:
        UsageError: what cannot be searched, and why.
        MissingExtra: Optuna is not installed.
    """
    splits, console = _splits_of(data), Console(stderr=True)
    config = recipe_for(network, splits).replace(**changes)
    with FileProgress(console) as fetching:
        train_verb.base_weights(config, fetching)
    found = tune_verb.tune(
        splits,
        config,
        RunStore(Path(runs) if runs else None),
        search=[search] if isinstance(search, str) else search,
        given=changes,
        trials=trials,
        minutes=minutes,
        prune=prune,
        named=str(network) if isinstance(network, str | Path) else "",
        watch=TuningProgress(console),
    )
    with suppress(MissingExtra):  # the search is whole without its figures
        save_figures(found)
    return found


def _splits_of(data: Splits | Dataset | str | Path) -> Splits:
    with FileProgress(Console(stderr=True)) as progress:
        return data_verb.as_splits(data, progress)


def open_run(name: str | Path = "last", *, runs: str | Path | None = None, network: Network | None = None) -> Trained:
    """A run by path, name, part of a name, or "last"; or what a model's file has become (.h5, .keras, .onnx), which is
    imported with Fashion-MNIST where it was not yet: `import_model` takes other data.

    Args:
        network: of a run whose network is Python code: the module, class, function or file again. Weights are all that
            a run keeps of it.

    Raises:
        RunError, UsageError: no such run, another file than it was trained with, a network for a run that needs none.
    """
    run = import_verb.open_run(RunStore(Path(runs) if runs else None), str(name)).run
    if network is not None:
        config = run.config
        if not config.code:
            raise UsageError(t("{run} holds its network {name} itself; leave network= away.", run=run.name,
                               name=config.network))  # fmt: skip
        lend(network, config.network, config.code)
    return Trained(run)


def import_model(
    path: str | Path,
    data: Splits | Dataset | str | Path = data_verb.DEFAULT,
    *,
    pixels: str = "",
    plan: str | Path | None = None,
    again: bool = False,
    runs: str | Path | None = None,
) -> Trained:
    """Make a run of a Keras or ONNX file: `rp.import_model("fashion.h5", data).evaluate()`. None of its code runs.

    The same file with the same data and options is that run again; `again=True` imports anew.

    Args:
        data: what it is to be measured with; on training images it is found out how the network wants its pixels.
        pixels: how it wants them, where what is found is wrong: "0-1", "0-255", "-1-1", "standardised" ...
        plan: the network of weights that come alone, as Keras's model.to_json() gave it. One of the same name beside
            the file is found.

    Raises:
        DataError: a file that ropero does not read, and why, or that does not fit the data.
        UsageError: an unknown convention of pixels.
        MissingExtra: without ropero[keras] or ropero[onnx].
    """
    store, file, planned = RunStore(Path(runs) if runs else None), Path(path), None if plan is None else Path(plan)
    import_verb.check(file, pixels)
    foreign = import_verb.first_look(store, file, planned, pixels_are=pixels, again=again)
    splits = _splits_of(data)
    done = import_verb.import_model(file, splits, store, pixels_are=pixels, plan=planned, again=again, foreign=foreign)
    return Trained(done.run, splits)


def compare(*runs: Trained | Run | str, split: str = "test", folder: str | Path | None = None) -> Comparison:
    """Runs on the same images side by side: `rp.compare(one, other).pairs`.

    What a run was not judged by yet is opened, and its ledger notes it.

    Raises:
        UsageError: fewer than two runs, one twice, or runs of different images.
    """
    store = RunStore(Path(folder) if folder else None)
    names = iter(import_verb.open_runs(store, [one for one in runs if isinstance(one, str)]))
    found = [next(names).run if isinstance(one, str) else one if isinstance(one, Run) else one.run for one in runs]
    splits = next((one._splits for one in runs if isinstance(one, Trained) and one._splits), None)
    return compare_verb.compare(found, split=split, splits=splits, told=EncodingProgress(Console(stderr=True)))


def suspects(
    data: Splits | Dataset | str | Path = data_verb.DEFAULT,
    network: Network = "quick",
    *,
    folds: int = suspects_verb.FOLDS,
    runs: str | Path | None = None,
    **changes: Any,
) -> Suspected:
    """Labels of the training part that look wrong: `found = rp.suspects(data)`, then open `found.page`.

    A network is trained for each fold on the others; the same call goes on with one that was interrupted, and shows
    what is there when it was done. The other options are fields of `ropero.TrainConfig`.

    Raises:
        UsageError: fewer than two folds, too few images, or options that hold images out.
        MissingExtra: without ropero[report].
    """
    splits, console = _splits_of(data), Console(stderr=True)
    with FileProgress(console) as progress:
        found = suspects_verb.suspects(
            splits,
            recipe_for(network, splits).replace(**changes),
            RunStore(Path(runs) if runs else None),
            folds=folds,
            callbacks=lambda: [TrainingProgress(console)],
            progress=progress,
        )
    suspects_verb.write_review(found, current())
    return found


def verify(model: Trained | Run | str | Path, *, runs: str | Path | None = None) -> Verified:
    """Load a run or an exported file in a fresh process and check that it predicts as it did: `rp.verify("x.onnx").ok`.

    Of a model's file from elsewhere the run that it has become is looked at.

    Raises:
        RunError: there is no such run.
        DataError: a file from elsewhere that was not imported yet.
    """
    named = model if isinstance(model, str | Path) else (model.run if isinstance(model, Trained) else model).folder
    return verify_verb.verify(named, RunStore(Path(runs) if runs else None))


def list_runs(folder: str | Path | None = None) -> list[Trained]:
    """All runs, oldest first."""
    return [Trained(run) for run in RunStore(Path(folder) if folder else None).runs()]


def explore(data: Splits | str | Path = data_verb.DEFAULT) -> Exploration:
    """What the data are: shapes, classes, mean garments, duplicates."""
    splits = data if isinstance(data, Splits) else load(data)
    with FileProgress(Console(stderr=True)) as progress:
        return explore_splits(splits, progress=progress)
