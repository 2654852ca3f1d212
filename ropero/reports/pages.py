"""Pages: one HTML file that needs nothing else, of a run, of figures; and a fragment for notebooks.

Everything a page shows is inside it: style, script, pictures, fonts. Its content security policy forbids the rest. All
text is escaped by jinja2, since class names and paths come from strangers. Knows nothing of how numbers came about.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from ropero.data.dataset import Dataset
from ropero.evaluation.evaluate import Evaluation
from ropero.export.origin import told, tried, unknown_training
from ropero.metrics import ranking
from ropero.models.summary import Summary
from ropero.reports import document, explorer, figures, parts, trust, verdicts, words
from ropero.reports.examined import Examined, values
from ropero.reports.output import as_svg
from ropero.reports.style import DARK, HEAT_RIGHT, HEAT_WRONG, LIGHT, css_variables, shorten
from ropero.reports.typeface import SECOND, embedded, is_chinese
from ropero.runs import Run, RunStore
from ropero.storage import write_text
from ropero.texts import current, language, t, tn
from ropero.texts.numbers import Numbers
from ropero.training.history import History

Table = tuple[str, Sequence[str], Sequence[Sequence[object]]]  # title, columns, rows

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("page.js", "explorer.js")
FIRST_IMAGES, MISTAKES, PAIRS = 25, 20, 10
_HTML_LANG = {"en": "en", "es": "es", "zh": "zh-Hans"}
_FONT_MARK = "/*embedded font*/"


def run_report(
    run: Run,
    evaluation: Evaluation,
    pictures: Dataset,
    summary: Summary,
    *,
    lang: str,
    examined: Examined | None = None,
) -> str:
    """The report of a run as one HTML page.

    Args:
        evaluation: of the weights that the run holds.
        pictures: the part that was evaluated, or some of its images; found by row.
        summary: of the run's network.
        lang: "en", "es" or "zh".
        examined: what corruptions and explanations gave, where they were measured.
    """
    with language(lang):
        title = t("{network} on {data}", network=run.config.network, data=run.data.name)
        return render_page("run.html", title, **_run_values(run, evaluation, pictures, summary, examined))


def write_run_report(
    run: Run,
    evaluation: Evaluation,
    pictures: Dataset,
    summary: Summary,
    lang: str,
    out: Path | None = None,
    examined: Examined | None = None,
) -> Path:
    """Write the report to `out`, else into the run's folder, and return its path."""
    path = out or run.folder / "report.html"
    write_text(path, run_report(run, evaluation, pictures, summary, lang=lang, examined=examined))
    return path


def run_fragment(history: History, evaluation: Evaluation | None, classes: Sequence[str], title: str) -> str:
    """A run as a piece of HTML for a notebook: curves, per-class report, confusion matrix. No script, scoped style."""
    values = _evaluation_values(evaluation) if evaluation is not None else {}
    return _render("fragment.html", title=title, classes=classes, curves=parts.curves(history), **values)


def gallery(title: str, items: Sequence[tuple[str, Figure]], tables: Sequence[Table] = (), intro: str = "") -> str:
    """Tables and figures of the light theme with their captions, as one HTML page in the language in force."""
    shown = [(caption, parts.svg(as_svg(figure, caption))) for caption, figure in items]
    return render_page("gallery.html", title, items=shown, tables=tables, intro=intro)


def _run_values(
    run: Run, evaluation: Evaluation, pictures: Dataset, summary: Summary, examined: Examined | None
) -> dict[str, Any]:
    openings, looks = run.ledger.openings(), RunStore(run.folder.parent).looks(run)
    history, origin = run.history, run.origin
    recipe = told(origin, run.data.classes) if origin else words.recipe(run.config)
    chosen = [unknown_training()] if origin else words.choice(run.config, history, parts.held_out(run))
    return {
        **_evaluation_values(evaluation),
        "run": run,
        "headline": parts.headline(evaluation, run, summary),
        "summary_words": words.conclusions(evaluation, history, run.config)[:2],
        "conclusions": document.conclusions(run, evaluation),
        "choice": chosen,
        "opened": words.opened(openings, run.card.weights_sha256) + words.looked(looks) + words.changed_test(run),
        "ledger": parts.ledger_rows(run),
        "facts": parts.facts(run, summary),
        "recipe": recipe,
        "tried": tried(origin) if origin else [],
        "options": [] if origin else parts.option_rows(run.config),
        "curves": parts.curves(history),
        "curve_notes": words.curve_notes(run.config, history) if len(history) else [],
        "diagnosis": verdicts.diagnosis(history),
        "calibration": _calibration(evaluation),
        "verdicts": verdicts.verdicts(evaluation, run.judge, run.origin),
        "verdict_rows": parts.verdict_rows(evaluation),
        "coverage": parts.svg(
            as_svg(document.coverage_figure(evaluation), t("Accuracy when only the surest images are answered"))
        ),
        **_rankings(evaluation),
        "scores": _scores(evaluation),
        "first": parts.cards(evaluation, parts.positions(evaluation, FIRST_IMAGES), pictures),
        "mistakes": parts.cards(evaluation, evaluation.confident_mistakes(MISTAKES).tolist(), pictures),
        "explorer": explorer.data(evaluation, pictures),
        "examined": None if examined is None else values(examined, evaluation.classes),
        "pixelated": parts.pixelated(pictures),
        "layers": parts.layer_rows(summary),
        "summary": summary,
        "command": words.command(run),
    }


