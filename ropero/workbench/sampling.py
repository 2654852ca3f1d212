"""What a trained generator makes: pictures by seed and class, between two of them, on a walk.

Knows nothing of the command line; `generator.py` is the Python face.
Legend: N pictures, S steps, H x W pixels.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ropero.data.dataset import Dataset, Images, Labels
from ropero.data.naming import bare_name
from ropero.errors import UsageError, did_you_mean
from ropero.generation import mosaic, sample
from ropero.generation.learner import Learner
from ropero.generation.sample import Told
from ropero.generators import GeneratorRun
from ropero.storage import write_bytes
from ropero.texts import LANGUAGES, joined, language, t
from ropero.workbench.growth import write_picture

LIMIT, MOST_SEED = 100_000, 2**31 - 1  # pictures asked for at once
SIDE = 84  # pixels that a garment in a grid is enlarged to, about


@dataclass(frozen=True, eq=False)
class Samples:
    """Pictures that a generator made.

    Attributes:
        images: (N, H, W) or (N, H, W, 3) uint8.
        labels: (N,) the class that was asked for, -1 where none was.
        seeds: (N,) what makes each of them again.
        classes: names of the classes; made_by: the generator's name.
    """

    images: Images
    labels: Labels
    seeds: Labels
    classes: tuple[str, ...]
    made_by: str

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.images.shape[1:]))
        return f"Samples({self.made_by}: {len(self):,} images {size})"

    def _repr_png_(self) -> bytes:
        return _png(self.grid())

    @property
    def columns(self) -> int:
        """Of the grid: one for each class, where they take turns."""
        first = int(self.labels[0])
        turn = len({*self.labels.tolist()})
        in_turn = first >= 0 and np.array_equal(self.labels, self.labels[np.arange(len(self)) % turn])
        return mosaic.columns_for(len(self), turn if in_turn else 0)

    def grid(self, columns: int = 0) -> Images:
        """All of them as one picture, enlarged."""
        together = mosaic.mosaic(self.images, columns or self.columns)
        return mosaic.enlarged(together, mosaic.factor_for(max(self.images.shape[1:3]), SIDE))

    def dataset(self) -> Dataset:
        """As data to look at or to learn from. Raises UsageError where no classes were asked for."""
        if (self.labels < 0).any():
            raise UsageError(t("{run} cannot be asked for a class, so its pictures have no labels.", run=self.made_by))
        return Dataset(self.images, self.labels, self.classes, self.made_by, "all")

    def to_npz(self) -> bytes:
        """images, labels, seeds and classes as a file of arrays."""
        file = io.BytesIO()
        names = np.array(self.classes)
        np.savez_compressed(file, images=self.images, labels=self.labels, seeds=self.seeds, classes=names)
        return file.getvalue()

    def write(self, folder: Path, *, singles: bool = False) -> list[Path]:
        """Write grid.png and samples.npz into a folder, and where asked for a PNG of each, named by class and seed."""
        write_bytes(folder / "samples.npz", self.to_npz())
        paths = [write_picture(folder / "grid.png", self.grid()), folder / "samples.npz"]
        if singles:
            digits = len(str(int(self.seeds.max())))
            for image, label, seed in zip(self.images, self.labels, self.seeds, strict=True):
                name = f"{slug(self.classes[label]) if label >= 0 else 'garment'}-{seed:0{digits}}.png"
                paths.append(write_picture(folder / name, image))
        return paths


def _png(picture: Images) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def slug(name: str) -> str:
    """A class name as part of a file's name: "T-shirt/top" is t-shirt-top."""
    return re.sub(r"\W+", "-", name.lower())[:40].strip("-_") or "class"


