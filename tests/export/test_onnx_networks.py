"""Whole networks of other programs: ONNX Runtime and the program itself are the oracles. PyTorch's two exporters are
run here; TensorFlow's and scikit-learn's files lie in fixtures/onnx (scripts/onnx_fixtures.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from conftest import synthetic
from foreign_networks import (
    EXPECTED,
    FIXTURES,
    NETWORKS,
    PREFIXES,
    SHAPE,
    SLOW,
    Bytes,
    Named,
    Residual,
    Transformer,
    exported,
    made,
    pixels,
)
from onnx_twin import Array, by_runtime, library

from ropero.errors import DataError
from ropero.evaluation import explain, inside
from ropero.export import onnx_foreign
from ropero.export.onnx_reader import classifier, read
from ropero.models import checkpoint
from ropero.models.classifier import Classifier
from ropero.models.inference import features, logits
from ropero.models.layers import Flatten, Rescaling
from ropero.models.spatial import Permute, Resizing, ToColour
from ropero.models.summary import summarise

CLASSES = tuple("abcdefghij")


def check_gradients(model: Classifier) -> None:
    """They reach every pixel's place in the graph, and are finite."""
    x = pixels().requires_grad_(True)
    model(x)[:, 0].sum().backward()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())
    assert float(x.grad.abs().sum()) > 0


def kept(model: Classifier, card: Any, folder: Path, layers: tuple[Any, ...] = ()) -> Classifier:
    """The network stored in a folder and loaded again."""
    checkpoint.save(model, "foreign", CLASSES, folder, layers, graph=card)
    return checkpoint.load(folder)[0]


@pytest.mark.parametrize("free", [True, False], ids=["any batch", "batch of one"])
@pytest.mark.parametrize(
    ("name", "dynamo"),
    [
        pytest.param(name, dynamo, marks=[pytest.mark.slow] if dynamo and name in SLOW else [])
        for name in NETWORKS
        for dynamo in (True, False)
    ],
)
def test_what_pytorch_exports(name: str, dynamo: bool, free: bool, tmp_path: Path) -> None:
    theirs = made(NETWORKS[name])
    file = read(exported(theirs, tmp_path / "model.onnx", dynamo=dynamo, free=free, images=2 if free else 1))
    model, card = classifier(file, SHAPE, 10)
    x = pixels()
    with torch.inference_mode():
        ours, expected = model(x), theirs(x).flatten(1)
        alone = torch.cat([model(one[None]) for one in x])
    if "softmax" in name or name == "sigmoid":
        ours = ours.softmax(1)
        alone = alone.softmax(1)
        expected = expected.exp() if name == "log-softmax" else expected / expected.sum(1, keepdim=True)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(alone, expected, atol=1e-5, rtol=1e-5)
    parts = x.numpy() if free else [one[None] for one in x.numpy()]
    said = by_runtime(str(file.path), x.numpy())[0] if free else np.concatenate(
        [by_runtime(str(file.path), one)[0] for one in parts]
    )  # fmt: skip
    said = said.reshape(len(x), -1)
    if "softmax" in name or name == "sigmoid":
        said = np.exp(said) if name == "log-softmax" else said / said.sum(1, keepdims=True)
    np.testing.assert_allclose(ours.numpy(), said, atol=1e-5)
    check_gradients(model)
    again = kept(model, card, tmp_path)
    with torch.inference_mode():
        assert torch.equal(again(x), model(x))
    assert json.dumps(card.to_json())


def test_parameters_are_counted_and_layers_are_told(tmp_path: Path) -> None:
    theirs = made(Residual)
    model, _ = classifier(read(exported(theirs, tmp_path / "model.onnx")), SHAPE, 10)
    table = summarise(model)
    running = sum(one.numel() for name, one in theirs.named_buffers() if "running" in name)
    assert table.total == sum(one.numel() for one in theirs.parameters()) + running
    assert sum(row.parameters for row in table.rows) == table.total
    kinds = [
        "Conv",
        "GELU",
        "Conv",
        "ReLU",
        "Add",
        "BatchNormalization",
        "Conv",
        "Conv",
        "Hardswish",
        "MaxPool",
        "Gemm",
    ]
    assert [row.kind for row in table.rows] == kinds
    assert table.rows[0].output_shape == (28, 28, 8)
    assert type(model.head).__name__ == "OperatorGraph"


