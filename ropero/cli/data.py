"""`ropero data`: find or fetch a source, and say what it is."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import Common, ImageSize, Source
from ropero.texts import joined, mark, t
from ropero.texts.numbers import whole


def register(app: App) -> None:
    app.command(data, help=mark("Find or fetch data, check them, and say what they are."))


def data(
    source: Source = "fashion-mnist",
    /,
    *,
    image_size: ImageSize = None,
    names: Annotated[bool, Parameter(negative=(), help=mark("List the names that are known."))] = False,
    common: Common = Common(),  # noqa: B008, frozen
) -> None:
    from ropero.workbench import data as verb
    from ropero.workbench.progress import FileProgress

    if names:
        known = verb.known_names()
        return screen.show_json(known) if common.json else screen.show("\n".join(known))
    with FileProgress(screen.err()) as progress:
        splits = verb.load(source, image_size=image_size, progress=progress)
    if common.json:
        return screen.show_json(verb.describe(splits))
    columns = [t("part"), t("images"), t("shape"), t("fewest in a class"), t("most in a class")]
    rows = [
        [
            t(name),
            whole(len(part)),
            " x ".join(map(str, part.images.shape[1:])),
            whole(part.counts.min()),
            whole(part.counts.max()),
        ]
        for name, part in splits.parts().items()
    ]
    screen.show_table(splits.name, columns, rows)
    screen.show(t("Classes: {names}", names=joined(t(name) for name in splits.classes)))
    for reason, count in splits.skipped.items():
        screen.show(t("Passed over: {count} ({reason})", count=count, reason=t(reason)))
    return None
