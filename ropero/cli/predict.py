"""`ropero predict RUN IMAGE...`: the class probabilities of pictures."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import DataPath, Device, RunName, WithRuns
from ropero.errors import UsageError
from ropero.texts import mark, t
from ropero.texts.numbers import decimal, percent

if TYPE_CHECKING:
    from ropero.workbench.predict import Prediction


def register(app: App) -> None:
    app.command(predict, help=mark("Say which class pictures are of, with the probability of every class."))


def predict(
    run: RunName,
    /,
    *images: Annotated[str, Parameter(help=mark("PNG, JPEG or other pictures, .npy arrays, or - for standard input."))],
    test: Annotated[
        list[int] | None,
        Parameter(help=mark("Number of a test image, whose true class is known; may be repeated."), negative=()),
    ] = None,
    plot: Annotated[
        Path | None, Parameter(help=mark("Save each picture beside its probability bars in this file or folder."))
    ] = None,
    invert: Annotated[
        Literal["auto", "yes", "no"],
        Parameter(help=mark("Exchange light and dark; auto does it for a grey picture with a light edge.")),
    ] = "auto",
    data: DataPath = None,
    device: Device = "auto",
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.runs import RunStore
    from ropero.workbench import predict as verb

    if not images and not test:
        raise UsageError(
            t("Nothing to predict: expected a run, then pictures, as in `ropero predict last shirt.jpg`, or --test 17.")
        )
    if images and test:
        raise UsageError(t("Give pictures, or test images by number as in --test 17, not both."))
    if plot:
        import_module("ropero.reports")  # better said now than after the look at the test part
    found = RunStore(common.runs).find(run)
    if test:
        predictions = verb.predict_test(found, test, data=data, device=device)
        screen.say(t("The run's ledger notes this look at single test images."))
    else:
        content = sys.stdin.buffer.read(verb.LIMIT_BYTES + 1) if verb.STDIN in images else b""
        predictions = verb.predict_files(found, list(images), stdin=content, invert=invert, device=device)
    plots = verb.plot(predictions, plot) if plot else []
    if common.json:
        return screen.show_json([one.to_json() for one in predictions])
    for one in predictions:
        _show(one)
    for path in plots:
        screen.show(t("Picture: {path}", path=path))
    return None


def _show(one: Prediction) -> None:
    order = (-one.probabilities).argsort(kind="stable")
    rows = [
        [
            t(one.classes[k]),
            decimal(one.probabilities[k], 4),
            "█" * round(30 * float(one.probabilities[k])),
            t("true class") if k == one.true else "",
        ]
        for k in order
    ]
    said = [percent(one.probabilities.max(), 1), *([t(one.verdict)] if one.verdict else [])]
    title = f"{one.name}: {t(one.classes[one.predicted])} ({t(', ').join(said)})"
    if one.true is not None and one.true != one.predicted:
        title += " - " + t("wrong, it is: {name}", name=t(one.classes[one.true]))
    screen.show_table(title, [t("class"), t("probability"), "", ""], rows, words=(0, 2, 3))
    if one.inverted:
        screen.say(f"{one.name}: " + t("Light and dark were exchanged; --invert no keeps a picture as it is."))
