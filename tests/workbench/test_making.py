"""A trained generator's files: which, where, and what happens without an optional part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic
from PIL import Image
from small_generator import small, trained

from ropero.data.dataset import Splits
from ropero.errors import MissingExtra
from ropero.generation import mosaic
from ropero.workbench import making
from ropero.workbench.generator import Generator

__all__ = ["small"]


@pytest.fixture
def generator(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator:
    monkeypatch.setattr(making, "FRAMES", 12)
    return Generator(trained(tmp_path), Splits(synthetic(60), None, None, "synthetic"))


def test_samples_lie_in_the_generators_folder_or_where_they_are_wanted(generator: Generator, tmp_path: Path) -> None:
    made = making.samples(generator, 6, ["Ring"], 7)
    assert made.folder == generator.run.samples / "ring-seed-7"
    assert [path.name for path in made.files] == ["grid.png", "samples.npz"]
    assert all(path.exists() for path in made.files)
    assert made.to_json() == {
        "generator": generator.run.name,
        "folder": str(made.folder),
        "files": ["grid.png", "samples.npz"],
        "images": 6,
        "seconds": made.seconds,
        "seeds": [7, 8, 9, 10, 11, 12],
        "classes": ["ring"] * 6,
    }
    assert making.samples(generator, 6, ["ring", "block", "ring"]).folder.name == "ring-block-ring-seed-0"
    assert making.samples(generator, 6, ["ring", "block"] * 3).folder.name == "6-classes-seed-0"
    there = making.samples(generator, out=tmp_path / "there")
    assert (there.folder, there.images) == (tmp_path / "there", 24), "eight of each class"
    assert len(list(there.folder.iterdir())) == 2


def test_between_is_a_row_and_a_way_there_and_back(generator: Generator) -> None:
    pytest.importorskip("av")
    made = making.between(generator, (3, 9), ["ring"])
    assert [path.name for path in made.files] == ["between.png", "between.gif", "between.mp4", "between.webm"]
    assert made.folder.name == "ring-between-3-9"
    row = mosaic.mosaic(generator.between(3, 9, classes="ring"), 10)
    assert np.array_equal(np.asarray(Image.open(made.files[0])), mosaic.enlarged(row, 3))
    with Image.open(made.files[1]) as found:
        assert getattr(found, "n_frames", 1) == 6 + 4, "there, and back without either end twice"
        assert found.size == (6 * 28, 6 * 28)


def test_a_walk_is_an_animation(generator: Generator) -> None:
    pytest.importorskip("av")
    made = making.walk(generator, seed=2)
    assert [path.name for path in made.files] == ["walk.gif", "walk.mp4", "walk.webm"]
    assert (made.folder.name, made.images) == ("walk-2", 6 * 12), "two of each class"
    with Image.open(made.files[0]) as found:
        first = np.asarray(found.convert("L"))
    assert np.array_equal(first, generator.sample(6, seed=2).grid())


def test_the_nearest_training_images_lie_beside_the_samples(generator: Generator) -> None:
    made = making.samples(generator, 4)
    found = making.compare(generator, made)
    assert {path.name for path in made.files} == {"grid.png", "samples.npz", "nearest.json", "nearest.png"}
    assert all(path.parent == made.folder and path.exists() for path in made.files)
    assert len(found.distances) == 4


def test_what_an_optional_part_draws_is_left_out_and_said_once(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ropero.reports.animation.find_spec", lambda _: None)
    made = making.walk(generator, 1)
    assert [path.name for path in made.files] == ["walk.gif"]
    assert len(made.missing) == 1
    assert "ropero[video]" in made.missing[0]

    def missing(*_: object) -> Path:
        raise MissingExtra("A picture", "report")

    monkeypatch.setattr("ropero.workbench.remembered.Nearest.figure", missing)
    made = making.samples(generator, 2)
    making.compare(generator, made)
    assert [path.name for path in made.files] == ["grid.png", "samples.npz", "nearest.json"]
    assert "ropero[report]" in made.missing[0]
