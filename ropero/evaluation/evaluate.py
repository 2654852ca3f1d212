"""`Evaluation`: the predictions for one part of the data, and every number derived from them.

Knows nothing of networks' insides, run folders or pages: labels and probabilities come in, figures go out.
Legend: N images, K classes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.arrays import read_arrays
from ropero.data.dataset import Dataset, Images
from ropero.errors import DataError, RunError
from ropero.evaluation import intervals
from ropero.evaluation.intervals import ClassFigures, Measured
from ropero.evaluation.judge import WORDS, Answers, Judge, Judged
from ropero.evaluation.unknown import project
from ropero.metrics.calibration import Calibration, calibration
from ropero.metrics.classification import (
    ClassReport,
    accuracy,
    class_report,
    confusion_matrix,
    log_loss,
    log_losses,
    top_k_accuracy,
)
from ropero.metrics.selective import Coverage, coverage_curve
from ropero.metrics.statistics import wilson_interval
from ropero.models.classifier import Classifier
from ropero.models.codes import Told
from ropero.models.inference import answers, softmax
from ropero.texts import t

_LIMIT_BYTES = 2 << 30  # of the stored arrays, unpacked
_JUDGED = ("judged_probabilities", "judged_verdicts", "judged_scores")


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Predictions and what follows from them.

    Args:
        labels: (N,) true classes.
        probabilities: (N, K) float32 rows that sum to 1.
        rows: (N,) where each image stands in its source file.
        classes: the K class names.
        split: which part of the data this is.
        judged: calibrated probabilities and verdicts, where the run has a judge.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    rows: NDArray[np.int64]
    classes: tuple[str, ...]
    split: str
    judged: Judged | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        low, high = self.interval
        return f"Evaluation({self.split}: accuracy {self.accuracy:.4f} on {len(self)} images, 95% {low:.4f}-{high:.4f})"

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) the most probable class."""
        best: NDArray[np.int64] = self.probabilities.argmax(axis=1).astype(np.int64)
        return best

    @property
    def stated(self) -> NDArray[np.float32]:
        """(N, K) the probabilities that are stated: calibrated ones where there are any, else the network's own."""
        return self.probabilities if self.judged is None else self.judged.probabilities

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """(N,) the stated probability of the predicted class."""
        highest: NDArray[np.float32] = self.stated.max(axis=1)
        return highest

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """(N,) whether the predicted class is the true one."""
        right: NDArray[np.bool_] = self.predicted == self.labels
        return right

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """(K, K): row the true class, column the predicted one."""
        return confusion_matrix(self.labels, self.predicted, len(self.classes))

    @property
    def accuracy(self) -> float:
        return accuracy(self.confusion)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy: what another N images of this kind may give."""
        return wilson_interval(int(self.correct.sum()), len(self))

    @cached_property
    def report(self) -> ClassReport:
        """Precision, recall, F1 and support of each class."""
        return class_report(self.confusion)

    @cached_property
    def class_figures(self) -> list[ClassFigures]:
        """Precision, recall, F1, areas under the curves of each class, with their 95 % intervals."""
        return intervals.class_figures(self.labels, self.stated, self.confusion)

    @cached_property
    def averages(self) -> dict[str, dict[str, Measured]]:
        """ "macro" and "weighted" precision, recall and F1, with their 95 % intervals."""
        return intervals.averages(self.confusion)

    @cached_property
    def calibration(self) -> Calibration:
        """Stated confidence against hit rate in 15 bins."""
        return calibration(self.confidence, self.correct)

    @cached_property
    def own_calibration(self) -> Calibration:
        """The same of what the network states by itself."""
        return calibration(self.probabilities.max(axis=1), self.correct)

    @cached_property
    def coverage(self) -> Coverage:
        """Accuracy against coverage, when only the surest are answered."""
        return coverage_curve(self.confidence, self.correct)

    def verdict(self, word: str) -> NDArray[np.bool_]:
        """(N,) which images got this verdict; none of them where nothing judges."""
        if self.judged is None:
            return np.zeros(len(self), np.bool_)
        found: NDArray[np.bool_] = self.judged.verdicts == WORDS.index(word)
        return found

    def word(self, position: int) -> str:
        """The verdict on one image, in English; "" where nothing judges."""
        return "" if self.judged is None else WORDS[self.judged.verdicts[position]]

    @cached_property
    def f1_figures(self) -> list[Measured | None]:
        """F1 of each class with its 95 % interval."""
        return intervals.f1_scores(self.confusion)

    @property
    def log_loss(self) -> float:
        """Of what the network states by itself, so that it compares with other programs' losses."""
        return log_loss(self.labels, self.probabilities)

    @cached_property
    def log_loss_measured(self) -> Measured:
        """The same with its 95 % interval."""
        return intervals.mean(log_losses(self.labels, self.probabilities))

    @cached_property
    def calibration_error(self) -> Measured:
        """Expected calibration error of the stated probabilities, with its 95 % interval."""
        return intervals.calibration_error(self.confidence, self.correct)

    @property
    def stated_log_loss(self) -> float:
        """Of the probabilities that are stated."""
        return log_loss(self.labels, self.stated)

    def verdict_counts(self) -> dict[str, tuple[int, int]]:
        """By verdict: how many images got it and how many of them are right; empty where nothing judges."""
        if self.judged is None:
            return {}
        chosen = {word: self.verdict(word) for word in WORDS}
        return {word: (int(got.sum()), int(self.correct[got].sum())) for word, got in chosen.items()}

    @property
    def top2_accuracy(self) -> float:
        return top_k_accuracy(self.labels, self.probabilities, 2)

    @property
    def top2_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of it."""
        return wilson_interval(round(self.top2_accuracy * len(self)), len(self))

    def confident_mistakes(self, count: int) -> NDArray[np.int64]:
        """Positions of the wrong predictions with the highest confidence, highest first; ties by position."""
        wrong = np.flatnonzero(~self.correct)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")][:count]

    def confused_pairs(self, count: int) -> list[tuple[int, int, int]]:
        """(true class, predicted class, images) of the most frequent confusions."""
        off = self.confusion.copy()
        np.fill_diagonal(off, 0)
        order = np.argsort(-off, axis=None, kind="stable")[:count]
        pairs = [(int(at // len(off)), int(at % len(off)), int(off.flat[at])) for at in order]
        return [pair for pair in pairs if pair[2]]

    def to_json(self) -> dict[str, Any]:
        """Every number, with English keys and class names: what evaluation/<split>.json holds."""
        return {
            "split": self.split,
            "images": len(self),
            "accuracy": self.accuracy,
            "accuracy_interval_95": list(self.interval),
            "top2_accuracy": self.top2_accuracy,
            "top2_accuracy_interval_95": list(self.top2_interval),
            "log_loss": self.log_loss,
            "log_loss_interval_95": list(self.log_loss_measured.interval),
            "expected_calibration_error": self.calibration_error.value,
            "expected_calibration_error_interval_95": list(self.calibration_error.interval),
            "own_calibration_error": self.own_calibration.expected_error,
            "stated_log_loss": self.stated_log_loss,
            "area_under_risk_coverage": self.coverage.area_under_risk,
            "verdicts": {
                word: {"images": images, "accuracy": right / images if images else None}
                for word, (images, right) in self.verdict_counts().items()
            },
            "classes": {
                name: figures.to_json() for name, figures in zip(self.classes, self.class_figures, strict=True)
            },
            **{
                f"{kind}_average": {name: one.value for name, one in found.items()}
                | {f"{name}_interval_95": list(one.interval) for name, one in found.items()}
                for kind, found in self.averages.items()
            },
            "confusion_matrix": self.confusion.tolist(),
            "confident_mistakes": [
                {
                    "row": int(self.rows[i]),
                    "true": self.classes[self.labels[i]],
                    "predicted": self.classes[self.predicted[i]],
                    "probability": float(self.confidence[i]),
                }
                for i in self.confident_mistakes(20)
            ],
        }

    def _fits(self) -> bool:
        """Whether shapes, types and label values go together."""
        n, k = self.labels.size, len(self.classes)
        shapes = (self.labels.shape, self.probabilities.shape, self.rows.shape) == ((n,), (n, k), (n,))
        types = (self.labels.dtype.kind, self.probabilities.dtype.kind, self.rows.dtype.kind) == ("i", "f", "i")
        fits = shapes and types and n > 0 and bool(((self.labels >= 0) & (self.labels < k)).all())
        fits = fits and bool(np.isfinite(self.probabilities).all())
        return fits and (self.judged is None or self.judged.fits(n, k))

    def to_npz(self) -> bytes:
        """The arrays, as evaluation/<split>.npz holds them."""
        file = io.BytesIO()
        arrays: dict[str, Any] = {"labels": self.labels, "probabilities": self.probabilities, "rows": self.rows}
        if self.judged is not None:
            arrays |= {f"judged_{name}": array for name, array in vars(self.judged).items()}
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    @classmethod
    def from_npz(cls, content: bytes, classes: tuple[str, ...], split: str) -> Evaluation:
        """What `to_npz` wrote. Raises RunError when the arrays are not there or do not fit the classes."""
        try:
            arrays = read_arrays(f"{split}.npz", content, _LIMIT_BYTES)
            judged = Judged(*(arrays[name] for name in _JUDGED)) if _JUDGED[0] in arrays else None
            found = cls(arrays["labels"], arrays["probabilities"], arrays["rows"], classes, split, judged)
        except (DataError, KeyError) as error:
            raise RunError(
                t("The stored {split} predictions are damaged: {reason}", split=split, reason=error)
            ) from error
        if not found._fits():
            raise RunError(t("The stored {split} predictions do not fit the classes of the run.", split=split))
        return found


def evaluate(
    model: Classifier,
    data: Dataset,
    told: Told | None = None,
    judge: Judge | None = None,
    ask: Callable[[Images], Answers] | None = None,
) -> Evaluation:
    """Predict every image, plain: one look, no flips. What a frozen base makes of them is kept in the cache.

    Args:
        told: is told how far a frozen base has come.
        judge: says what to make of each prediction.
        ask: what computes features and logits in the network's place.
    """
    features, logits = answers(model, data.images, project, told) if ask is None else ask(data.images)
    judged = None if judge is None else judge.judge(features, logits)
    return Evaluation(data.labels, softmax(logits), data.rows, data.classes, data.split, judged)
