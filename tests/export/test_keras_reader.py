"""Networks that real Keras 3 built and saved, read from both of its files: equal to Keras's own prediction."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

from ropero.errors import DataError  # noqa: E402
from ropero.export import keras_reader  # noqa: E402
from ropero.models import designs, entries  # noqa: E402
from ropero.models.layers import Flatten, Layer, Reshape  # noqa: E402
from ropero.models.spatial import Permute, ToColour  # noqa: E402

L = keras.layers
IMAGES = 100
Model = Any


def chain(*layers: Any, shape: tuple[int | None, ...] = (28, 28, 1)) -> Model:
    return keras.Sequential([keras.Input(shape), *layers])


def end(activation: str | None = "softmax") -> list[Any]:
    return [L.Flatten(), L.Dense(10, activation=activation)]


def wired(build: Callable[[Any], Any], shape: tuple[int, ...] = (28, 28, 1)) -> Model:
    start = keras.Input(shape)
    return keras.Model(start, build(start))


def residual(x: Any) -> Any:
    first = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    second = L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(first))
    joined = L.Concatenate()([L.ReLU()(L.Add()([first, second])), L.Multiply()([first, second])])
    return L.Dense(10, activation="softmax")(L.GlobalAveragePooling2D()(joined))


def others(x: Any) -> Any:
    first, second = L.Conv2D(3, 3)(x), L.Conv2D(3, 3)(x)
    joined = L.Average()([L.Subtract()([first, second]), L.Maximum()([first, second]), L.Minimum()([first, second])])
    return L.Dense(10, activation="softmax")(L.Flatten()(joined))


def nested(frozen: bool) -> Model:
    inner = keras.Sequential([keras.Input((28, 28, 1)), L.Conv2D(3, 3), L.BatchNormalization(), L.ReLU()])
    middle = wired(lambda x: L.MaxPooling2D()(L.BatchNormalization()(L.Conv2D(3, 3)(x))), (26, 26, 3))
    middle.trainable = not frozen
    return chain(inner, middle, *end(None), L.Softmax())


def thawed() -> Model:
    inner = keras.Sequential([keras.Input((28, 28, 1)), *(L.Conv2D(1, 3, padding="same") for _ in range(3))])
    inner.trainable = False
    inner.layers[1].trainable = True
    return chain(inner, *end())


def nested_in_a_graph(x: Any) -> Any:
    inner = keras.Sequential([L.Conv2D(3, 3, strides=2), L.BatchNormalization()])
    inner.trainable = False
    return L.Dense(10, activation="softmax")(L.Flatten()(inner(x)))


def shared(x: Any) -> Any:
    dense = L.Dense(28, activation="relu")
    return L.Dense(10, activation="softmax")(L.Flatten()(dense(dense(L.Reshape((28, 28))(x)))))


def two_heads(x: Any) -> Any:
    heads = [L.Dense(10, activation="softmax")(L.Flatten()(L.Conv2D(3, 5, strides=3)(x))) for _ in range(2)]
    return L.Average()(heads)


def measured() -> Model:
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(0).random((20, 28, 28, 1)))
    return chain(layer, *end())


ROWS = (28, 28)
MODELS: dict[str, Callable[[], Model]] = {
    "tutorial": lambda: chain(L.Flatten(), L.Dense(32, activation="relu"), L.Dropout(0.2), *end(), shape=ROWS),
    "logits": lambda: chain(L.Flatten(), L.Dense(32, activation="relu"), L.Dense(10), shape=ROWS),
    "flat": lambda: chain(L.Dense(32, activation="tanh"), L.Dense(10, activation="softmax"), shape=(784,)),
    "rank3": lambda: chain(L.Dense(8, activation="relu"), *end(), shape=ROWS),
    "cnn": lambda: chain(L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(), L.BatchNormalization(), *end()),
    "convolutions": lambda: chain(
        L.Conv2D(6, 5, strides=2, padding="same"),
        L.DepthwiseConv2D(3, depth_multiplier=2),
        L.SeparableConv2D(5, 3, padding="same", activation="elu"),
        L.Conv2DTranspose(3, 3, strides=2),
        L.Conv2D(4, (2, 3), dilation_rate=2, use_bias=False),
        *end(),
    ),
    "spatial": lambda: chain(
        L.ZeroPadding2D(((1, 2), (3, 0))),
        L.Cropping2D((2, 1)),
        L.UpSampling2D(2),
        L.AveragePooling2D(3),
        L.SpatialDropout2D(0.1),
        L.Permute((2, 1, 3)),
        L.Reshape((-1, 3)),
        *end(),
    ),
    "activations": lambda: chain(
        L.Conv2D(3, 5),
        L.LeakyReLU(negative_slope=0.1),
        L.Conv2D(3, 5),
        L.PReLU(shared_axes=[1, 2]),
        L.Conv2D(3, 5),
        L.ELU(alpha=0.5),
        L.ReLU(max_value=6),
        L.Activation("swish"),
        L.Flatten(),
        L.Dense(9, activation="gelu"),
        L.Dense(8, activation="softmax"),
        L.Dense(10),
        L.Activation("softmax"),
    ),
    "activation objects": lambda: chain(
        L.Flatten(),
        L.Dense(9, activation=L.LeakyReLU(negative_slope=0.2)),
        L.Dense(9, activation=keras.activations.relu6),
        L.Dense(10, activation="softmax"),
    ),
    "layer norm": lambda: chain(L.Conv2D(4, 7), L.LayerNormalization(), *end()),
    "norms without": lambda: chain(
        L.BatchNormalization(scale=False),
        L.Conv2D(4, 7),
        L.BatchNormalization(center=False, epsilon=0.01),
        L.LayerNormalization(axis=[1, 2, 3], scale=False),
        *end(),
    ),
    "rescaled": lambda: chain(L.Rescaling(1 / 127.5, offset=-1), L.RandomFlip(), L.RandomRotation(0.1), *end()),
    "measured": measured,
    "given": lambda: chain(L.Normalization(mean=0.28, variance=0.12), *end()),
    "rnn": lambda: chain(L.SimpleRNN(7, return_sequences=True), L.SimpleRNN(6, activation="relu"), *end(), shape=ROWS),
    "lstm": lambda: chain(L.LSTM(7, return_sequences=True), L.LSTM(6, use_bias=False), *end(), shape=ROWS),
    "gru": lambda: chain(L.GRU(7, return_sequences=True), L.GRU(6, reset_after=False), *end(), shape=ROWS),
    "bidirectional": lambda: chain(
        L.Bidirectional(L.LSTM(6, return_sequences=True)),
        L.TimeDistributed(L.Dense(5, activation="relu")),
        L.Bidirectional(L.GRU(4), merge_mode="sum"),
        *end(),
        shape=ROWS,
    ),
    "backwards": lambda: chain(L.LSTM(6, go_backwards=True, recurrent_activation="hard_sigmoid"), *end(), shape=ROWS),
    "any length": lambda: chain(L.LSTM(6), *end(), shape=(None, 28)),
    "any size": lambda: chain(L.Conv2D(4, 3), L.GlobalMaxPooling2D(), L.Dense(10), shape=(None, None, 1)),
    "residual": lambda: wired(residual),
    "other merges": lambda: wired(others),
    "nested": lambda: nested(frozen=False),
    "nested frozen": lambda: nested(frozen=True),
    "nested thawed": thawed,
    "nested in a graph": lambda: wired(nested_in_a_graph),
    "shared": lambda: wired(shared),
    "no dense": lambda: chain(L.Conv2D(10, 5, strides=3), L.GlobalAveragePooling2D(), L.Softmax()),
    "two softmaxes": lambda: chain(*end(), L.Softmax()),
    "dropout behind softmax": lambda: chain(*end(), L.Dropout(0.2)),
    "softmax laid otherwise": lambda: chain(*end(), L.Reshape((5, 2)), L.Flatten()),
    "mean of softmaxes": lambda: chain(L.Conv2D(10, 5, strides=3), L.Softmax(), L.GlobalAveragePooling2D()),
    "two heads": lambda: wired(two_heads),
    "two softmaxes and dropout": lambda: chain(*end(), L.Softmax(), L.Dropout(0.2)),
    "noise": lambda: chain(
        L.GaussianNoise(0.1), L.GaussianDropout(0.1), L.AlphaDropout(0.1), L.ActivityRegularization(0.1), *end()
    ),
    "one dimension": lambda: chain(
        L.Conv1D(5, 3, activation="relu"), L.MaxPooling1D(), L.GlobalAveragePooling1D(), L.Dense(10), shape=ROWS
    ),
    "names": lambda: chain(
        L.Flatten(name="a-b c"), L.Dense(4, name="ñ-1"), L.Dense(10, name="input", activation="softmax")
    ),
    "regularised": lambda: chain(
        L.Flatten(), L.Dense(5, kernel_regularizer="l2", kernel_constraint=keras.constraints.MaxNorm(2)), *end()
    ),
}


def shaken(model: Model) -> Model:
    """Weights, biases and running figures that are all different."""
    rng = np.random.default_rng(1)
    for variable in model.weights:
        name, size = variable.path, tuple(variable.shape)
        if "seed" in name or "count" in name:
            continue
        fan = max(1, int(np.prod(size[:-1])))
        variable.assign(rng.random(size) + 0.5 if "variance" in name else rng.normal(size=size) / np.sqrt(fan))
    return model


def prefix(wants: tuple[int | None, ...]) -> list[Layer]:
    """From ropero's images to a network's input."""
    if len(wants) == 1:
        return [Flatten()]
    if len(wants) == 2:
        return [Reshape(target_shape=(28, 28))]
    return [ToColour()] if wants[2] == 3 else []


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")  # Keras calls .h5 legacy
def test_a_network_of_keras_is_the_same_function_here(name: str, ending: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    twin = shaken(MODELS[name]())
    path = tmp_path / f"model.{ending}"
    twin.save(path)
    found = keras_reader.read(path)
    model = found.build(prefix(found.wants[0]), (1, 28, 28), 10).model
    pixels = np.random.default_rng(0).random((IMAGES, 28, 28, 1)).astype(np.float32)
    shape = [28 if side is None else side for side in found.wants[0]]
    expected = np.asarray(twin.predict(pixels.reshape(-1, *shape), verbose=0))
    with torch.inference_mode():
        logits = model(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
    is_share = np.allclose(expected.sum(1), 1, atol=1e-3)
    got = logits.softmax(1).numpy() if is_share else logits.numpy()
    assert found.outputs(tuple(shape)) == 10
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert np.ptp(expected) > 1e-3  # a network that says the same of everything proves nothing


@pytest.mark.parametrize("behind", [[], [L.Dropout(0.1), L.Reshape((5, 2)), L.Flatten()]], ids=len)
@pytest.mark.filterwarnings("ignore")
def test_sigmoids_become_shares_in_the_same_order(behind: list[Any], tmp_path: Path) -> None:
    twin = shaken(chain(*end("sigmoid"), *behind))
    twin.save(tmp_path / "model.keras")
    model = keras_reader.read(tmp_path / "model.keras").build([], (1, 28, 28), 10).model
    pixels = np.random.default_rng(0).random((IMAGES, 28, 28, 1)).astype(np.float32)
    expected = np.asarray(twin.predict(pixels, verbose=0))
    with torch.inference_mode():
        found = model(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())).softmax(1).numpy()
    np.testing.assert_allclose(found, expected / expected.sum(1, keepdims=True), atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_probabilities_before_the_end_are_logits_in_the_list_that_is_kept(tmp_path: Path) -> None:
    twin = shaken(wired(two_heads))
    twin.save(tmp_path / "model.keras")
    built = keras_reader.read(tmp_path / "model.keras").build([], (1, 28, 28), 10)
    again = designs.build(entries.from_json(built.layers), (1, 28, 28), 10).eval()
    again.load_state_dict(built.model.state_dict())
    pixels = np.random.default_rng(0).random((IMAGES, 28, 28, 1)).astype(np.float32)
    with torch.inference_mode():
        found = again(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
    np.testing.assert_allclose(found.softmax(1), np.asarray(twin.predict(pixels, verbose=0)), atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_channels_that_come_first_are_turned(tmp_path: Path) -> None:
    """Keras on torch computes them; what TensorFlow's CPU build cannot."""
    options = {"data_format": "channels_first"}
    layers = [
        L.Conv2D(4, 3, **options),
        L.MaxPooling2D(2, **options),
        L.BatchNormalization(axis=1),
        L.Flatten(**options),
    ]
    twin = shaken(chain(*layers, L.Dense(10), shape=(1, 28, 28)))
    twin.save(tmp_path / "model.keras")
    found = keras_reader.read(tmp_path / "model.keras")
    assert found.channels_first
    model = found.build([Permute(dims=(3, 1, 2))], (1, 28, 28), 10).model
    pixels = np.random.default_rng(0).random((IMAGES, 1, 28, 28)).astype(np.float32)
    with torch.inference_mode():
        logits = model(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(logits, np.asarray(twin.predict(pixels, verbose=0)), atol=1e-4)


@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_outputs_beyond_the_classes_are_left_away(is_nested: bool, tmp_path: Path) -> None:
    last = [L.Flatten(), L.Dense(11)]
    twin = shaken(chain(keras.Sequential(last)) if is_nested else chain(*last))
    twin.save(tmp_path / "model.h5")
    found = keras_reader.read(tmp_path / "model.h5")
    assert found.outputs((28, 28, 1)) == 11
    pixels = np.random.default_rng(0).random((IMAGES, 28, 28, 1)).astype(np.float32)
    with torch.inference_mode():
        logits = found.build([], (1, 28, 28), 10).model(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(logits, np.asarray(twin.predict(pixels, verbose=0))[:, :10], atol=1e-4)


ENDS: dict[str, Callable[[], Model]] = {
    "softmax": lambda: chain(*end()),
    "softmax and dropout": lambda: chain(*end(), L.Softmax(), L.Dropout(0.1)),
    "sigmoid": lambda: chain(*end("sigmoid")),
    "activations": lambda: chain(*end("tanh"), L.LeakyReLU(), L.Activation("softmax")),
    "pooled": lambda: chain(L.Conv2D(3, 5, strides=3), L.Dense(10), L.GlobalAveragePooling2D(), L.Softmax()),
    "nested": lambda: chain(L.Conv2D(3, 5), keras.Sequential([L.Flatten(), L.Dense(10), L.Softmax()])),
}
UNMOVED: dict[str, Callable[[], Model]] = {
    "no dense": lambda: chain(L.Conv2D(10, 5, strides=3), L.GlobalAveragePooling2D(), L.Softmax()),
    "norm behind": lambda: chain(*end(None), L.BatchNormalization(), L.Softmax()),
    "two heads": lambda: wired(two_heads),
    "too few": lambda: chain(L.Flatten(), L.Dense(9)),
}


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", ENDS)
@pytest.mark.filterwarnings("ignore")
def test_outputs_come_in_the_order_that_is_wanted(name: str, ending: str, tmp_path: Path) -> None:
    twin, order = shaken(ENDS[name]()), [3, 1, 2, 0, 9, 8, 7, 6, 5, 4]
    twin.save(tmp_path / f"model.{ending}")
    ordered = keras_reader.read(tmp_path / f"model.{ending}").ordered
    assert ordered is not None
    pixels = np.random.default_rng(0).random((IMAGES, 28, 28, 1)).astype(np.float32)
    with torch.inference_mode():
        given = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())
        found = ordered(order)([], (1, 28, 28), 10).model(given).softmax(1).numpy()
    expected = np.asarray(twin.predict(pixels, verbose=0))[:, order]
    np.testing.assert_allclose(found, expected / expected.sum(1, keepdims=True), atol=1e-4)


@pytest.mark.parametrize("name", UNMOVED)
@pytest.mark.filterwarnings("ignore")
def test_outputs_of_other_layers_stay_where_they_are(name: str, tmp_path: Path) -> None:
    UNMOVED[name]().save(tmp_path / "model.keras")
    ordered = keras_reader.read(tmp_path / "model.keras").ordered
    assert ordered is not None
    with pytest.raises(DataError, match=r"^model.keras: Its classes stand in another order than the data's, and"):
        ordered(range(10)[::-1])([], (1, 28, 28), 10)


@pytest.mark.parametrize("ending", ["h5", "weights.h5"])
@pytest.mark.filterwarnings("ignore")
def test_weights_alone_are_read_with_their_plan(ending: str, tmp_path: Path) -> None:
    twin = shaken(MODELS["cnn"]())
    twin.save_weights(tmp_path / "fashion.weights.h5")
    (tmp_path / "plan.json").write_text(twin.to_json())
    path = tmp_path / f"renamed.{ending}"
    (tmp_path / "fashion.weights.h5").rename(path)
    with pytest.raises(DataError, match=r"weights without the network .* --plan"):
        keras_reader.read(path)
    found = keras_reader.read(path, tmp_path / "plan.json")
    (tmp_path / "plan.json").rename(tmp_path / "renamed.json")
    assert keras_reader.read(path).wants == found.wants
    pixels = np.random.default_rng(0).random((IMAGES, 28, 28, 1)).astype(np.float32)
    with torch.inference_mode():
        got = (
            found.build([], (1, 28, 28), 10)
            .model(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
            .softmax(1)
            .numpy()
        )
    np.testing.assert_allclose(got, np.asarray(twin.predict(pixels, verbose=0)), atol=1e-4)


@keras.saving.register_keras_serializable("mine")
class Capsule(keras.layers.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return x


@keras.saving.register_keras_serializable("mine")
def bent(x: Any) -> Any:
    return x


REFUSED: dict[str, tuple[Callable[[], Model], str]] = {
    "lambda": (
        lambda: chain(L.Lambda(lambda x: x / 255, name="halve"), *end()),
        r"Layer 1 of 3, halve \(Lambda\).*code",
    ),
    "custom layer": (lambda: chain(Capsule(), *end()), r"\(Capsule\).*author's \(mine>Capsule\)"),
    "custom activation": (
        lambda: chain(L.Flatten(), L.Dense(10, activation=bent)),
        "activation bent is none",
    ),
    "two inputs": (lambda: two_inputs(), r"takes 2 inputs"),
    "two outputs": (lambda: keras.Model(*two_outputs()), r"has 2 outputs"),
    "attention": (lambda: attention(), r"MultiHeadAttention"),
    "words": (lambda: chain(L.Embedding(10, 4), *end(), shape=(784,)), r"reads words"),
    "stateful": (lambda: stateful(), r"stateful"),
}


def two_inputs() -> Model:
    one, other = keras.Input((28, 28, 1)), keras.Input((28, 28, 1))
    return keras.Model([one, other], L.Dense(10)(L.Flatten()(L.Add()([one, other]))))


def two_outputs() -> tuple[Any, Any]:
    start = keras.Input((28, 28, 1))
    flat = L.Flatten()(start)
    return start, [L.Dense(10)(flat), L.Dense(2)(flat)]


def attention() -> Model:
    start = keras.Input((28, 28))
    seen = L.MultiHeadAttention(2, 4)(start, start)
    return keras.Model(start, L.Dense(10)(L.Flatten()(seen)))


def stateful() -> Model:
    start = keras.Input(batch_shape=(5, 28, 28))
    return keras.Model(start, L.Dense(10)(L.LSTM(4, stateful=True)(start)))


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_what_is_not_read_is_named_with_its_place(name: str, ending: str, tmp_path: Path) -> None:
    make, words = REFUSED[name]
    path = tmp_path / f"model.{ending}"
    make().save(path)

    def read() -> int:
        found = keras_reader.read(path)
        return found.outputs(tuple(side or 28 for side in found.wants[0]))

    with pytest.raises(DataError, match=words):
        read()


@pytest.mark.filterwarnings("ignore")
def test_a_picture_at_the_end_is_no_classifier(tmp_path: Path) -> None:
    chain(L.Conv2D(3, 3, padding="same"), L.Conv2D(1, 3, padding="same")).save(tmp_path / "model.keras")
    with pytest.raises(DataError, match="no classifier, perhaps an autoencoder"):
        keras_reader.read(tmp_path / "model.keras").outputs((28, 28, 1))


@pytest.mark.filterwarnings("ignore")
def test_what_was_trained_in_half_precision_is_read(tmp_path: Path) -> None:
    keras.config.set_dtype_policy("float16")
    try:
        twin = shaken(MODELS["cnn"]())
    finally:
        keras.config.set_dtype_policy("float32")
    twin.save(tmp_path / "model.h5")
    model = keras_reader.read(tmp_path / "model.h5").build([], (1, 28, 28), 10).model
    kernel = next(one for one in model.modules() if isinstance(one, nn.Conv2d)).weight
    assert kernel.dtype == torch.float32
    np.testing.assert_array_equal(
        kernel.detach().permute(2, 3, 1, 0).numpy(), np.asarray(twin.weights[0].value.detach()).astype(np.float32)
    )


@pytest.mark.filterwarnings("ignore")
def test_the_scale_of_pixels_is_told_by_a_first_layer(tmp_path: Path) -> None:
    def told(model: Model) -> Any:
        model.save(tmp_path / "model.keras")
        return keras_reader.read(tmp_path / "model.keras").scaled

    assert told(chain(L.Rescaling(1 / 255), *end())) == "0-255"
    assert told(chain(*end())) is None
    norm = L.Normalization(axis=None)
    norm.adapt(np.random.default_rng(0).normal(73, 90, (1000, 28, 28, 1)))
    assert told(chain(norm, *end())) == pytest.approx((73, 90), rel=0.02)
