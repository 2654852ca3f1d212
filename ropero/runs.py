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

Knows nothing of how a training or a page is made, nor of what folders of all kinds share (`shelf.py`).
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ropero.data.changes import Changes
from ropero.data.changes import read as read_changes
from ropero.data.note import DataNote
from ropero.errors import RunError, UsageError
from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.judge import Judge
from ropero.evaluation.ledger import TestLedger
from ropero.export import origin as origins
from ropero.models import checkpoint
from ropero.models.classifier import Classifier
from ropero.runtime import resolve_device
from ropero.shelf import LAST as LAST
from ropero.shelf import TRAINED as TRAINED
from ropero.shelf import TRAINING as TRAINING
from ropero.shelf import Kept, Shelf, runs_folder
from ropero.storage import read_json, read_json_lines, write_bytes, write_json
from ropero.texts import mark, t
from ropero.training.config import TrainConfig
from ropero.training.history import History

# What is shown of a run that no one trains, that cannot be read, or that was a file from elsewhere.
INTERRUPTED, BROKEN, IMPORTED = mark("interrupted"), mark("broken"), mark("imported")


class Run(Kept):
    """One training and what was made of it. Reads its folder on demand; writes are whole or not at all."""

    def __repr__(self) -> str:
        return f"Run({self.name}: {self.config.network} on {self.data.name}, {self.status})"

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

    @property
    def config(self) -> TrainConfig:
        return self._read("config.json", TrainConfig.from_json)

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

    def model(self, device: str = "cpu") -> Classifier:
        """The trained network, in eval mode on a device. Raises RunError while the run is not trained."""
        self.require_trained()
        return checkpoint.load(self.folder)[0].to(resolve_device(device))

    @property
    def ledger(self) -> TestLedger:
        return TestLedger(self.folder / "test-ledger.jsonl")

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


class RunStore(Shelf[Run]):
    """All runs below one folder."""

    kept = Run

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(runs_folder(folder))

    def none_yet(self) -> str:
        return t("There are no runs in {folder}; `ropero train` makes one.", folder=self.folder)

    def _listed(self) -> str:
        return t("`ropero runs` lists them.")

    def create(self, config: TrainConfig, data: DataNote, environment: dict[str, Any], **notes: Any) -> Run:
        """A new folder for a training. Its name says when and what; two processes never get the same."""
        return self._create(config.network, config, data, environment, notes)

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
