"""The verbs that judge a generator: label its pictures with a run, score them against real images, write its page.

What is found is kept in the generator's folder, so that the page shows what was measured before. Knows nothing of the
command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ropero import texts
from ropero.data import pictures
from ropero.data.dataset import Dataset, Images, Labels, Splits
from ropero.data.raw import Progress
from ropero.errors import UsageError, unknown
from ropero.evaluation.generation_score import GenerationScore
from ropero.evaluation.ledger import TestLedger
from ropero.export.engines import AUTO
from ropero.generation import evaluator, inception, mosaic, sample
from ropero.generation.sample import Told
from ropero.generators import GeneratorRun
from ropero.models.checkpoint import WEIGHTS
from ropero.models.inference import features as features_of
from ropero.runs import Run, RunStore
from ropero.texts import mark, t
from ropero.workbench import growth, importing, judge_generated
from ropero.workbench.evaluate import reload
from ropero.workbench.generate import learned_from
from ropero.workbench.generator import Generator
from ropero.workbench.judge_generated import DRAWS, SAMPLES, Features, Labelling
from ropero.workbench.remembered import UNSEEN
from ropero.workbench.sampling import Samples

if TYPE_CHECKING:
    from ropero.reports.generated import Nearest, Trained

LABELLED, SHOWN = 1_000, 200  # pictures that are labelled, and drawn where none were
PAGE = "report.html"


def label_generator(
    generator: Generator, run: Run, *, n: int = LABELLED, seed: int = 0, device: str = "auto", engine: str = AUTO
) -> Labelling:
    """Let a run, trained here or imported, label so many pictures of a generator, all classes in turn where it can be
    asked; the answers are kept.

    Raises UsageError for a run of images of another size, or one that does not know the generator's classes.
    """
    made = generator.sample(n, seed=seed)
    asked = made.labels if generator.learner.classes else None
    found = judge_generated.label(run, made.images, wanted=asked, classes=made.classes, device=device, engine=engine)
    labels = Labelling(found, f"{run.config.network} ({run.name})", seed)
    judge_generated.keep(generator.folder, generator.run.card.weights_sha256, labels=labels)
    return labels


def score_generator(
    generator: Generator,
    features: Features,
    name: str,
    *,
    split: str = "validation",
    splits: Splits | None = None,
    samples: int = SAMPLES,
    draws: int = DRAWS,
    told: Told | None = None,
) -> GenerationScore:
    """How near a generator's pictures come to a part of its data; kept. A look at the test part is written down.

    The floor is what other real images get: such as the generator did not learn from, where there are enough of those
    too, else training images.

    Args:
        features: what figures are measured on. name: what that is called.
        split: "validation", which is the data's own or what `images` in the config left out of the training, or "test".
        splits: the data, when loaded already.

    Raises UsageError where there is no such part.
    """
    run, learner = generator.run, generator.learner
    splits = splits if splits is not None else reload(run)
    run.check_data(splits.train)
    real, others = _real(run, splits, split, samples)
    others = others.take(_by_chance(others, draws * samples))

    def make(seeds: Sequence[int], classes: Labels | None) -> Images:
        return sample.seeded(learner, seeds, classes)

    found = judge_generated.score(
        make,
        features,
        real,
        others,
        name=name,
        conditional=bool(learner.classes),
        samples=samples,
        draws=draws,
        ledger=TestLedger(run.folder / "test-ledger.jsonl"),
        weights_sha256=run.card.weights_sha256,
        told=told,
    )
    judge_generated.keep(run.folder, run.card.weights_sha256, scored=found)
    return found


def measured_on(name: str, store: RunStore, progress: Progress | None = None) -> tuple[Features, str]:
    """The features that a name stands for, and what they are called.

    Args:
        name: "" for ropero's own evaluator, a .pth file with Inception's weights, or a run or a model's file.

    Raises:
        UsageError: a .pth file that holds no such weights.
        RunError, DataError, MissingExtra: as `importing.open_run`.
    """
    if not name:
        return evaluator.features, mark("ropero's own evaluator")
    if Path(name).suffix == ".pth":
        return partial(inception.features, inception.load(Path(name))), "Inception (2015)"
    run = importing.open_run(store, name, progress=progress).run
    return partial(features_of, run.model()), f"{run.config.network} ({run.name})"


def _real(run: GeneratorRun, splits: Splits, split: str, count: int) -> tuple[Dataset, Dataset]:
    """(the images that a score is measured against, all test images or so many others, and those for the floor)."""
    learned = learned_from(run.config, splits)
    left = np.flatnonzero(~np.isin(splits.train.rows, learned.rows))
    held = splits.train.take(left, "validation") if len(left) else None
    if splits.validation is not None:
        held = splits.validation
        run.check_data(held)
    if split == "test":
        part = splits.part("test")
        run.check_data(part)
        return part, held if held is not None and len(held) >= len(part) else learned
    if split != "validation":
        raise unknown(t("split"), split, ("validation", "test"))
    if held is None:
        raise UsageError(
            t("{run} learned from all training images: none are left to measure it by. Train it with --images 50000, "
              "for example, or give --split test.", run=run.name)
        )  # fmt: skip
    order = _by_chance(held, len(held))
    enough = len(held) >= 2 * count
    return held.take(order[:count]), held.take(order[count:]) if enough else learned


def _by_chance(part: Dataset, count: int) -> Labels:
    """Places of so many images, the same every time: files may be in the order of the classes."""
    return np.random.default_rng(0).permutation(len(part))[:count]


def write_page(
    generator: Generator,
    *,
    lang: str | None = None,
    out: Path | None = None,
    nearest: bool = True,
    data: str | None = None,
) -> Path:
    """Write the generator's page to `out`, else as report.html into its folder, and return its path.

    Labels and scores are those that were kept; pictures are made again from their seeds.

    Args:
        lang: "en", "es" or "zh"; the language in force when not given.
        nearest: look for the nearest training images too, for which the data are loaded.
        data: where they lie now, when not where they were.

    Raises MissingExtra: Matplotlib or Jinja is not installed.
    """
    from ropero.reports import generated  # an extra; other verbs work without it

    run = generator.run
    weights = run.card.weights_sha256
    labels = judge_generated.kept_labels(run.folder, weights)
    made = generator.sample(SHOWN) if labels is None else generator.sample(len(labels.found), seed=labels.seed)
    content = generated.Content(
        name=run.name,
        trained=_trained(generator),
        samples=made.images,
        seed=int(made.seeds[0]),
        labelled=None if labels is None else labels.found,
        by="" if labels is None else labels.by,
        score=judge_generated.kept_score(run.folder, weights),
        nearest=_nearest(generator, made, data) if nearest else None,
        openings=TestLedger(run.folder / "test-ledger.jsonl").openings(),
    )
    return generated.write(content, out or run.folder / PAGE, lang or texts.current())


def _trained(generator: Generator) -> Trained:
    """How it came about, as its folder and its nets tell."""
    from ropero.reports.generated import LARGEST_ANIMATION, Trained, milestones
    from ropero.reports.generated_words import command

    run, learner = generator.run, generator.learner
    watched = growth.watched(run)
    four = {epoch: _apart(watched[epoch], run.data.input_shape) for epoch in milestones(list(watched))}
    turn = growth.classes_in_turn(growth.FOUR, learner) or []
    film = run.samples / "growth.gif"
    small = film.exists() and film.stat().st_size <= LARGEST_ANIMATION
    return Trained(
        config=run.config,
        history=run.history,
        environment=run.environment,
        data=run.data.name,
        images=int(run.notes["images"]),
        shape=run.data.input_shape,
        parameters=sum(one.numel() for one in learner.nets[learner.maker].parameters()),
        weight_bytes=(run.folder / WEIGHTS).stat().st_size,
        weights_sha256=run.card.weights_sha256,
        created=run.created,
        command=command(run.config, run.data.source, run.data.image_size),
        grown=[(epoch, found) for epoch, found in four.items() if len(found) == growth.FOUR],
        grown_names=[run.data.classes[k] for k in turn],
        animation=film.read_bytes() if small else b"",
    )


def _apart(path: Path, shape: tuple[int, int, int]) -> Images:
    """(G, H, W[, 3]): the garments that stand side by side in a picture that the training has left; none of another
    picture. Raises DataError for what is none."""
    channels, height, width = shape
    row = np.asarray(pictures.decode((str(path), path)))
    factor = max(1, row.shape[0] // height)
    row = row[::factor, ::factor]
    if row.shape[0] != height or row.ndim != (2 if channels == 1 else 3):
        return np.empty((0, height, width), np.uint8)
    places = range(0, row.shape[1] - width + 1, width + mosaic.GAP)
    return np.stack([row[:, left : left + width] for left in places])


def _nearest(generator: Generator, made: Samples, data: str | None) -> Nearest:
    from ropero.reports.generated import NEAREST, Nearest

    found = generator.nearest(made, data)
    return Nearest(
        samples=made.images[:NEAREST],
        neighbours=found.images[:NEAREST],
        rows=found.rows.tolist(),
        distances=found.distances,
        usual=found.real,
        unseen=found.how == UNSEEN,
    )
