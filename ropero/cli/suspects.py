"""`ropero suspects [DATA]`: labels that look wrong to networks that did not learn from them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import ImageSize, Source, TrainFlags, WithRuns, given, whole_number
from ropero.texts import mark, t
from ropero.texts.numbers import decimal, percent, whole

if TYPE_CHECKING:
    from ropero.workbench.suspects import Suspected

SHOWN = 15  # suspects that are listed; the page and --json have more
_HELP = mark(
    "Find labels of the training part that look wrong, by networks that did not learn from them, and write a page to "
    "go through them: keep, relabel, leave out. Repeat the command to go on where it stopped."
)


def register(app: App) -> None:
    app.command(suspects, help=_HELP)


def suspects(
    data: Source = "fashion-mnist",
    /,
    *,
    folds: Annotated[
        int,
        Parameter(
            converter=whole_number,
            help=mark("Parts to cut the images into; each is judged by a network that learned from the others."),
        ),
    ] = 5,
    image_size: ImageSize = None,
    flags: TrainFlags = TrainFlags(),  # type: ignore[valid-type]  # noqa: B008, frozen
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.runs import RunStore
    from ropero.texts import current
    from ropero.workbench import data as data_verb
    from ropero.workbench import suspects as verb
    from ropero.workbench.networks import recipe_for
    from ropero.workbench.progress import FileProgress, TrainingProgress, human_seconds

    import_module("ropero.reports")  # better said now than after the training
    options = given(flags)
    with FileProgress(screen.err()) as progress:
        splits = data_verb.load(data, image_size=image_size, progress=progress)
        config = recipe_for(options.pop("network", "quick"), splits).replace(**options)
        if splits.test is None and not config.test:
            screen.say(
                t("These data have no test part. With --test 0.2, given to `train` too, the images held out there are "
                  "left alone.")
            )  # fmt: skip
        found = verb.suspects(
            splits,
            config,
            RunStore(common.runs),
            folds=folds,
            callbacks=lambda: [TrainingProgress(screen.err())],
            announce=lambda number, plan: screen.say(
                t(
                    "Network {number} of {folds}: about {time}.",
                    number=number,
                    folds=folds,
                    time=human_seconds(plan.estimate_seconds),
                )
            ),
            progress=progress,
        )
    page = verb.write_review(found, current())
    if common.json:
        return screen.show_json({**found.to_json(), "folder": str(found.folder), "page": str(page)})
    _show(found)
    screen.show(t("Page to go through them: {path}", path=page))
    return None


def _show(found: Suspected) -> None:
    part, suspected = found.part, found.suspects
    screen.show(
        t(
            "The networks agree with {share} of the {n} labels; {count} look wrong, {twins} pairs look alike and have "
            "different labels.",
            share=percent(found.accuracy, 2),
            n=whole(len(part)),
            count=whole(len(suspected.position)),
            twins=whole(len(found.twins)),
        )
    )
    rows = [
        [str(part.rows[at]), t(part.classes[part.labels[at]]), t(part.classes[guess]), decimal(float(margin), 3)]
        for at, guess, margin in list(zip(suspected.position, suspected.guess, suspected.margin, strict=True))[:SHOWN]
    ]
    screen.show_table("", [t("row"), t("label"), t("looks like"), t("margin")], rows, words=(1, 2))