def class_numbers(names: Sequence[str], classes: Sequence[str]) -> list[int]:
    """The classes that are named in any of ropero's languages, or by a part between strokes ("T-shirt" of
    "T-shirt/top"), whatever the case, spaces and marks.

    Raises UsageError for a name that none has, with the nearest one.
    """
    said: dict[str, int] = {}
    for spoken in LANGUAGES:
        with language(spoken):
            for number, name in enumerate(classes):
                said.setdefault(t(name), number)
    known = {bare_name(name): number for name, number in reversed(said.items())}
    for name, number in said.items():
        for part in name.split("/"):
            known.setdefault(bare_name(part), number)
    for name in names:
        if bare_name(name) not in known:
            raise UsageError(
                t("Unknown {what} {name!r}.", what=t("class"), name=name)
                + did_you_mean(name, said)
                + " "
                + t("Known: {known}.", known=joined(t(one) for one in classes))
            )
    return [known[bare_name(name)] for name in names]


def wanted(run: GeneratorRun, learner: Learner, names: Sequence[str], count: int) -> Labels | None:
    """(N,) the classes of so many pictures: those that are named in turn, all in turn where none is; None for a
    generator that cannot be asked for one.

    Raises UsageError when it cannot, and is.
    """
    if not learner.classes:
        if names:
            raise UsageError(
                t("{run} cannot be asked for a class: a {kind} learns from pictures alone.", run=run.name,
                  kind=run.config.generator)
            )  # fmt: skip
        return None
    turn = class_numbers(names, run.data.classes) if names else range(learner.classes)
    return np.resize(np.array(turn, np.int64), count)


def check(count: int, seed: int) -> None:
    """Raises UsageError for a number of pictures, or a seed of the first, that is out of range."""
    if not 1 <= count <= LIMIT:
        raise UsageError(t("The number of pictures should be 1 to {limit}, got {n}.", limit=LIMIT, n=count))
    if not 0 <= seed <= MOST_SEED:
        raise UsageError(t("A seed should be 0 to {limit}, got {n}.", limit=MOST_SEED, n=seed))


def draw(
    run: GeneratorRun,
    learner: Learner,
    count: int,
    *,
    names: Sequence[str] = (),
    seed: int = 0,
    told: Told | None = None,
) -> Samples:
    """So many pictures: the first is that of the seed, the second that of the next number.

    Args:
        names: classes that take turns; all of them when none is named.
        told: is told how far it is.

    Raises UsageError for a number, seed or class that there is not.
    """
    check(count, seed)
    classes = wanted(run, learner, names, count)
    seeds = np.arange(seed, seed + count, dtype=np.int64)
    images = sample.seeded(learner, seeds.tolist(), classes, told)
    labels = np.full(count, -1, np.int64) if classes is None else classes
    return Samples(images, labels, seeds, run.data.classes, run.name)


def between(
    run: GeneratorRun, learner: Learner, ends: tuple[int, int], *, names: Sequence[str] = (), steps: int = 10
) -> Images:
    """(S, H, W[, 3]): from the garment of one seed to that of another.

    Args:
        names: the class of both, or of either; the first class when none is named.
    """
    for seed in ends:
        check(steps, seed)
    if len(names) > 2:
        raise UsageError(t("Between two garments there are one or two classes, got {n}.", n=len(names)))
    found = wanted(run, learner, names, 2) if names or not learner.classes else np.zeros(2, np.int64)
    classes = None if found is None else (int(found[0]), int(found[1]))
    return sample.between(learner, ends, classes, steps)


def walk(
    run: GeneratorRun,
    learner: Learner,
    count: int,
    steps: int,
    *,
    names: Sequence[str] = (),
    seed: int = 0,
    told: Told | None = None,
) -> list[Images]:
    """S frames, each so many garments in rows, that change all the while and end as they began."""
    check(count * steps, seed)
    classes = wanted(run, learner, names, count)
    moving = sample.walk(learner, range(seed, seed + count), steps, classes, told)
    columns = mosaic.columns_for(count, 0 if classes is None or names else learner.classes)
    factor = mosaic.factor_for(max(moving.shape[2:4]), SIDE)
    return [mosaic.enlarged(mosaic.mosaic(pictures, columns), factor) for pictures in moving]
