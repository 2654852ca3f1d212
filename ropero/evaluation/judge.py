"""`Judge`: for every prediction a calibrated probability and a verdict: sure, unsure, or not a garment.

It is fitted once, to images that the training did not learn from, and then asked about any image. Knows nothing of
networks or folders: features and logits come in. Legend: N images, D features, K classes.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.arrays import read_arrays
from ropero.errors import DataError, RunError
from ropero.evaluation import unknown
from ropero.evaluation.intervals import Measured
from ropero.evaluation.unknown import METHODS, Known
from ropero.metrics.calibration import calibration, temperature
from ropero.metrics.ranking import roc_auc, roc_auc_interval
from ropero.metrics.selective import threshold_for
from ropero.texts import mark, t

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Answers = tuple[Floats, Floats]  # features (N, D), logits (N, K)

SURE, UNSURE, NOT_A_GARMENT = mark("sure"), mark("unsure"), mark("not a garment")
WORDS = (SURE, UNSURE, NOT_A_GARMENT)
RIGHT = 0.97  # share of the sure answers that should be right
REFUSED = 0.01  # share of the garments held out that may be taken for something else
UNMEASURED_SURE = 0.9  # what counts as sure where nothing was held out to measure it by
FEW, NEVER = 1_000, -1e9  # images to learn from below which, unmeasured, nothing is refused: no score is as low
UNMEASURED_METHOD = "mahalanobis"
_LIMIT_BYTES = 256 << 20  # of the stored arrays, unpacked


@dataclass(frozen=True, eq=False)
class Judged:
    """probabilities (N, K) at the fitted temperature, verdicts (N,) as places in WORDS, scores (N,) of the likeness to
    what was learned."""

    probabilities: Floats
    verdicts: NDArray[np.int64]
    scores: NDArray[np.float64]

    def fits(self, images: int, classes: int) -> bool:
        """Whether shapes, types and verdicts are those of so many images and classes."""
        shapes = (self.probabilities.shape, self.verdicts.shape, self.scores.shape)
        kinds = (self.probabilities.dtype.kind, self.verdicts.dtype.kind, self.scores.dtype.kind)
        fits = (shapes, kinds) == (((images, classes), (images,), (images,)), ("f", "i", "f"))
        return fits and bool(((self.verdicts >= 0) & (self.verdicts < len(WORDS))).all())

    def words(self) -> list[str]:
        """The verdicts in English, to be translated where they are shown."""
        return [WORDS[place] for place in self.verdicts]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """What it takes to judge a prediction.

    Attributes:
        temperature: that logits are divided by, so that stated probabilities are hit rates.
        sure_from: the least probability called sure; above 1 where none is.
        known_from: the least score of what may be a garment.
        known: the score, fitted to training images.
        right: what share of the sure answers was to be right.
        held_out: images that the figures above were measured on; 0 where there were none, and they are set by rule.
        error_before, error_after: expected calibration error of these images at temperature 1 and at the fitted one.
        areas: by method and kind of outlier, the area under the ROC curve on these images, by which `known` was chosen.
    """

    temperature: float
    sure_from: float
    known_from: float
    known: Known
    right: float = RIGHT
    held_out: int = 0
    error_before: float | None = None
    error_after: float | None = None
    areas: Mapping[str, Mapping[str, float]]

    def judge(self, features: Floats, logits: Floats) -> Judged:
        """Judge images by what the network makes of them. Raises RunError for a judge of another network."""
        if not self.fits(features.shape[1], logits.shape[1]):
            reason = t("it is of another network or of an older ropero; without judge.npz the run works, unjudged")
            raise RunError(t("The stored judge is damaged: {reason}", reason=reason))
        probabilities = tempered(logits, self.temperature)
        scores = self.known.score(features, logits)
        verdicts = np.where(probabilities.max(axis=1) >= self.sure_from, 0, 1)
        return Judged(probabilities, np.where(scores < self.known_from, 2, verdicts).astype(np.int64), scores)

    def to_json(self) -> dict[str, Any]:
        """Every number: what judge.json holds."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {**plain, "method": self.known.method, "areas": {name: dict(one) for name, one in self.areas.items()}}

    def to_npz(self) -> bytes:
        """The arrays of the score, and the numbers beside them so that both are of one writing."""
        file = io.BytesIO()
        numbers = np.frombuffer(json.dumps(self.to_json()).encode(), np.uint8)
        arrays: dict[str, Any] = {"numbers": numbers, **self.known.arrays}
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    @classmethod
    def from_npz(cls, content: bytes) -> Judge:
        """What `to_npz` wrote. Raises RunError for anything else."""
        try:
            arrays = read_arrays("judge.npz", content, _LIMIT_BYTES)
            numbers = json.loads(arrays.pop("numbers").tobytes())
            made = cls(known=Known(numbers.pop("method"), arrays), **numbers)
            made._check()
        except (DataError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(t("The stored judge is damaged: {reason}", reason=error)) from error
        return made

    def _check(self) -> None:
        """Raises ValueError or TypeError for numbers and arrays that no fit gives."""
        numbers = [float(getattr(self, name)) for name in ("temperature", "sure_from", "known_from", "right")]
        numbers += [float(one) for one in (self.error_before, self.error_after) if one is not None]
        numbers += [float(area) for areas in self.areas.values() for area in areas.values()]
        if not all(map(math.isfinite, numbers)) or self.temperature <= 0 or not isinstance(self.held_out, int):
            raise ValueError("numbers")
        if self.known.method not in METHODS or set(self.known.arrays) != _ARRAYS[self.known.method]:
            raise ValueError(self.known.method)
        if any(one.dtype.kind != "f" or not np.isfinite(one).all() for one in self.known.arrays.values()):
            raise ValueError("arrays")
        if any(one.ndim != _RANKS[name] for name, one in self.known.arrays.items()):
            raise ValueError("shapes")

    def fits(self, features: int, classes: int) -> bool:
        """Whether the arrays are those of a network with so many features and classes."""
        arrays, narrow = self.known.arrays, unknown.width(features)
        shapes = {name: one.shape for name, one in arrays.items()}
        wanted = {"means": (classes, narrow), "whitening": (narrow, narrow)}
        return all(shape == wanted[name] if name in wanted else shape[1] == narrow for name, shape in shapes.items())


_PLAIN = ("temperature", "sure_from", "known_from", "right", "held_out", "error_before", "error_after")
_ARRAYS: dict[str, set[str]] = {
    "softmax": set(),
    "energy": set(),
    "mahalanobis": {"means", "whitening"},
    "neighbours": {"bank"},
}


_RANKS = {"means": 2, "whitening": 2, "bank": 2}


def fit(
    train: Answers,
    train_labels: Labels,
    held: Answers,
    labels: Labels,
    outliers: Mapping[str, Answers],
    right: float = RIGHT,
) -> Judge:
    """A judge measured on images that the training did not learn from.

    Args:
        train: what the network makes of training images, which scores are fitted to; train_labels their classes.
        held: the same of the images held out; labels their classes.
        outliers: by kind, images that are no garments; the score that tells them apart best is taken.
        right: share of the sure answers that should be right.
    """
    features, logits = held
    heat = temperature(logits, labels)
    probabilities = tempered(logits, heat)
    confidence, correct = probabilities.max(axis=1), logits.argmax(axis=1) == labels
    candidates = {method: unknown.fit(method, train[0], train_labels) for method in METHODS}
    areas = {method: areas_of(known, held, outliers) for method, known in candidates.items()}
    # Of equals the first, which is the simplest.
    known = candidates[max(areas, key=lambda method: float(np.mean(list(areas[method].values()))))]
    least = threshold_for(confidence, correct, right)
    return Judge(
        temperature=heat,
        sure_from=2.0 if least is None else least,
        known_from=float(np.quantile(known.score(features, logits), REFUSED)),
        known=known,
        right=right,
        held_out=len(labels),
        error_before=calibration(tempered(logits, 1.0).max(axis=1), correct).expected_error,
        error_after=calibration(confidence, correct).expected_error,
        areas=areas,
    )


def fit_unmeasured(train: Answers, train_labels: Labels) -> Judge:
    """A judge where nothing was held out: probabilities as they are, thresholds by rule. What the training learned from
    it knows too well to measure anything by."""
    if len(train_labels) < FEW:  # so few say nothing of what the rest of the world looks like
        known, known_from = Known("softmax", {}), NEVER
    else:
        known = unknown.fit(UNMEASURED_METHOD, train[0], train_labels)
        known_from = float(np.quantile(known.score(*train), REFUSED / 10))
    return Judge(
        temperature=1.0,
        sure_from=UNMEASURED_SURE,
        known_from=known_from,
        known=known,
        areas={},
    )


@dataclass(frozen=True)
class Strangers:
    """How well a judge tells images of a part from those that show none of the classes.

    Attributes:
        images: of the part. refused: share of them that is called not a garment.
        kinds: by kind, area under the ROC curve and share of its images that is called not a garment.
        quantiles: of the scores (0.01, 0.25, 0.5, 0.75, 0.99), of the part as "garments" and of each kind.
        limit: the score below which an image is called not a garment.
    """

    images: int
    split: str
    refused: Measured
    kinds: Mapping[str, tuple[Measured, Measured]]
    quantiles: Mapping[str, tuple[float, ...]]
    limit: float

    def to_json(self) -> dict[str, Any]:
        """Every number, with English keys."""
        return {
            "images": self.images,
            "split": self.split,
            "garments_refused": vars(self.refused),
            "kinds": {
                kind: {"auroc": vars(area), "refused": vars(share)} for kind, (area, share) in self.kinds.items()
            },
            "score_quantiles": {kind: list(row) for kind, row in self.quantiles.items()},
            "limit": self.limit,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Strangers:
        """What `to_json` gave. Raises RunError for anything else."""
        try:
            made = cls(
                int(values["images"]),
                str(values["split"]),
                Measured(**values["garments_refused"]),
                {kind: (Measured(**one["auroc"]), Measured(**one["refused"])) for kind, one in values["kinds"].items()},
                {kind: tuple(map(float, row)) for kind, row in values["score_quantiles"].items()},
                float(values["limit"]),
            )
            measured = [made.refused, *(one for pair in made.kinds.values() for one in pair)]
            numbers = [made.limit, *(end for one in measured for end in (one.value, one.low, one.high))]
            numbers += [one for row in made.quantiles.values() for one in row]
            if not all(math.isfinite(one) for one in numbers):
                raise ValueError("numbers")
            lengths = {len(row) for row in made.quantiles.values()}
            if set(made.quantiles) != {"garments", *made.kinds} or lengths != {len(QUANTILES)}:
                raise ValueError("quantiles")
            return made
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(t("The stored figures of strange images are damaged: {reason}", reason=error)) from error


QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)


def strangers(judge: Judge, garments: Answers, others: Mapping[str, Answers], split: str) -> Strangers:
    """Measure a judge on garments of a part and on other things, by kind."""
    known = judge.judge(*garments)
    kinds, quantiles = {}, {"garments": tuple(np.quantile(known.scores, QUANTILES).tolist())}
    for kind, answers in others.items():
        strange = judge.judge(*answers)
        both = np.concatenate([known.scores, strange.scores])
        garment = np.arange(len(both)) < len(known.scores)
        area = Measured(roc_auc(both, garment), *roc_auc_interval(both, garment))
        kinds[kind] = (area, Measured.share(int((strange.verdicts == 2).sum()), len(strange.scores)))
        quantiles[kind] = tuple(np.quantile(strange.scores, QUANTILES).tolist())
    refused = Measured.share(int((known.verdicts == 2).sum()), len(known.scores))
    return Strangers(len(known.scores), split, refused, kinds, quantiles, judge.known_from)


def areas_of(known: Known, garments: Answers, outliers: Mapping[str, Answers]) -> dict[str, float]:
    """By kind of outlier, how well the score tells garments from it: the area under the ROC curve."""
    inside = known.score(*garments)
    found = {}
    for kind, answers in outliers.items():
        outside = known.score(*answers)
        found[kind] = roc_auc(np.concatenate([inside, outside]), np.arange(len(inside) + len(outside)) < len(inside))
    return found


def tempered(logits: Floats, heat: float) -> Floats:
    """(N, K) probabilities of logits divided by a temperature."""
    wide = logits.astype(np.float64) / heat
    shares = np.exp(wide - wide.max(axis=1, keepdims=True))
    found: Floats = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return found
