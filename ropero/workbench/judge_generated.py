"""What is made of a generator's pictures: a run says which classes they show, features say how near to real ones they
are. Both are kept beside the generator's weights.

Knows nothing of how a generator works: it is a function that makes pictures.
Legend: N pictures, K classes, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Dataset, Images, Labels
from ropero.errors import RunError, UsageError, unknown
from ropero.evaluation import generation_score
from ropero.evaluation.generated import Labelled, Real
from ropero.evaluation.generation_score import GenerationScore
from ropero.evaluation.ledger import TestLedger
from ropero.export.engines import AUTO
from ropero.models.inference import softmax
from ropero.runs import Run
from ropero.runtime import mix_seed
from ropero.storage import read_json, write_json
from ropero.texts import t
from ropero.workbench.engine import of_run

Make = Callable[[Sequence[int], Labels | None], Images]  # pictures of these seeds, of these classes
Features = Callable[[Images], NDArray[np.floating]]  # (N, D) of N images
Told = Callable[[int, int], None]

DRAWS, SAMPLES = 5, 10_000
LABELS, SCORE = "labels.json", "score.json"


def label(
    run: Run,
    images: Images,
    *,
    wanted: Labels | None = None,
    classes: Sequence[str] = (),
    device: str = "auto",
    engine: str = AUTO,
) -> Labelled:
    """What a run, trained here or imported, says of generated images (N, H, W[, C]).

    Its figures on real images are put beside, where it was evaluated before; no part of the data is opened for that.

    Args:
        wanted: (N,) what each picture was asked for, as places in `classes`.
        classes: the generator's.

    Raises:
        RunError: the run is not trained.
        UsageError: images of another size, or a class that the run does not know.
    """
    shape = (1 if images.ndim == 3 else int(images.shape[3]), int(images.shape[1]), int(images.shape[2]))
    if shape != run.data.input_shape:
        raise UsageError(
            t("{run} takes images {expected}, got {got}.", run=run.name, expected=run.data.input_shape, got=shape)
        )
    known = run.card.classes
    if wanted is not None:
        wanted = _places(classes, known)[wanted]
    features, logits = of_run(run, run.model(device), engine)(images)
    judge = run.judge
    judged = None if judge is None else judge.judge(features, logits)
    evaluation = run.evaluation("test") or run.evaluation("validation")
    return Labelled(
        softmax(logits) if judged is None else judged.probabilities,
        known,
        None if judged is None else judged.verdicts,
        wanted,
        None if evaluation is None else Real.of(evaluation),
    )


def _places(classes: Sequence[str], known: Sequence[str]) -> Labels:
    """(K,): where each of the classes stands among those that a run knows. Raises UsageError for one it does not."""
    for name in classes:
        if name not in known:
            raise unknown(t("class"), name, known)
    return np.array([known.index(name) for name in classes], np.int64)


def score(
    make: Make,
    features: Features,
    real: Dataset,
    others: Dataset,
    *,
    name: str,
    conditional: bool,
    samples: int = SAMPLES,
    draws: int = DRAWS,
    ledger: TestLedger | None = None,
    weights_sha256: str = "",
    told: Told | None = None,
) -> GenerationScore:
    """How near a generator's pictures come to real images, with other real images in their place as the floor.

    Pictures are those of the seeds 0, 1, 2 and so on, a draw after another; where classes can be asked for, they are
    those of the real images, so that no share is wrong by request.

    Args:
        features: what figures are measured on. name: what that is called.
        real: the images that are the measure. Where they are a test part, the ledger notes the look first.
        others: further real images, none of which is among `real`.
        conditional: whether the generator can be asked for a class.
        ledger, weights_sha256: of the generator; not needed where `real` is no test part.
        told: is told how many pictures, real ones among them, have their features, of how many.

    Raises UsageError for too few images, or for a test part without a ledger.
    """
    if real.split == "test":
        if ledger is None:
            raise UsageError(t("A look at test images is written down: a score against them takes a ledger."))
        ledger.record("score", weights_sha256, len(real), None)
    order = np.random.default_rng(mix_seed("others", len(others))).permutation(len(others))
    total = len(real) + len(others) + draws * samples
    done = 0

    def of(images: Images) -> NDArray[np.floating]:
        nonlocal done
        found = features(images)
        done += len(images)
        if told:
            told(done, total)
        return found

    wanted = np.resize(real.labels, samples) if conditional else None
    of_real, of_others = of(real.images), of(others.images[order])
    made = [of(make(range(draw * samples, (draw + 1) * samples), wanted)) for draw in range(draws)]
    return generation_score.score(of_real, made, of_others, features=name, split=real.split, others_split=others.split)


@dataclass(frozen=True, eq=False)
class Labelling:
    """What a classifier, called `by`, said of the pictures of a seed and the numbers after it."""

    found: Labelled
    by: str
    seed: int


def keep(
    folder: Path, weights_sha256: str, *, labels: Labelling | None = None, scored: GenerationScore | None = None
) -> None:
    """Store what was found beside a generator's weights, which it belongs to."""
    if labels is not None:
        notes = {"by": labels.by, "seed": labels.seed, "weights_sha256": weights_sha256}
        write_json(folder / LABELS, {**notes, **labels.found.to_json()})
    if scored is not None:
        write_json(folder / SCORE, {"weights_sha256": weights_sha256, **scored.to_json()})


def kept_labels(folder: Path, weights_sha256: str) -> Labelling | None:
    """The answers that were kept for these weights; None where there are none. Raises RunError for damaged ones."""
    found = _kept(folder / LABELS, weights_sha256)
    if found is None:
        return None
    seed = found.get("seed")
    if not isinstance(seed, int) or seed < 0:
        raise RunError(t("The stored labels of generated images are damaged: {reason}", reason="seed"))
    return Labelling(Labelled.from_json(found), str(found.get("by", "")), seed)


def kept_score(folder: Path, weights_sha256: str) -> GenerationScore | None:
    """The score that was kept for these weights; None where there is none. Raises RunError for a damaged one."""
    found = _kept(folder / SCORE, weights_sha256)
    return None if found is None else GenerationScore.from_json(found)


def _kept(path: Path, weights_sha256: str) -> dict[str, Any] | None:
    found = read_json(path) if path.exists() else {}
    return found if found.get("weights_sha256") == weights_sha256 else None
