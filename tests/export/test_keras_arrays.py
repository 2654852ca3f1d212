"""Arrays that a Keras file keeps otherwise than the layers have them: those of the layers for NVIDIA's cards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

h5py = pytest.importorskip("h5py")

from ropero.errors import DataError  # noqa: E402
from ropero.export import keras_reader  # noqa: E402
from ropero.models.layers import Reshape  # noqa: E402

Array = NDArray[np.float32]
GATES = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2)}  # cuDNN's and torch's r z n are z r h in Keras
NAMES = ("kernel", "recurrent_kernel", "bias")


def written(kind: str, torchs: nn.RNNBase, way: str = "") -> list[Array]:
    """What Keras keeps of cuDNN's matrices, which are torch's: each gate's numbers in their order, in Keras's shape."""
    into, state, first, second = (
        getattr(torchs, f"{name}_l0{way}").detach().numpy() for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    gates, units = GATES[kind], torchs.hidden_size

    def put(matrix: Array) -> Array:
        parts = matrix.reshape(len(gates), units, -1)
        return np.concatenate([parts[gate].ravel().reshape(-1, units) for gate in gates], 1)

    def beside(bias: Array) -> Array:
        return np.concatenate([bias.reshape(len(gates), units)[gate] for gate in gates])

    return [put(into), put(state), np.concatenate([beside(first), beside(second)])]


def entry(kind: str, units: int, **options: Any) -> dict[str, Any]:
    return {"class_name": f"CuDNN{kind}", "config": {"name": f"cu_dnn{kind.lower()}_1", "units": units, **options}}


def save(path: Path, layers: Sequence[Mapping[str, Any]], arrays: Sequence[Mapping[str, Array]]) -> None:
    """A file of Keras 2.2.4."""
    first = {**layers[0], "config": {**layers[0]["config"], "batch_input_shape": [None, 28, 28]}}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = b"2.2.4", b"tensorflow"
        config = {"class_name": "Sequential", "config": {"name": "s", "layers": [first, *layers[1:]]}}
        file.attrs["model_config"] = json.dumps(config).encode()
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [one["config"]["name"].encode() for one in layers]
        for layer, held in zip(layers, arrays, strict=True):
            group = root.create_group(layer["config"]["name"])
            group.attrs["weight_names"] = [name.encode() for name in held]
            for name, array in held.items():
                group[name] = array


def dense(inputs: int) -> tuple[dict[str, Any], nn.Linear, dict[str, Array]]:
    layer = nn.Linear(inputs, 10)
    held = {"d/kernel:0": layer.weight.detach().numpy().T, "d/bias:0": layer.bias.detach().numpy()}
    return {"class_name": "Dense", "config": {"name": "d", "units": 10}}, layer, held


def compare(path: Path, expected: Callable[[Tensor], Tensor]) -> None:
    images = torch.rand(20, 1, 28, 28)
    model = keras_reader.read(path).build([Reshape(target_shape=(28, 28))], (1, 28, 28), 10).model
    with torch.inference_mode():
        torch.testing.assert_close(model(images), expected(images[:, 0]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kind", GATES)
def test_a_layer_for_nvidias_cards_is_what_torch_computes_with_its_matrices(
    kind: str, backwards: bool, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    first, second = getattr(nn, kind)(28, 6, batch_first=True), getattr(nn, kind)(6, 6, batch_first=True)
    last, head, held = dense(6)
    layers = [entry(kind, 6, return_sequences=True, go_backwards=backwards), entry(kind, 6, name="second")]
    arrays = [
        {f"x/{name}:0": one for name, one in zip(NAMES, written(kind, layer), strict=True)} for layer in (first, second)
    ]
    save(tmp_path / "model.h5", [*layers, last], [*arrays, held])

    def expected(x: Tensor) -> Tensor:
        found: Tensor = head(second(first(x.flip(1) if backwards else x)[0])[0][:, -1])
        return found

    compare(tmp_path / "model.h5", expected)


@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.parametrize("kind", GATES)
def test_one_in_both_directions_and_in_a_model(kind: str, is_nested: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer = getattr(nn, kind)(28, 5, batch_first=True, bidirectional=True)
    last, head, held = dense(10)
    both = {"class_name": "Bidirectional", "config": {"name": "both", "layer": entry(kind, 5), "merge_mode": "concat"}}
    block = {"class_name": "Sequential", "config": {"name": "block", "layers": [both]}}
    arrays = {
        f"both/{way}/{name}:0": one
        for way, suffix in (("forward", ""), ("backward", "_reverse"))
        for name, one in zip(NAMES, written(kind, layer, suffix), strict=True)
    }
    save(tmp_path / "model.h5", [block if is_nested else both, last], [arrays, held])

    def expected(x: Tensor) -> Tensor:
        found = layer(x)[0]
        ends: Tensor = head(torch.cat([found[:, -1, :5], found[:, 0, 5:]], 1))
        return ends

    compare(tmp_path / "model.h5", expected)


def test_a_bias_of_another_length_is_refused(tmp_path: Path) -> None:
    kernel, recurrent, bias = written("LSTM", nn.LSTM(28, 6))
    last, _, held = dense(6)
    arrays = dict(zip(NAMES, (kernel, recurrent, bias[:-1]), strict=True))
    save(tmp_path / "model.h5", [entry("LSTM", 6), last], [arrays, held])
    with pytest.raises(DataError, match=r"bias should have the shape \(24,\), got \(47,\)"):
        keras_reader.read(tmp_path / "model.h5").build([Reshape(target_shape=(28, 28))], (1, 28, 28), 10)


def test_what_the_first_layer_lacks_is_said_of_the_file(tmp_path: Path) -> None:
    """Its figures are looked for before anything is built: they tell the scale of the pixels."""
    last, _, held = dense(28)
    norm = {"class_name": "BatchNormalization", "config": {"name": "norm"}}
    save(tmp_path / "model.h5", [norm, last], [{}, held])
    with h5py.File(tmp_path / "model.h5", "a") as file:
        file["model_weights/norm"].attrs["weight_names"] = [b"norm/moving_mean:0"]
    with pytest.raises(DataError, match=r"^model\.h5: layer norm: the array norm/moving_mean:0 is missing"):
        keras_reader.read(tmp_path / "model.h5")


@pytest.mark.parametrize("classes", [["a", 1, None, ["b"]], [1, 2, 3, 4], ["a", "b" * 30_000], {"a": "b"}])
def test_a_card_whose_classes_are_no_names_names_none(classes: object, tmp_path: Path) -> None:
    last, _, held = dense(28)
    save(tmp_path / "model.h5", [last], [held])
    with h5py.File(tmp_path / "model.h5", "a") as file:
        file.attrs["ropero"] = json.dumps({"classes": classes})
    assert keras_reader.read(tmp_path / "model.h5").classes == ()
