"""The verb `report`: the page of a run. Predictions are stored; corruptions and explanations are measured the first
time, and that look at test images is noted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ropero import texts
from ropero.data.dataset import Dataset, Splits
from ropero.data.raw import Progress
from ropero.errors import RunError, UsageError
from ropero.evaluation.evaluate import Evaluation
from ropero.models.summary import summarise
from ropero.runs import TRAINED, Run
from ropero.texts import t
from ropero.workbench import examine
from ropero.workbench.evaluate import part_of, reload

if TYPE_CHECKING:
    from ropero.reports.examined import Examined
    from ropero.reports.forms import Form

MISTAKES, FIRST = 6, 6  # images that are explained
THEMES, TYPICAL = 8, 12  # groups of mistakes, and images of each


def report(
    run: Run,
    *,
    split: str = "test",
    lang: str | None = None,
    data: str | None = None,
    splits: Splits | None = None,
    out: Path | None = None,
    form: Form = "html",
    author: str = "",
    examined: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Write the run's report and return its path; of a page, its figures as PNG beside it too.

    Args:
        form: "html", a page that needs no network; "pdf", a document to hand in; "md", Markdown with its figures
            beside it; "ipynb", a notebook that opens the run. author: on the title page of all but the page.
        lang: "en", "es" or "zh"; the language in force when not given.
        out: where the page goes, when not to report.html in the run's folder.
        data, splits: where the pictures are, as for `evaluate`.
        examined: measure corruptions and explanations too, where that was not done before, and show them.

    Raises:
        UsageError: the run has not been evaluated on this part yet.
        MissingExtra: Matplotlib or Jinja is not installed.
    """
    from ropero.reports import album, document, forms, pages, typeset  # an extra; other verbs work without it

    run.require_trained()
    if form == "pdf":
        typeset.check()  # better said now than after a minute of measuring
    evaluation = run.evaluation(split)
    if evaluation is None:
        raise UsageError(t("{run} has not been evaluated yet; do that first: ropero evaluate {run}", run=run.name))
    splits = splits if splits is not None else reload(run, data)
    part = part_of(run, split, splits=splits)
    if not np.array_equal(np.sort(part.rows), np.sort(evaluation.rows)):
        raise RunError(t("The stored {split} predictions are of other images; evaluate the run again.", split=split))
    chosen = lang or texts.current()
    found = _examined(run, evaluation, part, progress) if examined else None
    if form == "html":
        album.save_figures(run.history, evaluation, part, run.folder / "figures", chosen)
        return pages.write_run_report(run, evaluation, part, summarise(run.model()), chosen, out, found)
    path = out or run.folder / f"report.{form}"
    train = part_of(run, "train", splits=splits)
    with texts.language(chosen):
        made = document.of_run(
            run, evaluation, part, summarise(run.model()), train=train, examined=found, author=author
        )
        return forms.write(made, path, form, f"import ropero as rp\n\nrun = rp.open_run({str(run.folder)!r})\nrun")


def _examined(run: Run, evaluation: Evaluation, part: Dataset, progress: Progress | None) -> Examined:
    """What the page shows beyond predictions; explained are the most confident mistakes and the first images."""
    from ropero.reports.examined import Examined, Shown

    robustness = examine.robustness(run, part, progress=progress)
    explained = examine.explained(run, part, progress=progress)
    mistakes = evaluation.confident_mistakes(MISTAKES).tolist()
    chosen = [*mistakes, *(at for at in range(len(evaluation)) if at not in mistakes)][: MISTAKES + FIRST]
    places = {int(row): at for at, row in enumerate(part.rows)}
    wanted = [(at, int(k)) for at in chosen for k in dict.fromkeys((evaluation.predicted[at], evaluation.labels[at]))]
    images = np.stack([part.images[places[int(evaluation.rows[at])]] for at, _ in wanted])
    maps = examine.maps(run, images, np.array([k for _, k in wanted]), explained[0].method)
    pictures = [
        Shown(
            at,
            part.images[places[int(evaluation.rows[at])]],
            [(k, one) for (other, k), one in zip(wanted, maps, strict=True) if other == at],
        )
        for at in chosen
    ]
    themes = [
        (theme, [part.images[places[int(evaluation.rows[at])]] for at in theme.positions[:TYPICAL]])
        for theme in examine.error_themes(run, evaluation, part)[:THEMES]
    ]
    return Examined(robustness, explained, pictures, examine.strangers(run, part), themes)


def fragment(run: Run) -> str:
    """The run as a piece of HTML for a notebook: curves, per-class report and confusion matrix.

    Raises MissingExtra without Matplotlib or Jinja.
    """
    from ropero.reports import pages

    title = f"{run.config.network} · {run.data.name} · {run.name}"
    evaluation = run.evaluation() if run.status == TRAINED else None
    return pages.run_fragment(run.history, evaluation, run.data.classes, title)
