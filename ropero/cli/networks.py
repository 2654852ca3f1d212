"""`ropero networks`: the zoo as a list, one network as a table of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import Common, ImageSize, whole_number
from ropero.storage import human_bytes
from ropero.texts import mark, t
from ropero.texts.numbers import whole

if TYPE_CHECKING:
    from ropero.workbench.networks import Network

WEIGHT_BYTES = 4  # float32
_HELP = mark(
    "List the networks, or show one as a table of layers, as Keras does. A network of your own is a layer list, "
    "my_net.toml, or code, my_net.py:build; showing it checks it, and allows ropero to run that file's code."
)


def register(app: App) -> None:
    app.command(networks, help=_HELP)


def networks(
    name: Annotated[
        str | None, Parameter(help=mark("The network to show: a name, my_net.toml or my_net.py:build."))
    ] = None,
    /,
    *,
    data: Annotated[
        str | None, Parameter(help=mark("For the images and classes of these data."), show_default=False)
    ] = None,
    image_size: ImageSize = None,
    channels: Annotated[
        int | None,
        Parameter(converter=whole_number, help=mark("For images of 1 channel (grey) or 3 (colour).")),
    ] = None,
    classes: Annotated[int | None, Parameter(converter=whole_number, help=mark("For so many classes."))] = None,
    common: Common = Common(),  # noqa: B008, frozen
) -> None:
    from ropero.workbench import data as data_verb
    from ropero.workbench import networks as verb
    from ropero.workbench.progress import FileProgress

    if name is None:
        return _list(common.json)
    home, side = verb.HOME_SHAPE, image_size
    shape = (channels or home[0], side or home[1], side or home[2])
    count = classes or verb.HOME_CLASSES
    if data is not None:
        with FileProgress(screen.err()) as progress:
            splits = data_verb.load(data, image_size=image_size, progress=progress)
        shape, count = splits.train.input_shape, len(splits.classes)
    one = verb.network(name, shape, count)
    if common.json:
        return screen.show_json(one.to_json())
    return _show(one)


def _list(as_json: bool) -> None:
    from ropero.workbench import networks as verb

    known = verb.networks()
    if as_json:
        return screen.show_json([one.to_json() for one in known])
    rows = [[one.name, one.about, whole(one.summary.total)] for one in known]
    screen.show_table("", [t("network"), "", t("parameters")], rows, words=(0, 1))
    return screen.say(t("One of your own: ropero networks my_net.toml, or my_net.py:build."))


def _show(one: Network) -> None:
    """The table that `model.summary()` of Keras prints."""
    channels, height, width = one.input_shape
    screen.show(f"{one.name}: {one.about}")
    screen.show(t("Input: images {shape}, {n} classes", shape=(None, height, width, channels), n=one.classes))
    rows = [
        [f"{row.name} ({row.kind})", str((None, *row.output_shape)), whole(row.parameters)] for row in one.summary.rows
    ]
    screen.show_table("", [t("Layer (type)"), t("Output shape"), t("Param #")], rows, words=(0, 1))
    total, trainable = one.summary.total, one.summary.trainable
    for message, n in (
        (t("Total params: {n} ({size})"), total),
        (t("Trainable params: {n} ({size})"), trainable),
        (t("Non-trainable params: {n} ({size})"), total - trainable),
    ):
        screen.show(message.format(n=whole(n), size=human_bytes(WEIGHT_BYTES * n)))
