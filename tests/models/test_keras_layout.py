"""Slots: what is read of one module and written into another makes it the same. Keras itself is asked in
test_keras.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ropero.models.convolutions import Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D
from ropero.models.keras_layout import slots
from ropero.models.layers import Dense, Layer
from ropero.models.normalization import BatchNormalization, LayerNormalization
from ropero.models.recurrent import GRU, LSTM, Bidirectional, SimpleRNN

LAYERS: list[tuple[Layer, tuple[int, ...]]] = [
    (Dense(5, "relu"), (7,)),
    (Conv2D(4, (2, 3), 2, "same"), (9, 8, 3)),
    (DepthwiseConv2D(3, depth_multiplier=2), (9, 8, 3)),
    (SeparableConv2D(5), (9, 8, 3)),
    (Conv2DTranspose(4, 3, 2), (9, 8, 3)),
    (BatchNormalization(), (9, 8, 3)),
    (LayerNormalization(), (7,)),
    (SimpleRNN(6), (7, 5)),
    (LSTM(6), (7, 5)),
    (GRU(6), (7, 5)),
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