def test_it_is_explained_as_ropero_explains_its_own(tmp_path: Path) -> None:
    """The same heat maps as those of the module that was exported, wrapped by ropero itself."""
    from ropero.models.wrap import wrap

    theirs = made(Residual)
    ours, _ = classifier(read(exported(theirs, tmp_path / "model.onnx")), SHAPE, 10)
    images = synthetic(6).images
    labels = np.arange(6)
    own = wrap(theirs, "residual", SHAPE, 10)
    assert explain.possible(ours) == list(explain.METHODS)
    for method in explain.METHODS:
        found, expected = (explain.explain(method, one, images, labels) for one in (ours, own))
        if method != explain.GRAD_CAM:
            np.testing.assert_allclose(found, expected, atol=1e-4)
        assert np.abs(found).max() > 0
    np.testing.assert_allclose(features(ours, images), features(own, images), atol=1e-4)
    names = inside.with_maps(ours)
    kernels = inside.filters(ours, names[0])
    assert kernels is not None
    np.testing.assert_array_equal(kernels, theirs.get_parameter("first.weight").detach().numpy())
    assert inside.feature_maps(ours, images[0], names[0]).shape == (8, 28, 28)


def test_attention_is_not_taken_for_feature_maps(tmp_path: Path) -> None:
    """Its (N, heads, T, T) has four sides as well; the patches are the last maps."""
    model, _ = classifier(read(exported(made(Transformer), tmp_path / "model.onnx")), SHAPE, 10)
    assert inside.with_maps(model) == ["conv"]
    assert explain.grad_cam(model, synthetic(2).images, np.zeros(2, np.int64)).shape == (2, 28, 28)


def test_a_batch_that_was_written_down_is_loosened_or_gone_through_one_by_one(tmp_path: Path) -> None:
    """A flattening keeps its batch; attention over heads of one image cannot be told apart from several."""
    for dynamo in (True, False):
        file = read(exported(made(Named), tmp_path / "a.onnx", dynamo=dynamo, free=False, images=1))
        assert classifier(file, SHAPE, 10)[1].batch == 0
    net = nn.Sequential(nn.Flatten(1, 2), nn.TransformerEncoderLayer(28, 4, 8), nn.Flatten(), nn.Linear(784, 10))
    file = read(exported(made(lambda: net), tmp_path / "b.onnx", free=False, images=1))
    model, card = classifier(file, SHAPE, 10)
    assert card.batch == 1
    x = pixels(7)
    with torch.inference_mode():
        expected = np.concatenate([by_runtime(str(file.path), one[None].numpy())[0] for one in x])
        np.testing.assert_allclose(model(x).numpy(), expected, atol=1e-5)
    check_gradients(model)
    assert explain.GRAD_CAM not in explain.possible(model)
    assert summarise(model).total == sum(one.numel() for one in model.parameters())


def test_a_batch_of_several_is_filled_up(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(1, 2), nn.TransformerEncoderLayer(28, 4, 8), nn.Flatten(), nn.Linear(784, 10))
    file = read(exported(made(lambda: net), tmp_path / "b.onnx", free=False, images=3))
    assert file.input_shape[0] == 3
    model, card = classifier(file, SHAPE, 10)
    assert card.batch == 3
    x = pixels(7)
    with torch.inference_mode():
        expected = by_runtime(str(file.path), x[:3].numpy())[0]
        np.testing.assert_allclose(model(x)[:3].numpy(), expected, atol=1e-5)
        assert model(x).shape == (7, 10)


@pytest.mark.parametrize("name", PREFIXES)
def test_files_of_tensorflow_and_scikit_learn(name: str, tmp_path: Path) -> None:
    from ropero.models.entries import to_json

    file = read(FIXTURES / f"{name}.onnx")
    model, card = classifier(file, SHAPE, 10, prefix=PREFIXES[name])
    images = EXPECTED["images"]
    x = torch.from_numpy(images[:, None].astype(np.float32) / 255)
    with torch.inference_mode():
        np.testing.assert_allclose(model(x).softmax(1).numpy(), EXPECTED[name], atol=1e-5)
    np.testing.assert_allclose(logits(model, images), model(x).detach().numpy(), atol=1e-6)
    check_gradients(model)
    again = kept(model, card, tmp_path, tuple(to_json(PREFIXES[name])))
    assert torch.equal(again(x), model(x))
    assert type(model.head).__name__ == "OperatorGraph"
    assert explain.occlusion(model, images[:2], np.zeros(2, np.int64)).shape == (2, 28, 28)


def test_what_the_fixtures_say_of_themselves() -> None:
    keras, learn = read(FIXTURES / "keras-cnn.onnx"), read(FIXTURES / "sklearn-logistic.onnx")
    assert (keras.producer, keras.producer_version, keras.opset) == ("tf2onnx", "1.16.1 15c810", 13)
    assert (keras.input, keras.input_shape, keras.input_dtype) == ("pixels", (None, 28, 28, 1), "float32")
    assert (keras.layout, keras.output, keras.classes) == ("NHWC", "dense", ())
    assert (learn.producer, learn.layout) == ("skl2onnx", "NCHW")
    assert (keras.values, learn.output, learn.values) == (10, "output_probability", None)
    names = ("bag", "boot", "coat", "dress", "pullover", "sandal", "shirt", "sneaker", "t-shirt", "trouser")
    assert learn.classes == read(FIXTURES / "sklearn-mlp.onnx").classes == names
    assert len(keras.sha256) == 64


