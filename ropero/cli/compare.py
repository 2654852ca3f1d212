"""`ropero compare RUN RUN ...`: runs side by side, and whether their difference is more than chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.opening import all_opened
from ropero.cli.options import DataPath, Device, WithRuns
from ropero.texts import current, joined, mark, t
from ropero.texts.numbers import decimal, percent, whole

if TYPE_CHECKING:
    from ropero.evaluation.compare import Spread
    from ropero.evaluation.evaluate import Evaluation
    from ropero.workbench.compare import Comparison

SHOWN, SHOWN_PAIRS = 10, 15  # images and pairs that are listed; --json has them all


def register(app: App) -> None:
    app.command(
        compare,
        help=mark(
            "Compare runs on the same images: accuracy with interval, a paired test of every two, classes, size, time, "
            "and the images on which they differ."
        ),
    )


def compare(
    *names: Annotated[str, Parameter(help=mark("The runs to compare, two or more."))],
    split: Annotated[
        Literal["test", "validation", "train"], Parameter(help=mark("The part of the data to compare on."))
    ] = "test",
    report: Annotated[
        Path | None, Parameter(help=mark("Also write the comparison as a page, with the images, into this file."))
    ] = None,
    data: DataPath = None,
    device: Device = "auto",
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.workbench import compare as verb
    from ropero.workbench.progress import EncodingProgress

    runs, data = all_opened(names, common, data)
    done = verb.compare(runs, split=split, data=data, device=device, told=EncodingProgress(screen.err()))
    page = verb.write_report(done, report, current(), data=data) if report else None
    if common.json:
        return screen.show_json({**done.to_json(), **({"report": str(page)} if page else {})})
    if done.split == "test" and (opened := [one.name for one in done.entries if one.fresh]):
        screen.say(t("The test part was opened for this comparison, and the ledgers note it: {runs}.",
                     runs=joined(opened)))  # fmt: skip
    _show_runs(done)
    _show_families(done)
    _show_pairs(done)
    _show_classes(done)
    _show_images(done)
    if page:
        screen.show(t("Report: {path}", path=page))
    return None


def _show_runs(done: Comparison) -> None:
    from ropero.workbench.progress import human_seconds

    short = done.letters()
    rows = []
    for one in done.entries:
        low, high = one.evaluation.interval
        rows.append(
            [
                short[one.name],
                one.name + (f" ({one.differs})" if one.differs else ""),
                "–" if one.run.origin else str(one.run.config.seed),
                f"{percent(one.evaluation.accuracy, 2)} ({percent(low, 1)}-{percent(high, 1)})",
                decimal(one.evaluation.log_loss, 4),
                percent(one.evaluation.calibration.expected_error, 2),
                whole(one.parameters),
                human_seconds(one.train_seconds) if one.train_seconds else "–",
                whole(round(one.predict_rate)),
                str(one.openings),
            ]
        )
    columns = [
        "", t("run"), t("seed"), t("accuracy (95% interval)"), t("log loss"), t("calibration error"), t("parameters"),
        t("training time"), t("predictions a second"), t("openings"),
    ]  # fmt: skip
    title = t("{n} {split} images", n=whole(len(done.entries[0].evaluation)), split=t(done.split))
    screen.show_table(title, columns, rows, words=(0, 1))


def _show_families(done: Comparison) -> None:
    """Mean and spread over seeds, where a config has more than one."""
    short, families = done.letters(), done.families()
    if all(len(entries) == 1 for entries in families.values()):
        return
    rows = []
    for family, figures in done.spreads().items():
        accuracy, loss, error = (figures[name] for name in ("accuracy", "log_loss", "calibration_error"))
        rows.append(
            [
                families[family][0].run.config.network,
                " ".join(short[one.name] for one in families[family]),
                percent(accuracy.mean, 2) + _spread(accuracy, 100, 2),
                decimal(loss.mean, 4) + _spread(loss, 1, 4),
                percent(error.mean, 2) + _spread(error, 100, 2),
                str(accuracy.n),
            ]
        )
    columns = [t("network"), t("runs"), t("accuracy"), t("log loss"), t("calibration error"), "n"]
    screen.show_table(t("Seeds of one config together, mean ± standard deviation"), columns, rows, words=(0, 1))


def _spread(figure: Spread, factor: int, digits: int) -> str:
    """Of a single run nothing: it has no spread."""
    return f" ± {decimal(factor * figure.deviation, digits)}" if figure.n > 1 else ""


def _p(value: float) -> str:
    return decimal(value, 4) if value >= 1e-4 else f"<{decimal(1e-4, 4)}"


def _points(share: float) -> str:
    """A difference of shares in points, with its sign."""
    return ("+" if share > 0 else "") + decimal(100 * share, 2)


def _show_pairs(done: Comparison) -> None:
    short, family = done.letters(), {one.name: one.family for one in done.entries}
    rows = []
    for pair in done.told_pairs(SHOWN_PAIRS):
        low, high = (_points(end) for end in pair.interval)
        rows.append(
            [
                f"{short[pair.first]} - {short[pair.second]}",
                _points(pair.difference),
                f"{low} … {high}",
                whole(pair.only_first),
                whole(pair.only_second),
                _p(pair.p),
                _p(pair.corrected),
                t("seeds of one config")
                if family[pair.first] == family[pair.second]
                else t("yes")
                if pair.significant
                else t("no"),
            ]
        )
    columns = [
        t("runs"), t("points of accuracy"), t("95% interval"), t("only the first right"), t("only the second right"),
        "p", t("p, corrected"), t("more than chance"),
    ]  # fmt: skip
    title = t("On the same images (McNemar's exact test, Holm's correction for all pairs)")
    screen.show_table(title, columns, rows)


def _show_classes(done: Comparison) -> None:
    short = done.letters()
    first = done.entries[0].evaluation
    rows = [
        [t(name), *(percent(float(one.evaluation.report.f1[k]), 1) for one in done.entries)]
        for k, name in enumerate(first.classes)
    ]
    screen.show_table(t("F1 of each class"), [t("class"), *short.values()], rows)
    best, second = (short[one.name] for one in done.ranked[:2])
    rows = [
        [t(pair.first), _points(pair.difference), " … ".join(map(_points, pair.interval)), _p(pair.corrected),
         t("yes") if pair.significant else t("no")]
        for pair in done.class_pairs()
    ]  # fmt: skip
    screen.show_table(
        t("The two best on each class: {first} less {second}", first=best, second=second),
        [t("class"), t("points of recall"), t("95% interval"), t("p, corrected"), t("more than chance")],
        rows,
    )


def _told(one: Evaluation, position: int) -> str:
    """`Coat 62%, unsure`."""
    text = f"{t(one.classes[one.predicted[position]])} {percent(float(one.confidence[position]), 0)}"
    word = one.word(position)
    return f"{text}, {t(word)}" if word else text


def _show_images(done: Comparison) -> None:
    first = done.entries[0].evaluation
    rows = [
        [
            str(first.rows[position]),
            t(first.classes[first.labels[position]]),
            *(("✓ " if one.correct[position] else "✗ ") + _told(one, position) for one in done.evaluations.values()),
        ]
        for position in done.differing[:SHOWN]
    ]
    title = t("They differ on {n} of {total} images", n=whole(len(done.differing)), total=whole(len(first)))
    columns = [t("row"), t("true class"), *done.letters().values()]
    screen.show_table(title, columns, rows, words=tuple(range(1, len(columns))))
