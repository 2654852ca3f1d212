"""Keras is the oracle for what changes how many time steps there are, and for resizing."""

from __future__ import annotations

import pytest
from keras_twin import compare

from ropero.errors import UsageError
from ropero.models.layers import Layer
from ropero.models.spatial import Cropping1D, RepeatVector, Resizing, UpSampling1D, UpSampling2D, ZeroPadding1D

STEPS = (11, 4)  # T, D


@pytest.mark.parametrize(
    "layer",
    [
        ZeroPadding1D(),
        ZeroPadding1D(3),
        ZeroPadding1D((0, 2)),
        Cropping1D(),
        Cropping1D(0),
        Cropping1D((3, 1)),
        UpSampling1D(),
        UpSampling1D(3),
    ],
    ids=str,
)
def test_steps_are_added_and_taken_off_as_in_keras(layer: Layer) -> None:
    compare([layer], STEPS)


def test_a_vector_is_repeated_as_in_keras() -> None:
    compare([RepeatVector(3)], (5,))


@pytest.mark.parametrize("size", [(13, 20), (4, 5), (9, 8), (18, 4), (5, 17), (1, 1)], ids=str)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_pictures_are_resized_as_in_keras(interpolation: str, size: tuple[int, int]) -> None:
    compare([Resizing(*size, interpolation)])


@pytest.mark.parametrize(
    ("layer", "shape", "says"),
    [
        (Resizing(4, 4, "bicubic"), (9, 8, 3), "interpolation should be one of nearest, bilinear, got 'bicubic'"),
        (UpSampling2D(2, "lanczos3"), (9, 8, 3), "interpolation should be one of nearest, bilinear"),
        (ZeroPadding1D((0, -1)), STEPS, "padding should be 0 or more, got -1"),
        (Cropping1D(-2), STEPS, "cropping should be 0 or more, got -2"),
        (UpSampling1D(0), STEPS, "size should be more than 0, got 0"),
        (RepeatVector(0), (5,), "n should be more than 0, got 0"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_told_of(layer: Layer, shape: tuple[int, ...], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        layer.output(shape)
    assert says in str(caught.value)
