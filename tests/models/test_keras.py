"""The oracle: Keras gives the same outputs for the same weights, layer by layer, and counts the same parameters."""

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

from ropero.models import alexnet, cnn, dense, designs, rnn, vgg  # noqa: E402
from ropero.models.activations import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax  # noqa: E402
from ropero.models.classifier import Classifier, count_parameters  # noqa: E402
from ropero.models.convolutions import (  # noqa: E402
    AveragePooling2D,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
    SeparableConv2D,
)
from ropero.models.keras_layout import slots  # noqa: E402
from ropero.models.layers import (  # noqa: E402
    ACTIVATIONS,
    BatchNormalization,
    Dense,
    Flatten,
    Layer,
    LayerNormalization,
    Rescaling,
    Reshape,
)
from ropero.models.recurrent import (  # noqa: E402
    GRU,
    LSTM,
    AttentionPooling,
    Bidirectional,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    Rows,
    SimpleRNN,
)
from ropero.models.spatial import (  # noqa: E402
    Cropping2D,
    Permute,
    Resizing,
    ToColour,
    UpSampling2D,
    ZeroPadding2D,
    margins,
)

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


def compare(made: list[Layer], shape: tuple[int, ...] = SHAPE) -> None:
    """ropero's modules and Keras's layers with the same weights give the same for the same pixels."""
    model = keras.Sequential([keras.Input(shape), *map(keras_layer, made)])
    values: list[np.ndarray] = []
    modules = nn.Sequential()
    at = shape
    for number, layer in enumerate(made):
        layer.check(at)
        modules.add_module(str(number), randomised(layer.module(at)))
        at = layer.output(at)
        values += weights(layer, modules[-1])
    assert at == tuple(model.output_shape[1:])
    model.set_weights(values)
    x = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
    expected = model(x, training=False).detach().numpy()
    pixels = torch.from_numpy(x.transpose(0, 3, 1, 2).copy() if len(shape) == 3 else x)
    with torch.inference_mode():
        found = modules.eval()(pixels.contiguous())
    found = found.permute(0, 2, 3, 1) if found.ndim == 4 else found
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)


IMAGE_LAYERS: list[Layer] = [
    Conv2D(4),
    Conv2D(4, 5, 1, "same", "relu"),
    Conv2D(4, 3, 2, "same", "tanh"),
    Conv2D(4, (2, 4), (3, 2), "same"),
    Conv2D(4, (3, 2), (2, 1), "valid", use_bias=False),
    DepthwiseConv2D(3, 2, "same", activation="relu"),
    DepthwiseConv2D(3, depth_multiplier=2),
    SeparableConv2D(5, 3, 1, "same"),
    Conv2D(4, 3, dilation_rate=2),
    Conv2D(4, (3, 2), 1, "same", dilation_rate=(2, 3)),
    DepthwiseConv2D(3, dilation_rate=2),
    Conv2DTranspose(4, 3, 2),
    Conv2DTranspose(4, 3, 2, "same", "relu"),
    Conv2DTranspose(4, (2, 5), (3, 2), "same"),
    Conv2DTranspose(4, 2, 3),
    Conv2DTranspose(4, 5, 1, "same", use_bias=False),
    MaxPooling2D(),
    MaxPooling2D(3, 2),
    MaxPooling2D(3, 2, "same"),
    MaxPooling2D((2, 3), None, "same"),
    AveragePooling2D(),
    GlobalMaxPooling2D(),
    GlobalAveragePooling2D(),
    BatchNormalization(),
    BatchNormalization(epsilon=0.1),
    LayerNormalization(),
    LeakyReLU(0.2),
    Rescaling(2.0, -1.0),
    ZeroPadding2D((1, 2)),
    ZeroPadding2D((0, 2)),
    ZeroPadding2D((1, 2, 3, 0)),
    Cropping2D((1, 2)),
    Cropping2D((0, 1, 2, 0)),
    UpSampling2D(2, "bilinear"),
    Permute((2, 1, 3)),
    Permute((3, 1, 2)),
    ReLU(),
    ReLU(1.0, 0.1, 0.2),
    ELU(0.7),
    PReLU(),
    PReLU((1, 2)),
    Softmax(),
    Softmax(1),
    UpSampling2D((2, 3)),
    Resizing(13, 20),
    Resizing(4, 5),
    Reshape((9, -1)),
    Reshape((4, 6, 9)),
    Rows(),
    Flatten(),
]


@pytest.mark.parametrize("layer", IMAGE_LAYERS, ids=str)
def test_layers_on_images(layer: Layer) -> None:
    compare([layer])


@pytest.mark.parametrize("layer", [Dense(5, "relu"), BatchNormalization(), LayerNormalization()], ids=str)
def test_layers_on_vectors(layer: Layer) -> None:
    compare([Flatten(), layer])


@pytest.mark.parametrize("name", [*ACTIVATIONS, "linear", "softmax"])
def test_activations(name: str) -> None:
    compare([Activation(name)])


@pytest.mark.parametrize(
    "layer",
    [
        SimpleRNN(6),
        SimpleRNN(6, "relu", True),
        LSTM(6),
        LSTM(6, return_sequences=True),
        GRU(6),
        GRU(6, return_sequences=True),
        Bidirectional(LSTM(6)),
        Bidirectional(LSTM(6, return_sequences=True)),
        Bidirectional(GRU(6)),
        Bidirectional(SimpleRNN(6, "tanh", True)),
        Dense(4, "sigmoid"),
        BatchNormalization(),
        GlobalAveragePooling1D(),
        GlobalMaxPooling1D(),
    ],
    ids=str,
)
def test_layers_on_sequences(layer: Layer) -> None:
    compare([Rows(), layer])


