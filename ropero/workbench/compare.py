"""The verb `compare`: several runs judged by the same images, side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ropero import texts
from ropero.data.dataset import Dataset, Splits
from ropero.errors import UsageError
from ropero.evaluation import compare as comparing
from ropero.evaluation.compare import Pair, Spread
from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.intervals import Measured
from ropero.models.classifier import count_parameters
from ropero.models.codes import Told
from ropero.models.inference import logits
from ropero.runs import Run
from ropero.texts import joined, t
from ropero.training.config import TrainConfig
from ropero.training.presets import usual
from ropero.workbench import evaluate as evaluate_verb

if TYPE_CHECKING:
    from ropero.reports import comparison
    from ropero.reports.forms import Form

TIMED, TURNS = 1_000, 3  # images that are predicted to measure speed, and how often
TIMED_BEHIND_BASE = 16  # a frozen base takes a tenth of a second for an image


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One run of a comparison.

    Attributes:
        name: of the run, or its folder where another one has the same name.
        train_seconds: of its whole training, 0 where that is not known. train_rate, predict_rate: images a second,
            the median of its epochs and, here and now, of some predictions.
        family: the number of its config's family: runs that differ by their seed alone have the same one.
    """

    name: str
    run: Run
    evaluation: Evaluation
    parameters: int
    train_seconds: float
    train_rate: float
    predict_rate: float
    family: int
    openings: int
    fresh: bool  # whether the part was opened for this comparison
    differs: str  # options that are not those of the network's recipe


