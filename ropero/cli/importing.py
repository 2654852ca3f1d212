"""`ropero import FILE`: a Keras or ONNX model becomes a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import ImageSize, Source, WithRuns
from ropero.texts import mark, t
from ropero.texts.numbers import whole

if TYPE_CHECKING:
    from ropero.runs import Run

_HELP = mark(
    "Make a run of a model from elsewhere: Keras's .h5 and .keras, or ONNX. Evaluate, explain, compare and report take "
    "such a file in a run's place too. None of its code runs."
)


def register(app: App) -> None:
    app.command(import_, name="import", help=_HELP)


def import_(
    model: Annotated[Path, Parameter(help=mark("The model's file: .h5, .keras or .onnx."))],
    /,
    *,
    data: Source = "fashion-mnist",
    image_size: ImageSize = None,
    pixels: Annotated[
        str,
        Parameter(
            help=mark(
                "How the model expects its pixels, for when what ropero finds by itself is wrong: 0-1, 0-255, "
                "-1-1, standardised ..."
            ),
            show_default=False,
        ),
    ] = "",
    plan: Annotated[
        Path | None,
        Parameter(
            help=mark(
                "The network of a file that holds weights alone: what Keras's model.to_json() gave. One of the same "
                "name beside the file is found."
            )
        ),
    ] = None,
    again: Annotated[bool, Parameter(negative=(), help=mark("Import anew even when it was imported before."))] = False,
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.runs import RunStore
    from ropero.workbench import data as data_verb
    from ropero.workbench import importing as verb
    from ropero.workbench.progress import FileProgress

    store = RunStore(common.runs)
    verb.check(model, pixels)  # what is wrong with them is better said before data are loaded
    foreign = verb.first_look(store, model, plan, pixels_are=pixels, again=again)
    with FileProgress(screen.err()) as progress:
        splits = data_verb.load(data, image_size=image_size, progress=progress)
    done = verb.import_model(model, splits, store, pixels_are=pixels, plan=plan, again=again, foreign=foreign)
    if common.json:
        return screen.show_json({"run": done.run.name, "fresh": done.fresh, **(done.run.origin or {})})
    _show(done.run)
    if not done.fresh:
        screen.say(t("This file was imported before; --again imports it anew."))
    screen.say(t("Next: ropero evaluate {run}", run=done.run.name))
    return None


def _show(run: Run) -> None:
    """What was found, and how it is shown its pixels."""
    from ropero.export.origin import told, tried

    origin = run.origin or {}
    for sentence in told(origin, run.data.classes):
        screen.show(sentence)
    rows = tried(origin)
    columns = [t("pixels"), t("what they are"), t("size"), t("accuracy"), t("log loss")]
    words: tuple[int, ...] = (0, 1, 2)
    if len({row[2] for row in rows}) == 1:
        columns, rows, words = columns[:2] + columns[3:], [row[:2] + row[3:] for row in rows], (0, 1)
    if len(rows) > 1:
        title = t("Tried on {n} training images; the first was taken", n=whole(origin["pixels"]["images"]))
        screen.show_table(title, columns, rows, words=words)