def test_attention_is_the_few_lines_of_keras_that_its_docstring_gives() -> None:
    layer = AttentionPooling(6)
    module = randomised(layer.module((9, 24)))
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 9, 24)).astype(np.float32))
    inner, score = keras.layers.Dense(6, "tanh"), keras.layers.Dense(1, use_bias=False)
    inner.build(x.shape)
    score.build((5, 9, 6))
    inner.set_weights(weights(Dense(6, "tanh"), module.get_submodule("inner")))
    score.set_weights(weights(Dense(1, use_bias=False), module.get_submodule("score")))
    with torch.no_grad():
        shares = keras.ops.softmax(score(inner(x)), axis=1)
        expected = keras.ops.sum(shares * x, axis=1).numpy()
        found = module(x)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)


def test_a_grey_channel_is_repeated() -> None:
    x = torch.rand(2, 1, 4, 5)
    expected = keras.layers.Concatenate()([x.permute(0, 2, 3, 1)] * 3)
    assert torch.equal(ToColour().module((4, 5, 1))(x).permute(0, 2, 3, 1), expected)


def test_a_mean_over_the_edge_is_of_the_pixels_inside() -> None:
    """As TensorFlow has it; Keras's torch backend repeats the edge instead, so the oracle is written out."""
    layer = AveragePooling2D(3, 2, "same")
    x = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    padded = np.pad(x, ((1, 1), (0, 1), (0, 0)), constant_values=np.nan)  # 9 -> 5 rows, 8 -> 4 columns
    expected = [[np.nanmean(padded[r : r + 3, c : c + 3], (0, 1)) for c in range(0, 8, 2)] for r in range(0, 9, 2)]
    found = layer.module(SHAPE)(torch.from_numpy(x.transpose(2, 0, 1)[None].copy()))
    assert layer.output(SHAPE) == (5, 4, 3)
    np.testing.assert_allclose(found[0].permute(1, 2, 0), np.array(expected), atol=1e-5)


def test_grouped_convolutions() -> None:
    compare([Conv2D(4), Conv2D(6, 3, groups=2)])


def test_flatten_reads_in_keras_order_behind_convolutions() -> None:
    compare([Conv2D(4), MaxPooling2D(), Flatten(), Dense(5)])


DESIGNS = [
    dense.softmax,
    dense.dense,
    alexnet.alexnet,
    vgg.vgg19,
    *(getattr(cnn, name) for name in dir(cnn) if name.startswith(("santiago", "monterrey", "lunzhi"))),
    rnn.monterrey_rnn,
    rnn.monterrey_bilstm,
    rnn.monterrey_gru,
]


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.__name__)
def test_a_report_network_is_its_keras_twin(design: Any) -> None:
    """Same totals, same layer shapes, same logits."""
    torch.manual_seed(0)
    model = designs.build(design(), (1, 28, 28), 10).eval()
    keras_layers = [
        keras.layers.Reshape((28, 28)) if isinstance(layer, Rows) else keras_layer(layer) for layer in model.design
    ]
    twin = keras.Sequential([keras.Input((28, 28, 1)), *keras_layers])
    shapes = [tuple(layer.output.shape[1:]) for layer in twin.layers]
    assert [shape for _, _, shape in designs.table(model.design, (1, 28, 28))] == shapes
    trainable = sum(int(np.prod(variable.shape)) for variable in twin.trainable_weights)
    assert count_parameters(model) == (twin.count_params(), trainable)
    randomise_figures(model)
    twin.set_weights([one for _, layer, part in designs.parts(model) for one in weights(layer, part)])
    pixels = np.random.default_rng(0).random((4, 28, 28, 1)).astype(np.float32)
    with torch.inference_mode():
        found = model(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
    expected = twin(pixels, training=False).detach().numpy()
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4, rtol=1e-4)


def randomise_figures(model: Classifier) -> None:
    """Running figures of batch-norm that are no longer 0 and 1."""
    for name, tensor in model.named_buffers():
        if "running" in name:
            tensor.copy_(torch.rand_like(tensor) + 0.5)


STARTING: list[Layer] = [
    Dense(300),
    *(Dense(300, kernel_initializer=name) for name in ("glorot_normal", "he_uniform", "he_normal", "orthogonal")),
    Conv2D(40, 3),
    Conv2D(40, (3, 5), kernel_initializer="he_normal"),
    DepthwiseConv2D((3, 4), depth_multiplier=60),
    SeparableConv2D(40, depth_multiplier=60),
    LSTM(60),
    GRU(60),
    SimpleRNN(60),
]


@pytest.mark.parametrize("layer", STARTING, ids=str)
def test_weights_start_as_in_keras(layer: Layer) -> None:
    """The same distribution: deviation, range and, where it is constant, value of every tensor."""
    shape = (9, 8, 3) if 3 in layer.ranks and len(layer.ranks) == 1 else (7, 50)
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    twin = keras_layer(layer)
    twin.build((None, *shape))
    for ours, theirs in zip(
        weights(layer, layer.module(shape)), [variable.value.detach().numpy() for variable in twin.weights], strict=True
    ):
        assert ours.shape == theirs.shape
        assert ours.std() == pytest.approx(theirs.std(), rel=0.05, abs=1e-7)
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.15, abs=1e-7)
        if theirs.std() == 0 or set(np.unique(theirs)) == {0.0, 1.0}:
            np.testing.assert_array_equal(ours, theirs)
