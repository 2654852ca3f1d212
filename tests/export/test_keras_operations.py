"""Operations between Keras's layers: read with the function that real Keras 3 computes, or refused by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

from ropero.errors import DataError, UsageError  # noqa: E402
from ropero.export import keras_layers, keras_operations, keras_reader  # noqa: E402
from ropero.export.keras_config import Call, Leaf, Network, Tree  # noqa: E402

L, ops = keras.layers, keras.ops
ACTIVATIONS: list[Callable[[Any], Any]] = [
    ops.relu, ops.relu6, ops.sigmoid, ops.tanh, ops.softplus, ops.softsign, ops.silu, ops.selu, ops.exp,
    ops.log_sigmoid, ops.hard_sigmoid, ops.hard_silu, ops.hard_tanh, ops.tanh_shrink, ops.sparse_plus,
    ops.sparse_sigmoid, ops.celu, ops.hard_shrink, ops.soft_shrink, ops.squareplus, ops.elu, ops.negative,
    ops.stop_gradient, lambda x: ops.gelu(x, approximate=True), lambda x: ops.gelu(x, approximate=False),
    lambda x: ops.leaky_relu(x, negative_slope=0.3), lambda x: ops.elu(x, alpha=0.5), lambda x: ops.clip(x, 0, 0.7),
    lambda x: ops.maximum(x, 0), lambda x: ops.softmax(x, axis=1),
]  # fmt: skip


def end(x: Any) -> Any:
    return L.Dense(10)(L.Flatten()(x))


def activations(x: Any) -> Any:
    """Each on a channel of its own."""
    x = L.Conv2D(4, 5, strides=4)(x)
    return end(ops.concatenate([one(L.Conv2D(1, 1)(x)) for one in ACTIVATIONS], axis=-1))


def laid(x: Any) -> Any:
    x = ops.transpose(L.Conv2D(3, 3)(ops.cast(x, "float32") / 255.0), (0, 2, 1, 3))
    x = ops.swapaxes(ops.reshape(x, (-1, 26, 13, 6)), 1, -1)
    first, second = ops.mean(x, axis=(1, 2), keepdims=True), ops.max(x, axis=[1, 2], keepdims=True)
    x = ops.multiply(ops.subtract(x, first), ops.minimum(x, second))
    rows = ops.max(L.Reshape((13, -1))(x - second), axis=1)
    x = ops.squeeze(ops.expand_dims(ops.mean(x, axis=(1, 2)), 1), 1)
    return L.Dense(10)(ops.concatenate([x, rows], axis=1))


GRAPHS: dict[str, Callable[[Any], Any]] = {
    "activations": activations,
    "laid": laid,
    "softmax": lambda x: ops.softmax(end(x)),
    "shares": lambda x: ops.exp(ops.log_softmax(end(x))),
    "sparsemax": lambda x: L.Dense(10)(ops.sparsemax(L.Dense(8)(L.Flatten()(x)))),
}
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "sin": (
        lambda x: end(ops.sin(x)),
        r"Layer 1 of 3, sin\w* \(Sin\): (it is the operation sin;|ropero has no such layer)",
    ),
    "mean of a side": (
        lambda x: end(ops.mean(x, axis=1)),
        r"Layer 1 of 3, mean\w* \(Mean\): it is the operation mean;",
    ),
    "another option": (lambda x: end(ops.celu(x, 0.3)), "operation celu;"),
    "images mixed": (lambda x: L.Dense(10)(ops.reshape(x, (-1, 392))), "cannot bring the 784 values"),
    "images moved": (lambda x: L.Dense(10)(ops.transpose(x, (1, 0, 2, 3))), "operation transpose;"),
    "a power": (lambda x: end(x**2), r"\(Power\)"),
}


def saved(build: Callable[[Any], Any], path: Path) -> Any:
    keras.utils.set_random_seed(0)
    start = keras.Input((28, 28, 1))
    model = keras.Model(start, build(start))
    rng = np.random.default_rng(1)
    for variable in model.weights:
        variable.assign(rng.normal(size=tuple(variable.shape)) / 3)
    model.save(path)
    return model


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.filterwarnings("ignore")  # Keras calls .h5 legacy
def test_operations_are_the_same_function_here(name: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{ending}"
    twin = saved(GRAPHS[name], path)
    pixels = np.random.default_rng(0).normal(size=(50, 28, 28, 1)).astype(np.float32)
    expected = np.asarray(twin.predict(pixels, verbose=0))
    model = keras_reader.read(path).build([], (1, 28, 28), 10).model
    with torch.inference_mode():
        found = model(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
    shares = name in ("softmax", "shares")
    np.testing.assert_allclose(found.softmax(1) if shares else found, expected, atol=2e-4, rtol=1e-4)
    assert np.ptp(expected) > 1e-3


@pytest.mark.filterwarnings("ignore")
def test_a_scale_behind_a_cast_is_told(tmp_path: Path) -> None:
    saved(laid, tmp_path / "model.keras")
    assert keras_reader.read(tmp_path / "model.keras").scaled == "0-255"


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_other_operations_are_refused_by_name(name: str, ending: str, tmp_path: Path) -> None:
    build, words = REFUSED[name]

    start = keras.Input((28, 28, 1))
    keras.Model(start, build(start)).save(tmp_path / f"model.{ending}")
    with pytest.raises(DataError, match=words):
        keras_reader.read(tmp_path / f"model.{ending}").outputs((28, 28, 1))


def call(kind: str, options: dict[str, Any], inputs: int = 1, package: str = "keras.ops") -> Call:
    return Call(Leaf(kind, "one", options, False, package), tuple(range(inputs)), 9, "one")


def test_gelu_is_the_exact_one_in_tensorflow_and_not_in_keras() -> None:
    assert keras_operations.plain(call("Gelu", {}), (3,)) == ("Activation", {"activation": "gelu_approximate"})
    function = call("TFOpLambda", {"function": "nn.gelu"}, package="")
    assert keras_operations.plain(function, (3,)) == ("Activation", {"activation": "gelu"})


def test_a_layer_of_an_operations_name_is_none() -> None:
    """An author's own class, which a legacy file names alone: only a layer says whether it is trained."""
    assert keras_operations.is_operation(call("Gelu", {"approximate": True}, package=""))
    assert not keras_operations.is_operation(call("Gelu", {"trainable": True, "dtype": "float32"}, package=""))
    assert not keras_operations.is_operation(call("Softmax", {"axis": -1}, package=""))