def _evaluation_values(evaluation: Evaluation) -> dict[str, Any]:
    n = Numbers.current()
    low, high = evaluation.interval
    return {
        "evaluation": evaluation,
        "accuracy_title": t(words.HEADLINES.get(evaluation.split, "Accuracy")),
        "accuracy": n.percent(evaluation.accuracy, 2),
        "interval": (n.percent(low, 2), n.percent(high, 2)),
        "class_rows": parts.class_rows(evaluation),
        "average_rows": parts.average_rows(evaluation),
        "matrix": parts.matrix(evaluation.confusion, evaluation.classes),
        "row_totals": evaluation.report.support.tolist(),
        "pairs": parts.pair_rows(evaluation, PAIRS),
    }


def _calibration(evaluation: Evaluation) -> Markup:
    bins = evaluation.calibration
    figure = figures.calibration_diagram(bins.confidence, bins.accuracy, bins.count)
    return parts.svg(as_svg(figure, t("Stated confidence against the share that was right")))


def _scores(evaluation: Evaluation) -> Markup:
    report = evaluation.report
    figure = figures.class_scores(report.precision, report.recall, report.f1, evaluation.classes, narrow=True)
    return parts.svg(as_svg(figure, t("Precision, recall and F1 of each class")))


def _rankings(evaluation: Evaluation) -> dict[str, Markup]:
    """ROC and precision-recall curves of each class against the rest; of classes without images none."""
    lines = {}
    for k, name in enumerate(evaluation.classes):
        mine = evaluation.labels == k
        if 0 < mine.sum() < len(mine):
            both = ranking.precision_recall_curve(evaluation.stated[:, k], mine)
            lines[name] = trust.Line(both.recall, both.precision, both.average_precision)
    first = document.roc_figure(evaluation)
    second = trust.class_curves(lines, t("Recall"), t("Precision"), t("AP"), chance=False)
    return {
        "roc": parts.svg(as_svg(first, t("ROC curve of each class"))),
        "precision_recall": parts.svg(as_svg(second, t("Precision-recall curve of each class"))),
    }


@cache
def _templates() -> Environment:
    # Autoescape for every template, whatever its ending; an undefined name is our mistake and fails loudly.
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["t"] = t
    made.globals["between"] = lambda: "" if current() == "zh" else " "  # Chinese sets no space between sentences
    made.filters["shorten"] = shorten
    made.tests["chinese"] = is_chinese
    return made


def _render(template: str, **values: Any) -> str:
    return _templates().get_template(template).render(
        t=t, tn=tn, n=Numbers.current(), light=css_variables(LIGHT), dark=css_variables(DARK),
        heat=(HEAT_RIGHT, HEAT_WRONG), **values,
    )  # fmt: skip


def render_page(template: str, title: str, scripts: Sequence[str] = SCRIPTS, **values: Any) -> str:
    """A whole page, its policy and its font put in last: both depend on what it holds."""
    script = "\n".join((TEMPLATES / name).read_text("utf-8").strip() for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = (
        "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    page = _render(
        template,
        title=title,
        language=_HTML_LANG[current()],
        policy=policy,
        script=Markup(script),
        font_mark=Markup(_FONT_MARK),
        **values,
    )
    return page.replace(_FONT_MARK, _font_face(page), 1)


def _font_face(page: str) -> str:
    """The @font-face rule with the Chinese characters that the page shows; nothing when it shows none."""
    shown = html.unescape(re.sub(r"data:[^\"']+", "", page))
    if not is_chinese(shown):
        return ""
    font = base64.b64encode(embedded(shown)).decode("ascii")
    return f'@font-face {{ font-family: "{SECOND}"; src: url(data:font/woff;base64,{font}) format("woff"); }}'
