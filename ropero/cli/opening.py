"""The run that a command line names, or what the model's file that it names has become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ropero.cli import screen
from ropero.texts import t

if TYPE_CHECKING:
    from ropero.cli.options import WithRuns
    from ropero.runs import Run
    from ropero.workbench.importing import Opened


def opened(name: str, common: WithRuns, data: str | None = None) -> tuple[Run, str | None]:
    """The run, and where its data are as --data says; of a model's file --data are the data that it is measured with.

    What is found out of a file that was not imported before is said.
    """
    from ropero.runs import RunStore
    from ropero.workbench.importing import open_run
    from ropero.workbench.progress import FileProgress

    with FileProgress(screen.err()) as progress:
        found = open_run(RunStore(common.runs), name, data, progress=progress)
    _say(name, found)
    return found.run, found.data


def all_opened(names: Sequence[str], common: WithRuns, data: str | None = None) -> tuple[list[Run], str | None]:
    """Several of them; --data goes on where one of them is a run."""
    from ropero.runs import RunStore
    from ropero.workbench.importing import open_runs
    from ropero.workbench.progress import FileProgress

    with FileProgress(screen.err()) as progress:
        found = open_runs(RunStore(common.runs), names, data, progress=progress)
    for name, one in zip(names, found, strict=True):
        _say(name, one)
    return [one.run for one in found], next((one.data for one in found if one.data is not None), None)


def _say(name: str, found: Opened) -> None:
    """Of a model's file: what was found out of it, or which run it became before, with its pixels."""
    from ropero.export.origin import pixels, told
    from ropero.workbench.importing import is_run

    if found.fresh:
        for sentence in told(found.run.origin or {}, found.run.data.classes):
            screen.say(sentence)
    elif found.run.origin and not is_run(name):
        screen.say(t("{path} is the run {run}, as it was imported.", path=name, run=found.run.name) + " "
                   + pixels(found.run.origin))  # fmt: skip
