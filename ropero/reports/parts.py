"""The parts of a page as plain data for the templates: facts, tables, cells, cards. Knows nothing of HTML.

Legend: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ropero.data.changes import DROP, RELABEL
from ropero.data.dataset import Dataset
from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.intervals import Measured
from ropero.models.summary import Summary
from ropero.reports import figures
from ropero.reports.output import as_svg
from ropero.reports.pictures import prediction_title
from ropero.reports.style import HEAT_STRENGTH, heat_shares
from ropero.reports.thumbnails import thumbnail
from ropero.reports.words import PARTS
from ropero.runs import Run
from ropero.storage import human_bytes
from ropero.texts import joined, mark, t
from ropero.texts.numbers import Numbers
from ropero.training.config import TrainConfig
from ropero.training.history import History

SMALL_SIDE = 64  # pixels; smaller pictures are shown with their pixels, larger ones smoothly


@dataclass(frozen=True)
class Cell:
    """One cell of a confusion matrix: what it shows ("" for none), how strong its colour is, whether it is right."""

    text: str
    heat: str
    right: bool


@dataclass(frozen=True)
class Card:
    """One picture with what was predicted. picture is a data URI, "" when the picture is not at hand."""

    picture: str
    title: str
    right: bool
    true: int
    row: int
    shown_row: str
    probability: str
    verdict: str


@dataclass(frozen=True)
class Score:
    """A figure and its 95 % interval, as they are shown; "" for none."""

    value: str
    interval: str = ""

    def __str__(self) -> str:
        return f"{self.value} ({self.interval})" if self.interval else self.value


Row = tuple[str | Score, ...]


def curves(history: History) -> list[Markup]:
    """Loss and accuracy over the epochs, as SVG."""
    if not len(history):
        return []
    made = []
    for name, title, percent in (("loss", t("Loss"), False), ("accuracy", t("Accuracy"), True)):
        train, validation = history.column(f"train_{name}"), history.column(f"validation_{name}")
        figure = figures.learning_curve(train, validation, title, percent=percent)
        made.append(svg(as_svg(figure, t("{title} by epoch", title=title))))
    return made


def svg(text: str) -> Markup:
    """An SVG of our own making, put into a page as it is: as_svg has escaped every text in it."""
    return Markup(text)


def class_rows(evaluation: Evaluation) -> list[Row]:
    """(name, precision, recall, F1, area under the ROC curve, images) of each class."""
    n = Numbers.current()
    return [
        (
            t(name),
            *(_score(one) for one in (figures.precision, figures.recall, figures.f1)),
            shown(figures.auc, lambda value: n.decimal(value, 4)),
            n.whole(figures.support),
        )
        for name, figures in zip(evaluation.classes, evaluation.class_figures, strict=True)
    ]


def average_rows(evaluation: Evaluation) -> list[Row]:
    """The same of both averages over the classes, but for the area."""
    images = Numbers.current().whole(len(evaluation))
    titles = {"macro": t("Macro average"), "weighted": t("Weighted average")}
    return [
        (titles[kind], *(_score(one) for one in found.values()), "", images)
        for kind, found in evaluation.averages.items()
    ]


def _score(one: Measured | None) -> Score:
    """A figure between 0 and 1; a dash for one that could not be measured."""
    n = Numbers.current()
    return shown(one, n.decimal)


def share(hits: int, of: int, digits: int = 1) -> Score:
    """A share in per cent; a dash for a share of nothing."""
    n = Numbers.current()
    return shown(Measured.share(hits, of) if of else None, lambda value: n.percent(value, digits))


def shown(one: Measured | None, write: Callable[[float], str]) -> Score:
    """A figure with its interval, both written alike; a dash for none."""
    return Score("–") if one is None else Score(write(one.value), f"{write(one.low)}–{write(one.high)}")


def matrix(counts: NDArray[np.int64], classes: Sequence[str]) -> list[tuple[str, list[Cell]]]:
    """(true class, its K cells) of each row of a confusion matrix (K, K)."""
    n = Numbers.current()
    _, strength = heat_shares(counts)
    return [
        (
            t(name),
            [
                Cell(n.whole(int(count)) if count else "", f"{strength[row, k] * HEAT_STRENGTH:.2f}", k == row)
                for k, count in enumerate(counts[row])
            ],
        )
        for row, name in enumerate(classes)
    ]


def pair_rows(evaluation: Evaluation, count: int = 10) -> list[Row]:
    """(true, predicted, images, share of the true class) of the most frequent confusions."""
    n = Numbers.current()
    return [
        (
            t(evaluation.classes[true]),
            t(evaluation.classes[guess]),
            n.whole(images),
            share(images, int(evaluation.report.support[true])),
        )
        for true, guess, images in evaluation.confused_pairs(count)
    ]


def cards(evaluation: Evaluation, positions: Iterable[int], pictures: Dataset) -> list[Card]:
    """The predictions at these positions; pictures are found by the row they have in their source file."""
    n = Numbers.current()
    wanted = [int(i) for i in positions]
    rows = evaluation.rows[wanted]
    order = np.argsort(pictures.rows, kind="stable")
    places = np.clip(np.searchsorted(pictures.rows, rows, sorter=order), 0, len(order) - 1)
    made = []
    for i, row, place in zip(wanted, rows, order[places], strict=True):
        guess, true = (evaluation.classes[k] for k in (evaluation.predicted[i], evaluation.labels[i]))
        made.append(
            Card(
                thumbnail(pictures.images[place]) if pictures.rows[place] == row else "",
                prediction_title(guess, true),
                bool(evaluation.correct[i]),
                int(evaluation.labels[i]),
                int(row),
                n.whole(int(row)),
                n.percent(float(evaluation.confidence[i])),
                t(word) if (word := evaluation.word(i)) else "",
            )
        )
    return made


def verdict_rows(evaluation: Evaluation) -> list[Row]:
    """(verdict, images, share of all, share of them that is right)."""
    n = Numbers.current()
    return [
        (
            t(word),
            n.whole(images),
            share(images, len(evaluation)),
            share(right, images),
        )
        for word, (images, right) in evaluation.verdict_counts().items()
    ]


def headline(evaluation: Evaluation, run: Run, summary: Summary) -> list[tuple[str, str]]:
    """(figure, what it is) beside the accuracy."""
    n = Numbers.current()
    return [
        (n.decimal(evaluation.log_loss), t("log loss")),
        (n.percent(evaluation.top2_accuracy), t("right among the first two")),
        (n.percent(evaluation.calibration.expected_error), t("calibration error (ECE)")),
        (n.whole(summary.total), t("parameters")),
        *([] if run.origin else [(n.seconds(_seconds(run)), t("training time"))]),
    ]


def facts(run: Run, summary: Summary) -> list[tuple[str, str]]:
    """(name, value) of what was trained on what, where."""
    n, config, data, here = Numbers.current(), run.config, run.data, run.environment
    channels, height, width = data.input_shape
    network = t(
        "{network}, {total} parameters ({trainable} trainable)",
        network=config.network,
        total=n.whole(summary.total),
        trainable=n.whole(summary.trainable),
    )
    return [
        (t("Network"), network),
        (t("Data"), data.name),
        (t("Images"), f"{height} × {width} × {channels}, " + t("{n} classes", n=len(data.classes))),
        (t("Parts"), _sizes(run)),
        *([(t("Changed by a list"), changed)] if (changed := _changed(run)) else []),
        *([] if run.origin else [(t("Seed"), str(config.seed))]),
        (t("Device"), f"{here.get('device', config.device)}, {config.precision}"),
        (t("Hardware"), hardware(here)),
        *([] if run.origin else [(t("Training time"), n.seconds(_seconds(run)))]),
        (t("Versions"), versions(here)),
        (t("Code"), str(here.get("commit") or t("an installed package, no commit"))),
        (t("Created"), moment(run.created)),
        (t("Weights"), f"SHA-256 {run.card.weights_sha256[:16]}…, {human_bytes(_weight_bytes(run))}"),
    ]


def _seconds(run: Run) -> float:
    return float(run.notes.get("train_seconds") or run.history.train_seconds)


def held_out(run: Run) -> int:
    """Images that the training was judged by while it ran."""
    return run.images.get("validation", 0)


def _sizes(run: Run) -> str:
    n = Numbers.current()
    return joined(f"{t(PARTS[name])} {n.whole(size)}" for name, size in run.images.items())


def hardware(here: Mapping[str, Any]) -> str:
    """Processor, threads and cores of a run's environment."""
    return t(
        "{cpu}; {threads} threads, {cores} cores",
        cpu=here.get("cpu", "?"),
        threads=here.get("threads", "?"),
        cores=here.get("cores", "?"),
    )


