"""How a foreign network wants its pixels: 0 to 1 or 0 to 255, standardised, inverted, padded or resized, flat or not.

What its config says is taken, unless a common choice is clearly better on training images; where it is silent, all the
sensible choices are tried on these, and what was taken is said with the reason. No other part of the data is looked at.
Legend: N images, H x W pixels, C channels, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ropero.data.dataset import Dataset
from ropero.errors import DataError, RoperoError, UsageError, unknown
from ropero.export.foreign import Built, Foreign, Sides
from ropero.export.scales import Array, Scale, scales
from ropero.models.classifier import Classifier
from ropero.models.inference import logits, softmax
from ropero.models.layers import Flatten, Layer, Reshape
from ropero.models.normalization import Normalization, Standardised
from ropero.models.pooling import AveragePooling1D
from ropero.models.spatial import Permute, Resizing, ToColour, ZeroPadding2D
from ropero.runtime import mix_seed
from ropero.texts import mark, t

SPARE = 5  # outputs beyond the classes that are left away: networks with 11 and 13 units for 10 classes are about
IMAGES, IMAGES_HEAVY = 2_000, 300  # of the training part, that choices are tried on
HEAVY = 5_000_000  # values of a layer for one image from which a network counts as heavy
POOR = 0.5  # accuracy on training images below which something is surely wrong
NEARLY = 0.95  # of the best accuracy: below it a choice is out, however modest its confidence
# What a choice's log loss is multiplied by: of 94 public models of Fashion-MNIST 91 take 0 to 1 and 3 take 0 to 255; a
# network that was trained for a moment may do a little better with a scale near its own.
HANDICAP = {"0-1": 1.0, "0-255": 1.0, "-1-1": 1.1, "standardised": 1.1, "standardised-by-pixel": 1.1}
RARE = 1.25
RIVALS = ("0-1", "0-255", "-1-1")  # what is tried beside what a config says
OVERRULES = 0.05  # of accuracy by which one of them has to be better than the config's
SOUND = 0.8  # accuracy from which on the config of a heavy network is not doubted, for the time it takes
SURE = 0.02  # log losses below it tell nothing: a network that knows its images by heart gets surer with any scale
AS_BUILT, PADDED, RESIZED = mark("as they are"), mark("padded with black"), mark("resized")

ASKED_ONLY = ("0-1-inverted", "0-255-inverted")  # no one trains on dark garments; photos are inverted to be predicted
TRIED, CONFIG, OVERRULED = "tried", "config", "tried-over-config"  # why pixels are shown as they are


@dataclass(frozen=True)
class Tried:
    """A choice and what came of it on `images` training images."""

    scale: str
    size: str
    accuracy: float
    log_loss: float


@dataclass(frozen=True)
class Seeing:
    """How the network is shown its pixels, and why: "card", CONFIG, "asked", TRIED, or OVERRULED; `said` is then the
    convention that its config speaks of."""

    scale: str
    size: str
    why: str
    images: int
    tried: tuple[Tried, ...]
    order: tuple[int, ...] = ()  # the class that each output seems to stand for, where that is not its place
    spare: int = 0  # outputs beyond the classes, which are left away
    said: str = ""
    grey: bool = False  # whether colours are made grey for it

    def to_json(self) -> dict[str, Any]:
        tried = [vars(one) for one in self.tried]
        return {"scale": self.scale, "size": self.size, "why": self.why, "images": self.images, "tried": tried,
                "order": list(self.order), "spare": self.spare, "said": self.said, "grey": self.grey}  # fmt: skip


ABOUT = {
    "0-1": mark("0 to 1, as with x / 255"),
    "0-255": mark("0 to 255, as they are in the file"),
    "-1-1": mark("-1 to 1, as with x / 127.5 - 1"),
    "-0.5-0.5": mark("-0.5 to 0.5, as with x / 255 - 0.5"),
    "standardised": mark("less their mean, divided by their deviation"),
    "mnist": mark("less 0.1307, divided by 0.3081, as is the habit with MNIST"),
    "centred": mark("0 to 1 less their mean"),
    "standardised-by-pixel": mark("less each pixel's own mean, divided by its deviation, as StandardScaler does"),
    "centred-by-pixel": mark("0 to 1 less each pixel's own mean"),
    "0-1-inverted": mark("0 to 1, dark garments on white"),
    "0-255-inverted": mark("0 to 255, dark garments on white"),
    "scaled-twice": mark("divided by 255 twice"),
    "imagenet": mark("as torch's ImageNet networks: each colour less its mean, divided by its deviation"),
    "imagenet-caffe": mark("as Keras's VGG and ResNet: 0 to 255 less the mean of each colour"),
}


@dataclass(frozen=True)
class Fit:
    """How images come to the size a network wants: layers before the convention, and after it."""

    name: str
    before: tuple[Layer, ...]
    after: tuple[Layer, ...]
    shape: tuple[int, ...]  # what the network gets
    channels: int
    grey: bool = False  # colours are made so


def fits(shape: tuple[int, int, int], foreign: Foreign) -> list[Fit]:
    """The ways from images (C, H, W) to what a network wants. Raises DataError where there is none."""
    for wanted in foreign.wants:
        if found := list(_fits(shape, wanted, foreign.channels_first)):
            return found
    channels, height, width = shape
    raise DataError(
        t(
            "the network takes {wanted}, and the images are {got}; give data of its own kind with --data.",
            wanted=" / ".join(str(one).replace("None", "?") for one in foreign.wants),
            got=(height, width, channels),
        )
    )


def _fits(shape: tuple[int, int, int], wanted: Sides, channels_first: bool) -> Iterator[Fit]:
    channels, height, width = shape
    for colours in (channels, 4 - channels) if channels in (1, 3) else (channels,):
        grey = _grey(*shape[1:]) if colours < channels else ()
        after: tuple[Layer, ...] = ()
        sides: tuple[int, int] | None
        if len(wanted) == 3:
            h, w, c = (wanted[1], wanted[2], wanted[0]) if channels_first else wanted
            sides, after = (h or height, w or width), ((Permute(dims=(3, 1, 2)),) if channels_first else ())
            if (c or max(colours, channels)) != colours:  # a free one takes colours as they are
                continue
        elif len(wanted) == 2 and colours == 1:
            h, w = wanted
            sides = (h or height, w or width)
            if sides[1] == 1 and sides[0] == height * width:
                sides = (height, width)
                after = (Reshape(target_shape=(height * width, 1)),)
            else:
                after = (Reshape(target_shape=sides),)
        elif len(wanted) == 1:
            sides, after = _square((wanted[0] or height * width * colours), (height, width), colours), (Flatten(),)
        else:
            continue
        if sides is None:
            continue
        colour = (ToColour(),) if colours > channels else ()
        given = (colours, *sides) if channels_first and len(wanted) == 3 else (*sides, colours)
        final = _final(given, after)
        if sides == (height, width):
            yield Fit(AS_BUILT, (*grey, *colour), after, final, colours, bool(grey))
            continue
        spare = sides[0] - height, sides[1] - width
        if min(spare) >= 0:
            margins = (spare[0] // 2, spare[0] - spare[0] // 2, spare[1] // 2, spare[1] - spare[1] // 2)
            padded = (*grey, ZeroPadding2D(padding=margins), *colour)
            yield Fit(PADDED, padded, after, final, colours, bool(grey))
        resized = (*grey, Resizing(height=sides[0], width=sides[1]), *colour)
        yield Fit(RESIZED, resized, after, final, colours, bool(grey))


def _grey(height: int, width: int) -> tuple[Layer, ...]:
    """Colours (H, W, 3) as one channel, by the weights of ITU-R 601 that Pillow and OpenCV take: each colour times
    three of its weight, and the mean of every three values in a row. All are layers that Keras has."""
    variance = tuple((3 * weight) ** -2 for weight in (0.299, 0.587, 0.114))
    return (
        Normalization(mean=(0.0, 0.0, 0.0), variance=variance),
        Reshape(target_shape=(height * width * 3, 1)),
        AveragePooling1D(pool_size=3),
        Reshape(target_shape=(height, width, 1)),
    )


def _square(values: int, sides: tuple[int, int], colours: int) -> tuple[int, int] | None:
    """The sides of a flat picture: the images' own, or a square."""
    if values == math.prod(sides) * colours:
        return sides
    side = math.isqrt(values // colours)
    return (side, side) if side * side * colours == values else None


def _final(shape: tuple[int, ...], after: Sequence[Layer]) -> tuple[int, ...]:
    for layer in after:
        if not isinstance(layer, Permute):  # whose shape was given turned already
            shape = layer.output(shape)
    return shape


def find(foreign: Foreign, train: Dataset, asked: str = "") -> tuple[Built, Seeing]:
    """The network with its pixels as it wants them, and how that was found.

    Args:
        train: training images, the only ones that are looked at.
        asked: the name of a convention that a user wants; "" leaves it to the config and to trying.

    Raises:
        DataError: a network that takes other images, or gives another number of values than there are classes.
        UsageError: an unknown convention.
    """
    ways = fits(train.input_shape, foreign)
    gives = foreign.outputs(ways[0].shape)
    if gives is not None and not len(train.classes) <= gives <= len(train.classes) + SPARE:
        raise DataError(
            t(
                "the network tells {gives} classes apart, but {data} has {classes}; give data with its own classes "
                "with --data.",
                gives=gives,
                data=train.name,
                classes=len(train.classes),
            )
        )
    if asked and asked not in ABOUT:
        raise unknown(t("convention"), asked, ABOUT)
    known, why = (asked, "asked") if asked else _told(foreign, train, ways[0].channels)
    trials = _Trials(foreign, train, _some(train, IMAGES))
    pairs = [(way, scale) for way in ways for scale in scales(train, way.channels)]
    choices = [
        (way, scale)
        for way, scale in pairs
        if scale.name == known or (not known and scale.name not in ASKED_ONLY)
        # Figures of each pixel are of the images' own size and colours.
        if scale.numbers is None or (way.name == AS_BUILT and not way.grey)
    ]
    if not choices:
        raise UsageError(t("The convention {name!r} does not fit this network.", name=known))
    for way, scale in choices:
        trials.add(way, scale)
    best = _best(trials.tried)
    if why == CONFIG and (better := trials.overruling(pairs, best)):
        best, why = better, OVERRULED
    order = _order(next(said for one, said in trials.tried if one is best), trials.labels, len(train.classes), best)
    spare = 0 if gives is None else gives - len(train.classes)
    every = tuple(one for one, _ in trials.tried)
    said = known if why == OVERRULED else ""
    seeing = Seeing(best.scale, best.size, why or TRIED, len(trials.labels), every, order, spare, said, ways[0].grey)
    return trials.built(best), seeing


class _Trials:
    """A network shown training images in one way after the other. Keeps the last network made, and what came of all."""

    def __init__(self, foreign: Foreign, train: Dataset, images: Dataset) -> None:
        self.foreign, self.train, self.images = foreign, train, images
        self.tried: list[tuple[Tried, Array]] = []
        self.ways: dict[tuple[str, str], tuple[Fit, Scale]] = {}
        self.last: Built | None = None

    @property
    def labels(self) -> NDArray[np.int64]:
        """The classes of the images that were shown."""
        return self.images.labels

    @property
    def is_heavy(self) -> bool:
        return self.last is not None and self.last.model.peak >= HEAVY

    def add(self, way: Fit, scale: Scale) -> None:
        """Try a choice. Raises DataError as `find`."""
        self.last = _build(self.foreign, self.train, way, scale)
        if self.is_heavy and len(self.images) > IMAGES_HEAVY:
            self.images = self.images.take(range(IMAGES_HEAVY))
        self.ways[scale.name, way.name] = way, scale
        self.tried.append(_try(self.last.model, self.images, scale.name, way.name))

    def overruling(self, pairs: Sequence[tuple[Fit, Scale]], own: Tried) -> Tried | None:
        """The best of the common choices that are clearly better than the config's, which has been tried."""
        if own.accuracy > (SOUND if self.is_heavy else 1 - OVERRULES):
            return None
        for way, scale in pairs:
            if scale.name in RIVALS and way.name == own.size and (scale.name, way.name) not in self.ways:
                with suppress(RoperoError):  # a graph of whole numbers may not compute with others
                    self.add(way, scale)
        least = max(POOR, own.accuracy + OVERRULES)  # where nothing is right, chance would decide
        better = [one for one in self.tried if one[0].accuracy >= least]
        return _best(better) if better else None

    def built(self, best: Tried) -> Built:
        """The network that was tried so."""
        if self.last is not None and self.tried[-1][0] is best:
            return self.last
        return _build(self.foreign, self.train, *self.ways[best.scale, best.size])


def _told(foreign: Foreign, train: Dataset, channels: int) -> tuple[str, str]:
    """(the convention that the file tells of, how it does); "" where it is silent."""
    if isinstance(foreign.card, Mapping):
        return "0-1", "card"  # ropero's own exports take 0 to 1
    if isinstance(foreign.scaled, str):
        return foreign.scaled, CONFIG
    if foreign.scaled is None:
        return "", ""
    mean, deviation = float(train.images.mean()) / 255, float(train.images.std()) / 255
    stored_mean, stored_deviation = foreign.scaled
    if abs(stored_mean) < 0.02 and abs(stored_deviation - 1) < 0.02:
        return "", ""  # what a batch-norm begins with: it was frozen, or never trained
    near = []
    for scale in scales(train, channels):
        if scale.line is not None:
            factor, offset = scale.line
            expected, spread = factor * mean + offset, abs(factor) * deviation
            off = abs(stored_mean - expected) / spread
            ratio = max(stored_deviation, 1e-9) / spread
            if off < 0.15 and 0.8 < ratio < 1.25:
                near.append(scale.name)
    return (near[0], CONFIG) if len(near) == 1 else ("", "")


def _build(foreign: Foreign, train: Dataset, way: Fit, scale: Scale) -> Built:
    made = foreign.build([*way.before, *scale.layers, *way.after], train.input_shape, len(train.classes))
    for module in made.model.modules():
        if isinstance(module, Standardised) and scale.numbers is not None:
            with torch.no_grad():
                module.get_buffer("running_mean").copy_(torch.from_numpy(scale.numbers[0]))
                module.get_buffer("running_var").copy_(torch.from_numpy(scale.numbers[1]))
            break  # the first one is the convention's, others are the network's own
    return made


def _some(train: Dataset, count: int) -> Dataset:
    rng = np.random.default_rng(mix_seed("pixels", len(train)))
    return train.take(rng.permutation(len(train))[:count])


def _try(model: Classifier, part: Dataset, scale: str, size: str) -> tuple[Tried, Array]:
    said = logits(model, part.images)
    said = np.where(np.isfinite(said), said, -1e9).astype(np.float32)
    shares = softmax(said)
    right = said.argmax(1) == part.labels
    loss = -np.log(np.maximum(shares[np.arange(len(part)), part.labels], 1e-12)).mean()
    return Tried(scale, size, float(right.mean()), float(loss)), said


def _best(tried: Sequence[tuple[Tried, Array]]) -> Tried:
    """Of the choices that are nearly as accurate as the best one, that of the least log loss; rare conventions have to
    be better than common ones by some margin.

    Not just the best accuracy: many a network names as many images correctly with another scale, but is far too sure.
    """
    most = max(one.accuracy for one, _ in tried)
    near = [one for one, _ in tried if one.accuracy >= NEARLY * most]
    if most < POOR:  # a network that has learned nothing does everything alike: it is shown what most are
        near = [one for one, _ in tried if one.scale in ("0-1", "0-255")] or near
    return min(near, key=lambda one: (one.log_loss + SURE) * HANDICAP.get(one.scale, RARE))


def _order(said: Array, labels: NDArray[np.int64], classes: int, best: Tried) -> tuple[int, ...]:
    """The classes that the outputs seem to stand for, where these are others than their places say."""
    answers = said.argmax(1)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (answers, labels), 1)
    order = counts.argmax(1)
    if len(set(order.tolist())) < classes or (order == np.arange(classes)).all():
        return ()
    agreed = counts[np.arange(classes), order].sum() / max(1, counts.sum())
    return tuple(int(one) for one in order) if agreed > best.accuracy + 0.2 else ()
