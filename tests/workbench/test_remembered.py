"""A generator that copies is noticed, one that does not is not blamed; the test part stays closed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic
from small_generator import CONFIG, small

from ropero.data.dataset import Dataset, Splits
from ropero.errors import RunError
from ropero.generators import GeneratorRun, GeneratorStore
from ropero.reports import pictures
from ropero.workbench.generate import learned_from, train_generator
from ropero.workbench.remembered import IN_TURN, UNSEEN, nearest_real
from ropero.workbench.sampling import draw

__all__ = ["small"]


@pytest.fixture
def splits() -> Splits:
    return Splits(synthetic(600), None, None, "synthetic")


def trained(folder: Path, splits: Splits, images: int = 0) -> GeneratorRun:
    return train_generator(splits, CONFIG.replace(images=images, epochs=1), GeneratorStore(folder)).run


def test_copies_are_noticed_and_named(small: None, tmp_path: Path, splits: Splits) -> None:
    run = trained(tmp_path, splits, images=240)
    part = learned_from(run.config, splits)
    found = nearest_real(run, part.images[:50], splits)
    assert (found.distances == 0).all()
    assert np.array_equal(found.rows, part.rows[:50])
    assert np.array_equal(splits.train.images[found.rows], found.images)
    assert (found.too_near, found.to_json()["share"]) == (50, 1.0)
    assert found.how == UNSEEN
    assert len(found.real) == 360, "the images that the training left out"


def test_new_ones_of_the_same_kind_are_not_blamed(small: None, tmp_path: Path, splits: Splits) -> None:
    for images in (0, 240):
        run = trained(tmp_path, splits, images)
        found = nearest_real(run, synthetic(600, seed=5).images, splits)
        assert found.how == (UNSEEN if images else IN_TURN)
        assert found.to_json()["share"] <= 0.04
        assert found.limit > 0
        assert np.quantile(found.real, 0.01) == found.limit
        assert found.to_json()["real"]["median"] == pytest.approx(found.to_json()["median"], rel=0.05)


def test_left_out_in_turn_no_image_is_its_own_nearest(small: None, tmp_path: Path, splits: Splits) -> None:
    found = nearest_real(trained(tmp_path, splits), splits.train.images[:5], splits)
    assert len(found.real) == 600
    assert (found.real > 0).all()
    assert (found.distances == 0).all()


def test_a_validation_part_is_what_is_unseen_and_test_is_not_looked_at(
    small: None, tmp_path: Path, splits: Splits
) -> None:
    held = synthetic(300, seed=9)
    black = Dataset(np.zeros_like(held.images), held.labels, held.classes, held.name)
    whole = Splits(splits.train, held, black, "synthetic")
    found = nearest_real(trained(tmp_path, whole), splits.train.images[:5], whole)
    assert (found.how, len(found.real)) == (UNSEEN, 300)
    assert found.real.max() < 0.2


def test_distances_are_shares_of_the_whole_range(small: None, tmp_path: Path, splits: Splits) -> None:
    white = np.full_like(splits.train.images, 255)
    whole = Splits(Dataset(white, splits.train.labels, splits.train.classes, "white"))
    found = nearest_real(trained(tmp_path, whole), np.zeros((1, 28, 28), np.uint8), whole)
    assert found.distances.tolist() == [1.0]
    assert found.limit == 0
    copied = nearest_real(trained(tmp_path, whole), white[:1], whole)
    assert copied.too_near == 1, "where real images are copies of each other, so is what is as near"


def test_grey_pictures_may_have_a_channel(small: None, tmp_path: Path, splits: Splits) -> None:
    train = splits.train
    whole = Splits(Dataset(train.images[..., None], train.labels, train.classes, "channel"))
    run = trained(tmp_path, whole)
    samples = draw(run, run.learner(), 3)
    found = nearest_real(run, samples.images, whole)
    assert found.images.shape == samples.images.shape == (3, 28, 28)
    assert found.figure(samples, tmp_path / "nearest.png").exists()


def test_other_data_are_refused(small: None, tmp_path: Path, splits: Splits) -> None:
    run = trained(tmp_path, splits)
    with pytest.raises(RunError, match="not the one that"):
        nearest_real(run, splits.train.images[:5], Splits(synthetic(600, seed=3)))


def test_what_is_written(small: None, tmp_path: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(tmp_path, splits)
    samples = draw(run, run.learner(), 70)
    mixed = replace(samples, images=np.concatenate([splits.train.images[:1], samples.images[1:]]))
    found = nearest_real(run, mixed.images, splits)
    shown: list[list[str]] = []
    real = pictures.image_grid
    monkeypatch.setattr(
        pictures,
        "image_grid",
        lambda images, titles, columns: shown.append(titles) or real(images, titles, columns=columns),
    )
    path = found.figure(mixed, tmp_path / "nearest.png")
    assert path.stat().st_size > 10_000
    assert shown[0][0] == "! 0.000, image 0"
    assert len(shown[0]) == 64
    told = json.loads(found.write(tmp_path / "nearest.json").read_text("utf-8"))
    assert told["rows"][0] == 0
    assert told["interval"][0] <= told["share"] <= told["interval"][1]
    assert (told["expected"], len(told["distances"])) == (0.01, 70)
