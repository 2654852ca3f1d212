"""The verb `explore`: measure data, then show them as tables, pictures and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ropero.data.dataset import Dataset, Splits
from ropero.data.duplicates import Pairs
from ropero.data.explore import Exploration
from ropero.data.explore import explore as explore
from ropero.storage import human_bytes, write_json, write_text
from ropero.texts import t
from ropero.texts.numbers import decimal, percent, whole

if TYPE_CHECKING:
    from ropero.reports.output import Figure

Table = tuple[str, list[str], list[list[str]]]
SHOWN_PAIRS = 5


def tables(found: Exploration) -> list[Table]:
    """(title, column names, rows): the parts, the images per class, and the duplicates."""
    facts = found.parts
    parts: list[list[str]] = [
        [t("shape"), *(" x ".join(map(str, one.shape)) for one in facts.values())],
        [t("type"), *(one.dtype for one in facts.values())],
        [t("numbers"), *(whole(one.elements) for one in facts.values())],
        [t("memory"), *(human_bytes(one.image_bytes + one.label_bytes) for one in facts.values())],
        [t("values"), *(f"{one.lowest} - {one.highest}" for one in facts.values())],
        [t("mean pixel"), *(decimal(one.mean, 4) for one in facts.values())],
        [t("deviation"), *(decimal(one.deviation, 4) for one in facts.values())],
        [t("black pixels"), *(percent(one.black_share, 1) for one in facts.values())],
    ]
    classes = [[t(name), *(whole(one.counts[k]) for one in facts.values())] for k, name in enumerate(found.classes)]
    names = [t(name) for name in facts]
    duplicates = [
        [_kind(one), " - ".join(t(name) for name in dict.fromkeys(one.parts)), *_counts(one)]
        for one in found.duplicates
    ]
    columns = [t("duplicates"), t("where"), t("pairs"), t("same label"), t("different labels")]
    return [
        (found.name, ["", *names], parts),
        (t("Images per class"), [t("class"), *names], classes),
        ("", columns, duplicates),
    ]


def _kind(pairs: Pairs) -> str:
    return t("exact") if pairs.kind == "exact" else t("near")


def _counts(pairs: Pairs) -> list[str]:
    total = whole(pairs.total) if pairs.complete else t("at least {n}", n=whole(pairs.total))
    return [total, whole(pairs.same_label), whole(pairs.different_label)]


def save_numbers(found: Exploration, folder: Path) -> Path:
    """Write all numbers as explore.json; needs nothing that draws."""
    path = folder / "explore.json"
    write_json(path, found.to_json())
    return path


def save(found: Exploration, splits: Splits, folder: Path) -> list[Path]:
    """Write all numbers as explore.json, every picture as PNG, and explore.html, which is the last path returned.

    Raises MissingExtra without Matplotlib or Jinja; the numbers are written then, too.
    """
    numbers = save_numbers(found, folder)
    from ropero.reports import output, pages

    drawn = _figures(found, splits)
    paths = [output.save(figure, folder / f"{name}.png") for name, _, figure in drawn]
    page = folder / "explore.html"
    write_text(
        page,
        pages.gallery(
            t("The data: {name}", name=found.name), [(caption, figure) for _, caption, figure in drawn], tables(found)
        ),
    )
    return [*paths, numbers, page]


def _figures(found: Exploration, splits: Splits) -> list[tuple[str, str, Figure]]:
    """(file name, caption, figure) of everything that is drawn."""
    from ropero.reports import figures, pictures

    train = splits.train
    first = [rows[0] for rows in found.first_images if rows]
    nine = list(range(min(9, len(train))))
    several = [row for rows in found.first_images for row in rows]
    means = np.round(found.mean_garments * 255).astype(np.uint8)
    counts = {t(name): np.array(part.counts) for name, part in found.parts.items()}
    shares = {t(name): np.array(part.histogram, np.float64) for name, part in found.parts.items()}
    drawn = [
        ("classes", t("Images per class in each part"), figures.class_counts(counts, found.classes)),
        (
            "first-images",
            t("The first images of the training part"),
            pictures.image_grid(train.images[nine], _titles(train, nine), columns=3),
        ),
        (
            "one-of-each-class",
            t("The first image of each class"),
            pictures.image_grid(train.images[first], _titles(train, first)),
        ),
        (
            "ten-of-each-class",
            t("The first ten images of each class, a class a row"),
            pictures.image_grid(train.images[several], [""] * len(several), columns=10),
        ),
        (
            "mean-garments",
            t("The mean garment of each class: all its training images laid over each other"),
            pictures.mean_images(means, found.classes),
        ),
        ("pixels", t("How often each grey value occurs"), figures.pixel_histogram(shares)),
    ]
    for pairs in found.duplicates:
        if len(pairs.rows) and pairs.kind == "near" and pairs.parts[0] != pairs.parts[1]:
            drawn.append((f"near-{'-'.join(pairs.parts)}", _near_caption(pairs), _near_figure(pairs, splits)))
    return drawn


def _titles(part: Dataset, rows: Sequence[int]) -> list[str]:
    return [t(part.classes[part.labels[row]]) for row in rows]


def _near_caption(pairs: Pairs) -> str:
    return t(
        "Nearly the same image in {one} (above) and in {other} (below): {n} pairs, those with different labels first",
        one=t(pairs.parts[0]),
        other=t(pairs.parts[1]),
        n=whole(pairs.total),
    )


def _near_figure(pairs: Pairs, splits: Splits) -> Figure:
    """The most alike pairs, one above the other: a column a pair."""
    from ropero.reports import pictures

    images, titles = [], []
    for side, name in enumerate(pairs.parts):
        part = splits.part(name)
        place = {int(row): at for at, row in enumerate(part.rows)}
        for row in pairs.rows[:SHOWN_PAIRS, side]:
            at = place[int(row)]
            images.append(part.images[at])
            titles.append(f"{row}: {t(part.classes[part.labels[at]])}")
    return pictures.image_grid(images, titles, columns=min(SHOWN_PAIRS, len(pairs.rows)))
