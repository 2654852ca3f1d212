"""`ropero evaluate RUN`: open the test part once, and print the per-class report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.opening import opened
from ropero.cli.options import DataPath, Device, Engine, RunName, WithRuns
from ropero.texts import mark, t
from ropero.texts.numbers import decimal, percent, whole

if TYPE_CHECKING:
    from ropero.evaluation.evaluate import Evaluation
    from ropero.evaluation.intervals import Measured
    from ropero.workbench.evaluate import Evaluated

_HELP = mark(
    "Evaluate a run. The test part is opened once and the ledger notes it; a second call shows the stored figures."
)


def register(app: App) -> None:
    app.command(evaluate, help=_HELP)


def evaluate(
    run: RunName = "last",
    /,
    *,
    split: Annotated[
        Literal["test", "validation", "train"], Parameter(help=mark("The part of the data to evaluate on."))
    ] = "test",
    data: DataPath = None,
    again: Annotated[
        bool, Parameter(negative=(), help=mark("Open the test part once more; the ledger counts it."))
    ] = False,
    unknown: Annotated[
        str | None,
        Parameter(help=mark("Images that show no garment, such as MNIST's files: how well are they told apart?")),
    ] = None,
    device: Device = "auto",
    engine: Engine = "auto",
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.workbench import data as data_verb
    from ropero.workbench import evaluate as verb
    from ropero.workbench import examine
    from ropero.workbench.progress import EncodingProgress

    found, data = opened(run, common, data)
    told = EncodingProgress(screen.err())
    others = None if unknown is None else data_verb.load(unknown)  # before the test part is opened
    done = verb.evaluate(found, split=split, data=data, again=again, device=device, engine=engine, told=told)
    strangers = None
    if others is not None:
        part = verb.part_of(found, split, data=data)
        strangers = examine.strangers(found, part, device=device, others=others.test or others.train)
    if common.json:
        figures = {"run": found.name, **done.evaluation.to_json(), "test_openings": done.openings, "fresh": done.fresh}
        figures |= {"engine": done.engine}
        figures |= {"strangers": strangers.to_json()} if strangers else {}
        return screen.show_json(figures)
    show_evaluation(done)
    if strangers:
        rows = [
            [t(kind), _score(area), _interval(area), percent(share.value, 1)]
            for kind, (area, share) in strangers.kinds.items()
        ]
        screen.show_table(t("Garments and other things"), [t("kind"), "AUC", "95%", t("not a garment")], rows)
    if split == "test":
        screen.say(t("Next: ropero report {run}", run=found.name))
    return None


def show_evaluation(done: Evaluated) -> None:
    """The per-class report, and what it took to get it."""
    judge, origin = done.run.judge, done.run.origin
    show_report(done.evaluation, unmeasured=judge is not None and not judge.held_out and not origin)
    if origin:
        from ropero.export.origin import doubts

        found = done.evaluation
        for sentence in doubts(origin, found.split, found.accuracy, found.interval[0]):
            screen.say(sentence)
    if done.engine == "onnxruntime":
        screen.say(t("onnxruntime computed them."))
    if done.engine == "torch-bf16":
        screen.say(t("They were computed in bf16, and are rounded."))
    if not done.fresh:
        screen.say(t("Stored figures; nothing was opened. --again opens the part once more."))
    if done.evaluation.split == "test":
        screen.say(t("Openings of the test part by this run: {n}", n=done.openings))


def _verdict(word: str, images: int, right: int, total: int) -> str:
    """`sure: 81.20% of the images, 97.41% of them right`."""
    said = f"{t(word)}: " + t("{share} of the images", share=percent(images / total, 2))
    return said + t(", {accuracy} of them right", accuracy=percent(right / images, 2)) if images else said


def _score(one: Measured | None) -> str:
    return "–" if one is None else decimal(one.value, 4)


def _interval(one: Measured | None) -> str:
    return "" if one is None else f"{decimal(one.low, 3)}–{decimal(one.high, 3)}"


def show_report(evaluation: Evaluation, *, unmeasured: bool = False) -> None:
    """The per-class report, as scikit-learn's classification_report shows it, and the figures below it.

    unmeasured: its verdicts are by rule, since the run held nothing out.
    """
    rows = [
        [t(name), *map(_score, (one.precision, one.recall, one.f1)), _interval(one.f1), _score(one.auc),
         whole(one.support)]
        for name, one in zip(evaluation.classes, evaluation.class_figures, strict=True)
    ]  # fmt: skip
    rows.append([""] * 7)
    titles = {"macro": t("macro average"), "weighted": t("weighted average")}
    for kind, found in evaluation.averages.items():
        rows.append([titles[kind], *map(_score, found.values()), _interval(found["f1"]), "", whole(len(evaluation))])
    columns = [t("class"), t("precision"), t("recall"), "F1", t("F1, 95%"), "AUC", t("images")]
    screen.show_table("", columns, rows)
    low, high = evaluation.interval
    screen.show(
        t(
            "Accuracy {accuracy} on {n} {split} images (95% interval {low} to {high})",
            accuracy=percent(evaluation.accuracy, 2),
            n=whole(len(evaluation)),
            split=t(evaluation.split),
            low=percent(low, 2),
            high=percent(high, 2),
        )
    )
    if unmeasured:
        screen.say(t("No images were held out, so that these verdicts are by rule, not measured: train with "
                     "--validation 0.1 for measured ones."))  # fmt: skip
    for word, (images, right) in evaluation.verdict_counts().items():
        screen.show(_verdict(word, images, right, len(evaluation)))
    loss, error = evaluation.log_loss_measured, evaluation.calibration_error
    top2 = "–".join(percent(end, 2) for end in evaluation.top2_interval)
    screen.show(
        t(
            "Top-2 {top2}, log loss {loss}, calibration error {error}",
            top2=f"{percent(evaluation.top2_accuracy, 2)} ({top2})",
            loss=f"{decimal(loss.value, 4)} ({_interval(loss)})",
            error=f"{decimal(error.value, 4)} ({_interval(error)})",
        )
    )
