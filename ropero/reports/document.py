"""A report as a document that one hands in: sections of paragraphs, tables, numbered figures, references.

What it holds is said once here; `typeset.py` makes a PDF of it, `markdown.py` Markdown and a notebook. Knows nothing of
how it is written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.figure import Figure

from ropero.data.dataset import Dataset
from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.explain import METHODS
from ropero.evaluation.judge import SURE
from ropero.export.origin import told, unknown_training
from ropero.metrics import ranking
from ropero.models.summary import Summary
from ropero.reports import figures, insights, parts, pictures, references, trust, verdicts, words
from ropero.reports.examined import Examined, faithful_words, method_row, robust_words, stranger_rows
from ropero.runs import Run, RunStore
from ropero.texts import current, t
from ropero.texts.numbers import Numbers

FIRST_IMAGES, MISTAKES, PAIRS, EXPLAINED = 15, 15, 10, 3


@dataclass(frozen=True)
class Paragraph:
    """Sentences that belong together."""

    sentences: Sequence[str]

    @property
    def text(self) -> str:
        """In one piece; Chinese sets no space between sentences."""
        return ("" if current() == "zh" else " ").join(self.sentences)


@dataclass(frozen=True)
class Table:
    """Columns and rows of text, or of figures with their intervals; numbers are the columns to be set right."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[parts.Row]
    numbers: Sequence[int] = ()


@dataclass(frozen=True)
class Picture:
    """A figure with its caption; name is what a file of it is called."""

    name: str
    caption: str
    figure: Figure


@dataclass(frozen=True)
class Code:
    """What one types."""

    text: str


