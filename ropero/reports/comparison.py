"""The report of a comparison, page or document: two runs or a class of thirty, on the same images.

Takes plain figures; knows nothing of runs. Legend: K classes, M models, N images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ropero.evaluation.compare import Pair, Spread
from ropero.evaluation.intervals import Measured
from ropero.reports import parts, pictures, trust, words
from ropero.reports.document import Block, Document, Paragraph, Picture, Section, Table
from ropero.reports.output import as_svg
from ropero.reports.pages import render_page
from ropero.reports.thumbnails import thumbnail
from ropero.storage import write_text
from ropero.texts import joined, language, t
from ropero.texts.numbers import Numbers

IMAGES, PAIRS = 24, 15  # images that are shown, and pairs: beyond, each run is put beside the best one
PICTURES, ABREAST = 12, 5  # images in a document, and runs that stand beside each other in its tables


@dataclass(frozen=True, kw_only=True)
class Model:
    """One run of the comparison."""

    letter: str
    name: str
    network: str
    seed: int
    accuracy: float
    interval: tuple[float, float]
    log_loss: Measured
    calibration_error: Measured
    parameters: int
    train_seconds: float
    predict_rate: float
    openings: int
    family: int  # runs with the same number differ by their seed alone
    differs: str  # options that are not those of the network's recipe
    f1: Sequence[Measured | None]  # of each class


class Said(NamedTuple):
    """What a model says of an image: its letter, the class, is that right, probability, verdict ("" for none)."""

    letter: str
    name: str
    right: bool
    probability: float
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An image on which the models differ, and what each says."""

    image: NDArray[np.uint8] | None
    row: int
    true: str
    said: Sequence[Said]


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything that the page shows; pairs name models by letter."""

    title: str
    split: str
    images: int
    classes: Sequence[str]
    models: Sequence[Model]
    spreads: Sequence[tuple[str, str, Mapping[str, Spread]]]  # network, letters, figures; where a config has more seeds
    pairs: Sequence[Pair]
    differing: int
    answered: Sequence[Answered]
    together: Measured  # accuracy of the mean of all models' probabilities
    two_best: tuple[str, str]  # letters
    class_pairs: Sequence[Pair]  # these two on each class
    looks: int  # openings of the test part by all of them


def write(content: Content, path: Path, lang: str) -> Path:
    """Write the page in "en", "es" or "zh" and return its path."""
    with language(lang):
        write_text(path, page(content))
    return path


def page(content: Content) -> str:
    """The page in the language in force."""
    n = Numbers.current()
    best = max(content.models, key=lambda one: one.accuracy)
    return render_page(
        "comparison.html",
        content.title,
        scripts=("page.js",),
        content=content,
        figure=parts.svg(as_svg(_figure(content), t("Accuracy, 95% interval"))),
        conclusions=_conclusions(content, best),
        models=[_model(one) for one in content.models],
        spreads=[_spread(*one) for one in content.spreads],
        pairs=pair_rows(content),
        classes=[
            (
                t(name),
                [
                    (parts.shown(one.f1[k], n.percent), _strength(one.f1[k], content.models, k))
                    for one in content.models
                ],
            )
            for k, name in enumerate(content.classes)
        ],
        answered=[_answered(one) for one in content.answered],
        class_rows=class_rows(content.class_pairs),
        class_title=_class_title(content),
    )


def document(content: Content, author: str = "") -> Document:
    """The comparison as a document to hand in, in the language in force."""
    n = Numbers.current()
    best = max(content.models, key=lambda one: one.accuracy)
    said = _conclusions(content, best)
    figure = _figure(content)
    models = [_model(one) for one in content.models]
    runs: list[Block] = [
        Picture("runs", t("Accuracy, 95% interval"), figure),
        Table(
            t("Runs"),
            ["", t("Run"), t("Seed"), t("Accuracy"), t("Log loss"), t("Calibration error")],
            [row[:6] for row in models],
            [2, 3, 4, 5],
        ),
        Table(
            t("Size and speed"),
            ["", t("Parameters"), t("Training time"), t("Predictions a second"), t("Openings")],
            [(row[0], *row[6:]) for row in models],
            [1, 2, 3, 4],
        ),
    ]
    if content.spreads:
        columns = [t("Network"), t("Runs"), t("Accuracy"), t("Log loss"), t("Calibration error"), "n"]
        title = t("Seeds of one config together, mean ± standard deviation")
        runs.append(Table(title, columns, [_spread(*one) for one in content.spreads], [2, 3, 4, 5]))
    columns = [t("Runs"), t("Points of accuracy"), t("95% interval"), t("Only the first right"),
               t("Only the second right"), t("p, corrected"), t("More than chance")]  # fmt: skip
    paired = t(
        "McNemar's exact test on the images that only one of the two names correctly; p is corrected for the number of "
        "pairs by Holm's method."
    )
    pairs = Table(t("Is the difference more than chance?"), columns, pair_rows(content),
                  [1, 2, 3, 4, 5])  # fmt: skip
    shown = sorted(content.models, key=lambda one: -one.accuracy)[:ABREAST]
    classes = Table(
        t("F1 of each class") if len(shown) == len(content.models) else t("F1 of each class, the best runs"),
        [t("Class"), *(one.letter for one in shown)],
        [(t(name), *(parts.shown(one.f1[k], n.percent) for one in shown)) for k, name in enumerate(content.classes)],
        range(1, len(shown) + 1),
    )
    each_class = Table(
        _class_title(content),
        [t("Class"), t("Points of recall"), *columns[2:]],
        class_rows(content.class_pairs),
        [1, 2, 3, 4, 5],
    )
    return Document(
        title=content.title,
        subtitle=t("{n} {split} images", n=n.whole(content.images), split=t(content.split)),
        author=author,
        date=words.day(),
        run="",
        sections=[
            Section(t("Summary"), [Paragraph(said[:1])]),
            Section(t("Runs"), runs),
            Section(t("Is the difference more than chance?"), [pairs, Paragraph([paired])]),
            Section(t("F1 of each class"), [classes, each_class]),
            Section(t("Images on which they differ"), _differing(content, shown)),
            Section(t("Conclusions"), [Paragraph(said)]),
        ],
        references=[
            "Q. McNemar. Note on the sampling error of the difference between correlated proportions or percentages. "
            "Psychometrika 12, 1947.",
            "S. Holm. A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6, "
            "1979.",
            "E. B. Wilson. Probable inference, the law of succession, and statistical inference. JASA 22, 1927.",
        ],
    )


def _differing(content: Content, shown: Sequence[Model]) -> list[Block]:
    """Some images on which the runs differ, and what the best of them say."""
    answered = [one for one in content.answered if one.image is not None][:PICTURES]
    if not answered:
        return [Paragraph([t("They say the same of every image.")])]
    images = [one.image for one in answered if one.image is not None]
    letters = [one.letter for one in shown]
    rows = []
    for one in answered:
        said = {each.letter: f"{'✓' if each.right else '✗'} {_told(each)}" for each in one.said}
        rows.append((Numbers.current().whole(one.row), t(one.true), *(said[letter] for letter in letters)))
    titles = [f"{row[0]}: {row[1]}" for row in rows]
    caption = t("Images on which they differ, with row and true class")
    return [
        Picture("differing", caption, pictures.image_grid(images, titles, columns=6)),
        Table(t("What the runs say of them"), [t("Row"), t("True class"), *letters], rows, [0]),
    ]


def _figure(content: Content) -> Figure:
    return trust.compared(
        [f"{one.letter}  {one.network}, {one.seed}" for one in content.models],
        [one.accuracy for one in content.models],
        [one.interval for one in content.models],
    )


def _class_title(content: Content) -> str:
    first, second = content.two_best
    return t("The two best on each class: {first} less {second}", first=first, second=second)


def _conclusions(content: Content, best: Model) -> list[str]:
    n = Numbers.current()
    low, high = best.interval
    said = [
        t(
            "{letter} ({network}) is right most often: {accuracy} of {images} images (95% interval {low} to {high}).",
            letter=best.letter,
            network=best.network,
            accuracy=n.percent(best.accuracy, 2),
            images=n.whole(content.images),
            low=n.percent(low, 2),
            high=n.percent(high, 2),
        )
    ]
    family = {one.letter: one.family for one in content.models}
    others = [
        pair
        for pair in content.pairs
        if best.letter in (pair.first, pair.second) and family[pair.first] != family[pair.second]
    ]
    equal = sorted(
        {pair.second if pair.first == best.letter else pair.first for pair in others if not pair.significant}
    )
    if equal:
        names = joined(equal)
        said.append(
            t("That it is better than {names} may be chance: the paired tests do not tell them apart.", names=names)
        )
    elif others:
        alone = len(family) == len(set(family.values()))
        said.append(
            t("It is better than every other one by more than chance.")
            if alone
            else t("It is better than every run of another config by more than chance.")
        )
    said.append(
        t(
            "They differ on {n} images. The mean of all their probabilities is right on {together}.",
            n=n.whole(content.differing),
            together=f"{n.percent(content.together.value, 2)} ({n.percent(content.together.low, 2)}–"
            f"{n.percent(content.together.high, 2)})",
        )
    )
    if content.looks:
        said.append(
            t(
                "These {runs} runs opened the test part {n} times in all. Whoever takes the best of them for that "
                "reason chooses by test images: its figure is then a little too good.",
                runs=len(content.models),
                n=content.looks,
            )
        )
    return said


def _model(one: Model) -> parts.Row:
    n = Numbers.current()
    return (
        one.letter,
        one.name + (f" ({one.differs})" if one.differs else ""),
        str(one.seed),
        parts.shown(Measured(one.accuracy, *one.interval), lambda value: n.percent(value, 2)),
        parts.shown(one.log_loss, n.decimal),
        parts.shown(one.calibration_error, lambda value: n.percent(value, 2)),
        n.whole(one.parameters),
        n.seconds(one.train_seconds) if one.train_seconds else "–",
        n.whole(round(one.predict_rate)),
        str(one.openings),
    )


def _spread(network: str, letters: str, figures: Mapping[str, Spread]) -> tuple[str, ...]:
    n = Numbers.current()
    accuracy, loss, error = (figures[name] for name in ("accuracy", "log_loss", "calibration_error"))
    return (
        network,
        letters,
        f"{n.percent(accuracy.mean, 2)} ± {n.decimal(100 * accuracy.deviation, 2)}",
        f"{n.decimal(loss.mean, 4)} ± {n.decimal(loss.deviation, 4)}",
        f"{n.percent(error.mean, 2)} ± {n.decimal(100 * error.deviation, 2)}",
        str(accuracy.n),
    )


def pair_rows(content: Content) -> list[tuple[str, ...]]:
    """The pairs; of two seeds of one config a difference is their luck, however clear it is."""
    family = {one.letter: one.family for one in content.models}
    rows = []
    for pair in content.pairs:
        *figures, verdict = _pair(pair)
        rows.append((*figures, t("seeds of one config") if family[pair.first] == family[pair.second] else verdict))
    return rows


def _pair(pair: Pair) -> tuple[str, ...]:
    n = Numbers.current()
    low, high = (_signed(100 * end) for end in pair.interval)
    return (
        f"{pair.first} – {pair.second}",
        _signed(100 * pair.difference),
        f"{low} … {high}",
        n.whole(pair.only_first),
        n.whole(pair.only_second),
        n.decimal(pair.corrected, 4) if pair.corrected >= 1e-4 else "<" + n.decimal(1e-4, 4),
        t("yes") if pair.significant else t("no"),
    )


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + Numbers.current().decimal(value, 2)


def _strength(one: Measured | None, models: Sequence[Model], k: int) -> str:
    """How strong a cell is coloured: 0 for the worst model of the class, 1 for the best."""
    row = [found.value for model in models if (found := model.f1[k]) is not None]
    span = max(row) - min(row) if row else 0.0
    return f"{0.6 * (one.value - min(row)) / span if one is not None and span else 0.0:.2f}"


def _answered(one: Answered) -> dict[str, Any]:
    return {
        "picture": "" if one.image is None else thumbnail(one.image),
        "row": Numbers.current().whole(one.row),
        "true": t(one.true),
        "said": [(said.letter, f"{'✓' if said.right else '✗'} {_told(said)}", said.right) for said in one.said],
    }


def _told(said: Said) -> str:
    """`Coat 62.1%, unsure`: what stands behind a model's letter."""
    text = f"{t(said.name)} {Numbers.current().percent(said.probability, 0)}"
    return f"{text}, {t(said.verdict)}" if said.verdict else text


def class_rows(pairs: Sequence[Pair]) -> list[tuple[str, ...]]:
    """(class, points of recall, interval, only the first right, only the second, p corrected, more than chance)."""
    return [(t(pair.first), *_pair(pair)[1:]) for pair in pairs]
