"""`ropero export RUN`: the network as a file for other programs, proved to say there what the run says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.opening import opened
from ropero.cli.options import DataPath, RunName, WithRuns
from ropero.storage import human_bytes
from ropero.texts import mark, t
from ropero.texts.numbers import percent, rough, whole

if TYPE_CHECKING:
    from ropero.workbench.export import Exported, Price

_HELP = mark(
    "Write a run's network for other programs: ONNX, Keras, safetensors, torch.export. The file is kept only when it "
    "says there what the run says."
)


def register(app: App) -> None:
    app.command(export, help=_HELP)


def export(
    run: RunName = "last",
    /,
    *,
    format_: Annotated[
        Literal["onnx", "keras", "h5", "safetensors", "torch-export"] | None,
        Parameter(name="--format", help=mark("Format; by default that of the file's ending, or onnx."),
                  show_default=False),
    ] = None,
    out: Annotated[
        Path | None, Parameter(help=mark("File to write; by default named like the run."), show_default=False)
    ] = None,
    int8: Annotated[
        bool, Parameter(negative=(), help=mark("ONNX with 8-bit integers; the loss of accuracy is measured."))
    ] = False,
    force: Annotated[bool, Parameter(negative=(), help=mark("Overwrite an existing file."))] = False,
    data: DataPath = None,
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:  # fmt: skip
    from ropero.workbench import export as verb

    found, data = opened(run, common, data)
    done = verb.export(found, form=format_ or "", out=out, int8=int8, force=force, data=data)
    if common.json:
        return screen.show_json(done.to_json())
    screen.show(t("{path}: {size}", path=done.path, size=human_bytes(done.bytes)))
    screen.show(_proof(done))
    if done.price is not None:
        _show_price(done.price, done.bytes)
    return screen.say(t("Next: ropero verify {path}", path=done.path))


def _proof(done: Exported) -> str:
    if not done.client:
        return f"{done.note} " + t("The weights were read back and are the run's.")
    if done.difference is None or done.allowed is None:
        return t("Opened by {client} in a fresh process.", client=done.client)
    return t(
        "Compared in {client} on {n} images: logits differ from the run's by {gap} at most, {allowed} is allowed.",
        client=done.client,
        n=whole(done.images),
        gap=rough(done.difference),
        allowed=rough(done.allowed),
    )


def _show_price(price: Price, size: int) -> None:
    """What whole numbers cost and save."""
    rows = [
        [t("floating point"), percent(price.float_accuracy, 2), human_bytes(price.float_bytes)],
        [t("whole numbers"), percent(price.accuracy, 2), human_bytes(size)],
    ]
    screen.show_table("", ["", t("accuracy"), t("size")], rows)
    where = {
        "validation": t("Accuracy on {n} images of the validation part."),
        "train": t(
            "Accuracy on {n} training images that were not used to find the scales, since the run held no images out."
        ),
    }
    screen.show(where[price.part].format(n=whole(price.images)))
    screen.show(t("{share} of these images get the same class.", share=percent(price.agreement, 2)))
    if price.way == "static":
        screen.say(t("The scales were found by {n} training images.", n=whole(price.calibration_images)))
    else:
        screen.say(t("LSTM layers find their scales while they run."))
