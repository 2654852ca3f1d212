"""Errors and similarities of filled images, beside scikit-image's and sums by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ropero.metrics.restoration import absolute_error, signal_to_noise, similarity, squared_error

Floats = NDArray[np.float64]


def pair(*shape: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(len(shape))
    truth = rng.random(shape)
    return truth, np.clip(truth + rng.normal(0, 0.2, shape), 0, 1)


def holes(*shape: int) -> NDArray[np.bool_]:
    return np.random.default_rng(7).random(shape) < 0.4


@pytest.mark.parametrize("shape", [(5, 28, 28), (3, 9, 16), (4, 12, 10, 3)])
def test_errors_and_similarity_are_scikit_images(shape: tuple[int, ...]) -> None:
    metrics: Any = pytest.importorskip("skimage.metrics")
    truth, found = pair(*shape)
    channel = 2 if len(shape) == 4 else None
    asked = list(zip(truth, found, strict=True))
    squared = [metrics.mean_squared_error(*both) for both in asked]
    np.testing.assert_allclose(squared_error(truth, found), squared, rtol=1e-12)
    ratios = [metrics.peak_signal_noise_ratio(*both, data_range=1) for both in asked]
    np.testing.assert_allclose([signal_to_noise(one) for one in squared], ratios, rtol=1e-12)
    alike = [metrics.structural_similarity(*both, data_range=1, channel_axis=channel) for both in asked]
    np.testing.assert_allclose(similarity(truth, found), alike, rtol=1e-9)


@pytest.mark.parametrize("shape", [(4, 28, 28), (2, 12, 10, 3)])
def test_the_similarity_of_some_pixels_is_the_mean_of_scikit_images_map(shape: tuple[int, ...]) -> None:
    metrics: Any = pytest.importorskip("skimage.metrics")
    truth, found = pair(*shape)
    where = holes(*shape[:3])
    channel = 2 if len(shape) == 4 else None
    expected = [
        metrics.structural_similarity(a, b, data_range=1, channel_axis=channel, full=True)[1][chosen].mean()
        for a, b, chosen in zip(truth, found, where, strict=True)
    ]
    np.testing.assert_allclose(similarity(truth, found, where), expected, rtol=1e-9)


def test_errors_of_some_pixels_are_sums_by_hand() -> None:
    truth, found = np.zeros((2, 7, 7)), np.zeros((2, 7, 7))
    found[0, 0, :2] = 0.5, 0.1
    found[1] = 1.0
    where = np.zeros((2, 7, 7), bool)
    where[0, 0, :4] = True
    assert squared_error(truth, found, where)[0] == pytest.approx((0.25 + 0.01) / 4)
    assert absolute_error(truth, found, where)[0] == pytest.approx(0.6 / 4)
    assert np.isnan(squared_error(truth, found, where)[1]), "no pixel counts"
    assert squared_error(truth, found)[1] == 1
    assert absolute_error(truth, found)[1] == 1


def test_equal_images_are_alike_and_infinitely_clear() -> None:
    truth, _ = pair(2, 8, 8)
    np.testing.assert_allclose(similarity(truth, truth), 1)
    assert signal_to_noise(0.0) == float("inf")
    assert signal_to_noise(0.01) == pytest.approx(20)


@pytest.mark.parametrize(
    ("truth", "found", "where"),
    [
        (np.zeros((2, 8, 8)), np.zeros((2, 8, 9)), None),
        (np.zeros((8, 8)), np.zeros((8, 8)), None),
        (np.zeros((2, 8, 8)), np.zeros((2, 8, 8)), np.zeros((2, 8), bool)),
    ],
    ids=["sizes", "no images", "where"],
)
def test_what_does_not_fit_is_refused(truth: Floats, found: Floats, where: NDArray[np.bool_] | None) -> None:
    for measure in (squared_error, absolute_error, similarity):
        with pytest.raises(ValueError, match="expected"):
            measure(truth, found, where)
    with pytest.raises(ValueError, match="7 x 7"):
        similarity(np.zeros((1, 6, 9)), np.zeros((1, 6, 9)))