Block = Paragraph | Table | Picture | Code


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A report: title page, sections, references."""

    title: str
    subtitle: str
    author: str
    date: str
    run: str
    sections: Sequence[Section]
    references: Sequence[str] = field(default_factory=list)


def of_run(
    run: Run,
    evaluation: Evaluation,
    images: Dataset,
    summary: Summary,
    *,
    train: Dataset | None = None,
    examined: Examined | None = None,
    author: str = "",
) -> Document:
    """The document of a run, in the language in force.

    Args:
        images: the part that was evaluated, in the order of the evaluation. train: what was learned from, to be shown.
    """
    sections = [
        Section(t("Summary"), [Paragraph(words.conclusions(evaluation, run.history, run.config)[:2])]),
        _data(run, images, train),
        _network(run, summary),
        _training(run),
        _results(run, evaluation),
        _trust(run, evaluation),
        _predictions(evaluation, images),
    ]
    if examined is not None:
        sections.append(_examined(examined, evaluation))
    sections.append(_again(run))
    sections.append(Section(t("Conclusions"), conclusions(run, evaluation)))
    return Document(
        title=t("{network} on {data}", network=run.config.network, data=run.data.name),
        subtitle=t("Training, test and explanation of a garment classifier"),
        author=author,
        date=words.day(),
        run=run.name,
        sections=sections,
        references=references.of_run(run),
    )


def _data(run: Run, images: Dataset, train: Dataset | None) -> Section:
    n = Numbers.current()
    channels, height, width = run.data.input_shape
    blocks: list[Block] = [
        Paragraph(
            [
                t(
                    "The data are {data}: {kind} of {height} × {width} pixels in {k} classes.",
                    data=run.data.name,
                    kind=t("grey images") if channels == 1 else t("colour images"),
                    height=height,
                    width=width,
                    k=len(run.data.classes),
                )
            ]
        ),
        Table(
            t("Parts of the data as this run uses them"),
            [t("Part"), t("Images")],
            [(t(words.PARTS[name]), n.whole(size)) for name, size in run.images.items()],
            [1],
        ),
    ]
    shown = train if train is not None else images
    counts = {t(words.PARTS[part.split]): part.counts for part in (train, images) if part is not None}
    blocks.append(Picture("class-counts", t("Images of each class"), figures.class_counts(counts, shown.classes)))
    firsts = [np.flatnonzero(shown.labels == k) for k in range(len(shown.classes))]
    chosen = [int(places[0]) for places in firsts if len(places)]
    blocks.append(
        Picture(
            "examples",
            t("The first image of each class"),
            pictures.image_grid(shown.images[chosen], [t(shown.classes[shown.labels[at]]) for at in chosen]),
        )
    )
    return Section(t("Data"), blocks)


def _network(run: Run, summary: Summary) -> Section:
    n = Numbers.current()
    return Section(
        t("Network"),
        [
            Paragraph(
                [
                    t(
                        "{total} parameters, {trainable} of them trainable.",
                        total=n.whole(summary.total),
                        trainable=n.whole(summary.trainable),
                    )
                ]
            ),
            Table(
                t("Layers of {network}", network=run.config.network),
                [t("Layer"), t("Kind"), t("Output shape"), t("Parameters")],
                parts.layer_rows(summary),
                [3],
            ),
        ],
    )


def _training(run: Run) -> Section:
    facts = [(name, value) for name, value in parts.facts(run, _EMPTY)[3:]]
    if run.origin:
        table = Table(t("What was imported"), [t("What"), t("Value")], facts)
        said = Paragraph([*told(run.origin, run.data.classes), unknown_training()])
        return Section(t("Where it comes from"), [said, table])
    history = run.history
    columns = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    loss, accuracy, *held = (history.column(name) for name in columns)
    judged = all(value is not None for value in held[0])
    curves = figures.learning_curves(loss, accuracy, *(held if judged else ()))
    return Section(
        t("Training"),
        [
            Paragraph(words.recipe(run.config)),
            Paragraph(words.choice(run.config, history, parts.held_out(run))),
            Picture("curves", t("Learning curves"), curves),
            Paragraph(verdicts.diagnosis(history)),
            Paragraph(words.curve_notes(run.config, history)),
            Table(t("How and where it was trained"), [t("What"), t("Value")], facts),
        ],
    )


_EMPTY = Summary((), 0, 0)


def _results(run: Run, evaluation: Evaluation) -> Section:
    n = Numbers.current()
    low, high = evaluation.interval
    report = evaluation.report
    headline = t(
        "{title}: {accuracy} (95% interval {low} to {high}, {images} images).",
        title=t(words.HEADLINES.get(evaluation.split, "Accuracy")),
        accuracy=n.percent(evaluation.accuracy, 2),
        low=n.percent(low, 2),
        high=n.percent(high, 2),
        images=n.whole(len(evaluation)),
    )
    looks = RunStore(run.folder.parent).looks(run)
    opened = words.opened(run.ledger.openings(), run.card.weights_sha256) + words.looked(looks)
    opened += words.changed_test(run)
    blocks: list[Block] = [Paragraph([headline, *(opened if evaluation.split == "test" else [])])]
    blocks.append(
        Table(
            t("Each class, with 95% intervals"),
            [t("Class"), t("Precision"), t("Recall"), t("F1"), t("AUC"), t("Images")],
            [*parts.class_rows(evaluation), *parts.average_rows(evaluation)],
            [1, 2, 3, 4, 5],
        )
    )
    blocks.append(
        Picture("confusion-matrix", t("Confusion matrix"), figures.confusion(evaluation.confusion, evaluation.classes))
    )
    scores = figures.class_scores(report.precision, report.recall, report.f1, evaluation.classes)
    blocks.append(Picture("classes", t("Precision, recall and F1 of each class"), scores))
    pairs = parts.pair_rows(evaluation, PAIRS)
    if pairs:
        columns = [t("True class"), t("Predicted class"), t("Images"), t("Share of class")]
        blocks.append(Table(t("Most frequent confusions"), columns, pairs, [2, 3]))
    blocks.append(Picture("roc", t("ROC curve of each class"), roc_figure(evaluation)))
    return Section(t("Results"), blocks)


def roc_figure(evaluation: Evaluation) -> Figure:
    """ROC curves of each class that has images, against the rest."""
    lines = {}
    for k, name in enumerate(evaluation.classes):
        mine = evaluation.labels == k
        if 0 < mine.sum() < len(mine):
            roc = ranking.roc_curve(evaluation.stated[:, k], mine)
            lines[name] = trust.Line(roc.false_positive_rate, roc.true_positive_rate, roc.area)
    names = t("Share of the other images taken for it"), t("Share of its images found")
    return trust.class_curves(lines, *names, t("AUC"), chance=True)


def _trust(run: Run, evaluation: Evaluation) -> Section:
    bins = evaluation.calibration
    blocks: list[Block] = [
        Picture(
            "calibration",
            t("Stated confidence against the share that was right"),
            figures.calibration_diagram(bins.confidence, bins.accuracy, bins.count),
        ),
        Picture(
            "coverage",
            t("Accuracy when only the surest images are answered"),
            coverage_figure(evaluation),
        ),
    ]
    rows = parts.verdict_rows(evaluation)
    if rows:
        columns = [t("Verdict"), t("Images"), t("Share of all"), t("Right")]
        blocks.append(Table(t("Sure, unsure, not a garment"), columns, rows, [1, 2, 3]))
    blocks.append(Paragraph(verdicts.verdicts(evaluation, run.judge, run.origin)))
    return Section(t("How far it can be trusted"), blocks)


def coverage_figure(evaluation: Evaluation) -> Figure:
    """Accuracy against coverage, with the images that are called sure."""
    sure, curve = evaluation.verdict(SURE), evaluation.coverage
    chosen = (float(sure.mean()), float(evaluation.correct[sure].mean())) if sure.any() else None
    return trust.coverage(curve.coverage, curve.accuracy, chosen)


def _predictions(evaluation: Evaluation, images: Dataset) -> Section:
    def grid(chosen: Sequence[int]) -> Figure:
        places = np.asarray(chosen, np.int64)
        return pictures.prediction_grid(
            images.images[places],
            evaluation.predicted[places],
            evaluation.labels[places],
            evaluation.classes,
            notes=[_said(evaluation, int(at)) for at in places],
        )

    blocks: list[Block] = [
        Picture("predictions", t("The first images"), grid(range(min(FIRST_IMAGES, len(evaluation))))),
    ]
    mistakes = evaluation.confident_mistakes(MISTAKES)
    if len(mistakes):
        blocks.append(Picture("mistakes", t("Most confident mistakes"), grid(mistakes.tolist())))
    return Section(t("Predictions"), blocks)


def _said(evaluation: Evaluation, position: int) -> str:
    """`97.3%, sure`: what stands below a picture."""
    share = Numbers.current().percent(float(evaluation.confidence[position]))
    word = evaluation.word(position)
    return f"{share}, {t(word)}" if word else share


def _examined(examined: Examined, evaluation: Evaluation) -> Section:
    best = examined.explained[0]
    method = t(METHODS[best.method])
    blocks: list[Block] = []
    for number, one in enumerate(examined.pictures[:EXPLAINED], 1):
        maps = {t(evaluation.classes[k]): places for k, places in one.maps}
        title = pictures.prediction_title(
            evaluation.classes[evaluation.predicted[one.position]], evaluation.classes[evaluation.labels[one.position]]
        )
        figure = insights.explanation(one.image, title, {best.method: maps})
        blocks.append(Picture(f"explained-{number}", t("What it looks at ({method})", method=method), figure))
    shares = np.asarray(best.shares)
    ours, chance = ({name: np.asarray(c) for name, c in one.items()} for one in (best.curves, best.chance))
    blocks += [
        Paragraph(faithful_words(best)),
        Picture("faithful", t("What deleting and inserting pixels does"), trust.faithful(shares, ours, chance)),
        Table(
            t("How much better than random maps each method is"),
            [t("Method"), t("Gain, deletion"), t("Gain, insertion")],
            [method_row(one) for one in examined.explained],
            [1, 2],
        ),
        *_strangers(examined),
        Paragraph(robust_words(examined.robustness)),
        Picture(
            "robustness",
            t("Accuracy under corruptions"),
            trust.robustness(
                {kind: np.asarray(row) for kind, row in examined.robustness.accuracies.items()},
                examined.robustness.clean,
            ),
        ),
    ]
    return Section(t("Explanations and robustness"), blocks)


def _strangers(examined: Examined) -> list[Block]:
    found = examined.strangers
    if found is None:
        return []
    columns = [t("Kind"), t("AUC"), t("Not a garment")]
    return [
        Table(t("Garments and other things"), columns, stranger_rows(found), [1, 2]),
        Picture(
            "strangers",
            t("How like the training images each kind looks"),
            trust.likeness(found.quantiles, found.limit),
        ),
    ]


def conclusions(run: Run, evaluation: Evaluation) -> list[Paragraph]:
    """What the figures say in the end."""
    return [
        Paragraph(words.conclusions(evaluation, run.history, run.config)),
        Paragraph([*verdicts.diagnosis(run.history), *verdicts.verdicts(evaluation, run.judge, run.origin)[:2]]),
    ]


def _again(run: Run) -> Section:
    if run.origin:
        return Section(t("Import it again"), [Code(words.command(run))])
    said = t("The same command, seed and machine give the same weights; another machine gives nearly the same.")
    return Section(t("Train it again"), [Code(words.command(run)), Paragraph([said])])
