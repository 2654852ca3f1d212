"""`GeneratorRun`: the folder of one generator's training. `GeneratorStore`: all of them, in `generators/` of the runs.

    <run>/
      run.json            format, kind, when created, status; once trained: seconds, weights_sha256, the random garment
      config.json         the GeneratorConfig, with the device and precision that `auto` chose
      data.json           source, digests, classes, sizes and split of the data
      environment.json    versions, CPU, threads, commit
      history.jsonl       one record an epoch: the losses of the nets, how varied the pictures were
      model.safetensors   the net that makes pictures; model.json its card
      samples/            pictures: four garments at every epoch, how they grew, what was made since
      figures/            figures as PNG

Knows nothing of how a training is made or what is done with the pictures.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ropero.data.note import DataNote
from ropero.errors import RunError
from ropero.generation import stored
from ropero.generation.config import GeneratorConfig
from ropero.generation.learner import Learner
from ropero.generation.loop import GeneratorEpoch
from ropero.runtime import resolve_device
from ropero.shelf import GENERATOR, TRAINED, Kept, Shelf, runs_folder
from ropero.storage import read_json_lines, write_text
from ropero.texts import joined, t
from ropero.training.callbacks import json_lines

FOLDER = "generators"  # below that of all runs, which looks one level deep for its own


class GeneratorRun(Kept):
    """One generator's training and what was made of it."""

    kind = GENERATOR

    def __repr__(self) -> str:
        return f"GeneratorRun({self.name}: {self.config.generator} on {self.data.name}, {self.status})"

    @property
    def config(self) -> GeneratorConfig:
        return self._read("config.json", GeneratorConfig.from_json)

    @property
    def history_path(self) -> Path:
        return self.folder / "history.jsonl"

    @property
    def history(self) -> list[GeneratorEpoch]:
        """The epochs so far. Raises RunError when a trained run has none, or the file is damaged."""
        try:
            found = [_epoch(record) for record in read_json_lines(self.history_path)]
        except (TypeError, ValueError, AttributeError) as error:
            raise RunError(t("{path} is damaged: {reason}", path=self.history_path, reason=error)) from error
        if not found and self.status == TRAINED:
            raise RunError(t("{path} is missing.", path=self.history_path))
        return found

    def save_history(self, history: Iterable[GeneratorEpoch]) -> None:
        """Write the whole history."""
        write_text(self.history_path, json_lines(history))

    @property
    def samples(self) -> Path:
        """The folder of its pictures."""
        return self.folder / "samples"

    @property
    def card(self) -> stored.GeneratorCard:
        """What someone needs to use it. Raises RunError while the run is not trained."""
        self.require_trained()
        return stored.read_card(self.folder)

    def save(self, made: Learner) -> stored.GeneratorCard:
        """Keep what has learned: the net that makes pictures, and its card."""
        return stored.save(made, self.config.generator, self.data.input_shape, self.data.classes, self.folder)

    def learner(self, device: str = "cpu") -> Learner:
        """The trained generator on a device, ready for `pictures`.

        Raises RunError while the run is not trained, and when its weights are not those that its card vouches for.
        """
        self.require_trained()
        return stored.load(self.config, self.folder, resolve_device(device))


def _epoch(record: dict[str, Any] | None) -> GeneratorEpoch:
    """A line of history.jsonl. Raises TypeError or ValueError for anything else."""
    found = GeneratorEpoch(**(record or {}))
    numbers = [getattr(found, one.name) for one in dataclasses.fields(found) if one.name != "losses"]
    if not all(math.isfinite(one) for one in (*numbers, *found.losses.values())):
        raise ValueError(str(record))
    return found


class GeneratorStore(Shelf[GeneratorRun]):
    """All generators below the folder of all runs."""

    kept = GeneratorRun

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(runs_folder(folder) / FOLDER)

    def none_yet(self) -> str:
        return t("There are no generators in {folder}; `ropero generate --train dcgan` makes one.", folder=self.folder)

    def _listed(self) -> str:
        return t("Known: {known}.", known=joined(run.name for run in self.runs()[-8:]))

    def create(self, config: GeneratorConfig, data: DataNote, environment: dict[str, Any]) -> GeneratorRun:
        """A new folder for a training. Its name says when and what; two processes never get the same."""
        return self._create(config.generator, config, data, environment, {"kind": GENERATOR})
