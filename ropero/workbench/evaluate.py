"""The verb `evaluate`: opens a part of the data once, and writes down that it did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from ropero.data import sources
from ropero.data.dataset import PARTS, Dataset, Splits
from ropero.data.known import KNOWN
from ropero.data.raw import Progress
from ropero.errors import DataError, RunError, UsageError, unknown
from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.evaluate import evaluate as predict_all
from ropero.export.engines import AUTO
from ropero.models.codes import Told
from ropero.runs import Run
from ropero.shelf import Kept
from ropero.texts import joined, t
from ropero.workbench.engine import of_run
from ropero.workbench.train import cut

PATIENCE = 600.0  # seconds to wait for another process that is at work on the run


@dataclass(frozen=True)
class Evaluated:
    """What `evaluate` gave; `fresh` is False when the stored figures were shown and nothing was opened."""

    run: Run
    evaluation: Evaluation
    fresh: bool
    openings: int

    @property
    def engine(self) -> str:
        """What computed the figures: "torch" or "onnxruntime"; "" where an older ropero did not say."""
        return str((self.run.figures(self.evaluation.split) or {}).get("engine", ""))


def evaluate(
    run: Run,
    *,
    split: str = "test",
    data: str | None = None,
    splits: Splits | None = None,
    again: bool = False,
    device: str = "auto",
    engine: str = AUTO,
    told: Told | None = None,
) -> Evaluated:
    """Evaluate a run on a part of its data.

    The test part is opened once: a second call shows the stored figures, unless `again` asks for another opening,
    which the ledger counts.

    Args:
        data: where the data lie now, when not where they were.
        splits: the data, when loaded already.
        device: where to compute: auto, cpu, cuda or mps.
        engine: what computes: auto, torch, torch-bf16 or onnxruntime.
        told: is told how far the features of a network with a frozen base have come, which may take long.

    Raises:
        RunError, DataError, UsageError: no trained run, other data than it was made with, or no such part.
    """
    if split not in PARTS:
        raise unknown(t("split"), split, PARTS)
    run.require_trained()
    # Asked for in two windows at once, the second waits for the first and shows its figures: the part is opened once.
    try:
        held = run.lock().acquire(timeout=PATIENCE)
    except Timeout as error:
        raise RunError(t("Another process is at work on {run}; try again later.", run=run.name)) from error
    with held:
        stored = None if again else run.evaluation(split)
        if stored is not None:
            return Evaluated(run, stored, False, run.ledger.judgements())
        part = part_of(run, split, data=data, splits=splits)
        model = run.model(device)
        asked = of_run(run, model, engine, told)
        evaluation = predict_all(model, part, told, run.judge, asked)
        if split == "test":
            # Written before the figures: an opening counts even if storing its result fails.
            run.ledger.record("evaluate", run.card.weights_sha256, len(part), evaluation.accuracy)
        run.save_evaluation(evaluation, asked.name)
        return Evaluated(run, evaluation, True, run.ledger.judgements())


def part_of(run: Run, split: str, *, data: str | None = None, splits: Splits | None = None) -> Dataset:
    """A part of the data that the run was made with, loaded again and checked, and changed as it was for the run.

    Raises RunError when the data are not the same, DataError when they are gone, UsageError when there is no such part.
    """
    splits = splits if splits is not None else reload(run, data)
    if splits.classes != run.data.classes:
        raise RunError(t("{data} has other classes than {run} was made with.", data=splits.name, run=run.name))
    for part in splits.parts().values():
        run.check_data(part)
    parts = cut(run.config, splits, run.changes).parts()
    if split not in parts and run.origin:
        raise UsageError(
            t("{run} was imported, and its data have no {split} part; they have {known}.", run=run.name, split=split,
              known=joined(parts))
        )  # fmt: skip
    if split not in parts:
        raise UsageError(
            t(
                "{run} has no {split} part; images are held out of training with --{split} 0.1, for example.",
                run=run.name,
                split=split,
            )
        )
    return parts[split]


def reload(run: Kept, data: str | None = None, progress: Progress | None = None) -> Splits:
    """The run's data from where it says they are, or from `data`, as they are in the source."""
    note = run.data
    side = note.image_size
    name = note.source.partition("=")[0]
    if data is not None:
        if name in KNOWN:
            return sources.load(name, data=data, image_size=side, progress=progress)
        return sources.load(Path(data), image_size=side, progress=progress)
    if not note.source:
        raise DataError(t("The data of {run} were made in Python: give them again, as splits=.", run=run.name))
    try:
        return sources.load(note.source, image_size=side, progress=progress)
    except DataError as error:
        raise DataError(
            t(
                "The data of {run} cannot be loaded ({reason}). Say where they are with --data PATH.",
                run=run.name,
                reason=error,
            )
        ) from error
