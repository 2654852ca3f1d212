"""What a report shows beyond the predictions: a run under corruptions, and whether its explanations are faithful.

Both are kept in the run's folder. They look at images of the part that was evaluated, and where that is the test part
the ledger notes it: nothing is chosen by it, but it is a look.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Dataset, Images
from ropero.data.raw import Progress
from ropero.errors import RunError
from ropero.evaluation import explain
from ropero.evaluation import judge as judges
from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.faithfulness import Explained, advantage, faithfulness, random_maps
from ropero.evaluation.judge import Strangers
from ropero.evaluation.outliers import KINDS, made
from ropero.evaluation.robustness import Robustness, measure
from ropero.evaluation.themes import Theme, themes
from ropero.evaluation.unknown import project
from ropero.models.classifier import Classifier
from ropero.models.inference import answers, probabilities
from ropero.runs import Run
from ropero.runtime import mix_seed
from ropero.storage import read_json, write_json
from ropero.texts import t
from ropero.workbench.predict import prepare

STRANGE_SEED = 1  # other strangers than those that the judge was chosen by
CORRUPTED, EXPLAINED = 1_000, 100  # images that are looked at
BEHIND_BASE = 20  # of each, where a frozen base takes a tenth of a second for an image


def robustness(run: Run, part: Dataset, *, device: str = "auto", progress: Progress | None = None) -> Robustness:
    """Accuracy under corruptions on some images of a part, from the run's folder when it was measured before."""
    stored = _stored(run, part.split, "robustness")
    if stored is not None:
        return Robustness.from_json(stored)
    model = run.model(device)
    part = _some(part, _count(model, CORRUPTED))
    _note(run, part.split, "robustness", len(part))

    def told(done: int, total: int) -> None:
        if progress:
            progress(t("corruptions"), done * len(part), total * len(part), "images")

    found = measure(lambda images: probabilities(model, images).argmax(axis=1).astype(np.int64), part, told)
    _store(run, part.split, "robustness", found.to_json())
    return found


def strangers(run: Run, part: Dataset, *, device: str = "auto", others: Dataset | None = None) -> Strangers | None:
    """How well garments of a part are told from other things, from the run's folder when it was measured before; None
    for a run without a judge.

    Args:
        others: images that show none of the classes, MNIST's for example; measured anew beside those made here.
    """
    stored = _stored(run, part.split, "strangers")
    if stored is not None and others is None:
        return Strangers.from_json(stored)
    judge = run.judge
    if judge is None:
        return None
    model = run.model(device)
    part = _some(part, _count(model, CORRUPTED))
    _note(run, part.split, "strangers", len(part))
    images = {kind: made(kind, part.images, STRANGE_SEED) for kind in KINDS}
    if others is not None:
        shown = _some(others, len(part)).images
        images[given_name(others)] = np.stack([prepare(one, run.data.input_shape, "no")[0] for one in shown])
    found = judges.strangers(
        judge,
        answers(model, part.images, project),
        {kind: answers(model, some, project) for kind, some in images.items()},
        part.split,
    )
    _store(run, part.split, "strangers", found.to_json())
    return found


def given_name(others: Dataset) -> str:
    """What images that were given are called, beside those made here: their own name in marks, which no text has."""
    return f"«{others.name}»"


def explained(run: Run, part: Dataset, *, device: str = "auto", progress: Progress | None = None) -> list[Explained]:
    """How faithful each method's explanations are on some images of a part, the one that is shown first; from the
    run's folder when measured before."""
    stored = _stored(run, part.split, "explained")
    if stored is not None:
        listed = stored.get("methods")
        if not isinstance(listed, list) or not listed:
            raise RunError(t("The stored figures of the explanations are damaged: {reason}", reason=t("too few")))
        return [Explained.from_json(one) for one in listed]
    model = run.model(device)
    part = _some(part, _count(model, EXPLAINED))
    _note(run, part.split, "explain", len(part))
    methods, found = explain.possible(model), []
    for method in methods:
        found.append(examine_maps(model, part, method))
        if progress:
            progress(t("explanations"), len(found) * len(part), len(methods) * len(part), "images")
    found.sort(key=lambda one: one.method != explain.SHOWN)  # the one that is shown first; by rule, not by its success
    _store(run, part.split, "explained", {"methods": [one.to_json() for one in found]})
    return found


def examine_maps(model: Classifier, part: Dataset, method: str) -> Explained:
    """Deletion and insertion of a method's maps for the predicted classes, beside those of random maps."""
    images = part.images
    answers = probabilities(model, images)
    classes: NDArray[np.int64] = answers.argmax(axis=1).astype(np.int64)

    def ask(some: Images) -> NDArray[np.float32]:
        return probabilities(model, some)

    ours = faithfulness(images, explain.explain(method, model, images, classes), classes, ask)
    height, width = images.shape[1:3]
    chance = faithfulness(images, random_maps((len(images), height, width)), classes, ask)
    return Explained(
        method=method,
        images=len(images),
        split=part.split,
        shares=ours.shares.tolist(),
        curves={"deletion": ours.deletion.tolist(), "insertion": ours.insertion.tolist()},
        chance={"deletion": chance.deletion.tolist(), "insertion": chance.insertion.tolist()},
        deletion=advantage(chance.deletion_areas, ours.deletion_areas),
        insertion=advantage(ours.insertion_areas, chance.insertion_areas),
    )


def error_themes(run: Run, evaluation: Evaluation, part: Dataset, *, device: str = "auto") -> list[Theme]:
    """The mistakes of an evaluation in groups that look alike to the network, the largest first."""
    wrong = np.flatnonzero(~evaluation.correct)
    if not len(wrong):
        return []
    places = {int(row): at for at, row in enumerate(part.rows)}
    images = part.images[[places[int(row)] for row in evaluation.rows[wrong]]]
    return themes(evaluation, answers(run.model(device), images, project)[0])


def maps(run: Run, images: Images, classes: NDArray[np.int64], method: str = "", device: str = "auto") -> NDArray[Any]:
    """(N, H, W) maps of images for classes (N,), by the usual method where none is named."""
    model = run.model(device)
    return explain.explain(method or explain.SHOWN, model, images, classes)


def _count(model: Classifier, usual: int) -> int:
    return usual if model.base is None else BEHIND_BASE


def _some(part: Dataset, count: int) -> Dataset:
    """So many images drawn by chance, the same ones for every run."""
    if len(part) <= count:
        return part
    rng = np.random.default_rng(mix_seed("examined", len(part)))
    return part.take(np.sort(rng.permutation(len(part))[:count]))


def _stored(run: Run, split: str, name: str) -> dict[str, Any] | None:
    path = run.folder / "evaluation" / f"{split}-{name}.json"
    if not path.exists():
        return None
    found = read_json(path)
    return found if found.pop("weights_sha256", None) == run.card.weights_sha256 else None


def _store(run: Run, split: str, name: str, content: dict[str, Any]) -> None:
    write_json(run.folder / "evaluation" / f"{split}-{name}.json",
               {**content, "weights_sha256": run.card.weights_sha256})  # fmt: skip


def _note(run: Run, split: str, verb: str, images: int) -> None:
    """Note a look at test images, before it is taken."""
    if split == "test":
        run.ledger.record(verb, run.card.weights_sha256, images, None)
