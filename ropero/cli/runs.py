"""`ropero runs`: list, show and delete runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import RunName, WithRuns
from ropero.cli.sentences import TranslatedHelp
from ropero.errors import RoperoError, UsageError
from ropero.storage import human_bytes
from ropero.texts import joined, mark, t
from ropero.texts.numbers import decimal, percent, whole

if TYPE_CHECKING:
    from ropero.runs import Run


def register(app: App) -> None:
    group = App(name="runs", help=mark("List, show and delete runs."), help_formatter=TranslatedHelp())
    group.default(list_runs)
    group.command(list_runs, name="list", help=mark("List all runs with their results and disk use."))
    group.command(show, help=mark("Show everything that a run knows of itself."))
    group.command(delete, help=mark("Delete runs for good."))
    app.command(group)


def list_runs(*, common: WithRuns = WithRuns()) -> None:  # noqa: B008, frozen
    from ropero.runs import RunStore

    store = RunStore(common.runs)
    lines = [_line(run) for run in store.runs()]
    if common.json:
        return screen.show_json(lines)
    for problem in store.unreadable():
        screen.say(str(problem))
    if not lines:
        return screen.say(t("There are no runs in {folder}; `ropero train` makes one.", folder=store.folder))
    rows = [
        [
            line["run"],
            line["network"],
            line["data"],
            t(line["status"]),
            "" if line["test_accuracy"] is None else percent(line["test_accuracy"], 2),
            str(line["test_openings"]),
            human_bytes(line["bytes"]),
        ]
        for line in lines
    ]
    columns = [t("run"), t("network"), t("data"), t("status"), t("test accuracy"), t("openings"), t("disk use")]
    screen.show_table("", columns, rows, words=(0, 1, 2, 3))
    screen.show(t("Together: {size}", size=human_bytes(sum(line["bytes"] for line in lines))))
    return None


def _line(run: Run) -> dict[str, Any]:
    """One run for the list; a broken run says so instead of hiding the others."""
    from ropero.runs import BROKEN, TRAINED

    line = {"run": run.name, "created": run.created, "bytes": run.disk_bytes(), "network": "?", "data": "?"}
    line |= {"status": BROKEN, "test_accuracy": None, "test_openings": 0}
    try:
        figures = run.figures() if run.status == TRAINED else None
        line |= {
            "network": run.config.network,
            "data": run.data.name,
            "status": _status(run),
            "test_accuracy": figures["accuracy"] if figures else None,
            "test_openings": run.ledger.judgements(),
        }
    except RoperoError:
        pass
    return line


def _status(run: Run) -> str:
    from ropero.runs import IMPORTED, INTERRUPTED, TRAINING

    if run.origin:
        return IMPORTED
    return INTERRUPTED if run.status == TRAINING and run.is_free() else run.status


def _said(name: str, value: object) -> str:
    """A setting as the table shows it; of a list of layers what they are, the rest is in config.json."""
    return joined(str(one["type"]) for one in value) if name == "layers" and isinstance(value, tuple) else str(value)


def show(run: RunName = "last", /, *, common: WithRuns = WithRuns()) -> None:  # noqa: B008, frozen
    from ropero.runs import RunStore
    from ropero.workbench.importing import known_run

    found = known_run(RunStore(common.runs), run)  # what is only shown is not imported
    content = {
        **_line(found),
        "folder": str(found.folder),
        "config": found.config.to_json(),
        "environment": found.environment,
        "ledger": [vars(opening) for opening in found.ledger.openings()],
        "history": found.history.to_json(),
    }
    if common.json:
        return screen.show_json(content)
    line = _line(found)
    accuracy = (
        "" if line["test_accuracy"] is None else ", " + t("test accuracy") + " " + percent(line["test_accuracy"], 2)
    )
    screen.show(f"{found.name}: {line['network']}, {line['data']}, {t(line['status'])}{accuracy}")
    screen.show(f"{found.folder}\n")
    shown = [] if found.origin else [(t("Config"), "config")]
    for title, part in (*shown, (t("Environment"), "environment")):
        rows = [[name, _said(name, value)] for name, value in content[part].items() if value not in ((), "")]
        screen.show_table(title, [t("name"), t("value")], rows, words=(0, 1))
    if found.origin:
        from ropero.export.origin import told

        for sentence in told(found.origin, found.data.classes):
            screen.show(sentence)
    rows = [
        [
            str(record.epoch),
            decimal(record.train_loss, 4),
            percent(record.train_accuracy, 2),
            "" if record.validation_loss is None else decimal(record.validation_loss, 4),
            "" if record.validation_accuracy is None else percent(record.validation_accuracy, 2),
            decimal(record.epoch_seconds, 1),
        ]
        for record in found.history
    ]
    columns = [t("epoch"), t("loss"), t("accuracy"), t("validation loss"), t("validation accuracy"), t("seconds")]
    if rows:
        screen.show_table(found.name, columns, rows, words=())
    for opening in found.ledger.openings():
        result = "" if opening.accuracy is None else " " + percent(opening.accuracy, 2)
        screen.show(
            t("{when}: {verb} opened {n} test images", when=opening.when, verb=opening.verb, n=whole(opening.images))
            + result
        )
    return None


def delete(
    *names: Annotated[str, Parameter(help=mark("The runs to delete."))],
    yes: Annotated[bool, Parameter(negative=(), help=mark("Do not ask."))] = False,
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.runs import RunStore

    store = RunStore(common.runs)
    if not names:
        raise UsageError(t("Say which runs to delete; `ropero runs` lists them."))
    found = [store.find(name) for name in names]
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(t("Deleting asks first, and there is no one to ask; add --yes."))
        screen.say(t("Delete for good: {runs}?", runs=joined(run.name for run in found)))
        if input("[y/N] ").strip().lower() not in ("y", "yes", "s", "si", "sí", "是"):
            return screen.say(t("Nothing was deleted."))
    for run in found:
        store.delete(run)
    if common.json:
        screen.show_json([run.name for run in found])
    else:
        screen.show(t("Deleted: {runs}", runs=joined(run.name for run in found)))
    return None
