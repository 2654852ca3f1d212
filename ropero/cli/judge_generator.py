"""What `ropero generate` does with --label, --score and --page: a generator is judged, and its page written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ropero.cli import screen
from ropero.cli.options import WithRuns
from ropero.errors import UsageError
from ropero.texts import joined, mark, t
from ropero.texts.numbers import Numbers

if TYPE_CHECKING:
    from ropero.evaluation.generated import Labelled
    from ropero.evaluation.generation_score import GenerationScore
    from ropero.evaluation.intervals import Measured
    from ropero.workbench.generator import Generator


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Judged:
    """How a generator's pictures are judged."""

    label: Annotated[
        str | None,
        Parameter(
            help=mark("Run, or model's file, that says which classes the pictures show; -n of them, by default 1000."),
            show_default=False,
        ),
    ] = None
    score: Annotated[
        bool,
        Parameter(
            negative=(), help=mark("Measure how near -n pictures, by default 10,000 five times, come to real images.")
        ),
    ] = False
    split: Annotated[
        Literal["validation", "test"] | None,
        Parameter(
            help=mark("Real images that --score measures against; a look at the test part is written down."),
            show_default=False,
        ),
    ] = None
    features: Annotated[
        str | None,
        Parameter(
            help=mark(
                "What --score looks at, instead of ropero's own evaluator: a run, a model's file, or a .pth file of "
                "Inception's weights."
            ),
            show_default=False,
        ),
    ] = None
    page: Annotated[
        bool, Parameter(negative=(), help=mark("Write the generator's page; --label and --score do so too."))
    ] = False

    def flags(self) -> dict[str, object]:
        """All of them as they are typed."""
        return {
            "--label": self.label,
            "--score": self.score,
            "--split": self.split,
            "--features": self.features,
            "--page": self.page,
        }

    def __bool__(self) -> bool:
        return any(value not in (None, False) for value in self.flags().values())

    def check(self, others: dict[str, object]) -> None:
        """Raises UsageError for what cannot be asked for together; others are further flags as they are typed."""
        for name, value in (("--split", self.split), ("--features", self.features)):
            if value is not None and not self.score:
                raise UsageError(t("{name} goes with {other}; give that too.", name=name, other="--score"))
        together = [name for name, value in others.items() if value not in (None, False)]
        if together:
            mine = [name for name, value in self.flags().items() if value not in (None, False)]
            raise UsageError(
                t("{name} does not go with {other}; leave it away.", name=joined(together), other=joined(mine))
            )


def judge(
    generator: Generator, asked: Judged, number: int | None, seed: int, data: str | None, common: WithRuns
) -> None:
    """Do what is asked for, show it, and write the page."""
    from ropero.runs import RunStore
    from ropero.workbench import generator_page as verb
    from ropero.workbench import importing
    from ropero.workbench.evaluate import reload
    from ropero.workbench.judge_generated import SAMPLES
    from ropero.workbench.progress import FileProgress

    store, content = RunStore(common.runs), dict[str, Any]()
    with FileProgress(screen.err()) as progress:
        if asked.label is not None:
            opened = importing.open_run(store, asked.label, progress=progress)
            labels = verb.label_generator(generator, opened.run, n=number or verb.LABELLED, seed=seed)
            content["labels"] = labels.found.to_json()
        if asked.score:
            features, name = verb.measured_on(asked.features or "", store, progress)
            scored = verb.score_generator(
                generator,
                features,
                name,
                split=asked.split or "validation",
                splits=reload(generator.run, data, progress),
                samples=number or SAMPLES,
                told=lambda done, total: progress(t("features"), done, total, "images"),
            )
            content["score"] = scored.to_json()
    if asked.label is not None and not common.json:
        _show_labels(labels.found, labels.by)
    if asked.score and not common.json:
        _show_score(scored)
    path = verb.write_page(generator, data=data)
    if common.json:
        return screen.show_json({"generator": generator.run.name, **content, "page": str(path)})
    return screen.show(t("Page: {path}", path=path))


def _show_labels(found: Labelled, by: str) -> None:
    from ropero.reports import generated_words

    n = Numbers.current()

    def share(one: Measured | None) -> str:
        return "–" if one is None else n.percent(one.value)

    rows = []
    for k, name in enumerate(found.classes):
        real = None if found.real is None else found.real.recall(k)
        agreed = found.class_agreement[k] if found.class_agreement else None
        rows.append([t(name), n.percent(found.balance[k].value), share(agreed), share(real)])
    columns = [t("class"), t("Share of the pictures"), t("As wanted"), t("Real images")]
    screen.show_table(t("What a classifier sees"), columns, rows)
    for sentence in generated_words.labels(found, by):
        screen.show(sentence)


def _show_score(found: GenerationScore) -> None:
    from ropero.evaluation.generation_score import FIGURES
    from ropero.reports import generated_words

    n, rows = Numbers.current(), []
    for name, one in found.figures.items():
        measured = found.measured(name)
        between = "" if measured is None else f"{n.decimal(measured.low, 3)}–{n.decimal(measured.high, 3)}"
        better = t("higher is better") if FIGURES[name].more_is_better else t("lower is better")
        title = t(FIGURES[name].title)
        rows.append([title, n.decimal(one.mean, 3), between, n.decimal(one.floor_mean, 3), better])
    columns = [t("How near to real images"), t("Samples"), t("95% interval"), t("Real images in their place"), ""]
    screen.show_table("", columns, rows)
    for sentence in generated_words.how_scored(found):
        screen.show(sentence)
