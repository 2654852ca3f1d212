"""Keras is the oracle for every layer that normalises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from keras_twin import SHAPE, compare, keras, keras_layer, randomised
from torch import Tensor

from ropero.errors import UsageError
from ropero.models.keras_layout import slots
from ropero.models.layers import Flatten, Layer
from ropero.models.normalization import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    Normalization,
    RMSNormalization,
    UnitNormalization,
)
from ropero.models.recurrent import Rows

pytestmark = pytest.mark.filterwarnings("ignore:.*rms_scaling")  # an option that Keras regrets
permute: Callable[..., object] = keras.layers.Permute

ANYWHERE: list[Layer] = [
    BatchNormalization(epsilon=0.1),
    *(BatchNormalization(scale=scale, center=False) for scale in (True, False)),
    BatchNormalization(scale=False),
    LayerNormalization(epsilon=0.1),
    *(LayerNormalization(scale=scale, center=False) for scale in (True, False)),
    LayerNormalization(scale=False),
    LayerNormalization(rms_scaling=True, scale=False),
    RMSNormalization(epsilon=0.1),
    GroupNormalization(3),
    GroupNormalization(1, scale=False),
    GroupNormalization(-1, center=False),
    UnitNormalization(),
    Normalization(),
    Normalization(invert=True),
    Normalization((), 0.3, 0.4),
    Normalization((), None, None),
    Normalization(-1, 0.3, 0.4, invert=True),
]


@pytest.mark.parametrize("layer", ANYWHERE, ids=str)
@pytest.mark.parametrize("before", [[], [Rows()], [Flatten()]], ids=["images", "sequences", "vectors"])
def test_features_and_channels_are_normalised_as_in_keras(layer: Layer, before: list[Layer]) -> None:
    compare([*before, layer])


@pytest.mark.parametrize(
    "layer",
    [
        *(BatchNormalization(axis=axis) for axis in (1, 2, 3, -2, -3)),
        BatchNormalization(axis=2, center=False),
        LayerNormalization(axis=(1, 3)),
        LayerNormalization(axis=(-1, -2)),
        LayerNormalization(axis=(1, 2, 3)),
        LayerNormalization(axis=(1, 3), rms_scaling=True),
        RMSNormalization((2, 3)),
        GroupNormalization(3, axis=1),
        GroupNormalization(4, axis=-2),
        UnitNormalization((1, 2)),
        UnitNormalization(2),
        *(Normalization(axis) for axis in (1, 2, (1, 3), (-1, -3), (1, 2, 3))),
        Normalization((1, 3), (0.1, 0.2, 0.3), (1.0, 2.0, 3.0)),
        Normalization(2, (0.1,), (2.0,)),
    ],
    ids=str,
)
def test_other_sides_of_images_are_normalised_as_in_keras(layer: Layer) -> None:
    compare([layer])


@pytest.mark.parametrize(
    "layer",
    [
        BatchNormalization(axis=1),
        BatchNormalization(axis=2, scale=False),
        LayerNormalization(axis=(1, 2)),
        GroupNormalization(3, axis=1),
        Normalization(1),
        Normalization((1, 2)),
    ],
    ids=str,
)
def test_other_sides_of_sequences_are_normalised_as_in_keras(layer: Layer) -> None:
    compare([Rows(), layer])


@pytest.mark.parametrize(
    ("axis", "there", "last", "back"),
    [(1, (2, 3, 1), -1, (3, 1, 2)), (2, (1, 3, 2), -1, (1, 3, 2)), ((1, 2), (3, 1, 2), (2, 3), (2, 3, 1))],
    ids=str,
)
def test_a_side_that_keras_on_torch_cannot_normalise_is_asked_for_where_it_can(
    axis: int | tuple[int, ...], there: tuple[int, ...], last: int | tuple[int, ...], back: tuple[int, ...]
) -> None:
    """torch's kernel takes the last sides alone, and Keras hands it others too; TensorFlow's is right."""
    compare(
        [LayerNormalization(axis=axis)], twins=[permute(there), keras.layers.LayerNormalization(last), permute(back)]
    )


@pytest.mark.parametrize("layer", ANYWHERE, ids=str)
@pytest.mark.parametrize("shape", [SHAPE, (9, 6), (9,)], ids=str)
def test_gradients_reach_every_weight_and_what_comes_in(layer: Layer, shape: tuple[int, ...]) -> None:
    module = randomised(layer.module(shape)).train()
    x = torch.randn(4, *((shape[2], *shape[:2]) if len(shape) == 3 else shape), requires_grad=True)
    module(x).pow(3).sum().backward()
    for tensor in (x, *module.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.abs().max() > 0


@pytest.mark.parametrize("layer", [BatchNormalization(axis=2), BatchNormalization(scale=False)], ids=str)
def test_running_figures_follow_the_batches_as_in_keras(layer: BatchNormalization) -> None:
    module, twin = layer.module(SHAPE), keras_layer(layer)
    x = np.random.default_rng(0).normal(2, 3, (200, *SHAPE)).astype(np.float32)
    twin(x, training=True)
    module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    for slot, theirs in zip(slots(layer, module), twin.weights, strict=True):
        np.testing.assert_allclose(slot.read(), theirs.value.detach().numpy(), rtol=1e-3, atol=1e-5)


def test_zeros_have_no_length_and_stay() -> None:
    module = UnitNormalization().module((4,))
    assert torch.equal(module(torch.zeros(2, 4)), torch.zeros(2, 4))


def test_instances_of_one_value_come_out_as_their_bias() -> None:
    layer = GroupNormalization(-1)
    module = randomised(layer.module((4,)))
    found: Tensor = module(torch.randn(1, 4))
    torch.testing.assert_close(found[0], module.get_parameter("bias"))


def test_figures_that_are_given_are_no_weights() -> None:
    given, measured = Normalization(mean=0.5, variance=2.0), Normalization()
    assert slots(given, given.module((4,))) == []
    assert not given.module((4,)).state_dict()
    found = slots(measured, measured.module((4,)))
    assert [(slot.name, slot.shape, slot.trainable) for slot in found] == [
        ("mean", (4,), False),
        ("variance", (4,), False),
        ("count", (), False),
    ]


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (BatchNormalization(axis=0), "axis 0 is none of an input with 3 sides"),
        (BatchNormalization(axis=4), "axis 4 is none of an input with 3 sides"),
        (LayerNormalization(axis=(1, 1)), "axis should name each side once"),
        (LayerNormalization(axis=(-1, 1)), "axis should name each side once, all from the front or all from behind"),
        (RMSNormalization(1), "axis should be the last one, or the last few, got 1"),
        (RMSNormalization(()), "axis should be the last one"),
        (GroupNormalization(2), "groups should divide the 3 channels, or be -1; got 2"),
        (GroupNormalization(0), "groups should divide"),
        (Normalization(mean=0.5), "give mean and variance, or none of them"),
        (Normalization(-1, (0.1, 0.2), (1.0, 1.0)), "mean should be one number or 3, got 2"),
        (Normalization((), (0.1, 0.2), (1.0, 1.0)), "mean should be one number or 1, got 2"),
    ],
    ids=str,
)
def test_what_cannot_be_normalised_is_told_of(layer: Layer, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        layer.output(SHAPE)
    assert says in str(caught.value)