def _changed(run: Run) -> str:
    """`Train: 3 relabelled, 1 left out; Test: ...`, of a run with a change list."""
    n = Numbers.current()
    said = []
    for part, counts in (run.notes.get("changed") or {}).items():
        done = []
        if counts.get(RELABEL):
            done.append(t("{n} relabelled", n=n.whole(counts[RELABEL])))
        if counts.get(DROP):
            done.append(t("{n} left out", n=n.whole(counts[DROP])))
        said.append(f"{t(PARTS[part])}: {joined(done)}")
    return "; ".join(said)


def versions(here: Mapping[str, Any]) -> str:
    """Of ropero and what it stands on, in a run's environment."""
    names = ("ropero", "python", "torch", "numpy")
    return joined([*(f"{name} {here[name]}" for name in names if name in here), str(here.get("system", ""))])


def _weight_bytes(run: Run) -> int:
    weights = run.folder / "model.safetensors"
    return weights.stat().st_size if weights.exists() else 0


# What the ledger calls them, in every language.
_VERBS = (
    mark("evaluate"),
    mark("predict"),
    mark("explain"),
    mark("complete"),
    mark("robustness"),
    mark("strangers"),
)


def ledger_rows(run: Run) -> list[tuple[str, str, str, str, str]]:
    """(when, verb, images, accuracy, weights) of each opening of the test part."""
    n, own = Numbers.current(), run.card.weights_sha256
    return [
        (
            moment(one.when),
            t(one.verb) if one.verb in _VERBS else one.verb,
            n.whole(one.images),
            "–" if one.accuracy is None else n.percent(one.accuracy, 2),
            one.weights_sha256[:12] + ("" if one.weights_sha256 == own else " " + t("(other weights)")),
        )
        for one in run.ledger.openings()
    ]


def moment(iso: str) -> str:
    """2026-11-21 03:01:58 UTC: no fractions of a second."""
    return iso[:19].replace("T", " ") + " UTC" if iso.endswith("+00:00") else iso


def layer_rows(summary: Summary) -> list[tuple[str, str, str, str]]:
    """(layer, kind, output shape, parameters), as Keras prints it."""
    n = Numbers.current()
    return [
        (row.name, row.kind, " × ".join(map(str, row.output_shape)), n.whole(row.parameters)) for row in summary.rows
    ]


def option_rows(config: TrainConfig) -> list[tuple[str, str, str]]:
    """(option, value, what it is) of every field of the config."""
    return [(one.name, _plain(getattr(config, one.name)), t(one.metadata["help"])) for one in fields(config)]


def _plain(value: object) -> str:
    # Values stand as one would type them, in every language.
    return str(value)


def pixelated(pictures: Dataset) -> bool:
    """Whether the pictures are small enough to show their pixels as squares."""
    return bool(max(pictures.images.shape[1:3]) <= SMALL_SIDE)


def positions(evaluation: Evaluation, count: int) -> Sequence[int]:
    """The first images of the split."""
    return range(min(count, len(evaluation)))