@pytest.mark.parametrize(
    ("kind", "options", "inputs"),
    [("Divide", {}, 2), ("Relu", {}, 2), ("Sum", {"axis": [1]}, 1), ("Mean", {"axis": None}, 1),
     ("Mean", {"axis": [1]}, 1), ("Squeeze", {"axis": [1]}, 1), ("Clip", {"x_min": -1, "x_max": 1}, 1),
     ("ExpandDims", {"axis": 0}, 1), ("Cast", {"dtype": "int32"}, 1), ("Reshape", {"newshape": [5, 9]}, 1)],
)  # fmt: skip
def test_what_no_layer_does_is_refused(kind: str, options: dict[str, Any], inputs: int) -> None:
    with pytest.raises(UsageError, match="it is the operation"):
        keras_operations.plain(call(kind, options, inputs), (3, 3, 5))


@pytest.mark.parametrize("kind", keras_operations.PROGRAMS)
def test_operations_that_keep_no_name_are_refused_as_the_others_are(kind: str) -> None:
    network = Network(Tree("", "", True), (call(kind, {"trainable": True}, package=""),), 9, None)
    with pytest.raises(DataError, match=f"it is the operation {kind}; of operations .* activations, means"):
        keras_layers.lines(network, (28, 28, 1), "2.4.0")
