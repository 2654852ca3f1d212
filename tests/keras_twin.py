"""Keras as the oracle: the Keras layer of a description, and whether both do the same with the same weights."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

from ropero.models.activations import PReLU, ReLU  # noqa: E402
from ropero.models.classifier import count_parameters  # noqa: E402
from ropero.models.keras_layout import slots  # noqa: E402
from ropero.models.layers import Layer  # noqa: E402
from ropero.models.recurrent import Bidirectional, Rows  # noqa: E402
from ropero.models.spatial import Cropping2D, ToColour, ZeroPadding2D, margins  # noqa: E402

WIRING = ("name", "inputs")
SHAPE = (9, 8, 3)  # H, W, C: odd and even sides, so that a swap of them shows


def keras_layer(layer: Layer) -> Any:
    """The Keras layer of the same name and options."""
    if isinstance(layer, Rows):
        return keras.layers.Reshape((SHAPE[0], SHAPE[1] * SHAPE[2]))
    if isinstance(layer, ToColour):
        return keras.layers.Lambda(lambda x: keras.ops.repeat(x, 3, -1))
    if isinstance(layer, ReLU):
        return keras.layers.ReLU(layer.max_value or None, layer.negative_slope, layer.threshold)
    if isinstance(layer, ZeroPadding2D | Cropping2D):
        name = "padding" if isinstance(layer, ZeroPadding2D) else "cropping"
        sides = margins(name, getattr(layer, name))
        return getattr(keras.layers, type(layer).__name__)(**{name: (sides[:2], sides[2:])})
    if isinstance(layer, PReLU):
        return keras.layers.PReLU(shared_axes=layer.shared_axes or None)
    options = {one.name: getattr(layer, one.name) for one in dataclasses.fields(layer) if one.name not in WIRING}
    if isinstance(layer, Bidirectional):
        options["layer"] = keras_layer(layer.layer)
        options["backward_layer"] = keras_layer(layer.backward_layer) if layer.backward_layer else None
    return getattr(keras.layers, type(layer).__name__)(**options)


def weights(layer: Layer, module: nn.Module) -> list[np.ndarray]:
    """A module's weights in Keras's order and layout."""
    return [slot.read() for slot in slots(layer, module)]


def randomised(module: nn.Module) -> nn.Module:
    """The module with weights, biases and running figures that are all different."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5 if "var" in name else torch.randn_like(tensor) * 0.3)
    return module


def compare(made: list[Layer], shape: tuple[int, ...] = SHAPE, twins: list[Any] | None = None) -> None:
    """ropero's modules and Keras's layers with the same weights give the same for the same pixels.

    twins: what to ask instead of the Keras layers of the same names.
    """
    model = keras.Sequential([keras.Input(shape), *(map(keras_layer, made) if twins is None else twins)])
    values: list[np.ndarray] = []
    modules = nn.Sequential()
    at = shape
    for number, layer in enumerate(made):
        layer.check(at)
        modules.add_module(str(number), randomised(layer.module(at)))
        at = layer.output(at)
        values += weights(layer, modules[-1])
    assert at == tuple(model.output_shape[1:])
    trainable = sum(int(np.prod(variable.shape)) for variable in model.trainable_weights)
    assert count_parameters(modules) == (model.count_params(), trainable)
    model.set_weights(values)
    for one in model.layers:
        if isinstance(one, keras.layers.Normalization):
            one.finalize_state()  # as after reading a file
    x = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
    expected = model(x, training=False).detach().numpy()
    pixels = torch.from_numpy(x.transpose(0, 3, 1, 2).copy() if len(shape) == 3 else x)
    with torch.inference_mode():
        found = modules.eval()(pixels.contiguous())
    found = found.permute(0, 2, 3, 1) if found.ndim == 4 else found
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)
