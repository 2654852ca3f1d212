"""Garments by number, seed and class: what is made, what it is called, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_generator import small, trained

from ropero.data.known import FASHION, KNOWN
from ropero.errors import UsageError
from ropero.generation import mosaic
from ropero.generation.learner import Learner
from ropero.generators import GeneratorRun
from ropero.workbench.generator import Generator
from ropero.workbench.sampling import between, class_numbers, draw, slug, walk

__all__ = ["small"]

GARMENTS = KNOWN[FASHION].classes


@pytest.fixture
def run(small: None, tmp_path: Path) -> GeneratorRun:
    return trained(tmp_path)


@pytest.fixture
def learner(run: GeneratorRun) -> Learner:
    return run.learner()


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("Sneaker", "Sneaker"),
        ("sneaker", "Sneaker"),
        ("zapatilla DEPORTIVA", "Sneaker"),
        ("运动鞋", "Sneaker"),
        ("ankle-boot", "Ankle boot"),
        ("bota de tobillo", "Ankle boot"),
        ("T-shirt/top", "T-shirt/top"),
        ("t shirt", "T-shirt/top"),
        ("shirt", "Shirt"),
        ("高帮鞋", "Ankle boot"),
    ],
)
def test_a_class_is_known_in_every_language_and_case(name: str, means: str) -> None:
    assert class_numbers([name], GARMENTS) == [GARMENTS.index(means)]


def test_all_names_of_all_languages_are_their_own() -> None:
    from ropero.texts import LANGUAGES, language, t

    for spoken in LANGUAGES:
        with language(spoken):
            assert class_numbers([t(name) for name in GARMENTS], GARMENTS) == list(range(10)), spoken


@pytest.mark.parametrize(("name", "guess"), [("snaeker", "Sneaker"), ("panatlon", "Pantalón"), ("bagg", "Bag")])
def test_a_name_that_none_has_is_answered_with_the_nearest(name: str, guess: str) -> None:
    with pytest.raises(
        UsageError, match=f"Unknown class '{name}'. Did you mean '{guess}'.*Known: T-shirt/top, Trouser"
    ):
        class_numbers([name], GARMENTS)


def test_classes_of_ones_own_are_found_by_number_names(run: GeneratorRun, learner: Learner) -> None:
    assert class_numbers(["RING", "stripe"], run.data.classes) == [2, 0]


def test_the_second_of_a_seed_is_the_first_of_the_next(run: GeneratorRun, learner: Learner) -> None:
    found = draw(run, learner, 7, seed=10)
    assert found.seeds.tolist() == list(range(10, 17))
    assert found.labels.tolist() == [0, 1, 2, 0, 1, 2, 0], "all classes in turn"
    alone = draw(run, learner, 1, names=["block"], seed=11)
    assert np.array_equal(alone.images[0], found.images[1])
    both = draw(run, learner, 4, names=["ring", "Block"], seed=0)
    assert both.labels.tolist() == [2, 1, 2, 1]
    assert "Samples(" in repr(both)
    assert len(both) == 4


def test_a_class_looks_like_itself(run: GeneratorRun, learner: Learner) -> None:
    from conftest import synthetic

    real = synthetic(60)
    means = np.stack([real.images[real.labels == label].mean(0) for label in range(3)])
    for label, name in enumerate(real.classes):
        made = draw(run, learner, 20, names=[name]).images.mean(0)
        assert np.abs(means - made).mean((1, 2)).argmin() == label


def test_the_grid_has_a_column_for_each_class_that_takes_turns(run: GeneratorRun, learner: Learner) -> None:
    found = draw(run, learner, 12)
    assert found.columns == 3
    assert np.array_equal(found.grid(), mosaic.enlarged(mosaic.mosaic(found.images, 3), 3))
    assert draw(run, learner, 12, names=["ring"]).columns == 4


def test_what_is_written_can_be_read_and_made_again(run: GeneratorRun, learner: Learner, tmp_path: Path) -> None:
    found = draw(run, learner, 5, names=["block", "ring"], seed=8)
    paths = found.write(tmp_path / "out", singles=True)
    assert [path.name for path in paths] == [
        "grid.png",
        "samples.npz",
        "block-08.png",
        "ring-09.png",
        "block-10.png",
        "ring-11.png",
        "block-12.png",
    ]
    assert np.array_equal(np.asarray(Image.open(paths[3])), found.images[1])
    assert np.array_equal(np.asarray(Image.open(paths[0])), found.grid())
    with np.load(paths[1], allow_pickle=False) as arrays:
        assert np.array_equal(arrays["images"], found.images)
        assert arrays["labels"].tolist() == [1, 2, 1, 2, 1]
        assert arrays["seeds"].tolist() == [8, 9, 10, 11, 12]
        assert arrays["classes"].tolist() == ["stripe", "block", "ring"]
    assert {path.name for path in found.write(tmp_path / "few")} == {"grid.png", "samples.npz"}


def test_they_are_data_to_learn_from(run: GeneratorRun, learner: Learner) -> None:
    made = draw(run, learner, 9).dataset()
    assert made.counts.tolist() == [3, 3, 3]
    assert made.classes == run.data.classes
    with Image.open(io.BytesIO(draw(run, learner, 9)._repr_png_())) as shown:
        assert shown.size == (3 * 3 * 28 + 2 * 2 * 3, 3 * 3 * 28 + 2 * 2 * 3)


def test_one_that_learned_no_classes_is_asked_for_none(run: GeneratorRun, learner: Learner) -> None:
    learner.classes = 0
    found = draw(run, learner, 4)
    assert found.labels.tolist() == [-1] * 4
    with pytest.raises(UsageError, match="cannot be asked for a class: a dcgan learns from pictures alone"):
        draw(run, learner, 4, names=["ring"])
    with pytest.raises(UsageError, match="no labels"):
        found.dataset()
    assert between(run, learner, (1, 2)).shape == (10, 28, 28)


@pytest.mark.parametrize(
    ("count", "seed", "says"),
    [(0, 0, "1 to 100000"), (100_001, 0, "got 100001"), (1, -1, "got -1"), (1, 2**31, "seed")],
)
def test_what_is_out_of_range_is_said(run: GeneratorRun, learner: Learner, count: int, seed: int, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        draw(run, learner, count, seed=seed)
    with pytest.raises(UsageError):
        walk(run, learner, count, 1, seed=seed)


def test_a_way_between_two_classes_begins_with_one_and_ends_with_the_other(run: GeneratorRun, learner: Learner) -> None:
    way = between(run, learner, (3, 9), names=["ring", "block"], steps=6)
    ends = [draw(run, learner, 1, names=[name], seed=seed).images[0] for name, seed in (("ring", 3), ("block", 9))]
    assert np.array_equal(way[[0, -1]], ends)
    same = between(run, learner, (3, 9), names=["ring"])
    assert np.array_equal(same[-1], draw(run, learner, 1, names=["ring"], seed=9).images[0])
    with pytest.raises(UsageError, match="one or two classes, got 3"):
        between(run, learner, (3, 9), names=["ring"] * 3)
    with pytest.raises(UsageError, match="seed"):
        between(run, learner, (3, -9))


def test_a_walk_is_frames_of_a_grid(run: GeneratorRun, learner: Learner) -> None:
    frames = walk(run, learner, 6, 8, seed=5)
    assert len(frames) == 8
    first = draw(run, learner, 6, seed=5)
    assert np.array_equal(frames[0], first.grid())
    assert np.array_equal(walk(run, learner, 4, 2, names=["ring"])[0], draw(run, learner, 4, names=["ring"]).grid())


def test_names_of_classes_become_names_of_files() -> None:
    assert slug("T-shirt/top") == "t-shirt-top"
    assert slug("../../etc") == "etc"
    assert slug("运动鞋") == "运动鞋"
    assert slug("///") == "class"
    assert slug("x" * 300) == "x" * 40


def test_the_python_face_gives_the_same(run: GeneratorRun, learner: Learner) -> None:
    generator = Generator(run)
    assert np.array_equal(
        generator.sample(3, classes="ring", seed=4).images, draw(run, learner, 3, names=["ring"], seed=4).images
    )
    assert np.array_equal(
        generator.between(1, 2, classes=["ring", "block"]), between(run, learner, (1, 2), names=["ring", "block"])
    )
    assert len(generator.walk(1, steps=3)) == 3
    assert generator.learner is generator.learner, "it is loaded once"
    assert (generator.folder, generator.config, generator.history) == (run.folder, run.config, run.history)
    assert "GeneratorRun" in repr(generator)
