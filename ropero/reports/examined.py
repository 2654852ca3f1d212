"""The part of a report about corruptions and explanations: tables, figures, pictures as data for the template.

Knows nothing of networks: figures and maps come in. Legend: N images, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ropero.evaluation.explain import METHODS
from ropero.evaluation.faithfulness import Advantage, Explained
from ropero.evaluation.judge import Strangers
from ropero.evaluation.robustness import Robustness
from ropero.evaluation.themes import Theme
from ropero.metrics.statistics import wilson_interval
from ropero.reports import parts, trust
from ropero.reports.output import as_svg
from ropero.reports.overlays import overlay
from ropero.reports.thumbnails import thumbnail
from ropero.texts import joined, t, tn
from ropero.texts.numbers import Numbers

FAIR = 0.0  # an interval that lies above it shows a map to be better than a random one


@dataclass(frozen=True)
class Shown:
    """A picture and the maps of classes for it: position in the evaluation, image, and (class, map (H, W)) of each."""

    position: int
    image: NDArray[np.uint8]
    maps: Sequence[tuple[int, NDArray[np.float32]]]


@dataclass(frozen=True)
class Examined:
    """What was found beside the predictions: robustness, how faithful each method is, the one that is shown first,
    and pictures with its maps."""

    robustness: Robustness
    explained: Sequence[Explained]
    pictures: Sequence[Shown]
    strangers: Strangers | None = None
    themes: Sequence[tuple[Theme, Sequence[NDArray[np.uint8]]]] = ()  # with the most typical images of each


def values(examined: Examined, classes: Sequence[str]) -> dict[str, Any]:
    """What the template shows of it."""
    best = examined.explained[0]
    return {
        "robustness": _robustness(examined.robustness),
        "robustness_words": robust_words(examined.robustness),
        "themes": [_theme(theme, images, classes) for theme, images in examined.themes],
        "strangers": None if examined.strangers is None else _strangers(examined.strangers),
        "faithful": _faithful(best),
        "faithful_rows": [method_row(one) for one in examined.explained],
        "faithful_words": faithful_words(best),
        "explained": [
            {
                "picture": thumbnail(one.image),
                "maps": [(thumbnail(overlay(one.image, places)), t(classes[k])) for k, places in one.maps],
            }
            for one in examined.pictures
        ],
    }


def _theme(theme: Theme, images: Sequence[NDArray[np.uint8]], classes: Sequence[str]) -> dict[str, Any]:
    n = Numbers.current()
    taken = joined(f"{t(classes[k])} {n.whole(count)}" for k, count in theme.predicted)
    return {
        "title": tn(
            "{true}: one mistake, taken for {taken}", "{true}: {n} mistakes, taken for {taken}", len(theme),
            true=t(classes[theme.true]), taken=taken,
        ),
        "confidence": t("stated on average: {share}", share=n.percent(theme.confidence)),
        "pictures": [thumbnail(image) for image in images],
    }  # fmt: skip


def stranger_rows(found: Strangers) -> list[parts.Row]:
    """(kind, area under the ROC curve, share called not a garment), the garments themselves last."""
    n = Numbers.current()
    rows: list[parts.Row] = [
        (t(kind), parts.shown(area, n.decimal), parts.shown(share, n.percent))
        for kind, (area, share) in found.kinds.items()
    ]
    return [*rows, (t("garments"), "–", parts.shown(found.refused, n.percent))]


def _strangers(found: Strangers) -> dict[str, Any]:
    figure = trust.likeness(found.quantiles, found.limit)
    return {
        "figure": parts.svg(as_svg(figure, t("How like the training images each kind looks"))),
        "rows": stranger_rows(found),
    }


def _robustness(found: Robustness) -> Markup:
    accuracies = {kind: np.asarray(row) for kind, row in found.accuracies.items()}
    return parts.svg(as_svg(trust.robustness(accuracies, found.clean), t("Accuracy under corruptions")))


def robust_words(found: Robustness) -> list[str]:
    """What corruptions do, in two sentences."""
    n = Numbers.current()
    return [
        t(
            "Of {images} images it names {clean} correctly as they are, and {mean} (95% interval {low} to {high}) on "
            "average over all corruptions and severities.",
            images=n.whole(found.images),
            clean=n.percent(found.clean),
            mean=n.percent(found.mean),
            low=n.percent(found.mean_interval[0]),
            high=n.percent(found.mean_interval[1]),
        ),
        t(
            "The worst is {kind}: {accuracy} on average ({low} to {high}).",
            kind=t(found.worst),
            accuracy=n.percent(float(np.mean(found.accuracies[found.worst]))),
            low=n.percent(found.kind_intervals[found.worst][0]),
            high=n.percent(found.kind_intervals[found.worst][1]),
        ),
        t(
            "Each figure of the table is off by {half} at most, at 95%.",
            half=n.percent(0.5 * (wilson_interval(found.images // 2, found.images)[1]
                                  - wilson_interval(found.images // 2, found.images)[0])),
        ),
    ]  # fmt: skip


def _faithful(best: Explained) -> Markup:
    ours = {name: np.asarray(curve) for name, curve in best.curves.items()}
    chance = {name: np.asarray(curve) for name, curve in best.chance.items()}
    figure = trust.faithful(np.asarray(best.shares), ours, chance)
    return parts.svg(as_svg(figure, t("What deleting and inserting pixels does")))


def method_row(one: Explained) -> tuple[str, str, str]:
    """(method, gain by deletion, gain by insertion), with intervals."""
    return t(METHODS[one.method]), _advantage(one.deletion), _advantage(one.insertion)


def _advantage(one: Advantage) -> str:
    n = Numbers.current()
    return f"{n.decimal(one.mean)} ({n.decimal(one.low)} … {n.decimal(one.high)})"


def faithful_words(best: Explained) -> list[str]:
    """What makes a map faithful, and whether the best method's are."""
    said = [
        t(
            "A map is faithful when blackening the pixels that it points to lowers the probability faster, and putting "
            "them first raises it faster, than a random map does. Measured on {n} images; the figures are areas "
            "between the curves with their 95% intervals.",
            n=best.images,
        )
    ]
    proven = best.deletion.low > FAIR and best.insertion.low > FAIR
    if proven:
        said.append(t("The maps shown here are: both intervals lie above 0."))
    else:
        said.append(t("The maps shown here are not shown to be: look at them with doubt."))
    return said
