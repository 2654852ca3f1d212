"""Every kind of outlier: size, type, the same for the same seed, and what it claims to be."""

import numpy as np
import pytest

from ropero.evaluation.outliers import KINDS, made


def garments(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(12, 28, 28), (5, 20, 14, 3), (1, 9, 16)])
def test_fits_and_repeats(kind: str, shape: tuple[int, ...]) -> None:
    images = garments(*shape)
    before = images.copy()
    found = made(kind, images)
    assert (found.shape, found.dtype) == (shape, np.uint8)
    np.testing.assert_array_equal(found, made(kind, images))
    np.testing.assert_array_equal(images, before)
    if kind not in ("inverted", "rotated"):
        assert (found != made(kind, images, seed=1)).any()


def test_what_they_are() -> None:
    images = garments(40, 28, 28)
    np.testing.assert_array_equal(made("inverted", images), 255 - images)
    np.testing.assert_array_equal(np.sort(made("shuffled", images).reshape(40, -1)), np.sort(images.reshape(40, -1)))
    assert all(len(np.unique(one)) == 1 for one in made("blank", images))
    for turned, image in zip(made("rotated", images), images, strict=True):
        assert any((turned == np.rot90(image, quarter)).all() for quarter in (1, 2, 3))
    digits = made("digits", images)
    assert (digits[:, [0, -1]] == 0).mean() > 0.95  # light on black, in the middle
    assert (digits.max(axis=(1, 2)) > 200).all()
    clouds = made("clouds", images)
    assert np.abs(np.diff(clouds.astype(int), axis=2)).mean() < 40 < np.abs(np.diff(images.astype(int), axis=2)).mean()
