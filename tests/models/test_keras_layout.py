"""Slots: what is read of one module and written into another makes it the same. Keras itself is asked in
test_keras.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

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
from ropero.models.keras_layout import slots
from ropero.models.layers import Dense, Layer
from ropero.models.normalization import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    Normalization,
    RMSNormalization,
)
from ropero.models.recurrent import GRU, LSTM, Bidirectional, SimpleRNN

LAYERS: list[tuple[Layer, tuple[int, ...]]] = [
    (Dense(5, "relu"), (7,)),
    (Conv2D(4, (2, 3), 2, "same"), (9, 8, 3)),
    (DepthwiseConv2D(3, depth_multiplier=2), (9, 8, 3)),
    (SeparableConv2D(5), (9, 8, 3)),
    (Conv2DTranspose(4, 3, 2), (9, 8, 3)),
    (Conv1D(4, 3), (9, 6)),
    (DepthwiseConv1D(3, depth_multiplier=2), (9, 6)),
    (SeparableConv1D(5), (9, 6)),
    (Conv1DTranspose(4, 3, 2), (9, 6)),
    (BatchNormalization(), (9, 8, 3)),
    (LayerNormalization(), (7,)),
    (LayerNormalization(axis=(1, 3), scale=False), (9, 8, 3)),
    (GroupNormalization(3), (9, 8, 3)),
    (RMSNormalization(), (9, 8, 3)),
    (Normalization((1, 3)), (9, 8, 3)),
    (SimpleRNN(6), (7, 5)),
    (LSTM(6), (7, 5)),
    (GRU(6), (7, 5)),
    (GRU(6, reset_after=False), (7, 5)),
    (GRU(6, use_bias=False), (7, 5)),
    (Bidirectional(GRU(6)), (7, 5)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda one: str(one))
def test_what_is_written_is_read_again(layer: Layer, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    first, second = layer.module(shape), layer.module(shape)
    with torch.no_grad():
        for tensor in first.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn_like(tensor))
    for one, other in zip(slots(layer, first), slots(layer, second), strict=True):
        assert one.shape == one.read().shape
        other.write(one.read())
        np.testing.assert_array_equal(one.read(), other.read())
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]) or not tensor.is_floating_point(), name


def test_running_figures_are_not_trained() -> None:
    found = slots(BatchNormalization(), BatchNormalization().module((4, 4, 3)))
    assert [(slot.name, slot.trainable) for slot in found] == [
        ("gamma", True),
        ("beta", True),
        ("moving_mean", False),
        ("moving_variance", False),
    ]


def test_parts_of_a_bidirectional_layer_have_keras_places() -> None:
    layer = Bidirectional(LSTM(6))
    found = slots(layer, layer.module((7, 5)))
    assert [slot.place for slot in found] == ["forward_layer/cell"] * 3 + ["backward_layer/cell"] * 3
