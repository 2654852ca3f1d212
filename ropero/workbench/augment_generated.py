"""Does a classifier that has few labelled images learn more when generated garments are added? Measured, both ways.

The generator learns from the same few images and from no others: whatever it adds was in them. With and without makes
the same number of steps, begins with the same weights and is judged by the same images, which no one learned from.
Legend: N labelled images, M generated ones, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Dataset, Images, Labels
from ropero.data.splits import parts
from ropero.errors import UsageError
from ropero.generation.config import GeneratorConfig
from ropero.generation.learner import Learner
from ropero.generation.loop import fit as fit_generator
from ropero.metrics.statistics import paired_interval, student_interval
from ropero.models.inference import probabilities
from ropero.runtime import mix_seed, resolve_device
from ropero.texts import t
from ropero.training.config import TrainConfig
from ropero.training.loop import fit

Make = Callable[[Learner, Sequence[int], Labels | None], Images]  # a learner's pictures of these seeds and classes
SURE = 0.8  # from which a classifier's own label of a picture is taken; label smoothing leaves 0.91 at most


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What decides an experiment.

    Attributes:
        images: labelled ones that all is learned from. times: how many are generated for each of them, one
            measurement for each number. seed: of the choice of images, and of all that learns.
        generator, classifier: their seeds and epochs are set here. generator_steps, steps: that they make.
    """

    images: int
    times: tuple[int, ...]
    seed: int
    generator: GeneratorConfig
    classifier: TrainConfig
    generator_steps: int = 10_000
    steps: int = 2_000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One classifier with generated garments beside the one without.

    Attributes:
        images, times, seed: of the setup. added: pictures that were added; fewer than asked for where the classifier
            labels them, and is not sure of all. asked: whether the generator was asked for their classes.
        agreement: share of the pictures that the classifier without them takes for what was asked for; None where the
            classifier labels them.
        held: images that judge; without, with_them: how many of them are named correctly; only_without, only_with: by
            one of the two alone.
        generator_seconds: of its training.
    """

    images: int
    times: int
    seed: int
    added: int
    asked: bool
    agreement: float | None
    held: int
    without: int
    with_them: int
    only_without: int
    only_with: int
    generator_seconds: float

    @property
    def difference(self) -> float:
        """By how much the accuracy is higher with them."""
        return (self.only_with - self.only_without) / self.held

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of that for other images to be judged by, the two networks being as they are."""
        return paired_interval(self.only_with, self.only_without, self.held)

    def to_json(self) -> dict[str, Any]:
        """Every number, with English keys."""
        return asdict(self)


def augment(train: Dataset, held: Dataset, setup: Setup, make: Make) -> list[Outcome]:
    """Measure with and without, a measurement for each number of `setup.times`.

    Args:
        train: of which the few images are drawn, by seed, each class in its share. held: that judge; none is in
            `train`.
        make: pictures of a learner.

    Raises UsageError for more images than there are.
    """
    few = parts(train, {"train": setup.images}, seed=setup.seed)["train"]
    epochs = _epochs(setup.generator_steps, len(few), setup.generator.batch_size)
    learner, history = fit_generator(setup.generator.replace(epochs=epochs, seed=setup.seed), few)
    without = _Trained(setup, few, held)
    found = []
    for times in setup.times:
        added = _made(learner, few, times, without, make)
        both = _Trained(setup, _joined(few, added.data) if added.data is not None else few, held)
        found.append(
            Outcome(
                images=len(few),
                times=times,
                seed=setup.seed,
                added=0 if added.data is None else len(added.data),
                asked=learner.classes > 0,
                agreement=added.agreement,
                held=len(held),
                without=int(without.right.sum()),
                with_them=int(both.right.sum()),
                only_without=int((without.right & ~both.right).sum()),
                only_with=int((~without.right & both.right).sum()),
                generator_seconds=sum(one.epoch_seconds for one in history),
            )
        )
    return found


class _Trained:
    """A classifier of some images, and which of those held out it gets right."""

    def __init__(self, setup: Setup, images: Dataset, held: Dataset) -> None:
        epochs = _epochs(setup.steps, len(images), setup.classifier.batch_size)
        config = setup.classifier.replace(epochs=epochs, seed=setup.seed)
        self._model = fit(config, images)[0].to(resolve_device(config.device))
        self.right: NDArray[np.bool_] = self.says(held.images).argmax(axis=1) == held.labels

    def says(self, images: Images) -> NDArray[np.float32]:
        """(N, K) probabilities."""
        return probabilities(self._model, images)


@dataclass(frozen=True)
class _Made:
    """Generated images with labels, None where none could be labelled, and how many are seen as they were wanted."""

    data: Dataset | None
    agreement: float | None


def _made(learner: Learner, few: Dataset, times: int, judge: _Trained, make: Make) -> _Made:
    """So many pictures for each labelled image: asked for by class in the classes' shares, else labelled by the
    classifier that has seen no others, as far as it is sure."""
    count = times * len(few)
    seeds = range(mix_seed("added", times) % 2**31, mix_seed("added", times) % 2**31 + count)
    if learner.classes:
        wanted = np.tile(few.labels, times)
        images = make(learner, seeds, wanted)
        agreement = float((judge.says(images).argmax(axis=1) == wanted).mean())
        return _Made(Dataset(images, wanted, few.classes, few.name, "train"), agreement)
    images = make(learner, seeds, None)
    said = judge.says(images)
    sure = said.max(axis=1) >= SURE
    if not sure.any():
        return _Made(None, None)
    return _Made(Dataset(images[sure], said[sure].argmax(axis=1), few.classes, few.name, "train"), None)


def _joined(few: Dataset, added: Dataset) -> Dataset:
    """Both as one training part."""
    images = np.concatenate([few.images, added.images.reshape(len(added), *few.images.shape[1:])])
    return Dataset(images, np.concatenate([few.labels, added.labels]), few.classes, few.name, "train")


def _epochs(steps: int, images: int, batch_size: int) -> int:
    """Passes over so many images that come nearest to a number of steps."""
    return max(1, round(steps / math.ceil(images / batch_size)))


@dataclass(frozen=True)
class Gain:
    """What adding gives over several seeds: accuracies without and with, and the mean difference with its 95 %
    interval over the seeds, None of a single one."""

    seeds: int
    without: float
    with_them: float
    difference: float
    interval: tuple[float, float] | None

    @property
    def helps(self) -> bool | None:
        """Whether the whole interval is above 0; None where it holds 0 or there is none: nothing is shown."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return None
        return self.interval[0] > 0


def gain(outcomes: Sequence[Outcome]) -> Gain:
    """Summarise measurements that differ by their seed alone. Raises UsageError where they differ in more."""
    if len({(one.images, one.times) for one in outcomes}) != 1 or len({one.seed for one in outcomes}) < len(outcomes):
        raise UsageError(t("Measurements of one number of images, each with a seed of its own, can be summarised."))
    differences = [one.difference for one in outcomes]
    return Gain(
        len(outcomes),
        float(np.mean([one.without / one.held for one in outcomes])),
        float(np.mean([one.with_them / one.held for one in outcomes])),
        float(np.mean(differences)),
        student_interval(differences) if len(differences) > 1 else None,
    )


def gains(outcomes: Sequence[Outcome]) -> Mapping[tuple[int, int], Gain]:
    """By (images, times), what adding gives."""
    keys = sorted({(one.images, one.times) for one in outcomes})
    return {key: gain([one for one in outcomes if (one.images, one.times) == key]) for key in keys}
