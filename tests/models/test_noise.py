"""Layers that act while training only: nothing afterwards, and the distribution of Keras's while."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from keras_twin import keras, keras_layer

from ropero.errors import UsageError
from ropero.models.layers import Dropout, Layer
from ropero.models.noise import (
    ActivityRegularization,
    AlphaDropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
)

LAYERS: list[tuple[Layer, tuple[int, ...]]] = [
    (GaussianNoise(0.3), (60, 50)),
    (GaussianDropout(0.3), (60, 50)),
    (AlphaDropout(0.3), (60, 50)),
    (Dropout(0.3), (60, 50)),
    (SpatialDropout1D(0.3), (60, 50)),
    (SpatialDropout2D(0.3), (6, 10, 50)),
]


@pytest.mark.parametrize(("layer", "shape"), [*LAYERS, (ActivityRegularization(0.1), (4,))], ids=str)
def test_nothing_is_done_after_the_training(layer: Layer, shape: tuple[int, ...]) -> None:
    layer.check(shape)
    assert layer.output(shape) == shape
    x = torch.randn(2, *shape)
    assert torch.equal(layer.module(shape).eval()(x), x)


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=str)
def test_values_are_spread_as_by_keras_while_training(layer: Layer, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    twin = keras_layer(layer)
    x = np.random.default_rng(0).normal(1, 1, (100, *shape)).astype(np.float32)
    theirs = twin(x, training=True).numpy()
    images = len(shape) == 3
    ours = layer.module(shape).train()(torch.from_numpy(x.transpose(0, 3, 1, 2).copy() if images else x)).numpy()
    ours = ours.transpose(0, 2, 3, 1) if images else ours
    for figure in (np.mean, np.std, lambda values: np.mean(values == 0), lambda values: np.quantile(values, 0.1)):
        assert figure(ours) == pytest.approx(figure(theirs), abs=0.03)
    sides = tuple(range(1, len(shape)))  # what is dropped whole keeps no value along them
    assert np.mean(np.all(ours == 0, sides)) == pytest.approx(np.mean(np.all(theirs == 0, sides)), abs=0.03)


def test_a_deviation_beyond_keras_limits_is_told_of() -> None:
    with pytest.raises(UsageError, match="stddev should be from 0 to 1, got 2"):
        GaussianNoise(2.0).output((4,))
