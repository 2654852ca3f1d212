"""`ropero explore`: what the data are, as tables, pictures and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import Common, ImageSize, Source
from ropero.errors import MissingExtra
from ropero.texts import mark, t


def register(app: App) -> None:
    app.command(explore, help=mark("Look at the data before training: sizes, classes, mean garments, duplicates."))


def explore(
    source: Source = "fashion-mnist",
    /,
    *,
    image_size: ImageSize = None,
    out: Annotated[Path, Parameter(help=mark("Folder for the pictures and the page."))] = Path("explore"),
    common: Common = Common(),  # noqa: B008, frozen
) -> None:
    from ropero.workbench import data as data_verb
    from ropero.workbench import explore as verb
    from ropero.workbench.progress import FileProgress

    with FileProgress(screen.err()) as progress:
        splits = data_verb.load(source, image_size=image_size, progress=progress)
        found = verb.explore(splits, progress=progress)
    try:
        paths = verb.save(found, splits, out)
    except MissingExtra as error:
        paths = [verb.save_numbers(found, out)]  # the numbers need no pictures
        screen.say(str(error))
    if common.json:
        return screen.show_json({**found.to_json(), "files": [str(path) for path in paths]})
    for title, columns, rows in verb.tables(found):
        screen.show_table(title, columns, rows)
    screen.show(t("Written: {path}", path=paths[-1]))
    return None
