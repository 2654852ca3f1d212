"""The page of a generator: its pictures, what a classifier says of them, how near to real ones they are, how it grew.

Takes plain figures and arrays; knows nothing of run folders or networks. Legend: N pictures, K classes, C channels,
H x W pixels, E epochs, G garments that are pictured at each epoch.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ropero.data.dataset import Images
from ropero.evaluation.generated import Labelled
from ropero.evaluation.generation_score import FIGURES, GenerationScore
from ropero.evaluation.intervals import Measured
from ropero.evaluation.judge import NOT_A_GARMENT
from ropero.evaluation.ledger import Opening
from ropero.generation.config import GeneratorConfig
from ropero.generation.loop import GeneratorEpoch
from ropero.reports import generated_words, generator_figures, parts
from ropero.reports.output import as_svg
from ropero.reports.pages import render_page
from ropero.reports.parts import Row, Score
from ropero.reports.pictures import RIGHT, WRONG, prediction_title
from ropero.reports.thumbnails import thumbnail
from ropero.storage import human_bytes, write_text
from ropero.texts import language, t
from ropero.texts.numbers import Numbers

SHOWN, OTHERS, REJECTED, NEAREST, GROWN = 60, 20, 20, 12, 14
LARGEST_ANIMATION = 4 << 20  # bytes of one that is put into the page
_DIGITS = {"frechet": 2, "kernel": 4}  # behind the point; the others get three


@dataclass(frozen=True, kw_only=True, eq=False)
class Nearest:
    """Samples beside the training image that is most like each.

    Attributes:
        samples, neighbours: (N, H, W[, C]) uint8, the first of them; rows: where those training images stand.
        distances: (M,) of all samples that were looked at, in the order of `samples`, to the nearest training image.
        usual: the same of real images. unseen: whether those were no training images; else each was looked for among
            the others.
    """

    samples: Images
    neighbours: Images
    rows: Sequence[int]
    distances: NDArray[np.floating]
    usual: NDArray[np.floating]
    unseen: bool = True

    @cached_property
    def limit(self) -> float:
        """What 1 % of the real images are nearer than."""
        return float(np.quantile(self.usual, generated_words.COPIED))

    @property
    def copied(self) -> Measured:
        """Share of the samples that are as near as that, or nearer."""
        return Measured.share(int((self.distances <= self.limit).sum()), len(self.distances))


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """How the generator came about.

    Attributes:
        images: that it learned from. shape: (C, H, W). parameters, weight_bytes: of what is kept of it.
        grown: (epoch, pictures (G, H, W[, C])) of the same latent values. grown_names: their classes, where they were
            asked for. animation: of them as the content of a GIF file, b"" for none.
        command: that trains it again.
    """

    config: GeneratorConfig
    history: Sequence[GeneratorEpoch]
    environment: Mapping[str, Any]
    data: str
    images: int
    shape: tuple[int, int, int]
    parameters: int
    weight_bytes: int
    weights_sha256: str
    created: str
    command: str
    grown: Sequence[tuple[int, Images]] = ()
    grown_names: Sequence[str] = ()
    animation: bytes = b""


@dataclass(frozen=True, kw_only=True, eq=False)
class Content:
    """Everything that the page shows; what was not measured is None.

    Attributes:
        name: of the generator's run.
        samples: (N, H, W[, C]) uint8, as they came. seed: that they were drawn with.
        labelled: what a classifier says of all of them. by: what that is called.
        openings: looks at test images for this generator.
    """

    name: str
    trained: Trained
    samples: Images
    seed: int
    labelled: Labelled | None = None
    by: str = ""
    score: GenerationScore | None = None
    nearest: Nearest | None = None
    openings: Sequence[Opening] = field(default_factory=tuple)


@dataclass(frozen=True)
class Card:
    """One generated picture. kind is "right", "wrong", "plain" (nothing was wanted) or "refused"."""

    picture: str
    title: str
    kind: str
    number: str
    probability: str = ""
    verdict: str = ""


def write(content: Content, path: Path, lang: str) -> Path:
    """Write the page in "en", "es" or "zh" and return its path."""
    with language(lang):
        write_text(path, page(content))
    return path


def page(content: Content) -> str:
    """The page in the language in force."""
    trained, found = content.trained, content.labelled
    return render_page(
        "generated.html",
        t("{network} on {data}", network=trained.config.generator, data=trained.data),
        scripts=("page.js",),
        content=content,
        headline=_headline(content),
        summary=_summary(content),
        pixelated=bool(max(content.samples.shape[1:3]) <= parts.SMALL_SIDE),
        first=cards(content, range(min(SHOWN, len(content.samples)))),
        label=None if found is None else _label(content, found),
        score=None if content.score is None else _score(content.score),
        nearest=None if content.nearest is None else _nearest(content.nearest),
        curves=_curves(trained.history),
        curve_words=generated_words.curves(trained.history) if trained.history else [],
        grown=_grown(trained),
        animation=_animation(trained.animation),
        recipe=generated_words.recipe(trained.config, trained.history, trained.images),
        facts=_facts(content),
        options=[(one.name, str(getattr(trained.config, one.name)), t(one.metadata["help"]))
                 for one in fields(trained.config)],
    )  # fmt: skip


def _headline(content: Content) -> tuple[tuple[str, str, str], list[tuple[str, str]]]:
    """(what it is, figure, its interval) of the main one, and (figure, what it is) of the others."""
    n, found, score = Numbers.current(), content.labelled, content.score
    rest = []
    if score is not None:
        frechet, covered = (score.figures[name] for name in ("frechet", "coverage"))
        rest = [
            (n.decimal(frechet.mean, 2), t(FIGURES["frechet"].title)),
            (n.decimal(frechet.floor_mean, 2), t("the same of real images")),
            (n.percent(covered.mean), t(FIGURES["coverage"].title)),
        ]
    if found is not None and found.real_accuracy is not None:
        rest.append((n.percent(found.real_accuracy.value), t("the classifier on real images")))
    if found is not None and found.verdicts is not None:
        rest.append((n.percent(len(found.rejected) / len(found)), t(NOT_A_GARMENT)))
    rest.append((n.seconds(sum(one.epoch_seconds for one in content.trained.history)), t("training time")))
    if found is not None and (hit := found.agreement) is not None:
        interval = t("95% interval {low} to {high}, {images} images", low=n.percent(hit.low, 2),
                     high=n.percent(hit.high, 2), images=n.whole(len(found)))  # fmt: skip
        return (t("Taken for what was wanted"), n.percent(hit.value, 2), interval), rest
    if score is not None:
        (value, name), *rest = rest
        return (name, value, t("{n} samples in each draw", n=n.whole(score.rows))), rest
    return (t("Samples"), n.whole(len(content.samples)), t("seed {seed}", seed=content.seed)), rest


def _summary(content: Content) -> list[list[str]]:
    """Paragraphs: what the classifier says, the score, whether it remembers."""
    said = (
        [] if content.labelled is None else generated_words.labels(content.labelled, content.by),
        [] if content.score is None else generated_words.score(content.score),
        [] if content.nearest is None else generated_words.memorised(content.nearest),
    )
    return [one for one in said if one] or [[t("Its pictures have not been labelled or scored yet.")]]


def cards(content: Content, positions: Iterable[int]) -> list[Card]:
    """The pictures at these positions with what the classifier says of them."""
    n, found = Numbers.current(), content.labelled
    made = []
    for at in map(int, positions):
        picture, number = thumbnail(content.samples[at]), n.whole(at)
        if found is None:
            made.append(Card(picture, "", "plain", number))
            continue
        word = found.word(at)
        wanted = None if found.wanted is None else found.classes[found.wanted[at]]
        title = prediction_title(found.classes[found.predicted[at]], wanted)
        kind = "plain" if found.agrees is None else "right" if found.agrees[at] else "wrong"
        kind = "refused" if word == NOT_A_GARMENT else kind
        sign = {"right": f"{RIGHT} ", "wrong": f"{WRONG} ", "refused": "⊘ ", "plain": ""}[kind]
        probability = n.percent(float(found.confidence[at]))
        made.append(Card(picture, sign + title, kind, number, probability, t(word) if word else ""))
    return made


def _label(content: Content, found: Labelled) -> dict[str, Any]:
    """What the template shows of a classifier's answers."""
    real = found.real
    shares = None if real is None else [real.share(k).value for k in range(len(found.classes))]
    figure = generator_figures.balance(found.balance, found.expected, shares, found.classes)
    confusion = found.confusion
    return {
        "difference": generated_words.difference(found),
        "balance": parts.svg(as_svg(figure, t("Share of the pictures that are taken for each class"))),
        "rows": label_rows(found),
        "conditional": found.wanted is not None,
        "matrix": None if confusion is None else parts.matrix(confusion, found.classes),
        "totals": [] if confusion is None else confusion.sum(axis=1).tolist(),
        "verdicts": verdict_rows(found),
        "others": cards(content, found.disagreements(OTHERS)),
        "rejected": cards(content, found.rejected[:REJECTED]),
        "rejected_count": len(found.rejected),
    }


