"""`ropero tune`: search for better settings of a network; the flags of `train` say what stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.options import ImageSize, Source, TuneFlags, WithRuns, given, whole_number
from ropero.errors import MissingExtra
from ropero.texts import joined, mark, t, tn
from ropero.texts.numbers import decimal, percent, whole

if TYPE_CHECKING:
    from ropero.workbench.study import Trial
    from ropero.workbench.tuning import Plan, Tuning

_HELP = mark(
    "Search for better settings of a network, judged by validation; the test part is not opened. The first trial is "
    "the network's own recipe. Options of `train` that are given stay as they are. Repeat the same command to go on "
    "with a search that was interrupted, with more --trials to go on further."
)


def register(app: App) -> None:
    app.command(tune, help=_HELP)


def tune(
    *,
    data: Source = "fashion-mnist",
    image_size: ImageSize = None,
    search: Annotated[
        list[str] | None,
        Parameter(
            help=mark(
                "Settings to search, such as learning_rate,erase; with what to try, as in learning_rate=1e-4..1e-2 or "
                "optimizer=adam,sgd. By default learning_rate, weight_decay, batch_size, label_smoothing and erase."
            ),
            show_default=False,
            negative=(),
        ),
    ] = None,
    trials: Annotated[int, Parameter(converter=whole_number, help=mark("How many trials, in all."))] = 20,
    minutes: Annotated[
        float, Parameter(help=mark("Stop when so many minutes of training are over in all; 0 never stops."))
    ] = 0.0,
    trial_minutes: Annotated[
        float,
        Parameter(help=mark("Stop each trial after the epoch in which so many minutes are over; 0 never stops.")),
    ] = 0.0,
    prune: Annotated[
        bool, Parameter(help=mark("End a trial halfway when half of the others were better by then."))
    ] = True,
    flags: TuneFlags = None,  # type: ignore[valid-type]
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.runs import RunStore
    from ropero.training.search import space
    from ropero.workbench import data as data_verb
    from ropero.workbench import tune as verb
    from ropero.workbench.networks import chosen
    from ropero.workbench.progress import FileProgress
    from ropero.workbench.study import require_optuna
    from ropero.workbench.train import base_weights
    from ropero.workbench.tune_progress import TuningProgress
    from ropero.workbench.tuning import save_figures

    require_optuna()  # better said before anything is fetched
    changes: dict[str, Any] = given(flags) if flags is not None else {}
    config = chosen({**changes, "minutes": trial_minutes})
    space(config, search or (), changes)  # mistakes in it need no data
    with FileProgress(screen.err()) as progress:
        splits = data_verb.load(data, image_size=image_size, progress=progress)
        base_weights(config, progress)

    class Shown(TuningProgress):
        def on_search_begin(self, plan: Plan, over: Sequence[Trial], estimate_seconds: float) -> None:
            _announce(plan, len(over), estimate_seconds)
            super().on_search_begin(plan, over, estimate_seconds)

    words = ["--runs", str(common.runs)] if common.runs is not None else []
    words += ["--report"] if splits.test is not None or config.test else []
    try:
        found = verb.tune(
            splits,
            config,
            RunStore(common.runs),
            search=search or (),
            given=changes,
            trials=trials,
            minutes=minutes,
            prune=prune,
            words=words,
            named=changes.get("network", ""),
            watch=Shown(screen.err()),
        )
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(t("To go on where it stopped, repeat the command.")) from error
    try:
        figures = [str(path) for path in save_figures(found)]
    except MissingExtra as error:
        figures = []
        screen.say(str(error))
    if common.json:
        return screen.show_json({**found.to_json(), "figures": figures})
    return _show(found, figures)


def _announce(plan: Plan, over: int, seconds: float) -> None:
    from ropero.workbench.progress import human_seconds

    held = plan.parts.validation
    assert held is not None
    if plan.auto_validation:
        screen.say(
            t(
                "To judge by, {n} of the training images are held out; --validation holds out another number.",
                n=whole(len(held)),
            )
        )
    if over:
        screen.say(
            t(
                "Going on with {run}: {n} of {trials} trials are over.",
                run=plan.folder.name,
                n=over,
                trials=plan.trials,
            )
        )
    if plan.older:
        screen.say(
            t(
                "{run} is a search of the same by another version of ropero or PyTorch; its figures would not be "
                "comparable, so this one begins anew.",
                run=plan.older,
            )
        )
    if not plan.starts_as_is:
        screen.say(t("What is searched leaves the network's own recipe out; the first trial is the nearest to it."))
    if seconds:
        screen.say(
            t(
                "{network} on {n} images, trials: {trials}, epochs: {epochs}, {device}, {precision}; at most about "
                "{time}.",
                network=plan.config.network,
                n=whole(len(plan.parts.train)),
                trials=plan.trials - over,
                epochs=plan.config.epochs,
                device=plan.config.device,
                precision=plan.config.precision,
                time=human_seconds(seconds),
            )
        )


def _show(found: Tuning, figures: list[str]) -> None:
    from ropero.workbench.study import IMPORTANCE_TRIALS
    from ropero.workbench.tune_progress import heads, row, shown

    best, first = found.best, found.trials[0]
    ranked = sorted(found.trials, key=lambda one: (one.accuracy is None, one.rank))
    screen.show_table(t("Trials, best first"), heads(found.space), [row(one, found.space) for one in ranked])
    start = [shown(first.settings[name]) for name in found.space]
    rows = [[name, was, shown(best.settings[name])] for name, was in zip(found.space, start, strict=True)]
    rows.append([t("validation accuracy"), *(_figure(one.accuracy) for one in (first, best))])
    screen.show_table(t("Best settings"), [t("setting"), t("first trial"), t("best trial")], rows)
    _say_how_sure(found)
    if found.importance:
        shares = joined(f"{name} {percent(share, 0)}" for name, share in found.importance.items())
        screen.show(t("How much of the differences each setting accounts for (fANOVA): {shares}.", shares=shares))
    elif len(found.space) > 1 and len(found.trials) < IMPORTANCE_TRIALS:
        screen.show(t("Which setting matters cannot be told from so few trials; about 15 are the least."))
    if found.ended == "time":
        screen.say(t("The time was over; larger --minutes go on from here."))
    elif found.ended == "all combinations":
        screen.say(
            t(
                "All combinations have been tried: {n} of {trials} trials.",
                n=len(found.trials),
                trials=found.plan.trials,
            )
        )
    if figures:
        screen.show(t("Figures: {paths}", paths=joined(figures)))
    screen.show(t("Search: {folder}", folder=found.folder))
    screen.show(t("Train with the best settings: {command}", command=found.command))


def _figure(accuracy: float | None) -> str:
    return percent(accuracy, 2) if accuracy is not None else "-"


def _say_how_sure(found: Tuning) -> None:
    best = found.best
    screen.show(
        t(
            "The best accuracy, {figure}, was picked from {n} trials by the very images that it is measured on, so it "
            "flatters. Train with these settings and open the test part once for a figure that counts.",
            figure=percent(best.accuracy or 0.0, 2),
            n=len(found.trials),
        )
    )
    if found.as_good:
        screen.show(
            tn(
                "{n} other trial is within one standard error ({points} points) of it: these images cannot tell them "
                "apart.",
                "{n} other trials are within one standard error ({points} points) of it: these images cannot tell them "
                "apart.",
                len(found.as_good),
                points=decimal(100 * found.standard_error, 2),
            )
        )
