"""`ropero explain RUN IMAGE...`: which pixels speak for a prediction; a layer's feature maps and filters."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.opening import opened
from ropero.cli.options import DataPath, Device, Invert, Pictures, RunName, TestNumbers, WithRuns
from ropero.cli.predict import predicted, title
from ropero.errors import UsageError
from ropero.texts import joined, mark, t


def register(app: App) -> None:
    app.command(explain, help=mark("Show which pixels speak for a prediction, and what a layer makes of a picture."))


def explain(
    run: RunName,
    /,
    *images: Pictures,
    test: TestNumbers = None,
    method: Annotated[
        Literal["grad-cam", "occlusion", "integrated-gradients"] | None,
        Parameter(help=mark("How; by default every way that the network allows."), show_default=False),
    ] = None,
    class_: Annotated[
        str, Parameter(name="--class", help=mark("Class to explain, in English; by default the predicted one."))
    ] = "",
    layer: Annotated[str, Parameter(help=mark("Also draw this layer's feature maps and filters."))] = "",
    out: Annotated[Path, Parameter(help=mark("Folder for the pictures."))] = Path("explained"),
    invert: Invert = "auto",
    data: DataPath = None,
    device: Device = "auto",
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.workbench import explain as verb

    if bool(images) == bool(test):
        raise UsageError(t("Give pictures, or test images by number as in --test 17, one of both."))
    import_module("ropero.reports")  # better said now than after the look at the test part
    found, data = opened(run, common, data)
    verb.check(found, method or "", class_, layer, out)  # before a look at the test part
    predictions = predicted(found, images, test, data, invert, device)
    explained = verb.explain(found, predictions, method=method or "", name=class_, layer=layer, device=device)
    paths = verb.save(explained, layer, out)
    if common.json:
        told = [{**one.prediction.to_json(), "methods": list(one.maps)} for one in explained]
        return screen.show_json({"predictions": told, "files": [str(path) for path in paths]})
    for one in predictions:
        screen.show(title(one))
    for path in paths:
        screen.show(t("Picture: {path}", path=path))
    if not layer and (known := verb.layers(found)):
        screen.say(t("Layers for --layer: {known}", known=joined(known)))
    return None
