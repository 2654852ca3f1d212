"""`Kept`: the folder of one training. `Shelf`: all such folders of one kind, in one place: how one is made, found,
locked and deleted.

    <folder>/
      run.json            format, kind, when created, status
      data.json           source, digests, classes, sizes and split of the data
      environment.json    versions, CPU, threads, commit

Knows nothing of what was trained (`runs.py`, `generators.py`).
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from filelock import FileLock, Timeout

from ropero.data.dataset import Dataset
from ropero.data.note import DataNote
from ropero.errors import RunError, did_you_mean
from ropero.storage import check_format, folder_bytes, read_json, write_json
from ropero.texts import joined, mark, t
from ropero.training.checkpoints import CheckpointStore
from ropero.training.options import Checked

RUN_FORMAT = 1
LAST = "last"
TRAINING, TRAINED = mark("training"), mark("trained")  # what run.json says
CLASSIFIER, GENERATOR = "classifier", "generator"  # kinds; run.json says nothing of the first

T = TypeVar("T")


class Kept:
    """The folder of a training and what was made of it, read on demand; writes are whole or not at all."""

    kind = CLASSIFIER

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "run.json"
        notes = read_json(path)
        check_format(folder, notes, RUN_FORMAT)
        if notes.get("format") != RUN_FORMAT or notes.get("status") not in (TRAINING, TRAINED):
            raise RunError(t("{path} is damaged: {reason}", path=path, reason=t("not a run")))
        found = notes.get("kind", CLASSIFIER)
        if found != self.kind:
            raise RunError(
                t("{path} holds a training of the kind {found}; expected {kind}.", path=folder, found=found,
                  kind=self.kind)
            )  # fmt: skip
        self.created = str(notes.get("created", ""))

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def notes(self) -> dict[str, Any]:
        """run.json as it stands now."""
        return read_json(self.folder / "run.json")

    def note(self, **changes: Any) -> None:
        """Change fields of run.json."""
        write_json(self.folder / "run.json", {**self.notes, **changes})

    @property
    def status(self) -> str:
        """`training` until the weights are there, then `trained`."""
        return str(self.notes["status"])

    def require_trained(self) -> None:
        if self.status != TRAINED:
            raise RunError(t("{run} is not trained to the end; repeat its command to go on with it.", run=self.name))

    def _read(self, name: str, build: Callable[[dict[str, Any]], T]) -> T:
        """A JSON file of this folder as what it holds. Raises RunError when it does not hold that."""
        path = self.folder / name
        try:
            return build(read_json(path))
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise RunError(t("{path} is damaged: {reason}", path=path, reason=error)) from error

    @property
    def data(self) -> DataNote:
        return self._read("data.json", DataNote.from_json)

    @property
    def environment(self) -> dict[str, Any]:
        return read_json(self.folder / "environment.json")

    @property
    def checkpoints(self) -> CheckpointStore:
        return CheckpointStore(self.folder)

    def lock(self) -> FileLock:
        """Held while a process trains or changes this run. Acquiring it raises Timeout when another process has it.

        It lies beside the folder: Windows renames no folder that holds an open file.
        """
        return FileLock(self.folder.with_name(f".{self.name}.lock"), timeout=0)

    def is_free(self) -> bool:
        """Whether no process trains this run just now."""
        try:
            with self.lock():
                return True
        except (Timeout, OSError):
            return False

    def check_data(self, part: Dataset) -> None:
        """Raises RunError when this part is not the one the run was trained with."""
        expected = self.data.digests.get(part.split)
        if expected != part.digest:
            raise RunError(
                t(
                    "The {split} part of {data} is not the one that {run} was made with.",
                    split=part.split,
                    data=part.name,
                    run=self.name,
                )
            )

    def disk_bytes(self) -> int:
        return folder_bytes(self.folder)


K = TypeVar("K", bound=Kept)


def runs_folder(chosen: Path | None = None) -> Path:
    """The folder of all runs: the one that was chosen, else ROPERO_RUNS, else ./runs."""
    return (chosen if chosen is not None else Path(os.environ.get("ROPERO_RUNS") or "runs")).expanduser()


class Shelf(ABC, Generic[K]):
    """All trainings of one kind below one folder."""

    kept: type[K]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def none_yet(self) -> str:
        """The sentence for a folder without any: how one is made."""

    @abstractmethod
    def _listed(self) -> str:
        """The sentence that says which there are, or how they are listed."""

    def _create(
        self, stem: str, config: Checked, data: DataNote, environment: dict[str, Any], notes: Mapping[str, Any]
    ) -> K:
        """A new folder for a training. Its name says when and what; two processes never get the same."""
        self.folder.mkdir(parents=True, exist_ok=True)
        created = datetime.now(UTC)
        slug = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40] or "network"
        # Built under a hidden name and renamed when whole, so that no one ever sees half a run.
        hidden = self._fresh(f"{created.astimezone():%Y%m%d-%H%M%S}-{slug}")
        write_json(hidden / "config.json", config.to_json())
        write_json(hidden / "data.json", asdict(data))
        write_json(hidden / "environment.json", environment)
        when = created.isoformat(timespec="microseconds")
        about = {"format": RUN_FORMAT, "ropero": environment["ropero"], "created": when, "status": TRAINING}
        write_json(hidden / "run.json", {**about, **notes})
        folder = self.folder / hidden.name.removeprefix(".")
        hidden.rename(folder)
        return self.kept(folder)

    def _fresh(self, stem: str) -> Path:
        """A new hidden folder whose name no run has."""
        while True:
            name = f"{stem}-{secrets.token_hex(2)}"
            with suppress(FileExistsError):
                (self.folder / f".{name}").mkdir()
                if not (self.folder / name).exists():
                    return self.folder / f".{name}"

    def runs(self) -> list[K]:
        """All that can be read, oldest first."""
        found = []
        for folder in self._folders():
            with suppress(RunError):
                found.append(self.kept(folder))
        return sorted(found, key=lambda run: (run.created, run.name))

    def unreadable(self) -> list[RunError]:
        """What is wrong with the folders that `runs` passes over: broken ones, and those of a newer ropero."""
        errors = []
        for folder in self._folders():
            try:
                self.kept(folder)
            except RunError as error:
                errors.append(error)
        return errors

    def _folders(self) -> list[Path]:
        paths = sorted(self.folder.glob("*/run.json")) if self.folder.is_dir() else []
        return [path.parent for path in paths if not path.parent.name.startswith(".")]

    def find(self, name: str, but: Collection[str] = ()) -> K:
        """One by path, name, the beginning or a part of a name that only one has, or `last`.

        Args:
            but: names that `last` does not mean, where there are others.

        Raises RunError when there is none or more than one.
        """
        if (Path(name) / "run.json").exists():
            return self.kept(Path(name).resolve())
        runs = self.runs()
        if not runs:
            raise RunError(self.none_yet())
        if name == LAST:
            return next((run for run in reversed(runs) if run.name not in but), runs[-1])
        for match in (
            lambda run: run.name == name,
            lambda run: run.name.startswith(name),
            lambda run: name in run.name,
        ):
            hits = [run for run in runs if match(run)]
            if len(hits) == 1:
                return hits[0]
            if hits:
                raise RunError(
                    t("{name!r} fits several runs: {known}.", name=name, known=joined(run.name for run in hits[:8]))
                )
        raise RunError(
            t("No run {name!r} in {folder}.", name=name, folder=self.folder)
            + did_you_mean(name, [run.name for run in runs])
            + " "
            + self._listed()
        )

    def delete(self, run: K) -> None:
        """Remove a run for good. Raises RunError while another process works on it."""
        lock = run.lock()
        try:
            with lock:
                # Renamed first: an interrupted removal leaves a hidden folder, not half a run.
                hidden = run.folder.with_name(f".{run.name}-deleted")
                run.folder.rename(hidden)
            shutil.rmtree(hidden)
        except Timeout as error:
            raise RunError(t("{run} is in use by another process.", run=run.name)) from error
        except OSError as error:
            reason = error.strerror or error
            raise RunError(t("{run} cannot be deleted: {reason}", run=run.name, reason=reason)) from error
        Path(lock.lock_file).unlink(missing_ok=True)
