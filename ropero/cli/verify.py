"""`ropero verify MODEL`: a run or an exported file, loaded in a fresh process and checked."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import WithRuns
from ropero.errors import DataError
from ropero.texts import joined, mark, t


def register(app: App) -> None:
    app.command(
        verify, help=mark("Load a run or an exported file in a fresh process, and check that it predicts as it did.")
    )


def verify(
    model: Annotated[
        str,
        Parameter(help=mark("A run, or a file that `ropero export` wrote: .onnx, .keras, .h5, .safetensors, .pt2.")),
    ] = "last",
    /,
    *,
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.runs import RunStore
    from ropero.workbench import verify as verb

    found = verb.verify(model, RunStore(common.runs))
    if common.json:
        screen.show_json(found.to_json())
    else:
        words = {True: t("OK"), False: t("failed"), None: "–"}
        rows = [[t(check.name), words[check.ok], check.note] for check in found.checks]
        screen.show_table(found.path.name, [t("check"), t("result"), ""], rows, words=(0, 1, 2))
        if found.file:
            screen.say(
                t(
                    "{path} is none of ropero's exports; what was looked at is the run that it has become, {run}.",
                    path=found.file.name,
                    run=found.path.name,
                )
            )
        if found.client:
            screen.say(t("Asked in a fresh process: {client}", client=found.client))
    failed = [t(check.name) for check in found.checks if check.ok is False]
    if failed:
        raise DataError(t("{path} failed: {checks}.", path=found.path.name, checks=joined(failed)))
    if not found.ok:
        raise DataError(t("{path} could not be looked at.", path=found.path.name))
