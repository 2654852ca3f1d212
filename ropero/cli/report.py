"""`ropero report RUN`: write the run's page."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import DataPath, RunName, WithRuns
from ropero.texts import mark, t


def register(app: App) -> None:
    app.command(
        report, help=mark("Write the report of an evaluated run: one HTML file that needs no network, or a document.")
    )


def report(
    run: RunName = "last",
    /,
    *,
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
    from ropero.runs import RunStore
    from ropero.workbench import report as verb
    from ropero.workbench.progress import FileProgress

    found = RunStore(common.runs).find(run)
    with FileProgress(screen.err()) as progress:
        path = verb.report(found, data=data, out=out, form=form, author=author, examined=not plain, progress=progress)
    if common.json:
        screen.show_json({"run": found.name, "report": str(path)})
    else:
        screen.show(t("Report: {path}", path=path))
    if open:
        webbrowser.open(path.absolute().as_uri())
