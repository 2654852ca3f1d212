"""`ropero reproduce`: the five reports again, claimed beside measured."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from ropero import texts
from ropero.cli import screen
from ropero.cli.options import WithRuns, whole_number
from ropero.errors import MissingExtra, RoperoError, UsageError
from ropero.texts import joined, mark, t
from ropero.texts.numbers import percent

if TYPE_CHECKING:
    from ropero.experiments.claims import Experiment
    from ropero.workbench.reproduce import Reproduction
    from ropero.workbench.train import Plan

_HELP = mark(
    "Run the experiments of the five published reports again: list them, or train one by the report's own protocol or "
    "by ropero's. Repeat the command to go on where it stopped."
)

_CHECKOUT = Path("benchmarks/results/reproduce")


def register(app: App) -> None:
    app.command(reproduce, help=_HELP)


def reproduce(
    name: Annotated[
        str | None, Parameter(help=mark("REPORT or REPORT/MODEL, such as santiago-2020/3; `all` runs every one."))
    ] = None,
    /,
    *,
    protocol: Annotated[
        Literal["report", "ropero"],
        Parameter(help=mark("As the report trained, or the same network trained as ropero would.")),
    ] = "report",
    seeds: Annotated[
        int, Parameter(converter=whole_number, help=mark("How many trainings, of seeds 0, 1, 2 and so on."))
    ] = 1,
    minutes: Annotated[
        float | None,
        Parameter(
            help=mark(
                "Stop each training after the epoch in which they are over, 0 never; by default 25 for the report's "
                "protocol and 0 for ropero's. With another limit it trains anew."
            ),
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        str, Parameter(help=mark("File of pretrained weights, for the VGG experiments."), show_default=False)
    ] = "",
    out: Annotated[
        Path | None,
        Parameter(
            help=mark("Folder of the results and the page; by default that of ropero's checkout, else RUNS/reproduce."),
            show_default=False,
        ),
    ] = None,
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.experiments.table import select
    from ropero.runs import RunStore
    from ropero.workbench import data as data_verb
    from ropero.workbench import reproduce as verb
    from ropero.workbench.progress import FileProgress, TrainingProgress
    from ropero.workbench.train import base_weights

    store = RunStore(common.runs)
    out = out or (_CHECKOUT if _CHECKOUT.is_dir() else store.folder / "reproduce")
    if name is None:
        _list(select(None), out, common.json)
        if not common.json and out.is_dir():
            with suppress(MissingExtra):  # the table needs no page
                screen.show(t("Page: {path}", path=verb.write_page(select(None), out, texts.current())))
        return
    chosen = select(None if name == "all" else name)
    if not common.json:
        import_module("ropero.reports")  # better said before than after the trainings
    with FileProgress(screen.err()) as progress:
        splits = data_verb.load("fashion-mnist", progress=progress)
    limit = minutes if minutes is not None else verb.MINUTES if protocol == "report" else 0.0
    if len(chosen) * seeds > 1:
        told = t("{n} trainings, one after the other.", n=len(chosen) * seeds)
        each = t("Each stops after {minutes} minutes; --minutes changes that.", minutes=round(limit)) if limit else ""
        screen.say(f"{told} {each}".strip())
    done: list[Reproduction] = []
    failed: list[str] = []
    for experiment in chosen:
        screen.say(t("{experiment}, protocol {protocol}", experiment=experiment.name, protocol=protocol))
        try:
            with FileProgress(screen.err()) as progress:
                base_weights(experiment.protocol.replace(weights=weights), progress)
            done.append(
                verb.reproduce(
                    experiment,
                    splits,
                    store,
                    out,
                    protocol=protocol,
                    seeds=range(seeds),
                    minutes=minutes,
                    weights=weights,
                    callbacks=lambda: [TrainingProgress(screen.err())],
                    announce=_announce,
                )
            )
        except RoperoError as error:
            if len(chosen) == 1:
                raise
            screen.say(str(error))
            failed.append(experiment.name)
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(t("To go on where it stopped, repeat the command.")) from error
    if common.json:
        screen.show_json([one.content for one in done])
    else:
        _list(chosen, out, False)
        screen.show(t("Page: {path}", path=verb.write_page(select(None), out, texts.current())))
    if failed:
        raise UsageError(
            t(
                "{n} of {total} experiments could not be run, for the reasons above: {names}.",
                n=len(failed),
                total=len(chosen),
                names=joined(failed),
            )
        )


def _announce(plan: Plan) -> None:
    from ropero.workbench.progress import human_seconds

    screen.say(
        t(
            "{network}: at most {epochs} epochs, about {time}.",
            network=plan.config.network,
            epochs=plan.config.epochs,
            time=human_seconds(min(plan.estimate_seconds, 60 * plan.config.minutes or plan.estimate_seconds)),
        )
    )


def _list(chosen: list[Experiment], out: Path, as_json: bool) -> None:
    from ropero.workbench.reproduce import found

    rows: list[list[str]] = []
    content: list[dict[str, Any]] = []
    for one in chosen:
        files = found(one, out)
        claimed = one.claimed.get(f"{one.judged_on}_accuracy")
        cells = [_measured(files.get(protocol), one.judged_on) for protocol in ("report", "ropero")]
        rows.append([one.name, percent(claimed, 2) if claimed is not None else "-", *cells])
        content.append({"experiment": one.name, "claimed": dict(one.claimed), "found": files})
    if as_json:
        return screen.show_json(content)
    heads = [t("experiment"), t("claimed"), t("measured, report's protocol"), t("measured, ropero's protocol")]
    return screen.show_table("", heads, rows, words=(0,))


def _measured(content: dict[str, Any] | None, judged_on: str) -> str:
    if content is None:
        return "-"
    figures = content["measured"]
    # Trained on all images, there is nothing but the test part to judge by.
    one = figures.get(f"{judged_on}_accuracy") or figures["test_accuracy"]
    spread = f" ± {percent(one['sd'], 2)}" if content["n"] > 1 else ""
    return percent(one["mean"], 2) + spread
