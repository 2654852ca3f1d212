"""What is written without Keras is what Keras itself reads: the same logits, then a softmax, and the same arrays when
Keras saves it again."""

from __future__ import annotations

import io
import json
import os
import subprocess
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_vgg
from exporting import FROZEN, QUICK_ONES, SLOW, listed, network, written

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

from ropero.errors import MissingExtra, UsageError  # noqa: E402
from ropero.export import clients, keras_writer, reader  # noqa: E402
from ropero.export.translation import translate  # noqa: E402
from ropero.models import designs, samples  # noqa: E402
from ropero.models.classifier import Classifier, count_parameters  # noqa: E402
from ropero.models.entries import from_json, to_json  # noqa: E402
from ropero.models.inference import logits, probabilities  # noqa: E402

BOTH = pytest.mark.parametrize("form", ["keras", "h5"])
KERAS_2 = os.environ.get("ROPERO_KERAS_2", "")  # a Python that has tf.keras 2, where there is one


def loaded(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return keras.saving.load_model(path, compile=False)


def compare(model: Classifier, form: str, folder: Path) -> Any:
    """Keras's logits are ropero's, its probabilities their softmax; returns what Keras made of the file."""
    path = written(model, form, folder)
    images = samples.pictures(20, model.input_shape, seed=3)
    expected = logits(model, images)
    assert expected.std(0).mean() > 1e-3  # a network that says the same of all images would prove nothing
    gap, allowed = samples.difference(expected, clients.opened(path).logits(images))
    assert gap <= allowed
    found = loaded(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares = found.predict(images.astype(np.float32) / 255, verbose=0)
    raised = np.exp(expected - expected.max(1, keepdims=True))
    np.testing.assert_allclose(shares, raised / raised.sum(1, keepdims=True), atol=1e-5)
    return found


@BOTH
@pytest.mark.parametrize("name", QUICK_ONES)
def test_keras_says_of_every_network_what_ropero_says(name: str, form: str, tmp_path: Path) -> None:
    model = network(name)
    found = compare(model, form, tmp_path)
    fixed = sum(slot.read().size for node in translate(model) if not node.trainable for slot in node.slots)
    trainable = sum(int(np.prod(one.shape)) for one in found.trainable_weights)
    assert (found.count_params() - fixed, trainable) == count_parameters(model)


@BOTH
@pytest.mark.parametrize("name", FROZEN)
def test_frozen_bases(name: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_vgg.shrink(monkeypatch)
    model = network(name)
    if name.startswith("lunzhi"):  # scaled twice it says almost the same of everything: its deviations are made small
        model.base.std.mul_(1 / 255)  # type: ignore[union-attr, operator]
    compare(model, form, tmp_path)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("name", SLOW)
def test_the_large_ones(name: str, form: str, tmp_path: Path) -> None:
    compare(network(name), form, tmp_path)


@BOTH
@pytest.mark.parametrize("shape", [(3, 31, 30), (1, 27, 28), (3, 64, 48)], ids=str)
def test_quick_in_colour_and_of_odd_sides(shape: tuple[int, int, int], form: str, tmp_path: Path) -> None:
    compare(network("quick", shape), form, tmp_path)


IMAGES: list[dict[str, Any]] = [
    {"type": "Conv2D", "filters": 6, "kernel_size": [3, 2], "strides": 2, "padding": "same", "groups": 3},
    {"type": "Conv2D", "filters": 4, "dilation_rate": [2, 1], "activation": "leaky_relu", "use_bias": False},
    {"type": "Conv2DTranspose", "filters": 4, "kernel_size": [2, 5], "strides": [3, 2], "padding": "same"},
    {"type": "DepthwiseConv2D", "depth_multiplier": 2, "activation": "mish"},
    {"type": "SeparableConv2D", "filters": 5, "padding": "same"},
    {"type": "MaxPooling2D", "pool_size": 3, "strides": 2, "padding": "same"},
    {"type": "AveragePooling2D"},
    {"type": "GlobalMaxPooling2D", "keepdims": True},
    {"type": "BatchNormalization", "axis": 1, "scale": False},
    {"type": "LayerNormalization", "epsilon": 0.1},
    {"type": "Normalization"},
    {"type": "Normalization", "mean": [0.3, 0.2, 0.1], "variance": [0.2, 0.1, 0.3]},
    {"type": "LeakyReLU"},
    {"type": "ReLU", "max_value": 0.9, "negative_slope": 0.1, "threshold": 0.21},
    {"type": "ELU", "alpha": 0.7},
    {"type": "PReLU", "shared_axes": [1, 2]},
    {"type": "Softmax", "axis": 1},
    {"type": "ZeroPadding2D", "padding": [1, 2, 3, 0]},
    {"type": "Cropping2D", "cropping": [0, 1, 2, 0]},
    {"type": "UpSampling2D", "size": [2, 3], "interpolation": "bilinear"},
    {"type": "Resizing", "height": 13, "width": 20},
    {"type": "Rescaling", "scale": [1.0, 2.0, 3.0], "offset": 0.1},
    {"type": "Reshape", "target_shape": [9, -1]},
    {"type": "Permute", "dims": [3, 1, 2]},
    {"type": "SpatialDropout2D"},
]
SEQUENCES: list[dict[str, Any]] = [
    {"type": "Conv1D", "filters": 4, "padding": "causal", "dilation_rate": 2},
    {"type": "MaxPooling1D"},
    {"type": "SimpleRNN", "units": 4, "activation": "relu", "return_sequences": True},
    {"type": "LSTM", "units": 4, "use_bias": False, "go_backwards": True},
    {"type": "GRU", "units": 4, "reset_after": False},
    {"type": "Bidirectional", "layer": {"type": "GRU", "units": 4, "return_sequences": True}, "merge_mode": "sum"},
    {
        "type": "Bidirectional",
        "layer": {"type": "LSTM", "units": 4},
        "backward_layer": {"type": "LSTM", "units": 4, "activation": "relu", "go_backwards": True},
    },
    {"type": "AttentionPooling", "units": 5},
    {"type": "GlobalAveragePooling1D"},
    {"type": "Permute", "dims": [2, 1]},
    {"type": "Dense", "units": 4, "activation": "sigmoid"},
    {"type": "BatchNormalization"},
]
LISTS = [[entry] for entry in IMAGES] + [[{"type": "Rows"}, entry] for entry in SEQUENCES]


@BOTH
@pytest.mark.parametrize("entries", LISTS, ids=lambda entries: str(entries[-1]))
def test_layers_of_a_list(entries: list[dict[str, Any]], form: str, tmp_path: Path) -> None:
    compare(listed(entries, (3, 9, 8)), form, tmp_path)


@BOTH
@pytest.mark.parametrize("kind", ["Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average", "Concatenate"])
def test_layers_that_take_several(kind: str, form: str, tmp_path: Path) -> None:
    same = {"type": "Conv2D", "filters": 3, "padding": "same"}
    merged = {"type": kind, "inputs": ["b", "a"]}
    found = compare(listed([same | {"name": "a"}, same | {"name": "b", "inputs": ["input"]}, merged], (3, 9, 8)), form,
                    tmp_path)  # fmt: skip
    assert type(found).__name__ == "Functional"


@BOTH
@pytest.mark.parametrize("seed", range(6))
def test_layers_that_are_wired_at_random(seed: int, form: str, tmp_path: Path) -> None:
    """Keras orders the layers of a graph by its own rules, and so the arrays in a file."""
    rng = np.random.default_rng(seed)
    entries: list[dict[str, Any]] = []
    open_ends, names = {"input"}, ["input"]
    for number in range(9):
        several = len(names) > 2 and rng.random() < 0.4
        taken = [str(one) for one in rng.choice(names, 2 if several else 1, replace=False)]
        kind = str(rng.choice(["Subtract", "Maximum"])) if several else "Conv2D"
        options = {} if several else {"filters": 2, "padding": "same", "activation": "tanh"}
        entries.append({"type": kind, "name": f"n{number}", "inputs": taken, **options})
        open_ends = (open_ends - set(taken)) | {f"n{number}"}
        names.append(f"n{number}")
    open_ends.discard("input")
    if len(open_ends) > 1:
        entries.append({"type": "Concatenate", "inputs": [str(one) for one in rng.permutation(sorted(open_ends))]})
    compare(listed(entries, (1, 6, 5)), form, tmp_path)


def arrays(weights: Any) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """All arrays, and the attributes of all groups, by their places."""
    found: dict[str, Any] = {}
    groups: dict[str, dict[str, str]] = {}
    weights.visititems(
        lambda name, one: (
            found.update({name: one[()]}) if isinstance(one, h5py.Dataset) else groups.update({name: dict(one.attrs)})
        )
    )
    return found, groups


@pytest.mark.parametrize("name", ["santiago-a3", "quick", "monterrey-attention", "monterrey-bilstm"])
def test_keras_saves_again_the_arrays_that_it_read(name: str, tmp_path: Path) -> None:
    """The same places, types and values: what is written is what Keras 3 writes."""
    path = written(network(name), "keras", tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded(path).save(tmp_path / "again.keras")
    contents = []
    for one in (path, tmp_path / "again.keras"):
        with zipfile.ZipFile(one) as archive:
            assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
            config = json.loads(archive.read("config.json"))
            kinds = [(layer["class_name"], layer["config"]["name"]) for layer in config["config"]["layers"]]
            with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
                contents.append((config["class_name"], kinds, *arrays(weights)))
    (*said, ours, groups), (*said_2, theirs, groups_2) = contents
    assert said == said_2
    assert groups == groups_2  # older Keras looks for those that hold nothing, too
    assert sorted(ours) == sorted(theirs)
    for place, array in ours.items():
        assert array.dtype == theirs[place].dtype
        np.testing.assert_array_equal(array, theirs[place], err_msg=place)


def test_a_legacy_file_has_the_attributes_of_keras_2(tmp_path: Path) -> None:
    with h5py.File(written(network("monterrey-bilstm"), "h5", tmp_path)) as file:
        assert file.attrs["keras_version"].decode().startswith("2.")
        root = file["model_weights"]
        assert [name.decode() for name in root.attrs["layer_names"]][:3] == ["pixels", "rows", "bidirectional"]
        names = [name.decode() for name in root["bidirectional"].attrs["weight_names"]]
        assert names[0] == "bidirectional/forward_lstm/lstm_cell/kernel:0"
        assert names[-1] == "bidirectional/backward_lstm/lstm_cell/bias:0"
        assert root["bidirectional"][names[0]].shape == (28, 1024)


def test_a_long_list_of_layers_fits_into_the_attributes(tmp_path: Path) -> None:
    """HDF5 keeps 64 kB in an attribute; Keras splits names and so does ropero."""
    entries = [{"type": "Rescaling", "scale": 1.0, "name": f"a_rather_long_name_for_a_layer_{'x' * 60}_{k}"}
               for k in range(700)]  # fmt: skip
    nodes = keras_writer.ordered(translate(listed(entries, (1, 3, 3))))
    with h5py.File(written(listed(entries, (1, 3, 3)), "h5", tmp_path)) as file:
        attributes = file["model_weights"].attrs
        names = [name.decode() for number in range(2) for name in attributes[f"layer_names{number}"]]
        assert "layer_names2" not in attributes
        assert json.loads(file.attrs["model_config"])["class_name"] == "Sequential"
    assert names == [node.name for node in nodes]


def test_without_h5py_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingExtra("HDF5", "keras")

    monkeypatch.setattr(keras_writer, "h5py", missing)
    with pytest.raises(MissingExtra, match=r"ropero\[keras\]"):
        written(network("softmax"), "keras", tmp_path)


@pytest.mark.skipif(not KERAS_2, reason="ROPERO_KERAS_2 names no Python with tf.keras 2")
@pytest.mark.parametrize("name", [*QUICK_ONES, *FROZEN])
def test_tf_keras_2_says_the_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_vgg.shrink(monkeypatch)
    model = network(name)
    path = written(model, "h5", tmp_path)
    images = samples.pictures(20, model.input_shape, seed=3)
    np.save(tmp_path / "x.npy", images.astype(np.float32) / 255)
    code = (
        "import sys, numpy as np, tensorflow as tf; m = tf.keras.models.load_model(sys.argv[1], compile=False);"
        "assert tf.__version__.startswith('2.') and int(tf.__version__.split('.')[1]) < 16;"
        "m = tf.keras.Model(m.inputs, m.layers[-1].input);"
        "np.save(sys.argv[3], m.predict(np.load(sys.argv[2]), verbose=0))"
    )
    paths = [str(tmp_path / name) for name in ("x.npy", "y.npy")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([KERAS_2, "-c", code, str(path), *paths], check=True, capture_output=True, env=environment)
    gap, allowed = samples.difference(logits(model, images), np.load(paths[1]))
    assert gap <= allowed


@BOTH
def test_a_network_of_kerass_that_ends_behind_its_softmax_comes_back(form: str, tmp_path: Path) -> None:
    """Its probabilities are exported as such: their logarithm, which ropero puts behind them, has no name in Keras."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    twin = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(4), layers.Reshape((2, 2)), layers.Flatten(),
         layers.Softmax(), layers.Reshape((2, 2)), layers.Flatten()]
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twin.save(tmp_path / "theirs.keras")
    model = reader.read(tmp_path / "theirs.keras").build([], (1, 28, 28), 4).model
    assert to_json(model.design)[-1] == {"type": "Activation", "activation": "log"}
    compare(model, form, tmp_path)
    again = reader.read(written(model, form, tmp_path)).build([], (1, 28, 28), 4).model
    images = samples.pictures(20, model.input_shape, seed=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares = np.asarray(twin.predict(images.astype(np.float32) / 255, verbose=0))  # type: ignore[union-attr]
    assert np.ptp(shares) > 0.1
    for one in (model, again):
        np.testing.assert_allclose(probabilities(one, images), shares, atol=1e-6)


def test_a_logarithm_of_what_are_no_shares_is_refused() -> None:
    with pytest.raises(UsageError, match="Keras has no name for log"):
        translate(
            designs.build(
                from_json(
                    [
                        {"type": "Flatten"},
                        {"type": "Dense", "units": 4, "activation": "sigmoid"},
                        {"type": "Activation", "activation": "log"},
                    ]
                ),
                (1, 6, 6),
                4,
            )
        )
