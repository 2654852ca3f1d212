"""`Run`: a folder, the only hand-over between stages. `RunStore`: the folder of all runs.

    <run>/
      run.json            format, when created, status; once trained: seconds, images of each part, weights_sha256
      config.json         the TrainConfig, with the device and precision that `auto` chose
      data.json           source, digests, classes, sizes and split of the data
      environment.json    versions, CPU, threads, commit
      history.jsonl       one record an epoch
      model.safetensors   the weights
      model.json          their card; samples.json what they say to a few made-up pictures
      changes.jsonl       what a person changed in the data before this run, where there is such a list
      judge.npz           what says sure, unsure or not a garment; judge.json its numbers
      evaluation/         <split>.json (numbers) and <split>.npz (labels, probabilities, rows)
      test-ledger.jsonl   every opening of the test part
      report.html         the page
      figures/            its figures as PNG

Knows nothing of how a training or a page is made.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from ropero.data.changes import Changes
from ropero.data.changes import read as read_changes
from ropero.data.dataset import Dataset
from ropero.data.note import DataNote
from ropero.errors import RunError, UsageError, did_you_mean
from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.judge import Judge
from ropero.evaluation.ledger import TestLedger
from ropero.export import origin as origins
from ropero.models import checkpoint
from ropero.models.classifier import Classifier
from ropero.runtime import resolve_device
from ropero.storage import folder_bytes, read_json, read_json_lines, write_bytes, write_json
from ropero.texts import joined, mark, t
from ropero.training.checkpoints import CheckpointStore
from ropero.training.config import TrainConfig
from ropero.training.history import History

T = TypeVar("T")

RUN_FORMAT = 1
LAST = "last"
TRAINING, TRAINED = mark("training"), mark("trained")  # what run.json says
# What is shown of a run that no one trains, that cannot be read, or that was a file from elsewhere.
INTERRUPTED, BROKEN, IMPORTED = mark("interrupted"), mark("broken"), mark("imported")


class Run:
    """One training and what was made of it. Reads its folder on demand; writes are whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        notes = read_json(folder / "run.json")
        written = notes.get("format")
        if isinstance(written, int) and written > RUN_FORMAT:
            raise RunError(
                t(
                    "{path} was written by a newer ropero ({version}); update ropero.",
                    path=folder,
                    version=notes.get("ropero", "?"),
                )
            )
        if written != RUN_FORMAT or notes.get("status") not in (TRAINING, TRAINED):
            raise RunError(t("{path} is damaged: {reason}", path=folder / "run.json", reason=t("not a run")))
        self.created = str(notes.get("created", ""))

    def __repr__(self) -> str:
        return f"Run({self.name}: {self.config.network} on {self.data.name}, {self.status})"

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

    @property
    def images(self) -> dict[str, int]:
        """How many images each part has as this run uses it, what it held out included; empty before it is trained."""
        return dict(self.notes.get("images", {}))

    @property
    def origin(self) -> dict[str, Any] | None:
        """Of a run that was a file from elsewhere: which, what wrote it, how it wants its pixels; else None.

        Raises RunError where that is damaged.
        """
        found = self.notes.get("imported")
        try:
            return None if found is None else origins.checked(found)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            reason = t("its note of the import is not whole")
            raise RunError(t("{path} is damaged: {reason}", path=self.folder / "run.json", reason=reason)) from error

    def _read(self, name: str, build: Callable[[dict[str, Any]], T]) -> T:
        """A JSON file of this folder as what it holds. Raises RunError when it does not hold that."""
        path = self.folder / name
        try:
            return build(read_json(path))
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise RunError(t("{path} is damaged: {reason}", path=path, reason=error)) from error

    @property
    def config(self) -> TrainConfig:
        return self._read("config.json", TrainConfig.from_json)

    @property
    def data(self) -> DataNote:
        return self._read("data.json", DataNote.from_json)

    @property
    def family(self) -> str:
        """The same text for runs of the same data whose config differs by its seed alone; an imported run is alone."""
        config = self.config.replace(seed=0, weights=Path(self.config.weights).name)
        alone = [self.name] if self.origin else []
        return json.dumps([config.to_json(), sorted(self.data.digests.items()), *alone])

    @property
    def test_digest(self) -> str:
        """What stands for the run's test images: those of its data, or those that it held out; "" without any."""
        return str((self.notes.get("digests") or self.data.digests).get("test", ""))

    @property
    def environment(self) -> dict[str, Any]:
        return read_json(self.folder / "environment.json")

    @property
    def history(self) -> History:
        """The epochs so far, none of an imported run. Raises RunError when a trained one has none, or is damaged."""
        path = self.folder / "history.jsonl"
        if self.origin:
            return History()
        try:
            found = History.from_json(record or {} for record in read_json_lines(path))
        except TypeError as error:
            raise RunError(t("{path} is damaged: {reason}", path=path, reason=error)) from error
        if not len(found) and self.status == TRAINED:
            raise RunError(t("{path} is missing.", path=path))
        return found

    @property
    def card(self) -> checkpoint.ModelCard:
        """The model card. Raises RunError while the run is not trained."""
        self.require_trained()
        return checkpoint.read_card(self.folder)

    def require_trained(self) -> None:
        if self.status != TRAINED:
            raise RunError(t("{run} is not trained to the end; repeat its command to go on with it.", run=self.name))

    def model(self, device: str = "cpu") -> Classifier:
        """The trained network, in eval mode on a device. Raises RunError while the run is not trained."""
        self.require_trained()
        return checkpoint.load(self.folder)[0].to(resolve_device(device))

    @property
    def ledger(self) -> TestLedger:
        return TestLedger(self.folder / "test-ledger.jsonl")

    @property
    def checkpoints(self) -> CheckpointStore:
        return CheckpointStore(self.folder)

    def figures(self, split: str = "test") -> dict[str, Any] | None:
        """The stored figures of a part of the data, None when there are none for the weights that the run holds."""
        numbers, arrays = self._evaluation_paths(split)
        if not numbers.exists() or not arrays.exists():
            return None
        found = read_json(numbers)
        return found if found.get("weights_sha256") == self.card.weights_sha256 else None

    def evaluation(self, split: str = "test") -> Evaluation | None:
        """The stored evaluation of a part of the data, None when there is none for the weights that the run holds."""
        if self.figures(split) is None:
            return None
        return Evaluation.from_npz(self._evaluation_paths(split)[1].read_bytes(), self.card.classes, split)

    def save_evaluation(self, evaluation: Evaluation, engine: str) -> None:
        """Store arrays, then numbers, and what computed them."""
        numbers, arrays = self._evaluation_paths(evaluation.split)
        write_bytes(arrays, evaluation.to_npz())
        write_json(numbers, {**evaluation.to_json(), "weights_sha256": self.card.weights_sha256, "engine": engine})

    def _evaluation_paths(self, split: str) -> tuple[Path, Path]:
        return self.folder / "evaluation" / f"{split}.json", self.folder / "evaluation" / f"{split}.npz"

    @property
    def changes(self) -> Changes:
        """What was changed in the data before this run; an empty list where nothing was."""
        path = self.folder / "changes.jsonl"
        return read_changes(path) if path.exists() else Changes()

    @property
    def judge(self) -> Judge | None:
        """What judges this run's predictions; None for a run of an older ropero. Raises RunError when damaged."""
        path = self.folder / "judge.npz"
        return Judge.from_npz(path.read_bytes()) if path.exists() else None

    def save_judge(self, judge: Judge) -> None:
        """Store the judge, and its numbers to be read."""
        write_bytes(self.folder / "judge.npz", judge.to_npz())
        write_json(self.folder / "judge.json", judge.to_json())

    def lock(self) -> FileLock:
        """Held while a process trains or changes this run. Acquiring it raises Timeout when another process has it.

        It lies beside the folder: Windows renames no folder that holds an open file.
        """
        return FileLock(self.folder.with_name(f".{self.name}.lock"), timeout=0)

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


