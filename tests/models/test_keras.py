"""The oracle: Keras gives the same outputs for the same weights, layer by layer, and counts the same parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from keras_twin import compare, keras, keras_layer, weights

from ropero.models import alexnet, cnn, dense, designs, rnn, vgg
from ropero.models.activations import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from ropero.models.classifier import Classifier, count_parameters
from ropero.models.convolutions import Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D
from ropero.models.layers import (
    ACTIVATIONS,
    Dense,
    Flatten,
    Layer,
    Rescaling,
    Reshape,
)
from ropero.models.normalization import BatchNormalization, LayerNormalization
from ropero.models.pooling import (
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    MaxPooling2D,
)
from ropero.models.recurrent import (
    GRU,
    LSTM,
    Rows,
    SimpleRNN,
)
from ropero.models.spatial import (
    Cropping2D,
    Permute,
    ToColour,
    UpSampling2D,
    ZeroPadding2D,
)

OTHERWISE = ("gelu_approximate", "hard_sigmoid_2", "log")  # what a file of Keras 3 has no name for
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
    BatchNormalization(),
    BatchNormalization(epsilon=0.1),
    LayerNormalization(),
    LeakyReLU(0.2),
    Rescaling(2.0, -1.0),
    Rescaling((2.0, 3.0, 4.0), -1.0),
    Rescaling(2.0, (0.1, 0.2, 0.3)),
    Dense(5, "relu"),
    Dense(5, use_bias=False),
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


@pytest.mark.parametrize("name", [*(name for name in ACTIVATIONS if name not in OTHERWISE), "linear", "softmax"])
def test_activations(name: str) -> None:
    compare([Activation(name)])
    compare([Rows(), Activation(name)])


def test_activations_that_no_name_of_keras_3_gives() -> None:
    x = torch.linspace(-5, 5, 301)
    gelu = ACTIVATIONS["gelu_approximate"]()(x)
    np.testing.assert_allclose(gelu, keras.activations.gelu(x, approximate=True), atol=1e-6)
    old = np.clip(0.2 * x.numpy() + 0.5, 0, 1)  # keras 2.15, activations.py and backend.hard_sigmoid
    np.testing.assert_allclose(ACTIVATIONS["hard_sigmoid_2"]()(x), old, atol=1e-6)
    shares = torch.tensor([0.0, 1e-9, 0.5, 1.0])
    expected = [np.log(1e-30), np.log(1e-9), np.log(0.5), 0]
    np.testing.assert_allclose(ACTIVATIONS["log"]()(shares), expected, rtol=1e-6)


def test_every_activation_of_keras_is_known_or_needs_more_than_a_name() -> None:
    known = {name for name, one in vars(keras.activations).items() if callable(one)} - {"get", "serialize"}
    assert known - {"deserialize", *ACTIVATIONS, "linear", "softmax"} == {"glu", "threshold"}


def test_values_at_a_threshold_are_below_it() -> None:
    values = np.array([[-1.0, 0.2, 0.3, 0.0, 2.0]], np.float32)
    layer = ReLU(1.0, 0.0, 0.2)
    found = layer.module((5,))(torch.from_numpy(values))
    np.testing.assert_array_equal(found, keras_layer(layer)(values).numpy())


@pytest.mark.parametrize(
    "layer",
    [
        Dense(4, "sigmoid"),
        Rescaling(tuple(range(24)), 1.0),
        BatchNormalization(),
        GlobalAveragePooling1D(),
        GlobalMaxPooling1D(),
    ],
    ids=str,
)
def test_layers_on_sequences(layer: Layer) -> None:
    compare([Rows(), layer])


def test_a_grey_channel_is_repeated() -> None:
    x = torch.rand(2, 1, 4, 5)
    expected = keras.layers.Concatenate()([x.permute(0, 2, 3, 1)] * 3)
    assert torch.equal(ToColour().module((4, 5, 1))(x).permute(0, 2, 3, 1), expected)


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
