"""How a trained network's judge comes about: what it makes of training images, of held-out ones, and of no garments."""

from __future__ import annotations

import numpy as np

from ropero.data.dataset import Dataset, Splits
from ropero.evaluation import judge as judges
from ropero.evaluation.judge import Answers, Judge
from ropero.evaluation.outliers import KINDS, made
from ropero.evaluation.unknown import project
from ropero.models.classifier import Classifier
from ropero.models.inference import answers
from ropero.runtime import mix_seed

FITTED, MEASURED = 10_000, 10_000  # images that scores are fitted to and measured on, at most
STRANGE, STRANGE_BEHIND_BASE = 1_000, 100  # outliers of each kind; a frozen base takes a tenth of a second for one


def judge(model: Classifier, parts: Splits) -> Judge:
    """Fit a judge to a trained network: measured on the validation part, by rule where there is none."""
    train = _some(parts.train, FITTED)
    learned = _answers(model, train)
    if parts.validation is None:
        return judges.fit_unmeasured(learned, train.labels)
    held = _some(parts.validation, MEASURED)
    few = _some(held, STRANGE if model.base is None else STRANGE_BEHIND_BASE)
    strange = {kind: answers(model, made(kind, few.images), project) for kind in KINDS}
    return judges.fit(learned, train.labels, _answers(model, held), held.labels, strange)


def _answers(model: Classifier, images: Dataset) -> Answers:
    return answers(model, images.images, project)


def _some(part: Dataset, count: int) -> Dataset:
    """At most so many images, drawn by chance: files may be in the order of the classes."""
    if len(part) <= count:
        return part
    rng = np.random.default_rng(mix_seed("judge", len(part)))
    return part.take(np.sort(rng.permutation(len(part))[:count]))