@dataclass(frozen=True)
class Looks:
    """How often the test part that a run was judged by was opened, in all the folder of its runs.

    Attributes:
        family_runs, family: runs of the same config and data, whatever their seed, and their openings together.
        all_runs, everyone: the same of all runs with the same test images, whatever their config.
    """

    family_runs: int
    family: int
    all_runs: int
    everyone: int


class RunStore:
    """All runs below one folder."""

    def __init__(self, folder: Path | None = None) -> None:
        chosen = folder if folder is not None else Path(os.environ.get("ROPERO_RUNS") or "runs")
        self.folder = chosen.expanduser()

    def create(self, config: TrainConfig, data: DataNote, environment: dict[str, Any], **notes: Any) -> Run:
        """A new folder for a training. Its name says when and what; two processes never get the same."""
        self.folder.mkdir(parents=True, exist_ok=True)
        created = datetime.now(UTC)
        slug = re.sub(r"[^a-z0-9]+", "-", config.network.lower()).strip("-")[:40] or "network"
        # Built under a hidden name and renamed when whole, so that no one ever sees half a run.
        hidden = self._fresh(f"{created.astimezone():%Y%m%d-%H%M%S}-{slug}")
        write_json(hidden / "config.json", config.to_json())
        write_json(hidden / "data.json", asdict(data))
        write_json(hidden / "environment.json", environment)
        when = created.isoformat(timespec="microseconds")
        write_json(
            hidden / "run.json",
            {"format": RUN_FORMAT, "ropero": environment["ropero"], "created": when, "status": TRAINING, **notes},
        )
        folder = self.folder / hidden.name.removeprefix(".")
        hidden.rename(folder)
        return Run(folder)

    def _fresh(self, stem: str) -> Path:
        """A new hidden folder whose name no run has."""
        while True:
            name = f"{stem}-{secrets.token_hex(2)}"
            with suppress(FileExistsError):
                (self.folder / f".{name}").mkdir()
                if not (self.folder / name).exists():
                    return self.folder / f".{name}"

    def runs(self) -> list[Run]:
        """All runs that can be read, oldest first."""
        found = []
        for folder in self._folders():
            with suppress(RunError):
                found.append(Run(folder))
        return sorted(found, key=lambda run: (run.created, run.name))

    def looks(self, run: Run) -> Looks:
        """How often the run's test images were opened by it and its fellows; broken runs are passed over."""
        judged, family = [], []
        for other in self.runs():
            with suppress(RunError, UsageError):
                if other.test_digest == run.test_digest and run.test_digest:
                    judged.append(other.ledger.judgements())
                    if other.family == run.family:
                        family.append(judged[-1])
        return Looks(len(family), sum(family), len(judged), sum(judged))

    def unreadable(self) -> list[RunError]:
        """What is wrong with the folders that `runs` passes over: broken ones, and those of a newer ropero."""
        errors = []
        for folder in self._folders():
            try:
                Run(folder)
            except RunError as error:
                errors.append(error)
        return errors

    def _folders(self) -> list[Path]:
        paths = sorted(self.folder.glob("*/run.json")) if self.folder.is_dir() else []
        return [path.parent for path in paths if not path.parent.name.startswith(".")]

    def find(self, name: str, but: Collection[str] = ()) -> Run:
        """A run by path, name, the beginning or a part of a name that only one has, or `last`.

        Args:
            but: names of runs that `last` does not mean, where there are others.

        Raises RunError when there is none or more than one.
        """
        if (Path(name) / "run.json").exists():
            return Run(Path(name).resolve())
        runs = self.runs()
        if not runs:
            raise RunError(t("There are no runs in {folder}; `ropero train` makes one.", folder=self.folder))
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
            + t("`ropero runs` lists them.")
        )

    def delete(self, run: Run) -> None:
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
