"""Keras is the oracle for poolings, over pictures and over time steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from keras_twin import SHAPE, compare

from ropero.errors import UsageError
from ropero.models.layers import Layer
from ropero.models.pooling import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPooling1D,
    MaxPooling2D,
)

STEPS = (11, 4)  # T, D


@pytest.mark.parametrize(
    "layer",
    [
        MaxPooling2D(),
        MaxPooling2D(3, 2),
        MaxPooling2D(3, 2, "same"),
        MaxPooling2D((2, 3), None, "same"),
        MaxPooling2D(2, 5, "same"),
        AveragePooling2D(),
        AveragePooling2D((3, 2), (2, 1)),
        *(
            kind(keepdims=keepdims)
            for kind in (GlobalMaxPooling2D, GlobalAveragePooling2D)
            for keepdims in (True, False)
        ),
        *(kind(size) for kind in (AdaptiveAveragePooling2D, AdaptiveMaxPooling2D) for size in (1, 4, (3, 5), (9, 8))),
    ],
    ids=str,
)
def test_pictures_are_pooled_as_in_keras(layer: Layer) -> None:
    compare([layer])


@pytest.mark.parametrize(
    "layer",
    [
        MaxPooling1D(),
        MaxPooling1D(3, 2),
        MaxPooling1D(4, 3, "same"),
        MaxPooling1D(3, None, "same"),
        AveragePooling1D(),
        AveragePooling1D(4, 3),
        *(
            kind(keepdims=keepdims)
            for kind in (GlobalMaxPooling1D, GlobalAveragePooling1D)
            for keepdims in (True, False)
        ),
        *(kind(size) for kind in (AdaptiveAveragePooling1D, AdaptiveMaxPooling1D) for size in (1, 4, 11)),
    ],
    ids=str,
)
def test_steps_are_pooled_as_in_keras(layer: Layer) -> None:
    compare([layer], STEPS)


def test_a_mean_over_the_edge_is_of_the_pixels_inside() -> None:
    """As TensorFlow has it; Keras's torch backend repeats the edge instead, so the oracle is written out."""
    layer = AveragePooling2D(3, 2, "same")
    x = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    padded = np.pad(x, ((1, 1), (0, 1), (0, 0)), constant_values=np.nan)  # 9 -> 5 rows, 8 -> 4 columns
    expected = [[np.nanmean(padded[r : r + 3, c : c + 3], (0, 1)) for c in range(0, 8, 2)] for r in range(0, 9, 2)]
    found = layer.module(SHAPE)(torch.from_numpy(x.transpose(2, 0, 1)[None].copy()))
    assert layer.output(SHAPE) == (5, 4, 3)
    np.testing.assert_allclose(found[0].permute(1, 2, 0), np.array(expected), atol=1e-5)


def test_a_mean_over_the_last_step_is_of_the_steps_inside() -> None:
    layer = AveragePooling1D(4, 3, "same")
    x = np.random.default_rng(0).normal(size=STEPS).astype(np.float32)
    padded = np.pad(x, ((1, 1), (0, 0)), constant_values=np.nan)  # 11 -> 4 windows of 4 with stride 3 span 13
    expected = [np.nanmean(padded[step : step + 4], 0) for step in range(0, 11, 3)]
    found = layer.module(STEPS)(torch.from_numpy(x[None]))
    assert layer.output(STEPS) == (4, 4)
    np.testing.assert_allclose(found[0], np.array(expected), atol=1e-5)


def test_a_pixel_is_pooled_with_what_is_padded_about_it() -> None:
    """Means are those of the pixel alone; Keras on torch would not give them."""
    compare([MaxPooling2D(3, 2, "same")], (1, 1, 3))
    x = torch.randn(2, 3, 1, 1)
    torch.testing.assert_close(AveragePooling2D(3, 2, "same").module((1, 1, 3))(x), x)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (MaxPooling1D(12), "a window of 12 does not fit into 11 steps"),
        (MaxPooling1D(2, 0), "strides should be more than 0, got 0"),
        (AveragePooling1D(2, 1, "causal"), "padding should be one of valid, same, got 'causal'"),
        (AdaptiveMaxPooling1D(0), "output_size should be more than 0, got 0"),
    ],
    ids=str,
)
def test_what_cannot_be_pooled_is_told_of(layer: Layer, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        layer.output(STEPS)
    assert says in str(caught.value)
