"""Two pages of filled pictures: the fillings of some pictures, and how well fillers restore what was hidden.

Knows nothing of what filled them. Legend: N pictures, H x W pixels, D fillings, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Images
from ropero.evaluation.restored import GUESS, Examples, Hidden, Restored, title
from ropero.reports import parts, trust
from ropero.reports.output import as_svg
from ropero.reports.pages import render_page
from ropero.reports.thumbnails import thumbnail
from ropero.storage import write_text
from ropero.texts import joined, language, t
from ropero.texts.numbers import Numbers

_SHOWN = 60  # pictures on a page, and fillings of each
_FILLINGS = 10


@dataclass(frozen=True)
class Shown:
    """One picture of a strip: a data URI, what stands below it, whether it has holes; what a classifier says of it and
    whether that is "right" or "wrong", "" where none was asked."""

    picture: str
    text: str
    holes: bool = False
    said: str = ""
    mark: str = ""


@dataclass(frozen=True, eq=False)
class Filled:
    """One picture and its fillings: given, mean and spread (H, W[, 3]) uint8, fillings (D, H, W[, 3]), known (H, W)."""

    name: str
    given: Images
    known: NDArray[np.bool_]
    fillings: Images
    mean: Images
    spread: Images


def write_pictures(pictures: Sequence[Filled], filler: str, path: Path, lang: str) -> Path:
    """Write the page of some filled pictures and return its path.

    Args:
        lang: "en", "es" or "zh".
    """
    with language(lang):
        n = Numbers.current()
        several = max(len(one.fillings) for one in pictures) > 1
        intro = [t("Filled by {name}. Hatched pixels were missing; all others are as they were given.", name=t(filler))]
        if several:
            intro.append(t("Spread: how far the fillings differ, white where they differ most."))
        if len(pictures) > _SHOWN:
            intro.append(t("The first {n} of {all} pictures.", n=n.whole(_SHOWN), all=n.whole(len(pictures))))
        strips = [(one.name, _strip(one)) for one in pictures[:_SHOWN]]
        page = render_page(
            "restored.html", t("Completed pictures"), intro=intro, holes=[], strips=strips,
            pixelated=_small(pictures[0].given.shape),
        )  # fmt: skip
        write_text(path, page)
    return path


def _strip(one: Filled) -> list[Shown]:
    fillings = [Shown(thumbnail(filling), str(draw)) for draw, filling in enumerate(one.fillings[:_FILLINGS], 1)]
    if len(one.fillings) == 1:
        return [_given(one.given, one.known), Shown(fillings[0].picture, t("filled"))]
    return [
        _given(one.given, one.known),
        *fillings,
        Shown(thumbnail(one.mean), t("mean")),
        Shown(thumbnail(one.spread), t("spread")),
    ]


def _given(image: Images, known: NDArray[np.bool_]) -> Shown:
    return Shown(holed_thumbnail(image, known), t("given"), holes=True)


def holed_thumbnail(image: Images, known: NDArray[np.bool_]) -> str:
    """A picture (H, W[, C]) as a data URI, transparent where pixels are missing."""
    colours = np.broadcast_to(image[..., None] if image.ndim == 2 else image, (*image.shape[:2], 3))
    return thumbnail(np.dstack([colours, np.where(known, 255, 0)]).astype(np.uint8))


def _small(shape: tuple[int, ...]) -> bool:
    return max(shape[:2]) <= parts.SMALL_SIDE


@dataclass(frozen=True, eq=False)
class Scored:
    """What the page of a benchmark shows.

    Attributes:
        run, data: names. split: the part. baselines: names of fillers that are no generators.
        seen: names of those that may have learned from the images.
    """

    run: str
    data: str
    split: str
    images: int
    holes: Sequence[Hidden]
    examples: Sequence[Examples]
    baselines: Sequence[str]
    seen: Sequence[str]


def write_scores(scored: Scored, path: Path, lang: str) -> Path:
    """Write the page of a benchmark and return its path.

    Args:
        lang: "en", "es" or "zh".
    """
    with language(lang):
        write_text(path, scores_page(scored))
    return path


def scores_page(scored: Scored) -> str:
    """The page in the language in force."""
    n = Numbers.current()
    intro = [
        t(
            "{n} images of {data} ({split}), parts of which were hidden and filled again. Errors are over the missing "
            "pixels; accuracy is that of {run} on the filled images.",
            n=n.whole(scored.images),
            data=scored.data,
            split=t(scored.split),
            run=scored.run,
        ),
        *seen_words(scored.seen),
    ]
    holes = [_hole(hidden, some, scored) for hidden, some in zip(scored.holes, scored.examples, strict=True)]
    pixelated = _small(scored.examples[0].part.images.shape[1:]) if scored.examples else True
    return render_page(
        "restored.html", t("Hidden and restored: {data}", data=scored.data), intro=intro, holes=holes, strips=[],
        pixelated=pixelated,
    )  # fmt: skip


def seen_words(names: Sequence[str]) -> list[str]:
    """A warning of generators that may have learned from the images that they are judged by."""
    said = t("May have learned from these very images, which flatters it: {names}.", names=joined(names))
    return [said] if names else []


def _hole(hidden: Hidden, some: Examples, scored: Scored) -> dict[str, Any]:
    n = Numbers.current()
    figure = trust.compared(
        [told(row) for row in hidden.rows],
        [row.accuracy.value for row in hidden.rows],
        [row.accuracy.interval for row in hidden.rows],
    )
    return {
        "title": t(
            "Hidden: {missing}, {share} of the pixels",
            missing=hole_name(hidden.missing),
            share=n.percent(hidden.share, 0),
        ),
        "words": [
            t(
                "Of the whole images the network names {whole} correctly, of those with the hole left black {holed}.",
                whole=n.percent(float(hidden.whole.mean())),
                holed=n.percent(float(hidden.holed.mean())),
            ),
            *versus_words(hidden, scored.baselines),
        ],
        "rows": [_row(row) for row in hidden.rows],
        "figure": parts.svg(as_svg(figure, t("Accuracy on the images that each filler completed"))),
        "strips": _examples(some, hidden.rows),
    }


def hole_name(name: str) -> str:
    """What is missing, in the language in force: "a half at the bottom", "a rectangle"; else as it was asked for."""
    return {
        "half-top": t("upper half"),
        "half-bottom": t("lower half"),
        "half-left": t("left half"),
        "half-right": t("right half"),
        "rectangle": t("rectangle"),
    }.get(name, name)


def told(row: Restored) -> str:
    """The row's name in the language in force."""
    return t(row.filler) if row.what == GUESS else t("{filler}, {what}", filler=t(row.filler), what=t(row.what))


