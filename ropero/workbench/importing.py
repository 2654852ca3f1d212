"""The verb `import`: a Keras or ONNX file becomes a run, which every other verb then takes like any other."""

from __future__ import annotations

import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ropero import runtime
from ropero.data import sources
from ropero.data.dataset import Splits
from ropero.data.known import FASHION
from ropero.data.note import DataNote
from ropero.data.raw import Progress
from ropero.errors import DataError, RoperoError, unknown
from ropero.export import pixels
from ropero.export.foreign import fitted
from ropero.export.reader import is_model_file, read
from ropero.models import checkpoint
from ropero.models.classifier import count_parameters
from ropero.runs import TRAINED, Run, RunStore
from ropero.storage import sha256_file
from ropero.texts import t
from ropero.training.config import TrainConfig
from ropero.workbench.judge import judge


@dataclass(frozen=True)
class Imported:
    """The run that a file has become; `fresh` is False when it was there already."""

    run: Run
    fresh: bool


@dataclass(frozen=True)
class Opened:
    """The run that a name stands for; `fresh` when a file was imported for it just now. data: where its data are now,
    as asked; None where that has served for the import."""

    run: Run
    data: str | None
    fresh: bool = False


def open_run(store: RunStore, name: str, data: str | None = None, *, progress: Progress | None = None) -> Opened:
    """The run of a name, or what a model's file has become, which is imported first where it was not yet.

    Args:
        data: where a run's data are now; of a file the data that it is to be measured with, Fashion-MNIST by default.

    Raises:
        RunError: there is no such run.
        DataError, MissingExtra: as `import_model`.
    """
    if (Path(name) / "run.json").exists() or not is_model_file(name):
        return Opened(store.find(name), data)
    check(Path(name), "")
    done = import_model(Path(name), sources.load(data or FASHION, progress=progress), store)
    return Opened(done.run, None, done.fresh)


def import_model(
    path: Path,
    splits: Splits,
    store: RunStore,
    *,
    pixels_are: str = "",
    plan: Path | None = None,
    again: bool = False,
) -> Imported:
    """Make a run of a file: the network with its weights, and how it wants its pixels.

    The same file with the same data and wish is imported once; a second call returns the run.

    Args:
        splits: the data it is to be measured with; only the training part is looked at.
        pixels_are: the name of a convention (`pixels.ABOUT`) in place of the one that would be found.
        plan: a JSON file with the network of weights that come alone.
        again: import anew.

    Raises:
        DataError: a file or a network that ropero does not read, or that does not fit the data.
        UsageError: an unknown convention.
        MissingExtra: the library for this kind of file is not installed.
    """
    path = path.expanduser()
    check(path, pixels_are)
    environment = runtime.environment(runtime.resolve_device("cpu"))
    wish = {"sha256": sha256_file(path) if path.is_file() else "", "asked": pixels_are}
    wish |= {"plan": sha256_file(plan)} if plan is not None and plan.is_file() else {}
    found = None if again else _equal(store, wish, DataNote.of(splits), environment)
    if found:
        return Imported(found, False)
    foreign = fitted(read(path, plan), splits.classes, path.name)
    try:
        built, seeing = pixels.find(foreign, splits.train, pixels_are)
    except DataError as error:
        raise DataError(f"{path.name}: {str(error).removeprefix(f'{path.name}: ')}") from error
    model, layers = built.model, built.layers
    name = re.sub(r"[^\w.-]+", "-", path.stem)[:60] or "model"
    note = {**wish, "file": path.name, "written_by": foreign.written_by, **foreign.facts,
            "pixels": seeing.to_json(), "notes": list(foreign.notes)}  # fmt: skip
    config = TrainConfig(network=name, layers=() if built.graph else layers)
    run = store.create(config, DataNote.of(splits), environment, imported=note)
    try:
        run.save_judge(judge(model, splits))
        card = checkpoint.save(model, name, splits.classes, run.folder, layers, graph=built.graph)
        run.note(
            status=TRAINED,
            images={part: len(one) for part, one in splits.parts().items()},
            digests={part: one.digest for part, one in splits.parts().items()},
            parameters=count_parameters(model)[0],
            weights_sha256=card.weights_sha256,
        )
    except BaseException:
        shutil.rmtree(run.folder, ignore_errors=True)
        raise
    return Imported(run, True)


def _equal(store: RunStore, wish: dict[str, Any], note: DataNote, here: dict[str, Any]) -> Run | None:
    """The newest run of the same file, data, wish and code."""
    for run in reversed(store.runs()):
        try:
            there = run.origin or {}
            same = all(there.get(name) == value for name, value in wish.items()) and run.status == TRAINED
            same = same and asdict(run.data)["digests"] == note.digests and run.data.classes == note.classes
            if same and run.environment.get("code_sha256") == here.get("code_sha256"):
                return run
        except RoperoError:
            continue  # a broken run is no reason not to import
    return None


def check(path: Path, pixels_are: str) -> None:
    """Raises DataError for a file that is not there, UsageError for an unknown convention."""
    if not path.expanduser().exists():
        raise DataError(t("There is no file {path}.", path=path))
    if pixels_are and pixels_are not in pixels.ABOUT:
        raise unknown(t("convention"), pixels_are, pixels.ABOUT)
