"""`ropero report RUN`: write the run's page."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.opening import all_opened, opened
from ropero.cli.options import DataPath, WithRuns
from ropero.texts import current, mark, t

if TYPE_CHECKING:
    from ropero.reports.forms import Form
    from ropero.runs import Run


def register(app: App) -> None:
    app.command(
        report, help=mark("Write the report of an evaluated run: one HTML file that needs no network, or a document.")
    )


def report(
    *names: Annotated[
        str, Parameter(help=mark("A run: its name, a part of it, its folder, or `last`; several for a comparison."))
    ],
    data: DataPath = None,
    out: Annotated[
        Path | None,
        Parameter(help=mark("File for it; by default report.html, .pdf, .md or .ipynb in the run's folder.")),
    ] = None,
    form: Annotated[
        Literal["html", "pdf", "md", "ipynb"],
        Parameter(
            name="--format",
            help=mark("A page, a document to hand in, Markdown with its figures beside it, or a notebook."),
        ),
    ] = "html",
    author: Annotated[str, Parameter(help=mark("Who hands it in: on the title page of a document."))] = "",
    plain: Annotated[
        bool,
        Parameter(negative=(), help=mark("Leave out corruptions and explanations, which take a minute to measure.")),
    ] = False,
    open: Annotated[bool, Parameter(negative=(), help=mark("Open it in the browser."))] = False,
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.runs import LAST
    from ropero.workbench import report as verb
    from ropero.workbench.progress import FileProgress

    if len(names) > 1:
        runs, data = all_opened(names, common, data)
        return _compared(runs, form, author, out, data, open, common)
    found, data = opened(names[0] if names else LAST, common, data)
    with FileProgress(screen.err()) as progress:
        path = verb.report(found, data=data, out=out, form=form, author=author, examined=not plain, progress=progress)
    if common.json:
        screen.show_json({"run": found.name, "report": str(path)})
    else:
        screen.show(t("Report: {path}", path=path))
    if open:
        webbrowser.open(path.absolute().as_uri())
    return None


def _compared(
    runs: list[Run], form: Form, author: str, out: Path | None, data: str | None, open_it: bool, common: WithRuns
) -> None:
    """Several runs: the report of their comparison."""
    from ropero.reports import typeset
    from ropero.workbench import compare as verb
    from ropero.workbench.progress import EncodingProgress

    if form == "pdf":
        typeset.check()  # better said now than after the comparison
    done = verb.compare(runs, data=data, told=EncodingProgress(screen.err()))
    path = out or Path(f"comparison.{form}")
    path = verb.write_report(done, path, current(), form=form, author=author, data=data)
    if common.json:
        screen.show_json({"runs": [run.name for run in runs], "report": str(path)})
    else:
        screen.show(t("Report: {path}", path=path))
    if open_it:
        webbrowser.open(path.absolute().as_uri())
