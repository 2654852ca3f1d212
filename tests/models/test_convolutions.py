"""Keras is the oracle for convolutions over time steps, and for windows larger than the picture they stand on."""

from __future__ import annotations

import pytest
from keras_twin import compare

from ropero.errors import UsageError
from ropero.models.convolutions import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from ropero.models.layers import Layer

STEPS = (11, 4)  # T, D


@pytest.mark.parametrize(
    "layer",
    [
        Conv1D(6),
        Conv1D(6, 5, 2, "same", "relu"),
        Conv1D(6, 4, 3, "same"),
        Conv1D(6, 4, 1, "valid", use_bias=False),
        Conv1D(6, 3, 1, "causal"),
        Conv1D(6, 4, 3, "causal"),
        Conv1D(6, 3, 1, "causal", "tanh", dilation_rate=2),
        Conv1D(6, 2, dilation_rate=3),
        Conv1D(6, 3, 1, "same", dilation_rate=3),
        Conv1D(6, 3, groups=2),
        Conv1D(6, 1),
        DepthwiseConv1D(),
        DepthwiseConv1D(4, 2, "same", 3, "relu"),
        DepthwiseConv1D(2, dilation_rate=2, use_bias=False),
        SeparableConv1D(5),
        SeparableConv1D(5, 4, 3, "same", 2, "relu"),
        SeparableConv1D(5, 3, use_bias=False, dilation_rate=2),
        Conv1DTranspose(5),
        Conv1DTranspose(5, 3, 2),
        Conv1DTranspose(5, 3, 2, "same", "relu"),
        Conv1DTranspose(5, 5, 3, "same"),
        Conv1DTranspose(5, 2, 3),
        Conv1DTranspose(5, 2, 3, "same"),
        Conv1DTranspose(5, 5, 1, "same", use_bias=False),
    ],
    ids=str,
)
def test_convolutions_over_time_are_those_of_keras(layer: Layer) -> None:
    compare([layer], STEPS)


@pytest.mark.parametrize(
    "layer",
    [
        Conv2D(4, 3, 1, "same"),
        Conv2D(4, 5, 2, "same"),
        Conv2D(4, (4, 7), 1, "same", dilation_rate=2),
        DepthwiseConv2D(5, 1, "same"),
        SeparableConv2D(4, 5, 1, "same"),
        Conv2DTranspose(4, 5, 1, "same"),
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 1, 3), (2, 3, 3)], ids=str)
def test_a_padded_window_may_be_larger_than_what_poolings_have_left(layer: Layer, shape: tuple[int, ...]) -> None:
    compare([layer], shape)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (Conv1D(6, 12), "a window of 12 does not fit into 11 steps; use a smaller one, padding"),
        (Conv1D(6, 2, dilation_rate=11), "a window of 12 does not fit into 11 steps"),
        (Conv1D(6, 40, 1, "same"), "a window of 40 does not fit into 11 steps"),
        (Conv1D(6, 3, 1, "SAME"), "padding should be one of valid, same, causal, got 'SAME'. Did you mean 'same'?"),
        (Conv1D(6, 3, groups=3), "groups=3 should divide the 4 channels and the 6 filters"),
        (Conv1D(6, 0), "kernel_size should be more than 0, got 0"),
        (Conv1DTranspose(6, 3, 1, "causal"), "padding should be one of valid, same, got 'causal'"),
    ],
    ids=str,
)
def test_what_cannot_be_convolved_is_told_of(layer: Layer, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        layer.output(STEPS)
    assert says in str(caught.value)


def test_causal_padding_is_for_sequences_alone() -> None:
    with pytest.raises(UsageError, match="padding should be one of valid, same, got 'causal'"):
        Conv2D(4, padding="causal").output((9, 8, 3))
