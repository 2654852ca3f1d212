"""What a classifier says of generated images: which classes they show, whether those were wanted, what is no garment.

Knows nothing of generators, networks or pages: probabilities and verdicts come in, figures go out.
Legend: N images, K classes, D draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.errors import RunError
from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.intervals import DRAWS, Measured, apart
from ropero.evaluation.judge import NOT_A_GARMENT, WORDS
from ropero.metrics.classification import confusion_matrix
from ropero.metrics.statistics import percentiles
from ropero.texts import t

Labels = NDArray[np.int64]
MOST = 100_000  # images, and classes times images, that a stored answer may have
_SHORT = 1e-4  # a row of probabilities may miss 1 by so much


@dataclass(frozen=True, eq=False)
class Real:
    """What the same classifier says of real images.

    Attributes:
        confusion: (K, K), row the true class, column the predicted one.
        split: the part of the data that they are of.
        verdicts: how many got each of WORDS; None where nothing judged.
    """

    confusion: Labels
    split: str
    verdicts: tuple[int, ...] | None = None

    @classmethod
    def of(cls, evaluation: Evaluation) -> Real:
        """The figures of an evaluation that are put beside those of generated images."""
        counts = evaluation.verdict_counts()
        return cls(evaluation.confusion, evaluation.split, tuple(counts[word][0] for word in WORDS) if counts else None)

    @property
    def images(self) -> int:
        return int(self.confusion.sum())

    def recall(self, k: int) -> Measured | None:
        """Share of the images of a class that get its name; None where there are none."""
        row = self.confusion[k]
        return Measured.share(int(row[k]), int(row.sum())) if row.sum() else None

    def share(self, k: int) -> Measured:
        """Share of the images that are given the name of a class."""
        return Measured.share(int(self.confusion[:, k].sum()), self.images)


@dataclass(frozen=True, eq=False, repr=False)
class Labelled:
    """Generated images as a classifier sees them, and what follows from that.

    Args:
        probabilities: (N, K) float32 that are stated: calibrated ones where there are any; rows sum to 1.
        classes: the K class names.
        verdicts: (N,) as places in WORDS; None where nothing judges.
        wanted: (N,) classes that the generator was asked for; None for one that cannot be asked.
        real: the same classifier on real images, where that is known.
    """

    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]
    verdicts: Labels | None = None
    wanted: Labels | None = None
    real: Real | None = None

    def __len__(self) -> int:
        return len(self.probabilities)

    def __repr__(self) -> str:
        hit = self.agreement
        return f"Labelled({len(self)} images{'' if hit is None else f', {hit.value:.1%} of the class that was wanted'})"

    @cached_property
    def predicted(self) -> Labels:
        """(N,) the most probable class."""
        best: Labels = self.probabilities.argmax(axis=1).astype(np.int64)
        return best

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """(N,) its stated probability."""
        highest: NDArray[np.float32] = self.probabilities.max(axis=1)
        return highest

    @cached_property
    def counts(self) -> Labels:
        """(K,) images that are given each class's name."""
        return np.bincount(self.predicted, minlength=len(self.classes)).astype(np.int64)

    @cached_property
    def balance(self) -> list[Measured]:
        """The same as shares, with their 95 % intervals."""
        return [Measured.share(int(count), len(self)) for count in self.counts]

    @cached_property
    def expected(self) -> NDArray[np.float64]:
        """(K,) shares of the wanted classes; even ones where none were wanted."""
        if self.wanted is None:
            return np.full(len(self.classes), 1 / len(self.classes))
        return np.bincount(self.wanted, minlength=len(self.classes)) / len(self)

    @cached_property
    def distance(self) -> Measured:
        """How far the shares are from the expected ones: the share of images that would have to be of another class,
        with the basic bootstrap interval, since a draw's own distance is larger by chance."""
        value = float(_apart(self.counts, self.expected))
        drawn = np.random.default_rng(0).multinomial(len(self), self.counts / len(self), DRAWS)
        low, high = percentiles(_apart(drawn, self.expected))
        return Measured(value, max(0.0, min(value, 2 * value - high)), max(value, 2 * value - low))

    @cached_property
    def distance_by_chance(self) -> float | None:
        """What 95 of 100 even samples of this size stay below; None where classes were wanted, which leaves nothing to
        chance."""
        if self.wanted is not None:
            return None
        drawn = np.random.default_rng(0).multinomial(len(self), self.expected, DRAWS)
        return float(np.quantile(_apart(drawn, self.expected), 0.95))

    @cached_property
    def agrees(self) -> NDArray[np.bool_] | None:
        """(N,) whether the predicted class is the wanted one."""
        return None if self.wanted is None else self.predicted == self.wanted

    @property
    def agreement(self) -> Measured | None:
        """The conditional accuracy: share of the images that the classifier takes for what was wanted."""
        return None if self.agrees is None else Measured.share(int(self.agrees.sum()), len(self))

    @cached_property
    def class_agreement(self) -> list[Measured | None]:
        """The same of each wanted class; None for one that was not."""
        if self.confusion is None:
            return [None] * len(self.classes)
        totals = self.confusion.sum(axis=1)
        return [
            Measured.share(int(self.confusion[k, k]), int(total)) if total else None for k, total in enumerate(totals)
        ]

    @cached_property
    def confusion(self) -> Labels | None:
        """(K, K): row the wanted class, column the predicted one."""
        return None if self.wanted is None else confusion_matrix(self.wanted, self.predicted, len(self.classes))

    @cached_property
    def real_accuracy(self) -> Measured | None:
        """The classifier's accuracy on real images that are of the wanted classes in the same shares; None where that
        is not known of one of them. Its interval is put together from the classes' (Zou and Donner 2008)."""
        if self.real is None or self.wanted is None:
            return None
        recalls = [(weight, self.real.recall(k)) for k, weight in enumerate(self.expected) if weight]
        found = [(weight, one) for weight, one in recalls if one is not None]
        if len(found) < len(recalls):
            return None
        value = sum(weight * one.value for weight, one in found)
        below = sum((weight * (one.value - one.low)) ** 2 for weight, one in found)
        above = sum((weight * (one.high - one.value)) ** 2 for weight, one in found)
        return Measured(float(value), float(value - below**0.5), float(value + above**0.5))

    @property
    def gap(self) -> Measured | None:
        """By how much the conditional accuracy lies above the classifier's on real images."""
        real, made = self.real_accuracy, self.agreement
        return None if real is None or made is None else apart(made, real)

    @property
    def usable(self) -> Measured | None:
        """Share of the images that are taken for what was wanted, and are not rejected; None where nothing was wanted
        or nothing judges."""
        if self.agrees is None or self.verdicts is None:
            return None
        kept = self.agrees.copy()
        kept[self.rejected] = False
        return Measured.share(int(kept.sum()), len(self))

    def verdict_counts(self) -> dict[str, int]:
        """How many images got each verdict; empty where nothing judges."""
        if self.verdicts is None:
            return {}
        return {word: int((self.verdicts == place).sum()) for place, word in enumerate(WORDS)}

    def word(self, position: int) -> str:
        """The verdict on one image, in English; "" where nothing judges."""
        return "" if self.verdicts is None else WORDS[self.verdicts[position]]

    @property
    def rejected(self) -> Labels:
        """Positions of the images that are called not a garment, in their order."""
        nothing = np.empty(0, np.int64)
        return nothing if self.verdicts is None else np.flatnonzero(self.verdicts == WORDS.index(NOT_A_GARMENT))

    def disagreements(self, count: int) -> Labels:
        """Positions of the images that are taken for another class than was wanted, the surest first."""
        other = np.flatnonzero(~self.agrees) if self.agrees is not None else np.empty(0, np.int64)
        return other[np.argsort(-self.confidence[other], kind="stable")][:count]

    def to_json(self) -> dict[str, Any]:
        """Every number with English keys and class names, and the answers for each image."""
        hit, distance = self.agreement, self.distance
        return {
            "images": len(self),
            "conditional_accuracy": hit and vars(hit),
            "accuracy_on_real_images": self.real_accuracy and vars(self.real_accuracy),
            "conditional_accuracy_above_real": self.gap and vars(self.gap),
            "as_wanted_and_not_rejected": self.usable and vars(self.usable),
            "distance_of_class_shares": {**vars(distance), "by_chance": self.distance_by_chance},
            "classes": {
                name: {
                    "images": int(self.counts[k]),
                    "share": vars(self.balance[k]),
                    "conditional_accuracy": (one := self.class_agreement[k]) and vars(one),
                }
                for k, name in enumerate(self.classes)
            },
            "verdicts": self.verdict_counts(),
            "real": None
            if self.real is None
            else {**vars(self.real), "confusion": self.real.confusion.tolist(), "verdicts": self.real.verdicts},
            "answers": {
                # As few digits as tell a float32.
                "probabilities": [[float(str(share)) for share in row] for row in self.probabilities],
                "verdicts": None if self.verdicts is None else self.verdicts.tolist(),
                "wanted": None if self.wanted is None else self.wanted.tolist(),
            },
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Labelled:
        """What `to_json` gave. Raises RunError for anything else."""
        try:
            answers, real = values["answers"], values["real"]
            made = cls(
                np.array(answers["probabilities"], np.float32),
                tuple(map(str, values["classes"])),
                _whole(answers["verdicts"]),
                _whole(answers["wanted"]),
                real and _real(real),
            )
            if not made._fits():
                raise ValueError("shapes")
            return made
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise RunError(t("The stored labels of generated images are damaged: {reason}", reason=error)) from error

    def _fits(self) -> bool:
        """Whether shapes and values go together."""
        n, k, shares = len(self.probabilities), len(self.classes), self.probabilities
        fits = 0 < n <= MOST and k > 1 and n * k <= 100 * MOST and shares.shape == (n, k)
        fits = fits and bool((shares >= 0).all()) and bool((abs(shares.sum(axis=1) - 1) < _SHORT).all())
        for array, end in ((self.verdicts, len(WORDS)), (self.wanted, k)):
            fits = fits and (array is None or (array.shape == (n,) and bool(((array >= 0) & (array < end)).all())))
        real = self.real
        return fits and (real is None or (real.confusion.shape == (k, k) and real.images > 0))


def _apart(counts: NDArray[np.int64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """(...,) half the sum of the differences between counts (..., K) as shares and the expected ones."""
    shares = counts / counts.sum(axis=-1, keepdims=True)
    found: NDArray[np.float64] = abs(shares - expected).sum(axis=-1) / 2
    return found


def _whole(values: Any) -> Labels | None:
    """A stored list of whole numbers. Raises ValueError for other numbers."""
    if values is None:
        return None
    found = np.array(values)
    if found.dtype.kind != "i":
        raise ValueError("whole numbers")
    return found.astype(np.int64)


def _real(values: Mapping[str, Any]) -> Real:
    confusion, verdicts = _whole(values["confusion"]), _whole(values["verdicts"])
    if confusion is None or bool((confusion < 0).any()):
        raise ValueError("confusion")
    if verdicts is not None and verdicts.shape != (len(WORDS),):
        raise ValueError("verdicts")
    return Real(confusion, str(values["split"]), None if verdicts is None else tuple(verdicts.tolist()))
