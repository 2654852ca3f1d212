"""The run that a command line names, or what the model's file that it names has become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ropero.cli import screen

if TYPE_CHECKING:
    from ropero.cli.options import WithRuns
    from ropero.runs import Run


def opened(name: str, common: WithRuns, data: str | None = None) -> tuple[Run, str | None]:
    """The run, and where its data are as --data says; of a model's file --data are the data that it is measured with.

    What is found out of a file that was not imported before is said.
    """
    from ropero.export.origin import told
    from ropero.runs import RunStore
    from ropero.workbench.importing import open_run
    from ropero.workbench.progress import FileProgress

    with FileProgress(screen.err()) as progress:
        found = open_run(RunStore(common.runs), name, data, progress=progress)
    if found.fresh:
        for sentence in told(found.run.origin or {}, found.run.data.classes):
            screen.say(sentence)
    return found.run, found.data


def all_opened(names: Sequence[str], common: WithRuns, data: str | None = None) -> tuple[list[Run], str | None]:
    """Several of them; --data goes on where one of them is a run."""
    found = [opened(name, common, data) for name in names]
    return [run for run, _ in found], next((left for _, left in found if left is not None), None)
