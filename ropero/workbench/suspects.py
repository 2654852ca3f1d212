"""The verb `suspects`: which labels look wrong to networks that did not learn from them.

Trains a network on each k - 1 of k folds and asks it about the k-th; confident learning then names the suspects, and
near-duplicates with different labels are put beside them. The test part is never touched: a label changed after looking
at it would be a choice by test images.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ropero import runtime, texts
from ropero.data.arrays import read_npy
from ropero.data.dataset import Dataset, Splits
from ropero.data.duplicates import find_duplicates
from ropero.data.raw import Progress
from ropero.data.splits import parts as cut_parts
from ropero.errors import DataError, UsageError
from ropero.metrics import confident
from ropero.metrics.confident import Suspects
from ropero.runs import RunStore
from ropero.storage import write_bytes, write_json
from ropero.texts import t
from ropero.texts.numbers import whole
from ropero.training.callbacks import Callback
from ropero.training.config import TrainConfig
from ropero.workbench import evaluate as evaluate_verb
from ropero.workbench import train as train_verb

if TYPE_CHECKING:
    from ropero.reports import review

FOLDS = 5
REVIEWED = 500  # suspects on the page
# Pairs that look alike and are labelled otherwise. Looked at as pictures, those of Fashion-MNIST's training part are
# garments of one cut down to 0.98: 69 pairs; from 0.995 on, where a pair is one garment, there is none.
TWIN_COSINE = 0.98
TWINS = 500  # such pairs, at most
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Suspected:
    """What `suspects` found, and the folder that holds it.

    Attributes:
        part: the images, in the order of the source. probabilities: (N, K), each row of a network that did not learn
            from the image. suspects: positions in the part, the most suspect first.
        twins: pairs of rows that look alike and have different labels.
        accuracy: share of the labels that the networks agree with.
    """

    folder: Path
    part: Dataset
    probabilities: Floats
    suspects: Suspects
    twins: list[tuple[int, int]]
    folds: int

    @property
    def accuracy(self) -> float:
        return float((self.probabilities.argmax(axis=1) == self.part.labels).mean())

    @property
    def page(self) -> Path:
        """Where the page to go through them lies."""
        return self.folder / "review.html"

    def rank(self, row: int) -> int | None:
        """The place of a row among the suspects, from 1; None when it is none."""
        found = np.flatnonzero(self.part.rows[self.suspects.position] == row)
        return int(found[0]) + 1 if len(found) else None

    def to_json(self) -> dict[str, Any]:
        """Every suspect, with English keys and class names."""
        part, found = self.part, self.suspects
        return {
            "images": len(part),
            "folds": self.folds,
            "accuracy": self.accuracy,
            "suspects": [
                {
                    "part": part.split,
                    "row": int(part.rows[at]),
                    "label": part.classes[part.labels[at]],
                    "looks_like": part.classes[guess],
                    "margin": float(margin),
                }
                for at, guess, margin in zip(found.position, found.guess, found.margin, strict=True)
            ],
            "near_duplicates_with_different_labels": [list(pair) for pair in self.twins],
        }


def suspects(
    splits: Splits,
    config: TrainConfig,
    store: RunStore,
    *,
    folds: int = FOLDS,
    callbacks: Callable[[], Sequence[Callback]] = list,
    announce: Callable[[int, train_verb.Plan], None] | None = None,
    progress: Progress | None = None,
) -> Suspected:
    """Find the labels of the training part that look wrong.

    Repeating the same call goes on where it stopped, and shows what is there when it was done.

    Args:
        config: how each fold's network is trained; it holds nothing out itself, but for the test part, which is left
            alone: it should be what `train` is told too.
        folds: how many parts; more make better networks and take longer.
        callbacks: makes what is told of one training. announce: is told each fold's number, from 1, and plan.

    Raises:
        UsageError: fewer than two folds or too few images, a config that holds images out.
    """
    if config.test:  # the images that `train` holds out by the same option are left alone
        splits, config = train_verb.cut(config, splits), config.replace(test=0.0)
    part = splits.train
    if not 2 <= folds <= 20:
        raise UsageError(t("{name} should be at least {low} and at most {high}, got {value}.", name="folds", low=2,
                           high=20, value=folds))  # fmt: skip
    if config.validation or config.images or config.keep == "best" or config.patience:
        raise UsageError(t("The folds hold out every image once; leave validation, images, keep and patience."))
    if len(part) < 2 * folds:
        raise UsageError(t("{n} images are too few for {folds} folds.", n=len(part), folds=folds))
    folder = store.folder / f"suspects-{_digest(part, config, folds)}"
    path = folder / "probabilities.npy"
    if path.exists():
        probabilities: Floats = read_npy(path.name, path.read_bytes())
        if probabilities.shape != (len(part), len(part.classes)) or not np.isfinite(probabilities).all():
            raise DataError(t("{path} is damaged; delete it, and it is made again.", path=path))
    else:
        probabilities = _out_of_fold(part, config, RunStore(folder / "folds"), folds, callbacks, announce)
        file = io.BytesIO()
        np.save(file, probabilities)
        write_bytes(path, file.getvalue())
        shutil.rmtree(folder / "folds", ignore_errors=True)
    pairs = find_duplicates({"train": part}, near_cosine=TWIN_COSINE, listed=TWINS, progress=progress)
    twins = [
        (int(one), int(other))
        for kind in pairs
        for (one, other), same in zip(kind.rows, kind.same, strict=True)
        if not same
    ]
    found = Suspected(folder, part, probabilities, confident.suspects(part.labels, probabilities), twins, folds)
    write_json(folder / "suspects.json", found.to_json())
    return found


def _out_of_fold(
    part: Dataset,
    config: TrainConfig,
    store: RunStore,
    folds: int,
    callbacks: Callable[[], Sequence[Callback]],
    announce: Callable[[int, train_verb.Plan], None] | None,
) -> Floats:
    """(N, K): what networks say of images that they did not learn from."""
    order = np.argsort(part.rows, kind="stable")
    place = np.empty(int(part.rows.max()) + 1, np.int64)
    place[part.rows[order]] = order
    found = np.full((len(part), len(part.classes)), np.nan, np.float32)
    sizes = {str(fold): len(part) // folds + (fold < len(part) % folds) for fold in range(folds)}
    cut = cut_parts(part, sizes, seed=0, stratified=True)
    for fold, held in enumerate(cut.values()):
        rest = part.take(np.sort(np.concatenate([place[one.rows] for one in cut.values() if one is not held])))
        both = Splits(rest, held)
        told = (lambda plan, number=fold + 1: announce(number, plan)) if announce else None
        run = train_verb.train(both, config, store, callbacks=callbacks(), announce=told).run
        judged = evaluate_verb.evaluate(run, split="validation", splits=both).evaluation
        found[place[judged.rows]] = judged.stated
    assert np.isfinite(found).all()
    return found


def _digest(part: Dataset, config: TrainConfig, folds: int) -> str:
    """Twelve letters that stand for everything that decides the result."""
    text = json.dumps([part.digest, config.to_json(), folds, runtime.environment()["code_sha256"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def write_review(found: Suspected, lang: str) -> Path:
    """Write review.html beside the result: the most suspect labels and pairs that differ, to be gone through.

    Raises MissingExtra without ropero[report].
    """
    from ropero.reports import review

    part = found.part
    with texts.language(lang):
        doubts = _doubts(found)
        intro = t(
            "{shown} of {n} images of {data}, the most doubtful first; the networks doubt {all}. Decide by looking: "
            "they may be wrong.",
            shown=whole(len(doubts)),
            all=whole(len(found.suspects.position)),
            n=whole(len(part)),
            data=part.name,
        )
    return review.write(doubts, part, found.probabilities, found.page, lang, intro)


def _doubts(found: Suspected) -> list[review.Doubt]:
    """The suspects, the most suspect first, then the images of twins that are none; each with its twin beside it."""
    from ropero.reports import review

    part = found.part
    places = {int(row): at for at, row in enumerate(part.rows)}
    twins: dict[int, int] = {}
    for one, other in found.twins:
        twins.setdefault(places[one], places[other])
        twins.setdefault(places[other], places[one])
    suspected = list(zip(found.suspects.position.tolist(), found.suspects.guess.tolist(), strict=True))[:REVIEWED]
    doubts = [
        review.Doubt(
            at,
            guess,
            t("It looks like {name} to networks that did not learn from it.", name=t(part.classes[guess])),
            twins.pop(at, None),
        )
        for at, guess in suspected
    ]
    alike = t("It looks nearly like the picture beside it, which is labelled otherwise.")
    return doubts + [review.Doubt(at, int(part.labels[twin]), alike, twin) for at, twin in twins.items()]