@dataclass(frozen=True)
class Comparison:
    """Runs on the same images: each of them, every two of them, the families, and where they differ."""

    entries: list[Entry]
    pairs: list[Pair]
    differing: list[int]  # positions of images, those first that split the runs most
    split: str

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """By the run's name."""
        return {entry.name: entry.evaluation for entry in self.entries}

    def letters(self) -> dict[str, str]:
        """A, B, C ... by the runs' names, which are too long for the columns of a table."""
        named = [chr(ord("A") + k % 26) + (str(k // 26) if k >= 26 else "") for k in range(len(self.entries))]
        return dict(zip((one.name for one in self.entries), named, strict=True))

    def told_pairs(self, most: int) -> list[Pair]:
        """Every two runs where there are not more pairs than this, else each beside the best one. The best one is found
        by the same images: so the tests stay corrected for all pairs."""
        if len(self.pairs) <= most:
            return self.pairs
        best = self.ranked[0].name
        return [pair for pair in self.pairs if best in (pair.first, pair.second)]

    @property
    def ranked(self) -> list[Entry]:
        """The runs, the most accurate first."""
        return sorted(self.entries, key=lambda one: -one.evaluation.accuracy)

    def class_pairs(self) -> list[Pair]:
        """The two most accurate runs beside each other on the images of each class."""
        first, second = self.ranked[:2]
        return comparing.by_class(first.evaluation, second.evaluation)

    def families(self) -> dict[int, list[Entry]]:
        """Runs of each family, in the order of the comparison."""
        found: dict[int, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.family, []).append(entry)
        return found

    def spreads(self) -> dict[int, dict[str, Spread]]:
        """Mean and spread over the seeds of each family: accuracy, log loss, calibration error, training time."""
        return {
            family: {
                "accuracy": comparing.spread([one.evaluation.accuracy for one in entries]),
                "log_loss": comparing.spread([one.evaluation.log_loss for one in entries]),
                "calibration_error": comparing.spread([one.evaluation.calibration.expected_error for one in entries]),
                "train_seconds": comparing.spread([one.train_seconds for one in entries]),
            }
            for family, entries in self.families().items()
        }

    def to_json(self) -> dict[str, Any]:
        """Every number, with English keys."""
        return {
            "split": self.split,
            "images": len(self.entries[0].evaluation),
            "runs": [
                {
                    "run": one.name,
                    "network": one.run.config.network,
                    "seed": one.run.config.seed,
                    "family": one.family,
                    "differs_from_recipe": one.differs,
                    "parameters": one.parameters,
                    "train_seconds": one.train_seconds,
                    "train_images_per_second": one.train_rate,
                    "predict_images_per_second": one.predict_rate,
                    "test_openings": one.openings,
                    **one.evaluation.to_json(),
                }
                for one in self.entries
            ],
            "families": [
                {"family": family, **{name: asdict(spread) for name, spread in figures.items()}}
                for family, figures in self.spreads().items()
            ],
            "pairs": [{**asdict(pair), "significant": pair.significant} for pair in self.pairs],
            "classes_of_the_two_best": {
                "first": self.ranked[0].name,
                "second": self.ranked[1].name,
                "classes": {
                    pair.first: {**asdict(pair), "significant": pair.significant} for pair in self.class_pairs()
                },
            },
            "differing": [self._split_image(position) for position in self.differing],
        }

    def _split_image(self, position: int) -> dict[str, Any]:
        first = self.entries[0].evaluation
        return {
            "row": int(first.rows[position]),
            "true": first.classes[first.labels[position]],
            "predicted": {
                name: {
                    "class": one.classes[one.predicted[position]],
                    "probability": float(one.confidence[position]),
                    "verdict": one.word(position),
                }
                for name, one in self.evaluations.items()
            },
        }


def write_report(
    done: Comparison,
    path: Path,
    lang: str,
    *,
    form: Form = "html",
    author: str = "",
    data: str | None = None,
    splits: Splits | None = None,
) -> Path:
    """Write the comparison as a page, or as a document to hand in, Markdown or a notebook.

    Raises MissingExtra without ropero[report], or ropero[pdf] for a PDF.
    """
    from ropero.reports import comparison, forms

    with texts.language(lang):
        content = _content(done, data, splits)
        if form == "html":
            return comparison.write(content, path, lang)
        named = ", ".join(repr(str(one.run.folder)) for one in done.entries)
        opening = f"import ropero as rp\n\nfound = rp.compare({named})\nfound.pairs"
        return forms.write(comparison.document(content, author), path, form, opening)


def _content(done: Comparison, data: str | None, splits: Splits | None) -> comparison.Content:
    from ropero.reports import comparison

    letters = done.letters()
    evaluations = done.evaluations
    first = done.entries[0]
    here = splits if splits is not None else evaluate_verb.reload(first.run, data)
    part = evaluate_verb.part_of(first.run, done.split, splits=here)
    places = {int(row): at for at, row in enumerate(part.rows)}
    judged = first.evaluation
    answered = []
    for position in done.differing[: comparison.IMAGES]:
        row = int(judged.rows[position])
        answered.append(
            comparison.Answered(
                image=part.images[places[row]] if row in places else None,
                row=row,
                true=judged.classes[judged.labels[position]],
                said=[
                    comparison.Said(
                        letters[name],
                        one.classes[one.predicted[position]],
                        bool(one.correct[position]),
                        float(one.confidence[position]),
                        one.word(position),
                    )
                    for name, one in evaluations.items()
                ],
            )
        )
    together = comparing.majority(evaluations).argmax(axis=1) == judged.labels
    return comparison.Content(
        title=t("{n} runs on {data}", n=len(done.entries), data=first.run.data.name),
        split=done.split,
        images=len(judged),
        classes=judged.classes,
        models=[_model(one, letters[one.name]) for one in done.entries],
        spreads=[
            (entries[0].run.config.network, " ".join(letters[one.name] for one in entries), done.spreads()[family])
            for family, entries in done.families().items()
            if len(entries) > 1
        ],
        pairs=[
            replace(pair, first=letters[pair.first], second=letters[pair.second])
            for pair in done.told_pairs(comparison.PAIRS)
        ],
        differing=len(done.differing),
        answered=answered,
        together=Measured.share(int(together.sum()), len(together)),
        two_best=(letters[done.ranked[0].name], letters[done.ranked[1].name]),
        class_pairs=done.class_pairs(),
        looks=sum(one.openings for one in done.entries) if done.split == "test" else 0,
    )


def _model(one: Entry, letter: str) -> comparison.Model:
    from ropero.reports import comparison

    return comparison.Model(
        letter=letter,
        name=one.name,
        network=one.run.config.network,
        seed=one.run.config.seed,
        accuracy=one.evaluation.accuracy,
        interval=one.evaluation.interval,
        log_loss=one.evaluation.log_loss_measured,
        calibration_error=one.evaluation.calibration_error,
        parameters=one.parameters,
        train_seconds=one.train_seconds,
        predict_rate=one.predict_rate,
        openings=one.openings,
        family=one.family,
        differs=one.differs,
        f1=one.evaluation.f1_figures,
    )


def compare(
    runs: Sequence[Run],
    *,
    split: str = "test",
    data: str | None = None,
    splits: Splits | None = None,
    device: str = "auto",
    told: Told | None = None,
) -> Comparison:
    """Judge runs by the same images and compare them.

    What a run was judged by before is not opened again; what it was not is opened, and its ledger notes it.

    Raises:
        UsageError: fewer than two runs, the same one twice, or runs of different images.
        RunError, DataError: what `evaluate` raises.
    """
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise UsageError(t("A run cannot be compared with itself; name each one once."))
    if len(runs) < 2:
        raise UsageError(t("Comparing takes two runs or more, got {n}.", n=len(runs)))
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run.folder) for run in runs]
    loaded: dict[tuple[str, int | None], Splits] = {}  # by source and size
    parts, sources = [], []
    for run in runs:
        run.require_trained()
        key = (run.data.source, run.data.image_size)
        if splits is None and key not in loaded:
            loaded[key] = evaluate_verb.reload(run, data)
        sources.append(splits or loaded[key])
        parts.append(evaluate_verb.part_of(run, split, splits=sources[-1]))
    for name, part in zip(names, parts, strict=True):
        comparing.check_images(names[0], parts[0], name, part)  # before any test part is opened
    families: dict[str, int] = {}
    entries = []
    for name, run, part, here in zip(names, runs, parts, sources, strict=True):
        judged = evaluate_verb.evaluate(run, split=split, splits=here, device=device, told=told)
        entries.append(_entry(name, run, judged, part, families.setdefault(run.family, len(families) + 1), device))
    evaluations = {entry.name: entry.evaluation for entry in entries}
    comparing.check(evaluations)
    return Comparison(entries, comparing.pairs(evaluations), comparing.differing(evaluations).tolist(), split)


_TOLD_ELSEWHERE = ("network", "seed", "layers", "code", "device", "precision", "weights")


def _differences(config: TrainConfig) -> str:
    """The options that are not those of the network's recipe: "epochs 5, images 5000"."""
    recipe = usual(config)
    changed = {one.name: getattr(config, one.name) for one in fields(TrainConfig)
               if getattr(config, one.name) != getattr(recipe, one.name)}  # fmt: skip
    return joined(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in changed.items()
        if name not in _TOLD_ELSEWHERE
    )


def _entry(name: str, run: Run, judged: evaluate_verb.Evaluated, part: Dataset, family: int, device: str) -> Entry:
    model, history = run.model(device), run.history
    few = part.images[: TIMED if model.base is None else TIMED_BEHIND_BASE]
    logits(model, few)  # the first pass pays for memory and kernels
    seconds = []
    for _ in range(TURNS):
        started = time.perf_counter()
        logits(model, few)
        seconds.append(time.perf_counter() - started)
    return Entry(
        name=name,
        run=run,
        evaluation=judged.evaluation,
        parameters=count_parameters(model)[0],
        train_seconds=history.train_seconds,
        train_rate=statistics.median([record.images_per_second for record in history] or [0.0]),
        predict_rate=len(few) / statistics.median(seconds),
        family=family,
        openings=judged.openings,
        fresh=judged.fresh,
        differs=t("imported") if run.origin else _differences(run.config),
    )
