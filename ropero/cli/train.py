"""`ropero train`: train a network; the flags are the fields of TrainConfig."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.evaluate import show_evaluation
from ropero.cli.options import ImageSize, Source, TrainFlags, WithRuns, given
from ropero.texts import mark, t
from ropero.texts.numbers import percent, whole

if TYPE_CHECKING:
    from ropero.data.dataset import Splits
    from ropero.runs import Run
    from ropero.workbench.train import Plan, Training

FEW_STEPS = 200  # below this the default recipe has hardly begun
_HELP = mark(
    "Train a network. Options that are not given come from the network's own recipe; the defaults shown are those of "
    "`quick`. Repeat the same command to go on with a training that was interrupted."
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Written:
    """What is written into the run's folder on request."""

    save_weights: Annotated[
        Literal["best", "last", "every"] | int | None,
        Parameter(
            help=mark(
                "Also keep weight files while training: the best by validation, the last, those of every epoch, or for "
                "a number n of every n-th."
            ),
            show_default=False,
        ),
    ] = None
    csv: Annotated[bool, Parameter(negative=(), help=mark("Also write history.csv, a row an epoch."))] = False
    tensorboard: Annotated[
        bool,
        Parameter(negative=(), help=mark("Also write curves, graph, histograms and images for TensorBoard.")),
    ] = False


def register(app: App) -> None:
    app.command(train, help=_HELP)


def train(
    *,
    data: Source = "fashion-mnist",
    image_size: ImageSize = None,
    flags: TrainFlags = None,  # type: ignore[valid-type]
    changes: Annotated[
        Path | None,
        Parameter(help=mark("Change list of labels, as `ropero suspects` makes one; the data stay as they are.")),
    ] = None,
    written: Written = Written(),
    again: Annotated[bool, Parameter(negative=(), help=mark("Train anew, even when an equal run is there."))] = False,
    report: Annotated[
        bool,
        Parameter(negative=(), help=mark("Then open the test part once, print the figures and write report.html.")),
    ] = False,
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.data.changes import read as read_changes
    from ropero.runs import RunStore
    from ropero.workbench import data as data_verb
    from ropero.workbench import train as verb
    from ropero.workbench.networks import chosen
    from ropero.workbench.progress import FileProgress, TrainingProgress

    config = chosen(given(flags) if flags is not None else {})
    changed = read_changes(changes) if changes else None
    with FileProgress(screen.err()) as progress:
        splits = data_verb.load(data, image_size=image_size, progress=progress)
        verb.base_weights(config, progress)
    has_test = splits.test is not None or config.test > 0
    if report:
        # Better said now than after the training.
        if not has_test:
            splits.part("test")
        import_module("ropero.reports")
    elif not has_test:
        screen.say(t("These data have no test part; --test 0.1, for example, holds one out of training."))
    try:
        done = verb.train(
            splits,
            config,
            RunStore(common.runs),
            again=again,
            callbacks=[TrainingProgress(screen.err())],
            outputs=verb.Outputs(**asdict(written)),
            announce=lambda plan: _announce(plan, written),
            changes=changed,
        )
    except KeyboardInterrupt as error:
        if again:
            cure = t("To go on where it stopped, repeat the command without --again.")
        else:
            cure = t("To go on where it stopped, repeat the command.")
        raise KeyboardInterrupt(cure) from error
    content = {"run": done.run.name, "folder": str(done.run.folder), "how": done.how, **done.run.notes}
    content |= {"history": done.run.history.to_json()}
    files = _files(done.run, written)
    content |= files
    if not common.json:
        _show(done)
        _show_files(done.run, written, files)
    if report:
        content |= _report(done.run, splits, common.json)
    if common.json:
        screen.show_json(content)
    elif not report and has_test:
        screen.say(t("Next: ropero evaluate {run}", run=done.run.name))


def _report(run: Run, splits: Splits, as_json: bool) -> dict[str, Any]:
    from ropero.workbench import evaluate as evaluate_verb
    from ropero.workbench import report as report_verb
    from ropero.workbench.progress import EncodingProgress, FileProgress

    evaluated = evaluate_verb.evaluate(run, splits=splits, told=EncodingProgress(screen.err()))
    if not as_json:
        show_evaluation(evaluated)
    with FileProgress(screen.err()) as progress:
        path = report_verb.report(run, splits=splits, progress=progress)
    if not as_json:
        screen.show(t("Report: {path}", path=path))
    return {"test": evaluated.evaluation.to_json(), "report": str(path)}


def _files(run: Run, written: Written) -> dict[str, str]:
    """The asked outputs that are there, by name."""
    asked = {"weights": written.save_weights is not None, "tensorboard": written.tensorboard, "csv": written.csv}
    paths = {"weights": run.folder / "weights", "tensorboard": _events(run), "csv": run.folder / "history.csv"}
    return {name: str(path) for name, path in paths.items() if asked[name] and path.exists()}


def _events(run: Run) -> Path:
    return run.folder / "tensorboard"


def _show_files(run: Run, written: Written, files: dict[str, str]) -> None:
    if "weights" in files:
        screen.show(t("Weights: {folder}", folder=files["weights"]))
    if "csv" in files:
        screen.show(t("Epochs: {path}", path=files["csv"]))
    if "tensorboard" in files:
        screen.show(_how_to_look(run))
    missing = [written.save_weights is not None and "weights" not in files]
    missing += [written.tensorboard and "tensorboard" not in files]
    if any(missing):
        screen.say(t("Weights and events are written while a network trains; --again trains it anew."))


def _how_to_look(run: Run) -> str:
    return t("TensorBoard: {command}", command=f"tensorboard --logdir {shlex.quote(str(_events(run)))}")


def _announce(plan: Plan, written: Written) -> None:
    from ropero.workbench.progress import human_seconds

    config = plan.config
    screen.say(
        t(
            "{network} on {n} images, epochs: {epochs}, {device}, {precision}; about {time}.",
            network=config.network,
            n=whole(len(plan.parts.train)),
            epochs=config.epochs,
            device=config.device,
            precision=config.precision,
            time=human_seconds(plan.estimate_seconds),
        )
    )
    steps = -(-len(plan.parts.train) // config.batch_size) * config.epochs
    if steps < FEW_STEPS:
        screen.say(
            t(
                "That is only {n} training steps; a smaller --batch-size or more --epochs will learn more.",
                n=steps,
            )
        )
    if plan.resumed:
        screen.say(t("Going on with {run}, which was interrupted.", run=plan.run.name))
    if written.tensorboard:
        screen.say(_how_to_look(plan.run))


def _show(done: Training) -> None:
    from ropero.workbench.progress import human_seconds

    history = done.run.history
    keep = done.run.config.keep
    last = history.kept(keep)
    assert last is not None
    if done.how == "already trained":
        screen.say(t("This very training is there already; --again trains it anew."))
    figures = t("training accuracy {accuracy}", accuracy=percent(last.train_accuracy, 2))
    if last.validation_accuracy is not None:
        figures += ", " + t("validation accuracy {accuracy}", accuracy=percent(last.validation_accuracy, 2))
    if keep == "best":
        figures += " " + t("(epoch {epoch}, the best by validation, is kept)", epoch=last.epoch)
    screen.show(t("Trained in {time}: {figures}", time=human_seconds(history.train_seconds), figures=figures))
    screen.show(t("Run: {folder}", folder=done.run.folder))