def test_pixels_are_brought_to_what_the_network_takes(tmp_path: Path) -> None:
    """Grey pictures of 28 pixels as colour ones of 32, from 0 to 255, once as torch has them and once channels last."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 10)).eval()
    path = exported(net, tmp_path / "model.onnx", x=torch.rand(2, 3, 32, 32))
    prefix = [Resizing(height=32, width=32), ToColour(), Rescaling(scale=255.0)]
    model, card = classifier(read(path), SHAPE, 10, prefix=prefix)
    x = pixels()
    larger = functional.interpolate(x, (32, 32), mode="bilinear").expand(-1, 3, -1, -1) * 255
    with torch.inference_mode():
        torch.testing.assert_close(model(x), net(larger), rtol=1e-5, atol=1e-3)
    from ropero.models.entries import to_json

    assert torch.equal(kept(model, card, tmp_path, tuple(to_json(prefix)))(x), model(x))
    turned, _ = classifier(read(path), SHAPE, 10, prefix=[*prefix, Permute(dims=(2, 1, 3))])
    with torch.inference_mode():
        torch.testing.assert_close(turned(x), net(larger.transpose(2, 3)), rtol=1e-5, atol=1e-3)


def test_half_and_double_precision(tmp_path: Path) -> None:
    for dtype, name, close in ((torch.float16, "float16", 2e-2), (torch.float64, "float64", 1e-5)):
        theirs = made(Residual).to(dtype)
        file = read(exported(theirs, tmp_path / f"{name}.onnx", x=torch.rand(1, *SHAPE, dtype=dtype)))
        assert file.input_dtype == name
        model, _ = classifier(file, SHAPE, 10)
        x = pixels()
        with torch.inference_mode():
            torch.testing.assert_close(model(x), theirs(x.to(dtype)).float(), atol=close, rtol=close)
        check_gradients(model)


def test_pixels_of_eight_bits(tmp_path: Path) -> None:
    theirs, given = made(Bytes), (pixels() * 255).round().to(torch.uint8)
    file = read(exported(theirs, tmp_path / "model.onnx", x=given))
    assert file.input_dtype == "uint8"
    model, card = classifier(file, SHAPE, 10, prefix=[Rescaling(scale=255.0)])
    with torch.inference_mode():
        torch.testing.assert_close(model(given.float() / 255), theirs(given), atol=1e-5, rtol=1e-5)
    check_gradients(model)
    assert card.eight_bits


def test_one_sigmoid_for_two_classes(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 1), nn.Sigmoid())
    model, _ = classifier(read(exported(net, tmp_path / "model.onnx")), SHAPE, 2)
    x = pixels()
    with torch.inference_mode():
        second = net(x)
        torch.testing.assert_close(model(x).softmax(1), torch.cat([1 - second, second], 1), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("form", ["QDQ", "QOperator", "dynamic"])
def test_networks_that_onnx_runtime_has_quantised(form: str, per_channel: bool, tmp_path: Path) -> None:
    """To one step of the last quantisation: the runtime rounds in another order."""
    from onnxruntime import quantization

    class Images(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [{"x": pixels(16).numpy()}]

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(8 * 13 * 13, 10),
    ).eval()  # fmt: skip
    source, path = exported(net, tmp_path / "model.onnx"), tmp_path / "small.onnx"
    if form == "dynamic":
        quantization.quantize_dynamic(source, path, per_channel=per_channel)
    else:
        quantization.quantize_static(
            source, path, Images(), quant_format=getattr(quantization.QuantFormat, form), per_channel=per_channel,
            op_types_to_quantize=["Conv", "MaxPool"] if form == "QOperator" else None,
        )  # fmt: skip
    file = read(path)
    assert any("Integer" in node.op or "Linear" in node.op for node in file.nodes)
    model, card = classifier(file, SHAPE, 10)
    x = pixels(20)
    many = 20 if form != "dynamic" else 1  # its ranges are those of the whole batch
    said = np.concatenate([by_runtime(str(path), x[at : at + many].numpy())[0] for at in range(0, 20, many)])
    with torch.inference_mode():
        ours = model(x).numpy()
    step = np.ptp(said) / 255
    assert np.abs(ours - said).max() <= 1.01 * step
    assert np.abs(ours - said).mean() < 0.05 * step
    np.testing.assert_array_equal(ours.argmax(1), said.argmax(1))
    check_gradients(model)
    assert torch.equal(kept(model, card, tmp_path)(x), model(x))


def test_a_network_for_other_classes_or_other_pictures_is_refused(tmp_path: Path) -> None:
    file = read(exported(made(Residual), tmp_path / "model.onnx"))
    with pytest.raises(DataError, match=r"gives \(3, 10\) for 3 images, but there are 7 classes"):
        classifier(file, SHAPE, 7)
    with pytest.raises(DataError, match=r"model.onnx: Node .* \(Conv\): "):
        classifier(file, (3, 28, 28), 10)
    with pytest.raises(DataError, match=r"\(Conv\): takes images \(N, C, H, W\)"):
        classifier(file, SHAPE, 10, prefix=[Flatten()])


def test_a_network_that_gives_no_numbers_is_refused(tmp_path: Path) -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x.flatten(1)[:, :10] - 5).log()

    file = read(exported(Broken(), tmp_path / "model.onnx"))
    with pytest.raises(DataError, match="infinite or not a number; do its pixels come in the form"):
        classifier(file, SHAPE, 10)


def constant_file(tmp_path: Path, nodes: list[Any], tensors: dict[str, Array]) -> Path:
    from onnx_twin import graph

    held = [library().numpy_helper.from_array(one, name) for name, one in tensors.items()]
    path = tmp_path / "made.onnx"
    path.write_bytes(graph(nodes, np.zeros((2, *SHAPE), np.float32), ["y"], held))
    return path


def test_weights_that_are_used_twice_are_held_once(tmp_path: Path) -> None:
    helper = library().helper
    rng = np.random.default_rng(0)
    tensors = {"k": rng.normal(size=(1, 1, 3, 3)).astype(np.float32),
               "w": rng.normal(size=(784, 10)).astype(np.float32)}  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["a"], pads=[1] * 4),
        helper.make_node("Conv", ["a", "k"], ["b"], pads=[1] * 4),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Flatten", ["a"], ["d"]),
        helper.make_node("MatMul", ["c", "w"], ["e"]),
        helper.make_node("MatMul", ["d", "w"], ["f"]),
        helper.make_node("Sub", ["e", "f"], ["y"]),
    ]
    path = constant_file(tmp_path, nodes, tensors)
    model, card = classifier(read(path), SHAPE, 10)
    assert sum(one.numel() for one in model.parameters()) == 9 + 7840
    x = pixels()
    expected = by_runtime(str(path), x.numpy())[0]
    with torch.inference_mode():
        np.testing.assert_allclose(model(x).numpy(), expected, atol=1e-3, rtol=1e-4)
        assert torch.equal(kept(model, card, tmp_path)(x), model(x))
    assert isinstance(model.head, nn.Identity)


@pytest.mark.parametrize(
    "end", [nn.Identity(), nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid()], ids=lambda one: str(one)
)
def test_outputs_beyond_the_classes_are_left_away(end: nn.Module, tmp_path: Path) -> None:
    """As of Keras's files: what is left is a softmax among the classes; the last layer stays the head."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 6), nn.ReLU(), nn.Linear(6, 13), end).eval()
    path = exported(net, tmp_path / "model.onnx")
    found = onnx_foreign.read(path)
    assert found.outputs((28, 28, 1)) == 13
    built = found.build([], SHAPE, 10)
    x = pixels()
    with torch.inference_mode():
        shares = net[:-1](x)[:, :10].softmax(1) if not isinstance(end, nn.Sigmoid) else functional.normalize(
            net(x)[:, :10], p=1
        )  # fmt: skip
        torch.testing.assert_close(built.model(x).softmax(1), shares)
        assert built.model.features(x).shape == (5, 6)
    again = kept(built.model, built.graph, tmp_path)
    assert torch.equal(again(x), built.model(x))
    with pytest.raises(DataError, match=r"gives \(3, 13\) for 3 images, but there are 10 classes"):
        classifier(read(path), SHAPE, 10)


def test_a_file_tells_how_many_values_it_gives(tmp_path: Path) -> None:
    assert onnx_foreign.read(FIXTURES / "sklearn-mlp.onnx").outputs((784,)) == 10
    one = nn.Sequential(nn.Flatten(), nn.Linear(784, 1), nn.Sigmoid())  # which may stand for two classes
    assert onnx_foreign.read(exported(one, tmp_path / "model.onnx")).outputs((28, 28, 1)) is None


@pytest.mark.parametrize(
    ("card", "found"),
    [({"classes": ["b", "a"]}, ("b", "a")), ({"classes": [1, "a"]}, ()), ({"classes": 5}, ()), ([], ()), ("{", ())],
)
def test_the_classes_of_a_card_are_the_files(card: Any, found: tuple[str, ...], tmp_path: Path) -> None:
    proto = library().load(FIXTURES / "keras-cnn.onnx")
    proto.metadata_props.add(key="ropero", value=card if card == "{" else json.dumps(card))
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    assert onnx_foreign.read(path).classes == found
