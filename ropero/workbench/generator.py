"""Generators as Python and notebooks have them: `rp.train_generator(...)`, `rp.open_generator("last").sample(64)`."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from ropero.data.dataset import Dataset, Images, Splits
from ropero.evaluation.generated import Labelled
from ropero.evaluation.generation_score import GenerationScore
from ropero.generation.config import GeneratorConfig
from ropero.generation.learner import Learner
from ropero.generation.loop import GeneratorEpoch, Hook
from ropero.generators import GeneratorRun, GeneratorStore
from ropero.runs import RunStore
from ropero.shelf import TRAINED
from ropero.texts import t
from ropero.workbench import data as data_verb
from ropero.workbench import generate, importing, sampling
from ropero.workbench.evaluate import reload
from ropero.workbench.progress import FileProgress, GeneratorProgress, SampleProgress, human_seconds
from ropero.workbench.remembered import Nearest, nearest_real
from ropero.workbench.sampling import Samples
from ropero.workbench.trained import Trained

Names = str | Sequence[str]


class Generator:
    """A trained generator at hand: make pictures with it. `generator.run` is the folder behind it.

    Args:
        run: the folder. splits: its data, when loaded already. device: where to compute: auto, cpu, cuda or mps.
    """

    def __init__(self, run: GeneratorRun, splits: Splits | None = None, device: str = "auto") -> None:
        self.run = run
        self._splits, self._device = splits, device

    def __repr__(self) -> str:
        return repr(self.run)

    def _repr_html_(self) -> str | None:
        """How its four garments grew, where that was drawn."""
        film = self.run.samples / "growth.gif"
        if not film.exists():
            return None  # the notebook falls back to repr
        content = base64.b64encode(film.read_bytes()).decode("ascii")
        return f'<img src="data:image/gif;base64,{content}" alt="{html.escape(self.run.name)}">'

    @property
    def folder(self) -> Path:
        """Where everything of this generator is."""
        return self.run.folder

    @property
    def config(self) -> GeneratorConfig:
        return self.run.config

    @property
    def history(self) -> list[GeneratorEpoch]:
        return self.run.history

    @cached_property
    def learner(self) -> Learner:
        """What makes the pictures, loaded when it is first asked for."""
        return self.run.learner(self._device)

    def sample(self, n: int = 64, *, classes: Names = (), seed: int = 0) -> Samples:
        """So many pictures; a notebook shows them. The first is that of the seed, the second that of the next number.

        Args:
            classes: one or more that take turns, in any of ropero's languages; all of them when none is named.

        Raises UsageError for a number, seed or class that there is not.
        """
        with SampleProgress(Console(stderr=True)) as told:
            return sampling.draw(self.run, self.learner, n, names=_named(classes), seed=seed, told=told)

    def between(self, first: int, second: int, *, classes: Names = (), steps: int = 10) -> Images:
        """(steps, H, W[, 3]) uint8: from the garment of one seed to that of another, of one class or two."""
        return sampling.between(self.run, self.learner, (first, second), names=_named(classes), steps=steps)

    def walk(self, n: int = 16, *, classes: Names = (), seed: int = 0, steps: int = 96) -> list[Images]:
        """Frames of so many garments that change all the while and end as they began."""
        with SampleProgress(Console(stderr=True)) as told:
            return sampling.walk(self.run, self.learner, n, steps, names=_named(classes), seed=seed, told=told)

    def nearest(self, samples: Samples, data: str | None = None) -> Nearest:
        """The training image nearest to each sample: whether they were made or remembered.

        Args:
            data: where the data lie now, when not where they were.
        """
        return nearest_real(self.run, samples.images, self._data(data))

    def label(self, by: Trained | str | Path, n: int = 1_000, *, seed: int = 0) -> Labelled:
        """What a run, or a model's file, says of so many pictures; kept for the page.

        Raises UsageError for a run of images of another size, or one that does not know the generator's classes.
        """
        from ropero.workbench.generator_page import label_generator

        run = by.run if isinstance(by, Trained) else importing.open_run(self._runs(), str(by)).run
        return label_generator(self, run, n=n, seed=seed, device=self._device).found

    def score(
        self, features: str | Path = "", *, split: str = "validation", samples: int = 10_000, draws: int = 5
    ) -> GenerationScore:
        """How near the pictures come to real ones, with other real ones in their place beside it; kept for the page.

        Args:
            features: what is looked at: "" for ropero's own evaluator, a run, a model's file, or Inception's weights.
            split: the real images, "validation" or "test"; a look at the test part is written down.
            samples: pictures of each draw.

        Raises UsageError where there is no such part.
        """
        from ropero.workbench.generator_page import measured_on, score_generator

        with FileProgress(Console(stderr=True)) as progress:
            seen, name = measured_on(str(features), self._runs(), progress)
            return score_generator(
                self,
                seen,
                name,
                split=split,
                splits=self._data(),
                samples=samples,
                draws=draws,
                told=lambda done, total: progress(t("features"), done, total, "images"),
            )

    def page(self, out: str | Path | None = None, *, lang: str | None = None) -> Path:
        """Write the page of this generator, and return its path. Raises MissingExtra without the extra `report`."""
        from ropero.workbench.generator_page import write_page

        return write_page(self, lang=lang, out=None if out is None else Path(out))

    def _runs(self) -> RunStore:
        return RunStore(self.folder.parent.parent)

    def _data(self, data: str | None = None) -> Splits:
        if self._splits is None:
            with FileProgress(Console(stderr=True)) as progress:
                self._splits = reload(self.run, data, progress)
        return self._splits


def _named(classes: Names) -> Sequence[str]:
    return [classes] if isinstance(classes, str) else classes


def train_generator(
    data: Splits | Dataset | str | Path = data_verb.DEFAULT,
    generator: str = "dcgan",
    *,
    runs: str | Path | None = None,
    again: bool = False,
    hooks: Sequence[Hook] = (),
    **options: Any,
) -> Generator:
    """Train a generator: `rp.train_generator(data, "dcgan", epochs=100)` is the report's protocol.

    An equal one that is there already, or was interrupted, is taken up instead of training twice; `again=True` trains
    anew. The other options are the fields of `ropero.generation.config.GeneratorConfig`.

    Raises:
        UsageError: an option that does not exist or is out of range.
        TrainingDiverged: it broke again and again.
    """
    console = Console(stderr=True)
    config = GeneratorConfig.from_json({"generator": generator, **options})
    with FileProgress(console) as progress:
        splits = data_verb.as_splits(data, progress)

    def announce(plan: generate.GeneratorPlan) -> None:
        console.print(
            t("Training {network}: about {time}.", network=generator, time=human_seconds(plan.estimate_seconds))
        )

    store = GeneratorStore(Path(runs) if runs else None)
    told = [GeneratorProgress(console), *hooks]
    done = generate.train_generator(splits, config, store, again=again, hooks=told, announce=announce)
    if done.how == "already trained":
        console.print(t("This very training is there already; again=True trains it anew."))
    return Generator(done.run, splits)


def open_generator(name: str | Path = "last", *, runs: str | Path | None = None, device: str = "auto") -> Generator:
    """A trained generator by path, name, part of a name, or "last", which passes over those that are being trained.

    Raises RunError when there is none, or it is not trained to the end.
    """
    store = GeneratorStore(Path(runs) if runs else None)
    run = store.find(str(name), but=[one.name for one in store.runs() if one.status != TRAINED])
    run.require_trained()
    return Generator(run, device=device)
