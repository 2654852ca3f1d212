"""The page of the reports run again: claimed, measured, time then, time now, why; a section for each experiment.

Takes plain figures and marked texts; knows nothing of how an experiment is run or where its results lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ropero.models.summary import Summary
from ropero.reports import figures, parts
from ropero.reports.output import as_svg
from ropero.reports.pages import render_page
from ropero.reports.words import PARTS
from ropero.storage import write_text
from ropero.texts import language, mark, t, tn
from ropero.texts.numbers import Numbers

Scores = tuple[float, float, float, int]  # precision, recall, F1, support
DASH = "–"

_FIGURES = {
    "train_accuracy": mark("Accuracy on the training images"),
    "running_train_accuracy": mark("Accuracy on the training images while it trained"),
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
_TRENDS = {
    "validation_accuracy": mark("In the last fifth of the epochs the validation accuracy moved by {change} points."),
    "train_accuracy": mark("In the last fifth of the epochs the training accuracy moved by {change} points."),
}
_OF_A_PART = ("train_accuracy", "running_train_accuracy", "validation_accuracy", "test_accuracy", "test_loss")


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one protocol gave.

    part: that it is judged by. figures: (mean, standard deviation over the n seeds) by name, those of the part begin
    with its name. Of the first seed: epochs that were run, the one whose weights are kept, interval (Wilson's 95 % one
    of the judged accuracy), classes, curve (a record an epoch, thinned out) and environment.
    """

    n: int
    part: str
    epochs: int
    kept_epoch: int
    promised: int
    patience: int
    figures: Mapping[str, tuple[float, float]]
    interval: tuple[float, float] | None
    classes: Sequence[Scores]
    class_names: Sequence[str]
    curve: Sequence[Mapping[str, Any]]
    environment: Mapping[str, Any]

    @property
    def early(self) -> bool:
        """Whether early stopping ended it."""
        return bool(self.patience) and self.epochs - self.kept_epoch >= self.patience

    @property
    def cut(self) -> bool:
        """Whether the time limit ended it before its end."""
        return self.epochs < self.promised and not self.early


@dataclass(frozen=True, kw_only=True)
class Case:
    """One experiment: claims, texts to translate, and what both protocols gave; None where it has not been run.

    why: texts and the figures that they name; names that begin with `n_` are whole numbers, those with `x_` decimal
        ones, all others shares of 1.
    """

    name: str
    network: str
    summary: Summary
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
    report, model = case.name.split("/")
    return {
        "anchor": case.anchor,
        "report": report,
        "model": model,
        "claimed": DASH if claimed is None else _claimed(n, "accuracy", claimed),
        "by_report": _accuracy(case, case.report),
        "by_ropero": _accuracy(case, case.ropero),
        "then": _then(case),
        "now": _now(case),
        "why": _reason(*case.why[0]) if case.why else "",
    }


def _accuracy(case: Case, side: Side | None) -> tuple[str, list[str]]:
    """("93.12%", ["± 0.10, n = 3"]); a single run has its interval instead of a spread. What cannot be seen from the
    column is said: that it is of another part than the claim, or that the training was cut off."""
    if side is None:
        return DASH, []
    n = Numbers.current()
    mean, deviation = side.figures[f"{side.part}_accuracy"]
    small = []
    if side.n > 1:
        small.append(t("± {sd}, n = {n}", sd=n.decimal(100 * deviation, 2), n=side.n))
    elif side.interval is not None:
        low, high = (n.percent(one, 1) for one in side.interval)
        small.append(t("{low} to {high}, n = 1", low=low, high=high))
    if case.judged_on != "test" or side.part != case.judged_on:
        small.append(t(PARTS[side.part]))
    if side.cut:
        small.append(_of_promised(side))
    return n.percent(mean, 2), small


def _of_promised(side: Side) -> str:
    return t("{epochs} of {promised} epochs", epochs=side.epochs, promised=side.promised)


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
    whole = n.seconds(case.report.figures["train_seconds"][0])
    return whole, _of_promised(case.report) if case.report.cut else ""


def _shown(case: Case) -> dict[str, Any]:
    n = Numbers.current()
    return {
        "anchor": case.anchor,
        "name": case.name,
        "facts": t(
            "Network {network}: {total} parameters, {trainable} of them trained.",
            network=case.network,
            total=n.whole(case.summary.total),
            trainable=n.whole(case.summary.trainable),
        ),
        "why": [_reason(*one) for one in case.why],
        "unsaid": [t(one) for one in case.unsaid],
        "layers": parts.layer_rows(case.summary),
        "epochs": [
            [label, *_epochs(side)]
            for label, side in ((t("Report's protocol:"), case.report), (t("ropero's protocol:"), case.ropero))
            if side
        ],
        "of_first": any(side is not None and side.n > 1 for side in (case.report, case.ropero)),
        "rows": _rows(case),
        "class_rows": _class_rows(case),
        "curves": _curves(case.report),
        "device": _device(case.report or case.ropero),
    }


