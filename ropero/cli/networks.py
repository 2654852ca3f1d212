"""`ropero networks`: the zoo as a list, one network as a table of layers."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import Common
from ropero.texts import mark, t
from ropero.texts.numbers import whole


def register(app: App) -> None:
    app.command(networks, help=mark("List the networks, or show one as a table of layers."))


def networks(
    name: Annotated[str | None, Parameter(help=mark("The network to show."))] = None,
    /,
    *,
    common: Common = Common(),  # noqa: B008, frozen
) -> None:
    from ropero.workbench import networks as verb

    if name is None:
        known = verb.networks()
        if common.json:
            return screen.show_json([one.to_json() for one in known])
        rows = [[one.name, one.about, whole(one.summary.total)] for one in known]
        return screen.show_table("", [t("network"), "", t("parameters")], rows, words=(0, 1))
    one = verb.network(name)
    if common.json:
        return screen.show_json(one.to_json())
    rows = [
        [f"{row.name} ({row.kind})", str((None, *row.output_shape)), whole(row.parameters)] for row in one.summary.rows
    ]
    screen.show_table(f"{one.name}: {one.about}", [t("layer"), t("output shape"), t("parameters")], rows, words=(0, 1))
    total, trainable = one.summary.total, one.summary.trainable
    screen.show(t("Total parameters: {n}", n=whole(total)))
    screen.show(t("Trainable: {n}", n=whole(trainable)))
    screen.show(t("Not trainable: {n}", n=whole(total - trainable)))
    return None
