"""Deletion and insertion on a network that looks at one corner: the true map beats a random one, its inverse loses."""

import numpy as np
import pytest

from ropero.evaluation.faithfulness import advantage, faithfulness, random_maps

IMAGES = np.full((30, 16, 16), 200, np.uint8)
CLASSES = np.zeros(30, np.int64)


def ask(images: np.ndarray) -> np.ndarray:
    """Probability of class 0: the light in the upper left quarter, above the half of it."""
    light = np.clip(images[:, :8, :8].mean(axis=(1, 2)) / 200, 0, 1).astype(np.float32)
    return np.stack([light, 1 - light], axis=1)


def corner() -> np.ndarray:
    maps = np.zeros((30, 16, 16), np.float32)
    maps[:, :8, :8] = 1
    return maps


def test_by_hand() -> None:
    found = faithfulness(IMAGES, corner(), CLASSES, ask, steps=4)
    assert found.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.deletion.tolist() == pytest.approx([1, 0, 0, 0, 0])  # the corner is a quarter of the pixels
    assert found.insertion.tolist() == pytest.approx([1, 1, 1, 1, 1])  # a blurred even picture is the picture
    assert found.deletion_areas == pytest.approx(np.full(30, 0.125))
    assert found.insertion_areas == pytest.approx(np.full(30, 1.0))


def test_the_true_map_beats_random_and_its_inverse_loses() -> None:
    chance = faithfulness(IMAGES, random_maps(IMAGES.shape), CLASSES, ask)
    true = faithfulness(IMAGES, corner(), CLASSES, ask)
    false = faithfulness(IMAGES, -corner(), CLASSES, ask)
    assert advantage(chance.deletion_areas, true.deletion_areas).low > 0.1
    assert advantage(chance.deletion_areas, false.deletion_areas).high < -0.1


def test_random_maps_know_nothing() -> None:
    maps = random_maps((400, 28, 28))
    assert (maps.shape, maps.dtype) == ((400, 28, 28), np.float32)
    assert np.abs(maps.mean(axis=0) - 0.5).max() < 0.08
    np.testing.assert_array_equal(maps, random_maps((400, 28, 28)))
    ours, theirs = np.random.default_rng(0).random((2, 400))
    assert advantage(ours, theirs).low < 0 < advantage(ours, theirs).high


def test_colour() -> None:
    images = np.repeat(IMAGES[..., None], 3, axis=3)
    found = faithfulness(images, corner(), CLASSES, lambda some: ask(some[..., 0]), steps=4)
    assert found.deletion.tolist() == pytest.approx([1, 0, 0, 0, 0])