def label_rows(found: Labelled) -> list[Row]:
    """(class, pictures taken for it, share[, conditional accuracy, accuracy on real images]) of each class, and all."""
    n = Numbers.current()
    rows: list[Row] = []
    for k, name in enumerate(found.classes):
        row: Row = (t(name), n.whole(int(found.counts[k])), parts.shown(found.balance[k], n.percent))
        real = None if found.real is None else found.real.recall(k)
        both = (found.class_agreement[k], real)
        rows.append((*row, *(parts.shown(one, n.percent) for one in both if found.wanted is not None)))
    if found.wanted is not None:
        total = (parts.shown(one, n.percent) for one in (found.agreement, found.real_accuracy))
        rows.append((t("All classes"), n.whole(len(found)), "", *total))
    return rows


def verdict_rows(found: Labelled) -> list[Row]:
    """(verdict, pictures, share of all, share of real images) of each verdict."""
    n, real = Numbers.current(), found.real
    places = enumerate(found.verdict_counts().items())
    return [
        (
            t(word),
            n.whole(count),
            parts.share(count, len(found)),
            Score("–") if real is None or real.verdicts is None else parts.share(real.verdicts[place], real.images),
        )
        for place, (word, count) in places
    ]


def score_rows(found: GenerationScore) -> list[Row]:
    """(figure, which way is better, samples, real images in their place, times that) of each figure."""
    n = Numbers.current()
    rows: list[Row] = []
    for name, meaning in FIGURES.items():
        one, digits = found.figures[name], _DIGITS.get(name, 3)
        value = Score(n.decimal(one.mean, digits))
        if (measured := found.measured(name)) is not None:
            value = Score(value.value, f"{n.decimal(measured.low, digits)}–{n.decimal(measured.high, digits)}")
        times = one.times_floor
        rows.append(
            (
                t(meaning.title),
                t("higher is better") if meaning.more_is_better else t("lower is better"),
                value,
                n.decimal(one.floor_mean, digits),
                "–" if times is None else n.decimal(times, 2),
            )
        )
    return rows


