"""`ropero report RUN`: write the run's page."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import DataPath, RunName, WithRuns
from ropero.texts import mark, t


def register(app: App) -> None:
    app.command(report, help=mark("Write the report of an evaluated run: one HTML file that needs no network."))


def report(
    run: RunName = "last",
    /,
    *,
    data: DataPath = None,
    out: Annotated[
        Path | None, Parameter(help=mark("File for the page; by default report.html in the run's folder."))
    ] = None,
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
        path = verb.report(found, data=data, out=out, examined=not plain, progress=progress)
    if common.json:
        screen.show_json({"run": found.name, "report": str(path)})
    else:
        screen.show(t("Report: {path}", path=path))
    if open:
        webbrowser.open(path.absolute().as_uri())