def versus_words(hidden: Hidden, baselines: Sequence[str]) -> list[str]:
    """A sentence on each row of a generator against the best baseline."""
    n, found = Numbers.current(), []
    by_title = {title(row): told(row) for row in hidden.rows}
    for one in hidden.versus(baselines):
        low, high = (n.decimal(100 * end, 1) for end in one.interval)
        found.append(
            t(
                "{first} against the best baseline, {second}: {points} points of accuracy ({low} to {high}), p {p}.",
                first=by_title[one.first],
                second=by_title[one.second],
                points=("+" if one.difference > 0 else "") + n.decimal(100 * one.difference, 1),
                low=low,
                high=high,
                p=n.decimal(one.p, 4) if one.p >= 1e-4 else "<" + n.decimal(1e-4, 4),
            )
        )
    return found


def _row(row: Restored) -> parts.Row:
    n = Numbers.current()
    return (
        told(row),
        parts.shown(row.squared_error, lambda value: n.decimal(value, 4)),
        "–" if row.psnr is None else n.decimal(row.psnr, 1),
        parts.shown(row.similarity, lambda value: n.decimal(value, 3)),
        parts.shown(row.accuracy, n.percent),
        "–" if row.spread is None else n.decimal(row.spread, 3),
        n.seconds(row.seconds),
    )


def _examples(some: Examples, rows: Sequence[Restored]) -> list[tuple[str, list[Shown]]]:
    part, strips = some.part, []
    names = {title(row): told(row) for row in rows}
    for at, image in enumerate(part.images):
        label = int(part.labels[at])
        shown = [(t("whole"), image, some.said[at])]
        shown += [(names[key], filled[at], said[at]) for key, (filled, said) in some.filled.items()]
        strip = [
            Shown(thumbnail(one), text, False, _said(part.classes, said), _mark(said, label))
            for text, one, said in shown
        ]
        strip.insert(1, _given(image if image.shape[-1] != 1 else image[..., 0], some.known[at]))
        true = t("{name}, row {row}", name=t(part.classes[label]), row=Numbers.current().whole(int(part.rows[at])))
        strips.append((true, strip))
    return strips


def _said(classes: Sequence[str], probabilities: NDArray[np.floating]) -> str:
    guess = int(probabilities.argmax())
    return f"{t(classes[guess])} {Numbers.current().percent(float(probabilities[guess]), 0)}"


def _mark(probabilities: NDArray[np.floating], label: int) -> str:
    return "right" if int(probabilities.argmax()) == label else "wrong"