def _score(found: GenerationScore) -> dict[str, Any]:
    return {"rows": score_rows(found), "words": generated_words.how_scored(found)}


def _nearest(found: Nearest) -> dict[str, Any]:
    n = Numbers.current()
    figure = generator_figures.distances(found.distances, found.usual, found.limit)
    places = zip(found.samples[:NEAREST], found.neighbours, found.rows, found.distances, strict=False)
    return {
        "figure": parts.svg(as_svg(figure, t("Distances to the nearest training image"))),
        "pairs": [
            (thumbnail(sample), thumbnail(beside), n.whole(int(row)), n.decimal(float(distance), 3),
             bool(distance <= found.limit))
            for sample, beside, row, distance in places
        ],
    }  # fmt: skip


def _curves(history: Sequence[GeneratorEpoch]) -> list[Markup]:
    """Losses and the spread of the pictures over the epochs, as SVG."""
    if not history:
        return []
    epochs = [one.epoch for one in history]
    nets = {name: [one.losses[name] for one in history] for name in history[-1].losses}
    drawn = (
        (generator_figures.losses(epochs, nets, t("Loss")), t("Loss")),
        (generator_figures.losses(epochs, {t("Spread"): [one.spread for one in history]}, t("Spread")), t("Spread")),
    )
    return [parts.svg(as_svg(figure, t("{title} by epoch", title=title))) for figure, title in drawn]


def milestones(epochs: Sequence[int]) -> list[int]:
    """Some epochs to show, each a share more than the last: early ones change most."""
    if not epochs:
        return []
    return [epochs[at] for at in np.unique(np.geomspace(1, len(epochs), GROWN).round().astype(int) - 1)]


def _grown(trained: Trained) -> dict[str, Any] | None:
    """The garments at each epoch that there is; a row for each garment."""
    if not trained.grown:
        return None
    n, count = Numbers.current(), len(trained.grown[0][1])
    names = [t(name) for name in trained.grown_names] or [""] * count
    return {
        "epochs": [n.whole(epoch) for epoch, _ in trained.grown],
        "rows": [(names[at], [thumbnail(pictures[at]) for _, pictures in trained.grown]) for at in range(count)],
    }


def _animation(content: bytes) -> str:
    """A GIF as a data URI; "" for none, or one that is too large for a page."""
    if not content or len(content) > LARGEST_ANIMATION:
        return ""
    return "data:image/gif;base64," + base64.b64encode(content).decode("ascii")


def _facts(content: Content) -> list[tuple[str, str]]:
    """(name, value) of what was trained on what, where."""
    n, trained = Numbers.current(), content.trained
    channels, height, width = trained.shape
    here, config = trained.environment, trained.config
    parameters = t("{network}, {total} parameters", network=config.generator, total=n.whole(trained.parameters))
    return [
        (t("Generator"), parameters),
        (t("Data"), trained.data),
        (t("Images"), f"{n.whole(trained.images)}, {height} × {width} × {channels}"),
        (t("Seed"), str(config.seed)),
        (t("Device"), f"{here.get('device', config.device)}, {config.precision}"),
        (t("Hardware"), parts.hardware(here)),
        (t("Training time"), n.seconds(sum(one.epoch_seconds for one in trained.history))),
        (t("Versions"), parts.versions(here)),
        (t("Code"), str(here.get("commit") or t("an installed package, no commit"))),
        (t("Created"), parts.moment(trained.created)),
        (t("Weights"), f"SHA-256 {trained.weights_sha256[:16]}…, {human_bytes(trained.weight_bytes)}"),
        *([(t("Looks at test images"), _looks(content.openings))] if content.openings else []),
    ]


def _looks(openings: Sequence[Opening]) -> str:
    n = Numbers.current()
    return t("{n}, of {images} images in all", n=n.whole(len(openings)),
             images=n.whole(sum(one.images for one in openings)))  # fmt: skip
