"""The page of the reports run again: claimed, measured, time then, time now, why; a section for each experiment.

Takes plain figures and marked texts; knows nothing of how an experiment is run or where its results lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ropero.reports import figures, parts
from ropero.reports.output import as_svg
from ropero.reports.pages import render_page
from ropero.storage import write_text
from ropero.texts import language, mark, t, tn
from ropero.texts.numbers import Numbers

Scores = tuple[float, float, float, int]  # precision, recall, F1, support
DASH = "–"

_FIGURES = {
    "train_accuracy": mark("Accuracy on the training images"),
    "validation_accuracy": mark("Accuracy on the validation images"),
    "test_accuracy": mark("Accuracy on the test images"),
    "test_loss": mark("Loss on the test images"),
    "macro_precision": mark("Macro precision"),
    "macro_recall": mark("Macro recall"),
    "macro_f1": mark("Macro F1"),
    "weighted_precision": mark("Weighted precision"),
    "weighted_recall": mark("Weighted recall"),
    "weighted_f1": mark("Weighted F1"),
}


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one protocol gave.

    figures: (mean, standard deviation over the n seeds) by name. interval: Wilson's 95 % interval of the judged
    accuracy of the first seed. curve: a record for each kept epoch of the first seed. device: what it ran on.
    """

    n: int
    epochs: int
    promised: int
    patience: int
    figures: Mapping[str, tuple[float, float]]
    interval: tuple[float, float] | None
    classes: Sequence[Scores]
    class_names: Sequence[str]
    curve: Sequence[Mapping[str, Any]]
    device: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """One experiment: claims, texts to translate, and what both protocols gave; None where it has not been run.

    why: texts and the figures that they name; names that begin with `n_` are whole numbers, those with `x_` decimal
        ones, all others shares of 1.
    """

    name: str
    network: str
    total: int
    trainable: int
    judged_on: str
    claimed: Mapping[str, float]
    claimed_before: Mapping[str, float]
    claimed_classes: Sequence[Scores]
    time: tuple[float, float, bool] | None
    unsaid: Sequence[str]
    why: Sequence[tuple[str, Mapping[str, float]]]
    report: Side | None
    before: Side | None
    ropero: Side | None

    @property
    def anchor(self) -> str:
        return self.name.replace("/", "-")


def page(cases: Sequence[Case], lang: str) -> str:
    """The page in "en", "es" or "zh"."""
    with language(lang):
        return render_page(
            "reproductions.html",
            t("Five reports on Fashion-MNIST, run again"),
            cases=[_shown(case) for case in cases],
            overview=[_overview(case) for case in cases],
        )


def write(cases: Sequence[Case], lang: str, path: Path) -> Path:
    """Write the page to a file and return its path."""
    write_text(path, page(cases, lang))
    return path


def _overview(case: Case) -> dict[str, Any]:
    n = Numbers.current()
    claimed = case.claimed.get(f"{case.judged_on}_accuracy")
    return {
        "anchor": case.anchor,
        "name": case.name,
        "claimed": DASH if claimed is None else n.percent(claimed, 2),
        "report": _accuracy(case, case.report),
        "ropero": _accuracy(case, case.ropero),
        "then": _then(case),
        "now": _now(case),
        "why": _reason(*case.why[0]) if case.why else "",
    }


def _accuracy(case: Case, side: Side | None) -> tuple[str, str]:
    """("93.12%", "± 0.10, n = 3"); a single run has its interval instead of a spread."""
    if side is None:
        return DASH, ""
    n = Numbers.current()
    name = f"{case.judged_on}_accuracy" if f"{case.judged_on}_accuracy" in side.figures else "test_accuracy"
    mean, deviation = side.figures[name]
    if side.n > 1:
        return n.percent(mean, 2), t("± {sd}, n = {n}", sd=n.decimal(100 * deviation, 2), n=side.n)
    if side.interval is None:
        return n.percent(mean, 2), "n = 1"
    low, high = (n.percent(one, 1) for one in side.interval)
    return n.percent(mean, 2), t("{low} to {high}, n = 1", low=low, high=high)


def _then(case: Case) -> tuple[str, str]:
    """The report's time, and what it is of."""
    if case.time is None:
        return DASH, ""
    n = Numbers.current()
    low, high, whole = case.time
    shown = n.seconds(low) if low == high else t("{low} to {high}", low=n.seconds(low), high=n.seconds(high))
    return shown, "" if whole else t("an epoch")


def _now(case: Case) -> tuple[str, str]:
    """In the report's own measure: the whole training or an epoch of it."""
    if case.report is None:
        return DASH, ""
    n = Numbers.current()
    if case.time is not None and not case.time[2]:
        return n.seconds(case.report.figures["epoch_seconds"][0]), t("an epoch")
    return n.seconds(case.report.figures["train_seconds"][0]), ""


