"""How well fillers restore what is hidden of a run's images: the benchmark of the verb `complete`.

Legend: N images, H x W pixels, C channels, D draws, K classes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ropero.data.dataset import Dataset, Images, Splits
from ropero.data.raw import Progress
from ropero.evaluation.restored import GUESS, MEAN, ONE, Examples, Hidden, Restored, restored, title
from ropero.generation.baselines import BASELINES
from ropero.generation.fillers import Filler, Pixels
from ropero.generation.masks import Known, Missing
from ropero.models.classifier import Classifier
from ropero.models.inference import Floats, probabilities
from ropero.runs import Run
from ropero.texts import t
from ropero.workbench.complete import eight_bits
from ropero.workbench.evaluate import part_of

IMAGES, DRAWS, EXAMPLES = 500, 5, 8  # images, fillings of one that has several, images on the page
MISSING = ("half-bottom", "rectangle", "0.5")  # what is hidden where nothing is said


@dataclass(frozen=True, eq=False, repr=False)
class Benchmark:
    """How well fillers restore images of a part of a run's data, for each kind of hole.

    Attributes:
        seen: names of generators that may have learned from these very images, which their figures then flatter.
        examples: some of the images with what each filler made of them, for each kind of hole.
    """

    run: Run
    split: str
    images: int
    seed: int
    draws: int
    seen: tuple[str, ...]
    holes: tuple[Hidden, ...]
    examples: tuple[Examples, ...]

    def to_json(self) -> dict[str, Any]:
        """Every number, with English keys."""
        return {
            "run": self.run.name,
            "network": self.run.config.network,
            "weights_sha256": self.run.card.weights_sha256,
            "data": self.run.data.name,
            "split": self.split,
            "images": self.images,
            "seed": self.seed,
            "draws": self.draws,
            "may_have_learned_from_these_images": list(self.seen),
            "holes": [one.to_json(list(BASELINES)) for one in self.holes],
        }


def benchmark(
    run: Run,
    fillers: Sequence[Filler],
    missing: Sequence[Missing],
    *,
    images: int = IMAGES,
    draws: int = DRAWS,
    seed: int = 0,
    split: str = "validation",
    data: str | None = None,
    splits: Splits | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Benchmark:
    """Hide parts of images and score what fills them, by the pixels and by what the run makes of the filled image.

    Of the test part, the ledger notes the look before anything is predicted.

    Args:
        images: how many of the part, the same for the same seed.
        draws: fillings of an image by a filler that has several; 1 judges best guesses alone.
        progress: is told of images filled, of each filler.

    Raises:
        UsageError, DataError, RunError: no such part, other data than the run's, or fillers of other images.
    """
    part = part_of(run, split, data=data, splits=splits)
    some = part.take(np.sort(np.random.default_rng(seed).permutation(len(part))[:images]))
    model = run.model(device)
    if split == "test":
        run.ledger.record("complete", run.card.weights_sha256, len(some), None)
    whole = probabilities(model, some.images)
    holes, shown = [], []
    for place, one in enumerate(missing):
        asked = _Asked(model, some, one.known(len(some), *some.input_shape[1:], seed))
        rows, examples = [], asked.examples(whole)
        for number, filler in enumerate(fillers):
            if progress:
                done = (place * len(fillers) + number) * len(some)
                progress(t("filled"), done, len(missing) * len(fillers) * len(some), "images")
            for row, filled, said in asked.judged(filler, draws, seed):
                rows.append(row)
                examples.filled[title(row)] = (eight_bits(filled[:EXAMPLES]), said[:EXAMPLES])
        holed = probabilities(model, asked.black).argmax(1) == some.labels
        correct = whole.argmax(1) == some.labels
        holes.append(Hidden(one.name, float((~asked.known).mean()), correct, holed, tuple(rows)))
        shown.append(examples)
    seen = tuple(one.name for one in fillers if _from_train(run, split) and one.learned == run.data.digests["train"])
    return Benchmark(run, split, len(some), seed, draws, seen, tuple(holes), tuple(shown))


def _from_train(run: Run, split: str) -> bool:
    """Whether the images of a part are of the training part of the source."""
    return split == "train" or split not in run.data.digests


class _Asked:
    """Images with holes, and the network that is asked about what fills them."""

    def __init__(self, model: Classifier, part: Dataset, known: Known) -> None:
        self._model, self._part, self.known = model, part, known
        self._truth = part.images.astype(np.float32) / np.float32(255)
        self._wide = known if part.images.ndim == 3 else known[..., None]

    @property
    def black(self) -> Images:
        """The images with missing pixels black."""
        return np.where(self._wide, self._part.images, 0).astype(np.uint8)

    def judged(self, filler: Filler, draws: int, seed: int) -> list[tuple[Restored, Pixels, Floats]]:
        """(figures, the filled images (N, H, W[, C]) that were judged, probabilities (N, K)) of the best guess, and
        where the filler has several fillings, of one of them and of their mean."""
        begun = time.perf_counter()
        guess = filler.fill(self._truth, self.known, 1, seed)
        seconds = time.perf_counter() - begun
        rows = [(GUESS, guess, self._said(guess), seconds)]
        if filler.several and draws > 1:
            begun = time.perf_counter()
            several = filler.fill(self._truth, self.known, draws, seed)
            seconds = time.perf_counter() - begun
            said = [self._said(several[draw : draw + 1]) for draw in range(draws)]
            rows.append((ONE, several, said[0], seconds))
            rows.append((MEAN, several, np.mean(said, axis=0, dtype=np.float32), seconds))
        found = []
        for what, filled, says, took in rows:
            correct = says.argmax(1) == self._part.labels
            row = restored(filler.name, what, self._truth, filled, self.known, correct, took)
            found.append((row, filled.mean(0, dtype=np.float32) if what == MEAN else filled[0], says))
        return found

    def _said(self, filled: Pixels) -> Floats:
        """(N, K) of one filling (1, N, H, W[, C]); observed pixels are the images' own."""
        return probabilities(self._model, np.where(self._wide, self._part.images, eight_bits(filled[0])))

    def examples(self, whole: Floats) -> Examples:
        """The first images, to be shown; nothing filled yet."""
        first = slice(0, EXAMPLES)
        part = self._part.take(range(min(EXAMPLES, len(self._part))))
        return Examples(part, self.known[first], whole[first], {})


def write_page(found: Benchmark, path: Path, lang: str) -> Path:
    """Write the page of a benchmark and return its path. Raises MissingExtra without ropero[report]."""
    from ropero.reports import restored as page

    scored = page.Scored(
        found.run.name, found.run.data.name, found.split, found.images, found.holes, found.examples, list(BASELINES),
        found.seen,
    )  # fmt: skip
    return page.write_scores(scored, path, lang)
