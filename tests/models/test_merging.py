"""Layers that take several others: Keras's functional models are the oracle; every mistake is a sentence."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

from ropero.errors import UsageError  # noqa: E402
from ropero.models.designs import build, table  # noqa: E402
from ropero.models.entries import from_json, to_json  # noqa: E402
from ropero.models.layers import Flatten, Layer  # noqa: E402
from ropero.models.merging import (  # noqa: E402
    Add,
    Average,
    Concatenate,
    Graph,
    Maximum,
    Merge,
    Minimum,
    Multiply,
    Subtract,
)

SHAPE = (1, 28, 28)
DENSE: dict[str, Any] = {"type": "Dense"}


def of_torch(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy() if x.ndim == 4 else x)


@pytest.mark.parametrize("shape", [(5, 4, 3), (6, 4), (7,)], ids=str)
@pytest.mark.parametrize(
    "layer",
    [Add(), Average(), Maximum(), Minimum(), Multiply(), Concatenate(), Concatenate(axis=1), Subtract()],
    ids=repr,
)
def test_each_is_what_keras_does(layer: Merge, shape: tuple[int, ...]) -> None:
    options = {"axis": layer.axis} if isinstance(layer, Concatenate) else {}
    rng = np.random.default_rng(0)
    count = 2 if isinstance(layer, Subtract) else 3
    given = [rng.normal(size=(2, *shape)).astype(np.float32) for _ in range(count)]
    theirs = getattr(keras.layers, type(layer).__name__)(**options)(given).detach().numpy()
    ours = layer.merger([shape] * count)(*map(of_torch, given))
    ours = ours.permute(0, 2, 3, 1) if ours.ndim == 4 else ours
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-6)
    assert layer.merged([shape] * count) == theirs.shape[1:]


@pytest.mark.parametrize(
    "shapes",
    [
        [(5, 4, 3), (3,)],
        [(3,), (5, 4, 3)],
        [(5, 4, 3), (4, 3)],
        [(5, 4, 3), (1, 1, 3)],
        [(5, 1, 3), (1, 4, 1)],
        [(6, 4), (4,)],
        [(6, 4), (1, 4)],
        [(6, 1), (4,)],
        [(4,), (1,)],
        [(5, 4, 3), (4, 1), (3,)],
    ],
    ids=str,
)
@pytest.mark.parametrize("layer", [Add(), Average(), Maximum(), Minimum(), Multiply(), Subtract()], ids=repr)
def test_other_shapes_are_repeated_as_in_keras(layer: Merge, shapes: list[tuple[int, ...]]) -> None:
    if isinstance(layer, Subtract):
        shapes = shapes[:2]
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(2, *shape)).astype(np.float32) for shape in shapes]
    theirs = getattr(keras.layers, type(layer).__name__)()(given).detach().numpy()
    ours = layer.merger(shapes)(*map(of_torch, given))
    ours = ours.permute(0, 2, 3, 1) if ours.ndim == 4 else ours
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-6)
    assert layer.merged(shapes) == theirs.shape[1:]


@pytest.mark.parametrize("axis", [-1, -2, -3, 1, 2, 3])
def test_pictures_are_joined_along_any_side_as_in_keras(axis: int) -> None:
    shapes = [(5, 4, 3), tuple(side + (place == axis - 1 or place == axis + 3) for place, side in enumerate((5, 4, 3)))]
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(2, *shape)).astype(np.float32) for shape in shapes]
    theirs = keras.layers.Concatenate(axis)(given).detach().numpy()
    layer = Concatenate(axis)
    ours = layer.merger(shapes)(*map(of_torch, given))
    assert np.array_equal(ours.permute(0, 2, 3, 1).numpy(), theirs)
    assert layer.merged(shapes) == theirs.shape[1:]


RESIDUAL: list[dict[str, Any]] = [
    {"type": "Conv2D", "name": "first", "filters": 4, "padding": "same"},
    {"type": "BatchNormalization"},
    {"type": "Activation", "name": "bent"},
    {"type": "Conv2D", "filters": 4, "padding": "same", "inputs": ["bent"]},
    {"type": "Add", "inputs": ["first", "conv2d"]},
    {"type": "MaxPooling2D", "inputs": ["add"]},
    {"type": "GlobalAveragePooling2D", "name": "left"},
    {"type": "GlobalMaxPooling2D", "name": "right", "inputs": ["max_pooling2d"]},
    {"type": "Concatenate", "inputs": ["left", "right"]},
    {"type": "Dense", "activation": "softmax"},
]


def test_a_wired_list_is_what_keras_makes_of_it() -> None:
    model = build(from_json(RESIDUAL), SHAPE, 10).eval()
    assert isinstance(model.trunk, Graph)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    layers = keras.layers
    inputs = keras.Input((28, 28, 1))
    first = layers.Conv2D(4, 3, padding="same")(inputs)
    bent = layers.Activation("relu")(layers.BatchNormalization()(first))
    added = layers.Add()([first, layers.Conv2D(4, 3, padding="same")(bent)])
    pooled = layers.MaxPooling2D()(added)
    both = layers.Concatenate()([layers.GlobalAveragePooling2D()(pooled), layers.GlobalMaxPooling2D()(pooled)])
    theirs = keras.Model(inputs, layers.Dense(10)(both))
    parts = dict(model.trunk.named_children())
    norm = parts["batch_normalization"]
    values = [
        *((parts["first"].weight.permute(2, 3, 1, 0), parts["first"].bias)),
        *(norm.weight, norm.bias, norm.running_mean, norm.running_var),
        *((parts["conv2d"].weight.permute(2, 3, 1, 0), parts["conv2d"].bias)),
        *(model.head.weight.T, model.head.bias),
    ]
    theirs.set_weights([one.detach().numpy() for one in values])
    pixels = np.random.default_rng(0).uniform(size=(6, 28, 28, 1)).astype(np.float32)
    expected = theirs(pixels, training=False).detach().numpy()
    with torch.inference_mode():
        np.testing.assert_allclose(model(of_torch(pixels)).numpy(), expected, atol=1e-4)
    assert [shape for *_, shape in table(model.design, SHAPE)][-2:] == [(8,), (10,)]


def test_a_wired_list_survives_json_and_trains() -> None:
    design = from_json(RESIDUAL)
    assert from_json(to_json(design)) == design
    model = build(design, SHAPE, 10).train()
    model(torch.rand(4, *SHAPE)).logsumexp(1).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_images_themselves_can_be_taken_again() -> None:
    entries = [
        {"type": "Flatten", "name": "flat"},
        {"type": "Dense", "units": 5, "name": "few"},
        {"type": "Flatten", "name": "again", "inputs": ["input"]},
        {"type": "Concatenate", "inputs": ["few", "again"]},
        {"type": "Dense"},
    ]
    model = build(from_json(entries), SHAPE, 3)
    assert model.features(torch.rand(2, *SHAPE)).shape == (2, 5 + 784)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([{"type": "Add"}, {"type": "Flatten"}, {"type": "Dense"}], "Layer 1 (Add): takes two layers or more"),
        (
            [{"type": "Flatten"}, {"type": "Dense", "inputs": ["flaten"]}],
            "Layer 2 (Dense): no layer before it is called 'flaten'. Did you mean 'flatten'?",
        ),
        (
            [
                *({"type": "Flatten"}, {"type": "Dense", "units": 5}, {"type": "Conv2D", "inputs": ["input"]}),
                *({"type": "Add", "inputs": ["dense", "conv2d"]}, {"type": "Dense"}),
            ],
            "Layer 4 (Add): takes layers of one shape, but gets (5,), (26, 26, 32)",
        ),
        (
            [{"type": "Flatten"}, {"type": "Dense", "inputs": ["flatten", "flatten"]}],
            "Layer 2 (Dense): takes one layer, but gets 2",
        ),
        (
            [{"type": "Flatten", "name": "a"}, {"type": "Flatten", "name": "a"}, {"type": "Dense"}],
            "Layer 2 (Flatten): name should be letters, digits and _, and be no other layer's; got 'a'",
        ),
        ([{"type": "Flatten", "name": "a.b"}, {"type": "Dense"}], "got 'a.b'"),
        ([{"type": "Flatten", "name": "input"}, {"type": "Dense"}], "got 'input'"),
        (
            [{"type": "Flatten"}, {"type": "Dense", "units": 3, "name": "lost"}, {**DENSE, "inputs": ["flatten"]}],
            "No layer takes what lost gives",
        ),
        (
            [
                {"type": "Flatten"},
                {"type": "Flatten", "inputs": ["input"]},
                {"type": "Concatenate", "axis": 2, "inputs": ["flatten", "flatten_1"]},
                {"type": "Dense"},
            ],
            "axis 2 is none of an input with 1 sides",
        ),
        ([{"type": "Flatten", "inputs": "input"}, DENSE], "inputs should be a list of names as in"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_wired_is_told_of(entries: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(from_json(entries), SHAPE, 10)
    assert says in str(caught.value)


def test_values_are_let_go_after_their_last_use() -> None:
    model = build(from_json(RESIDUAL), SHAPE, 10)
    assert isinstance(model.trunk, Graph)
    gone = [name for names in model.trunk.done for name in names]
    assert sorted(gone) == sorted({"input", *(name for name, _ in model.trunk.named_children())} - {"concatenate"})


def test_without_wiring_nothing_changes() -> None:
    plain: list[Layer] = [Flatten(), *from_json([{"type": "Dense"}])]
    assert type(build(plain, SHAPE, 10).trunk) is torch.nn.Sequential