def _shown(case: Case) -> dict[str, Any]:
    n = Numbers.current()
    return {
        "anchor": case.anchor,
        "name": case.name,
        "facts": t(
            "Network {network}: {total} parameters, {trainable} of them trained.",
            network=case.network,
            total=n.whole(case.total),
            trainable=n.whole(case.trainable),
        ),
        "why": [_reason(*one) for one in case.why],
        "unsaid": [t(one) for one in case.unsaid],
        "epochs": [line for side in (case.report,) if side for line in _epochs(side)],
        "rows": _rows(case),
        "class_rows": _class_rows(case),
        "curves": _curves(case.report),
        "device": case.report.device if case.report else "",
    }


def _reason(text: str, named: Mapping[str, float]) -> str:
    n = Numbers.current()
    shown = {
        name: n.whole(round(value)) if name.startswith("n_") else n.decimal(value, 2) if name.startswith("x_")
        else n.percent(value, 1)
        for name, value in named.items()
    }  # fmt: skip
    return t(text, **shown)


def _rows(case: Case) -> list[tuple[str, ...]]:
    """(figure, claimed, measured by the report's protocol, by ropero's) of everything that was claimed, and of the
    accuracies."""
    found = []
    for names, claimed, sides in (
        (case.claimed_before, case.claimed_before, (case.before, None)),
        (_FIGURES, case.claimed, (case.report, case.ropero)),
    ):
        for name in names:
            key = name if name.startswith(("train", "validation", "test")) else f"{case.judged_on}_{name}"
            cells = [_figure(name, side.figures.get(key) if side else None) for side in sides]
            worth = name in claimed or (name.endswith("accuracy") and any(cell != DASH for cell in cells))
            if worth:
                label = t(_FIGURES[name])
                if claimed is case.claimed_before:
                    label = t("{figure}, before augmentation", figure=label)
                found.append((label, _figure(name, (claimed[name], 0.0) if name in claimed else None), *cells))
    return found


def _figure(name: str, value: tuple[float, float] | None) -> str:
    if value is None:
        return DASH
    n = Numbers.current()
    mean, deviation = value
    shown = n.percent(mean, 2) if name.endswith("accuracy") else n.decimal(mean, 4)
    if not deviation:
        return shown
    spread = n.decimal(100 * deviation, 2) if name.endswith("accuracy") else n.decimal(deviation, 4)
    return f"{shown} ± {spread}"


def _epochs(side: Side) -> list[str]:
    """How long it trained, and why it stopped there."""
    if side.epochs >= side.promised:
        return [tn("It trained for one epoch.", "It trained for {n} epochs, as the report did.", side.epochs)]
    said = [t("It ran {epochs} of at most {promised} epochs.", epochs=side.epochs, promised=side.promised)]
    losses = [record["validation_loss"] for record in side.curve if record["validation_loss"] is not None]
    if losses and side.patience:
        best = min(range(len(losses)), key=losses.__getitem__)
        epoch = side.curve[best]["epoch"]
        if side.epochs - epoch >= side.patience:
            said.append(t("Early stopping ended it: the validation loss was lowest in epoch {epoch}.", epoch=epoch))
        else:
            said.append(t("The time limit ended it; the validation loss was lowest in epoch {epoch}.", epoch=epoch))
            said.append(_trend(side))
    elif side.epochs < side.promised:
        said.append(t("The time limit ended it."))
        said.append(_trend(side))
    return said


def _trend(side: Side) -> str:
    """What the validation accuracy did in the last fifth of the epochs that were run."""
    points = [record["validation_accuracy"] for record in side.curve if record["validation_accuracy"] is not None]
    if len(points) < 5:
        return ""
    n = Numbers.current()
    fifth = max(2, len(points) // 5)
    late, before = points[-fifth:], points[-2 * fifth : -fifth] or points[:-fifth]
    change = 100 * (sum(late) / len(late) - sum(before) / len(before))
    return t(
        "In the last fifth of the epochs the validation accuracy moved by {change} points.",
        change=f"{change:+.2f}".replace(".", "," if n.language == "es" else "."),
    )


def _class_rows(case: Case) -> list[tuple[str, ...]]:
    """(class, claimed P / R / F1, measured P / R / F1 of both protocols), where the report gives them."""
    if not case.claimed_classes:
        return []
    sides = [side for side in (case.report, case.ropero) if side is not None and side.classes]
    names = sides[0].class_names if sides else [""] * len(case.claimed_classes)
    rows = []
    for k, claimed in enumerate(case.claimed_classes):
        cells = [_scores(side.classes[k]) if side and side.classes else DASH for side in (case.report, case.ropero)]
        rows.append((t(names[k]) if names[k] else str(k), _scores(claimed), *cells))
    return rows


def _scores(scores: Scores) -> str:
    n = Numbers.current()
    return " / ".join(n.decimal(value, 3) for value in scores[:3])


def _curves(side: Side | None) -> list[Markup]:
    if side is None or len(side.curve) < 2:
        return []
    drawn = []
    for name, title, percent in (("loss", t("Loss"), False), ("accuracy", t("Accuracy"), True)):
        figure = figures.learning_curve(
            [record[f"train_{name}"] for record in side.curve],
            [record[f"validation_{name}"] for record in side.curve],
            title,
            percent=percent,
            epochs=[record["epoch"] for record in side.curve],
        )
        drawn.append(parts.svg(as_svg(figure, t("{title} by epoch", title=title))))
    return drawn
