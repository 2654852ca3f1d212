"""Fillers without a generator, beside scikit-learn, scikit-image and slow loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import synthetic

from ropero.data.dataset import Dataset
from ropero.errors import MissingExtra, UsageError
from ropero.generation import baselines, rows
from ropero.generation.baselines import baseline
from ropero.generation.fillers import Pixels
from ropero.generation.masks import Known, parse


@pytest.fixture
def train() -> Dataset:
    return synthetic(91, size=12)


@pytest.fixture
def shown() -> Pixels:
    return synthetic(7, size=12, seed=4).images.astype(np.float32) / np.float32(255)


def test_mean_and_median_are_those_of_the_training_images(train: Dataset, shown: Pixels) -> None:
    known = parse("half-left").known(7, 12, 12)
    for name, taken in (("mean", train.images.mean(0)), ("median", np.median(train.images, axis=0))):
        found = baseline(name, train).fill(shown, known)[0]
        np.testing.assert_allclose(found[:, ~known[0]], np.broadcast_to(taken[~known[0]] / 255, (7, 72)), atol=1e-6)


@pytest.mark.parametrize("hole", ["half-top", "0.6"])
def test_neighbours_are_found_by_observed_pixels_alone(train: Dataset, shown: Pixels, hole: str) -> None:
    known = parse(hole).known(7, 12, 12)
    five = baseline("knn", train).fill(shown, known, 5)
    best = baseline("knn", train).fill(shown, known)[0]
    for number, (image, mask) in enumerate(zip(shown, known, strict=True)):
        far = [((one[mask] / 255 - image[mask].astype(np.float64)) ** 2).sum() for one in train.images]
        nearest = np.argsort(far, kind="stable")[:5]
        for draw, row in enumerate(nearest):
            np.testing.assert_allclose(five[draw, number][~mask], train.images[row][~mask] / 255, atol=1e-6)
        np.testing.assert_allclose(best[number][~mask], train.images[nearest].mean(0)[~mask] / 255, atol=1e-6)


def test_an_image_that_was_learned_is_found_again(train: Dataset) -> None:
    whole = train.images[:5].astype(np.float32) / np.float32(255)
    found = baseline("knn", train).fill(whole, parse("0.5").known(5, 12, 12), 2)
    np.testing.assert_allclose(found[0], whole, atol=1e-6)


def test_more_draws_than_training_images_come_again(shown: Pixels) -> None:
    few = synthetic(3, size=12)
    found = baseline("knn", few).fill(shown, parse("half-top").known(7, 12, 12), 4)
    np.testing.assert_array_equal(found[0], found[3])


@pytest.mark.parametrize("hole", ["half-bottom", "rectangle", "0.5"])
def test_smooth_surfaces_are_scikit_images_of_each_image(train: Dataset, shown: Pixels, hole: str) -> None:
    restoration: Any = pytest.importorskip("skimage.restoration")
    known = parse(hole).known(7, 12, 12, seed=2)
    # A slope goes on beyond the values that are known of it: these are its limits, not those of the others.
    shown[3] = np.linspace(0, 0.6, 12, dtype=np.float32)[:, None]
    found = baseline("biharmonic", train).fill(shown, known)[0]
    for image, mask, filled in zip(shown, known, found, strict=True):
        expected = restoration.inpaint_biharmonic(np.where(mask, image, 0).astype(np.float64), ~mask)
        np.testing.assert_allclose(filled, expected, atol=1e-5)


def test_smooth_surfaces_of_colours_are_scikit_images(shown: Pixels) -> None:
    restoration: Any = pytest.importorskip("skimage.restoration")
    colours = np.stack([shown, 1 - shown, shown * shown], 3)
    train = Dataset((colours * 255).astype(np.uint8), np.arange(7) % 3, ("a", "b", "c"))
    known = parse("rectangle").known(7, 12, 12, seed=2)
    found = baseline("biharmonic", train).fill(colours, known)[0]
    for image, mask, filled in zip(colours, known, found, strict=True):
        holed = np.where(mask[..., None], image, 0).astype(np.float64)
        np.testing.assert_allclose(filled, restoration.inpaint_biharmonic(holed, ~mask, channel_axis=-1), atol=1e-5)


def test_regressions_restore_better_than_means(train: Dataset, shown: Pixels) -> None:
    known = parse("0.3").known(7, 12, 12)
    off = {
        name: np.abs(baseline(name, train).fill(shown, known)[0] - shown)[~known].mean()
        for name in ("mean", "iterative")
    }
    assert off["iterative"] < 0.6 * off["mean"]


def test_regressions_of_large_images_see_means_of_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each square's missing pixels get one value; one square with a known pixel needs no regression."""
    seen: list[tuple[int, ...]] = []

    def taken(values: Any, *rest: Any, **options: Any) -> Any:
        seen.append(values.shape)
        return np.where(np.isnan(values), 0.25, values)[None]

    monkeypatch.setattr(rows, "regressed", taken)
    train, other = synthetic(40, size=45), synthetic(2, size=45, seed=1)
    known = parse("rectangle:10,10,20,20").known(2, 45, 45)
    known[:, 11, 11] = True
    shown = other.images.astype(np.float32) / np.float32(255)
    found = baseline("iterative", train).fill(shown, known)[0]
    assert seen == [(42, 23 * 23)]
    assert (found[:, 12:30, 12:30] == 0.25).all()
    np.testing.assert_allclose(found[:, 10, 10], shown[:, 11, 11])


def test_squares_are_means_of_known_pixels() -> None:
    image = np.arange(15, dtype=np.float32).reshape(1, 3, 5)
    known: Known = np.ones((1, 3, 5), bool)
    known[0, 0, 0] = known[0, 2, 4] = False
    found = baselines._squares(image, known, 2)
    expected = [[(1 + 5 + 6) / 3, (2 + 3 + 7 + 8) / 4, (4 + 9) / 2], [10.5, 12.5, np.nan]]
    np.testing.assert_allclose(found[0], expected)


def test_an_unknown_filler_or_a_missing_package_is_one_sentence(
    train: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="Did you mean 'median'"):
        baseline("medain", train)
    monkeypatch.setattr(rows, "find_spec", lambda name: None)
    for name in ("iterative", "biharmonic"):
        with pytest.raises(MissingExtra, match=r"ropero\[complete\]"):
            baseline(name, train)
