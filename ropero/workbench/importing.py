"""The verb `import`: a Keras or ONNX file becomes a run, which every other verb then takes like any other."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ropero import runtime
from ropero.data.dataset import Splits
from ropero.data.note import DataNote
from ropero.data.raw import Progress
from ropero.errors import DataError, RoperoError, RunError, UsageError, unknown
from ropero.export import pixels
from ropero.export.foreign import Foreign, fitted
from ropero.export.keras_container import plan_beside
from ropero.export.reader import is_model_file, kind, read
from ropero.models import checkpoint
from ropero.models.classifier import count_parameters
from ropero.runs import LAST, TRAINED, Run, RunStore
from ropero.storage import sha256_file
from ropero.texts import t
from ropero.training.config import TrainConfig
from ropero.workbench import data as data_verb
from ropero.workbench.judge import judge


@dataclass(frozen=True)
class Imported:
    """The run that a file has become; `fresh` is False when it was there already."""

    run: Run
    fresh: bool


@dataclass(frozen=True)
class Opened:
    """The run that a name stands for; `fresh` when a file was imported for it just now. data: where its data are now,
    as asked; None where the run knows that itself."""

    run: Run
    data: str | None
    fresh: bool = False


def open_run(store: RunStore, name: str, data: str | None = None, *, progress: Progress | None = None) -> Opened:
    """The run of a name, or the newest one that a model's file has become, with whatever pixels, plan and data it was
    imported; where there is none, the file is imported first, with the pixels that were wanted the last time.

    Args:
        data: where a run's data are now; of a file the data that it is to be measured with: the newest run with these
            data is taken. A file that was never imported is measured with Fashion-MNIST by default.

    Raises:
        RunError: there is no such run.
        UsageError: the file was imported with a plan that was named, and never with these data.
        DataError, MissingExtra: as `import_model`.
    """
    if is_run(name):
        return Opened(store.find(name), data)
    path = Path(name)
    check(path, "")
    sha256 = _digest(path.expanduser())
    last = remembered(store, path, sha256=sha256)
    if last and data is None:
        return Opened(last, None)
    asked = (last.origin or {})["asked"] if last else ""
    foreign = None if last else first_look(store, path, sha256=sha256)
    side = last.data.image_size if last else None
    splits = data_verb.load(data or data_verb.DEFAULT, image_size=side, progress=progress)
    if last and (found := remembered(store, path, DataNote.of(splits), sha256=sha256)):
        moved = found.data.source != splits.source and Path(str(data)).expanduser().exists()
        return Opened(found, data if moved else None)
    if last:
        _require_plan(last, path, str(data))
    done = import_model(path, splits, store, pixels_are=asked, foreign=foreign, sha256=sha256)
    return Opened(done.run, None, done.fresh)


def open_runs(
    store: RunStore, names: Sequence[str], data: str | None = None, *, progress: Progress | None = None
) -> list[Opened]:
    """What several names stand for, in their order; `last` is the newest run that is not named otherwise, so that a
    file that is imported for this is not it. Arguments and errors as `open_run`."""
    found = {name: open_run(store, name, data, progress=progress) for name in names if name != LAST}
    named = [one.run.name for one in found.values()]
    return [found[name] if name in found else Opened(store.find(LAST, named), data) for name in names]


def _require_plan(last: Run, path: Path, data: str) -> None:
    """Raises UsageError where a file was imported with a plan that was named, and that is not the one beside it."""
    origin = last.origin or {}
    plan = origin.get("plan", "")
    if origin.get("plan_named") and plan and plan != _digest(plan_beside(path.expanduser())):
        raise UsageError(
            t("{path} was imported with --plan and other data; `ropero import {path} --data {data} --plan PLAN` "
              "imports it with these.", path=path, data=data)
        )  # fmt: skip


def known_run(store: RunStore, name: str) -> Run:
    """The run of a name, or the newest one that a model's file has become. Imports nothing.

    Raises:
        RunError: there is no such run, or the file was not imported yet.
        DataError, MissingExtra: as `import_model`.
    """
    if is_run(name):
        return store.find(name)
    check(Path(name), "")
    found = remembered(store, Path(name))
    if found is None:
        first_look(store, Path(name))  # a file that cannot be imported is told so
        raise RunError(t("{path} was not imported yet; `ropero import {path}` makes a run of it.", path=name))
    return found


def is_run(name: str) -> bool:
    """Whether a name is a run's, and not a file's."""
    return (Path(name) / "run.json").exists() or not is_model_file(name)


def first_look(
    store: RunStore,
    path: Path,
    plan: Path | None = None,
    *,
    pixels_are: str = "",
    again: bool = False,
    sha256: str = "",
) -> Foreign | None:
    """What a reader finds in a file, whose faults are better said before data are loaded; None where a run of it that
    was asked for so is there already, which may serve. Raises as `import_model`; arguments as there."""
    path = path.expanduser()
    known = None if again else _equal(store, path, sha256 or _digest(path), None, pixels_are, plan)
    return None if known else read(path, plan)


def remembered(store: RunStore, path: Path, data: DataNote | None = None, *, sha256: str = "") -> Run | None:
    """The newest run that a file has become, whatever was asked for then; with these data where they are given.

    A plan that was found beside weights that come alone has to be the one that lies there now. sha256: the file's,
    where it is known.
    """
    path = path.expanduser()
    beside = _digest(plan_beside(path))
    for run, origin in _made_of(store, sha256 or _digest(path), data):
        if origin.get("plan_named") or not origin.get("plan") or beside in ("", origin["plan"]):
            return run
    return None


def import_model(
    path: Path,
    splits: Splits,
    store: RunStore,
    *,
    pixels_are: str = "",
    plan: Path | None = None,
    again: bool = False,
    foreign: Foreign | None = None,
    sha256: str = "",
) -> Imported:
    """Make a run of a file: the network with its weights, and how it wants its pixels.

    The same file with the same data and wish is imported once; a second call returns the run, whose weights and samples
    are vouched for by digests, also where ropero reads such files otherwise by now.

    Args:
        splits: the data it is to be measured with; only the training part is looked at.
        pixels_are: the name of a convention (`pixels.ABOUT`) in place of the one that would be found.
        plan: a JSON file with the network of weights that come alone.
        again: import anew.
        foreign: what `first_look` found in the file.
        sha256: the file's, where it is known.

    Raises:
        DataError: a file or a network that ropero does not read, or that does not fit the data.
        UsageError: an unknown convention.
        MissingExtra: the library for this kind of file is not installed.
    """
    path = path.expanduser()
    check(path, pixels_are)
    sha256 = sha256 or (foreign.sha256 if foreign else _digest(path))
    found = None if again else _equal(store, path, sha256, DataNote.of(splits), pixels_are, plan)
    if found:
        found.note(imported_again=datetime.now(UTC).isoformat(timespec="microseconds"))  # the next verb takes this one
        return Imported(found, False)
    foreign = fitted(foreign or read(path, plan), splits.classes, path.name)
    if plan is not None and not foreign.facts.get("plan"):
        raise UsageError(t("{path} holds its network itself; leave --plan away.", path=path.name))
    try:
        built, seeing = pixels.find(foreign, splits.train, pixels_are)
    except DataError as error:
        raise DataError(f"{path.name}: {str(error).removeprefix(f'{path.name}: ')}") from error
    model, layers = built.model, built.layers
    name = re.sub(r"[^\w.-]+", "-", path.stem)[:60] or "model"
    note = {"sha256": foreign.sha256, "asked": pixels_are, "plan_named": plan is not None, "file": path.name,
            "written_by": foreign.written_by, **foreign.facts, "pixels": seeing.to_json(),
            "notes": list(foreign.notes)}  # fmt: skip
    config = TrainConfig(network=name, layers=() if built.graph else layers)
    environment = runtime.environment(runtime.resolve_device("cpu"))
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


def _made_of(store: RunStore, sha256: str, data: DataNote | None = None) -> list[tuple[Run, dict[str, Any]]]:
    """The runs that a file has become, the one that was imported last first, and what they remember of it; with these
    data where they are given."""
    found: list[tuple[Run, dict[str, Any]]] = []
    for run in reversed(store.runs()):
        with suppress(RoperoError):  # a broken run is no reason not to import
            origin = run.origin
            same = origin is not None and origin["sha256"] == sha256 and run.status == TRAINED
            same = same and (data is None or (run.data.digests, run.data.classes) == (data.digests, data.classes))
            found += [(run, origin)] if same and origin else []
    return sorted(found, key=lambda one: str(one[0].notes.get("imported_again", one[0].created)), reverse=True)


def _equal(
    store: RunStore, path: Path, sha256: str, data: DataNote | None, pixels_are: str, plan: Path | None
) -> Run | None:
    """The newest run of the same file, wish and data, of any data where these are not given."""
    given = _digest(plan or plan_beside(path))
    for run, origin in _made_of(store, sha256, data):
        if origin["asked"] == pixels_are and origin.get("plan", "") in ("", given):
            return run
    return None


def _digest(path: Path) -> str:
    """SHA-256 of a file, "" where there is none."""
    return sha256_file(path) if path.is_file() else ""


def check(path: Path, pixels_are: str) -> None:
    """Raises DataError for a file that is not there, or is known by its beginning to be none that ropero reads;
    UsageError for an unknown convention."""
    path = path.expanduser()
    if not path.exists():
        raise DataError(t("There is no file {path}.", path=path))
    kind(path)
    if pixels_are and pixels_are not in pixels.ABOUT:
        raise unknown(t("convention"), str(pixels_are), pixels.ABOUT)
