"""`ropero predict RUN IMAGE...`: the class probabilities of pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.opening import opened
from ropero.cli.options import DataPath, Device, Engine, Invert, Pictures, RunName, TestNumbers, WithRuns
from ropero.errors import UsageError
from ropero.texts import mark, t
from ropero.texts.numbers import decimal, percent

if TYPE_CHECKING:
    from ropero.runs import Run
    from ropero.workbench.predict import Prediction


def register(app: App) -> None:
    app.command(predict, help=mark("Say which class pictures are of, with the probability of every class."))


def predict(
    run: RunName,
    /,
    *images: Pictures,
    test: TestNumbers = None,
    plot: Annotated[
        Path | None, Parameter(help=mark("Save each picture beside its probability bars in this file or folder."))
    ] = None,
    invert: Invert = "auto",
    data: DataPath = None,
    device: Device = "auto",
    engine: Engine = "auto",
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.workbench import predict as verb

    if not images and not test:
        raise UsageError(
            t("Nothing to predict: expected a run, then pictures, as in `ropero predict last shirt.jpg`, or --test 17.")
        )
    if images and test:
        raise UsageError(t("Give pictures, or test images by number as in --test 17, not both."))
    if plot:
        verb.check_plot(plot, len(images) or len(test or []))  # better said now than after the look at the test part
    found, data = opened(run, common, data)
    predictions = predicted(found, images, test, data, invert, device, engine)
    plots = verb.plot(predictions, plot) if plot else []
    if common.json:
        return screen.show_json([one.to_json() for one in predictions])
    for one in predictions:
        _show(one)
    for path in plots:
        screen.show(t("Picture: {path}", path=path))
    if any(one.was_coloured for one in predictions):
        screen.say(
            t(
                "These are colour pictures, and the network knows grey ones on black alone. Ordinary photos are often "
                "named wrongly, however sure it is."
            )
        )
    return None


def predicted(
    run: Run,
    images: tuple[str, ...],
    test: list[int] | None,
    data: str | None,
    invert: str,
    device: str,
    engine: str = "auto",
) -> list[Prediction]:
    """Predictions of test images by number, or of pictures, standard input among them."""
    from ropero.workbench import predict as verb

    if test:
        found = verb.predict_test(run, test, data=data, device=device, engine=engine)
        screen.say(t("The run's ledger notes this look at single test images."))
        return found
    content = sys.stdin.buffer.read(verb.LIMIT_BYTES + 1) if verb.STDIN in images else b""
    return verb.predict_files(run, list(images), stdin=content, invert=invert, device=device, engine=engine)


def title(one: Prediction) -> str:
    """`shirt.jpg: Shirt (97.3%, sure)`."""
    said = [percent(one.probabilities.max(), 1), *([t(one.verdict)] if one.verdict else [])]
    return f"{one.name}: {t(one.classes[one.predicted])} ({t(', ').join(said)})"


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
    above = title(one)
    if one.true is not None and one.true != one.predicted:
        above += " - " + t("wrong, it is: {name}", name=t(one.classes[one.true]))
    screen.show_table(above, [t("class"), t("probability"), "", ""], rows, words=(0, 2, 3))
    if one.inverted:
        screen.say(f"{one.name}: " + t("Light and dark were exchanged; --invert no keeps a picture as it is."))
