"""The verb `report`: the page of a run, from what its folder holds. Opens no test split: predictions are stored."""

from __future__ import annotations

from pathlib import Path

from ropero import texts
from ropero.data.dataset import Splits
from ropero.errors import UsageError
from ropero.models.summary import summarise
from ropero.runs import TRAINED, Run
from ropero.texts import t
from ropero.workbench.evaluate import part_of


def report(
    run: Run,
    *,
    split: str = "test",
    lang: str | None = None,
    data: str | None = None,
    splits: Splits | None = None,
    out: Path | None = None,
) -> Path:
    """Write the run's report.html, and its figures as PNG beside it, and return the page's path.

    Args:
        lang: "en", "es" or "zh"; the language in force when not given.
        out: where the page goes, when not to report.html in the run's folder.
        data, splits: where the pictures are, as for `evaluate`.

    Raises:
        UsageError: the run has not been evaluated on this part yet.
        MissingExtra: Matplotlib or Jinja is not installed.
    """
    from ropero.reports import album, pages  # an optional extra; the other verbs work without it

    run.require_trained()
    evaluation = run.evaluation(split)
    if evaluation is None:
        raise UsageError(t("{run} has not been evaluated yet; do that first: ropero evaluate {run}", run=run.name))
    part = part_of(run, split, data=data, splits=splits)
    chosen = lang or texts.current()
    album.save_figures(run.history, evaluation, part, run.folder / "figures", chosen)
    return pages.write_run_report(run, evaluation, part, summarise(run.model()), chosen, out)


def fragment(run: Run) -> str:
    """The run as a piece of HTML for a notebook: curves, per-class report and confusion matrix.

    Raises MissingExtra without Matplotlib or Jinja.
    """
    from ropero.reports import pages

    title = f"{run.config.network} · {run.data.name} · {run.name}"
    evaluation = run.evaluation() if run.status == TRAINED else None
    return pages.run_fragment(run.history, evaluation, run.data.classes, title)
