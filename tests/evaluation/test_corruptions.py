"""Every corruption: size, type, repeatable, gentle at first and stronger with every severity."""

from pathlib import Path

import numpy as np
import pytest

from ropero.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupted


def garments(*shape: int) -> np.ndarray:
    """Smooth light shapes on black."""
    count, height, width = shape[:3]
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    grow = rng.uniform(0.3, 0.8, (count, 2, 1, 1))
    shades = rng.uniform(90, 220, (count, 1, 1)) * (1 + 0.3 * np.sin(7 * x + 5 * y))
    images = np.where((x / grow[:, 0]) ** 4 + (y / grow[:, 1]) ** 4 < 1, shades, 0).astype(np.uint8)
    return np.repeat(images[..., None], 3, axis=3) if len(shape) == 4 else images


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(12, 28, 28), (3, 40, 30, 3), (1, 9, 16)])
def test_fits_repeats_and_grows(kind: str, shape: tuple[int, ...]) -> None:
    images = garments(*shape)
    before = images.copy()
    changed = [corrupted(kind, images, severity) for severity in SEVERITIES]
    assert all((one.shape, one.dtype) == (shape, np.uint8) for one in changed)
    np.testing.assert_array_equal(changed[2], corrupted(kind, images, 3))
    np.testing.assert_array_equal(images, before)
    if shape[0] > 1:
        apart = [np.abs(one.astype(float) - images).mean() for one in changed]
        slack = 3 if kind == "pixelation" else 1  # half the resolution meets this size's grid and is gentler
        assert all(later > earlier for earlier, later in zip(apart, apart[slack:], strict=False)), apart
        assert 0 < apart[0] < 60


def test_colour_is_changed_as_grey_is() -> None:
    grey = garments(6, 28, 28)
    colour = np.repeat(grey[..., None], 3, axis=3)
    for kind in ("blur", "contrast", "rotation", "shift", "occlusion", "light from a side", "pixelation", "inversion"):
        found = corrupted(kind, colour, 3)
        assert (found[..., 0] == found[..., 2]).all(), kind
        np.testing.assert_allclose(found[..., 0].astype(int), corrupted(kind, grey, 3).astype(int), atol=1)


def test_what_they_are() -> None:
    images = garments(200, 28, 28)
    np.testing.assert_array_equal(corrupted("inversion", images, 5), 255 - images)
    noisy = corrupted("gaussian noise", np.full_like(images, 128), 2)
    assert noisy.std() == pytest.approx(0.08 * 255, rel=0.02)
    assert (corrupted("impulse noise", np.full_like(images, 128), 5) != 128).mean() == pytest.approx(0.25, rel=0.05)
    dots = corrupted("shot noise", np.full_like(images, 100), 1)
    assert (dots.mean(), dots.std()) == pytest.approx((100, np.sqrt(100 / 255 / 60) * 255), rel=0.03)
    assert len(np.unique(corrupted("pixelation", images, 5)[0])) <= 64
    black = np.zeros_like(images)
    for kind in ("shift", "rotation", "shear", "scale", "blur", "motion blur", "jpeg", "darkness", "contrast"):
        assert not corrupted(kind, black, 4).any(), kind


def test_moves_have_their_size() -> None:
    images = np.zeros((300, 41, 41), np.uint8)
    images[:, 14:27, 14:27] = 255
    y, x = np.mgrid[:41, :41]

    def middle(some: np.ndarray) -> np.ndarray:
        weights = some / some.sum(axis=(1, 2), keepdims=True)
        return np.stack([(weights * x).sum(axis=(1, 2)), (weights * y).sum(axis=(1, 2))], axis=1) - 20

    np.testing.assert_allclose(np.linalg.norm(middle(corrupted("shift", images, 4)), axis=1), 0.18 * 41, atol=0.1)
    for kind in ("rotation", "scale", "shear"):
        np.testing.assert_allclose(middle(corrupted(kind, images, 4)), 0, atol=0.1)
    small = corrupted("scale", images, 5).sum(axis=(1, 2)) / images.sum(axis=(1, 2))
    assert small.mean() == pytest.approx(0.25, rel=0.2)
    angles = middle(corrupted("shift", images, 4))
    assert np.abs(angles.mean(axis=0)).max() < 1.5  # to all sides


def test_the_documentation_has_every_strength() -> None:
    text = (Path(__file__).parents[2] / "docs" / "trust.md").read_text("utf-8")
    for kind, one in CORRUPTIONS.items():
        assert f"| {kind} | {one.unit} | {' | '.join(f'{s:g}' for s in one.strengths)} |" in text
