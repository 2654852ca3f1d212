"""`ropero lr-find`: which learning rate a training would want, and the command that trains with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import Common, ImageSize, Source, TrainFlags, given
from ropero.errors import MissingExtra
from ropero.texts import mark, t
from ropero.texts.numbers import Numbers

DEFAULT_DATA = "fashion-mnist"
_HELP = mark(
    "Find a learning rate: train a throw-away network for a few steps with an ever larger one and see where the loss "
    "falls fastest. Takes the options of `train`; keeps nothing but the plot."
)


def register(app: App) -> None:
    app.command(lr_find, name="lr-find", help=_HELP)


def lr_find(
    *,
    data: Source = DEFAULT_DATA,
    image_size: ImageSize = None,
    flags: TrainFlags = None,  # type: ignore[valid-type]
    out: Annotated[Path, Parameter(help=mark("File for the plot: .png, .svg or .pdf."))] = Path("lr-find.png"),
    common: Common = Common(),  # noqa: B008, frozen
) -> None:
    from ropero.training.commands import command as to_type
    from ropero.training.lr_find import LOWEST_RATE
    from ropero.workbench import data as data_verb
    from ropero.workbench import lr_find as verb
    from ropero.workbench.networks import chosen
    from ropero.workbench.progress import FileProgress

    changes: dict[str, Any] = given(flags) if flags is not None else {}
    config = chosen(changes)
    with FileProgress(screen.err()) as progress:
        splits = data_verb.load(data, image_size=image_size, progress=progress)
        found = verb.lr_find(splits, config, progress=progress)
    plot = None
    try:
        plot = verb.save(found, out)
    except MissingExtra as error:
        screen.say(str(error))  # the numbers need no picture
    suggestion = found.suggestion
    command = None
    if suggestion is not None:
        best = config.replace(learning_rate=float(f"{suggestion.rate:.2g}"))
        command = to_type(best, splits.source, image_size, named=changes.get("network", ""))
    if common.json:
        return screen.show_json({**found.to_json(), "command": command, "plot": None if plot is None else str(plot)})
    if suggestion is None:
        screen.show(
            t(
                "No learning rate to suggest: between {low} and {high} the loss never falls clearly.",
                low=_short(LOWEST_RATE),
                high=_short(found.rates[-1] if found.rates else LOWEST_RATE),
            )
        )
    else:
        screen.show(t("Steepest descent of the loss: learning rate {rate}", rate=_short(suggestion.steepest)))
        screen.show(t("A tenth of the rate with the lowest loss: {rate}", rate=_short(suggestion.tenth)))
        screen.show(t("The smaller one is more careful. To train with the larger one: {command}", command=command))
    if plot:
        screen.show(t("Picture: {path}", path=plot))
    return None


def _short(rate: float) -> str:
    return Numbers.current().general(float(f"{rate:.2g}"))
