"""The verb `generate`: a trained generator's pictures as files. What they are is in `sampling.py`.

Knows nothing of the command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ropero.data.dataset import Images
from ropero.errors import MissingExtra
from ropero.generation import mosaic
from ropero.workbench.generator import Generator
from ropero.workbench.growth import write_picture
from ropero.workbench.remembered import Nearest
from ropero.workbench.sampling import SIDE, Samples, class_numbers, slug

COUNT, WALKING = 64, 16  # garments, where there are no classes that take turns
EACH, EACH_WALKING = 8, 2  # of every class, where there are
MOST_NAMED = 4  # classes in the name of a folder
STEPS, FRAMES, FRAMES_A_SECOND = 10, 96, 16


@dataclass
class Made:
    """Files that a generator made.

    Attributes:
        seconds: that making the pictures took, loading it and writing them not counted.
        missing: sentences for what needs an optional part that is not installed.
    """

    generator: str
    folder: Path
    files: list[Path] = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0
    samples: Samples | None = None
    missing: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Names, files and what makes each picture again."""
        found: dict[str, Any] = {"generator": self.generator, "folder": str(self.folder)}
        found |= {"files": [path.name for path in self.files], "images": self.images, "seconds": self.seconds}
        if self.samples:
            names = [None if label < 0 else self.samples.classes[label] for label in self.samples.labels]
            found |= {"seeds": self.samples.seeds.tolist(), "classes": names}
        return found

    def add(self, draw: Callable[[Path], Path], name: str) -> None:
        """Draw a file that may need an optional part."""
        try:
            self.files.append(draw(self.folder / name))
        except MissingExtra as error:
            self.missing += [str(error)] if str(error) not in self.missing else []


def samples(
    generator: Generator,
    count: int | None = None,
    names: Sequence[str] = (),
    seed: int = 0,
    out: Path | None = None,
    singles: bool = False,
) -> Made:
    """Write grid.png and samples.npz of so many pictures, and a PNG of each where asked for.

    Args:
        count: 64, or 8 of each class, when None.
    """
    assert generator.learner  # loaded before the clock runs
    count = _count(generator, names, COUNT, EACH) if count is None else count
    started = time.perf_counter()
    found = generator.sample(count, classes=names, seed=seed)
    made = _made(generator, out, names, ["seed", seed], len(found), started)
    made.files, made.samples = found.write(made.folder, singles=singles), found
    return made


def between(generator: Generator, ends: tuple[int, int], names: Sequence[str] = (), out: Path | None = None) -> Made:
    """Write the way from one seed's garment to another's as a row, and there and back as an animation."""
    assert generator.learner  # loaded before the clock runs
    started = time.perf_counter()
    row = generator.between(*ends, classes=names, steps=STEPS)
    way = generator.between(*ends, classes=names, steps=FRAMES // 2)
    made = _made(generator, out, names, ["between", *ends], len(row) + len(way), started)
    factor = mosaic.factor_for(max(row.shape[1:3]), SIDE)
    made.files.append(write_picture(made.folder / "between.png", mosaic.enlarged(mosaic.mosaic(row, STEPS), factor)))
    frames = [mosaic.enlarged(one, 2 * factor) for one in np.concatenate([way, way[-2:0:-1]])]
    _animate(made, frames, "between")
    return made


def walk(
    generator: Generator,
    count: int | None = None,
    names: Sequence[str] = (),
    seed: int = 0,
    out: Path | None = None,
) -> Made:
    """Write an animation without an end of so many garments that change all the while."""
    assert generator.learner  # loaded before the clock runs
    count = _count(generator, names, WALKING, EACH_WALKING) if count is None else count
    started = time.perf_counter()
    frames = generator.walk(count, classes=names, seed=seed, steps=FRAMES)
    made = _made(generator, out, names, ["walk", seed], count * FRAMES, started)
    _animate(made, frames, "walk")
    return made


def _count(generator: Generator, names: Sequence[str], alone: int, each: int) -> int:
    """So many of each class that takes turns, else so many in all."""
    classes = 0 if names else generator.learner.classes
    return each * classes if mosaic.take_turns(classes) else alone


def _made(
    generator: Generator, out: Path | None, names: Sequence[str], words: Sequence[object], images: int, started: float
) -> Made:
    """What is about to be written, where no folder is given in one that is named in English like what was asked for."""
    seconds = time.perf_counter() - started
    classes = generator.run.data.classes
    asked = [classes[number] for number in class_numbers(names, classes)]
    asked = asked if len(asked) <= MOST_NAMED else [f"{len(asked)} classes"]
    folder = out or generator.run.samples / "-".join(slug(str(word)) for word in (*asked, *words))
    return Made(generator.run.name, folder, images=images, seconds=seconds)


def _animate(made: Made, frames: Sequence[Images], stem: str) -> None:
    def draw(path: Path) -> Path:
        from ropero.reports import animation

        return animation.save(frames, [1 / FRAMES_A_SECOND] * len(frames), path)

    for kind in ("gif", "mp4", "webm"):
        made.add(draw, f"{stem}.{kind}")


def compare(generator: Generator, made: Made, data: str | None = None) -> Nearest:
    """Write which training image is nearest to each of the samples, as nearest.json and nearest.png."""
    found = made.samples
    assert found is not None
    near = generator.nearest(found, data)
    made.files.append(near.write(made.folder / "nearest.json"))
    made.add(lambda path: near.figure(found, path), "nearest.png")
    return near