def _reason(text: str, named: Mapping[str, float]) -> str:
    n = Numbers.current()
    shown = {
        name: n.whole(round(value)) if name.startswith("n_") else n.decimal(value, 2) if name.startswith("x_")
        else n.percent(value, 1)
        for name, value in named.items()
    }  # fmt: skip
    return t(text, **shown)


def _device(side: Side | None) -> str:
    if side is None:
        return ""
    return f"{side.environment.get('device', '?')}, {parts.hardware(side.environment)}"


def _rows(case: Case) -> list[tuple[str, ...]]:
    """(figure, claimed, measured by the report's protocol, by ropero's) of everything that was claimed, and of the
    accuracies."""
    n = Numbers.current()
    found = []
    for claimed, sides, label in (
        (case.claimed_before, (case.before, None), mark("{figure}, before augmentation")),
        (case.claimed, (case.report, case.ropero), ""),
    ):
        for name, figure in _FIGURES.items():
            cells = [_figure(n, name, _measured(name, side)) for side in sides]
            told = name in claimed or (case.claimed is claimed and name.endswith("accuracy") and set(cells) != {DASH})
            told = told and (name != "running_train_accuracy" or "train_accuracy" in claimed)
            if told:
                said = _claimed(n, name, claimed[name]) if name in claimed else DASH
                found.append((t(label, figure=t(figure)) if label else t(figure), said, *cells))
    return found


def _measured(name: str, side: Side | None) -> tuple[float, float] | None:
    """(mean, deviation); an average over classes is of the part that the side is judged by."""
    if side is None:
        return None
    return side.figures.get(name if name in _OF_A_PART else f"{side.part}_{name}")


def _claimed(n: Numbers, name: str, value: float) -> str:
    """With the digits that the report gave."""
    if name.endswith("accuracy"):
        return n.percent(value, next(digits for digits in range(5) if round(value, 2 + digits) == value or digits == 4))
    return n.decimal(value, next(digits for digits in range(2, 6) if round(value, digits) == value or digits == 5))


def _figure(n: Numbers, name: str, value: tuple[float, float] | None) -> str:
    if value is None:
        return DASH
    mean, deviation = value
    shown = n.percent(mean, 2) if name.endswith("accuracy") else n.decimal(mean, 4)
    if not deviation:
        return shown
    spread = n.decimal(100 * deviation, 2) if name.endswith("accuracy") else n.decimal(deviation, 4)
    return f"{shown} ± {spread}"


def _epochs(side: Side) -> list[str]:
    """How long it trained, and why it stopped there."""
    if side.epochs >= side.promised:
        return [tn("It trained for one epoch.", "It trained for all {n} epochs.", side.epochs)]
    said = [t("It ran {epochs} of at most {promised} epochs.", epochs=side.epochs, promised=side.promised)]
    if side.early:
        said.append(
            t("Early stopping ended it: the validation loss was lowest in epoch {epoch}.", epoch=side.kept_epoch)
        )
        return said
    if side.patience:
        said.append(
            t("The time limit ended it; the validation loss was lowest in epoch {epoch}.", epoch=side.kept_epoch)
        )
    else:
        said.append(t("The time limit ended it."))
    return [*said, *_trend(side)]


def _trend(side: Side) -> list[str]:
    """What the accuracy did in the last fifth of the epochs that were run: on validation images where there are any."""
    for name, text in _TRENDS.items():
        points = [record[name] for record in side.curve if record[name] is not None]
        if len(points) >= 5:
            fifth = max(2, len(points) // 5)
            late, before = points[-fifth:], points[-2 * fifth : -fifth] or points[:-fifth]
            change = 100 * (sum(late) / len(late) - sum(before) / len(before))
            sign = "+" if change > 0 else ""
            return [t(text, change=sign + Numbers.current().decimal(change, 2))]
    return []


def _class_rows(case: Case) -> list[tuple[str, ...]]:
    """(class, claimed P / R / F1, measured P / R / F1 of both protocols), where the report gives them."""
    if not case.claimed_classes:
        return []
    sides = [side for side in (case.report, case.ropero) if side is not None and side.classes]
    names = sides[0].class_names if sides else [""] * len(case.claimed_classes)
    rows = []
    for k, claimed in enumerate(case.claimed_classes):
        cells = [_scores(side.classes[k]) if side and side.classes else DASH for side in (case.report, case.ropero)]
        rows.append((t(names[k]) if names[k] else str(k), _scores(claimed, True), *cells))
    return rows


def _scores(scores: Scores, claimed: bool = False) -> str:
    """P / R / F1 (images); a claim with the digits that the report gave."""
    n = Numbers.current()
    values = [_claimed(n, "score", value) if claimed else n.decimal(value, 3) for value in scores[:3]]
    return f"{' / '.join(values)} ({n.whole(scores[3])})"


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
