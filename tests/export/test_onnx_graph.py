"""A network that came as ONNX is written as ONNX again, for any number of images; ONNX Runtime computes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from exporting import network, written
from foreign_networks import (
    FIXTURES,
    NETWORKS,
    PREFIXES,
    SHAPE,
    SLOW,
    Bytes,
    Residual,
    Transformer,
    exported,
    made,
    pixels,
)
from onnx_twin import by_runtime, graph, library

from ropero.errors import UsageError
from ropero.export import onnx_graph, readback
from ropero.export.onnx_graph import program
from ropero.export.onnx_reader import classifier, read
from ropero.models.classifier import Classifier
from ropero.models.layers import Rescaling
from ropero.models.spatial import Permute, Resizing, ToColour


def check(model: Classifier, close: float = 1e-4) -> Any:
    """Whether ONNX Runtime says what the network says, of several images and of one; the model that was written."""
    x = pixels(7)
    for many in (7, 1):
        with torch.inference_mode():
            said, codes = model(x[:many]), model.features(x[:many]).flatten(1)
        given = x[:many].numpy()
        proto = program(model)
        found = by_runtime(proto.SerializeToString(), given, ["logits", "probabilities"])
        np.testing.assert_allclose(found[0], said.numpy(), atol=close, rtol=close)
        np.testing.assert_allclose(found[1], said.softmax(1).numpy(), atol=close)
        found = by_runtime(program(model, features=True).SerializeToString(), given, ["features", "logits"])
        np.testing.assert_allclose(found[0], codes.numpy(), atol=close, rtol=close)
        np.testing.assert_allclose(found[1], said.numpy(), atol=close, rtol=close)
    library().checker.check_model(proto, full_check=True)
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    return proto


@pytest.mark.parametrize("name", PREFIXES)
def test_files_of_tensorflow_and_scikit_learn(name: str) -> None:
    check(classifier(read(FIXTURES / f"{name}.onnx"), SHAPE, 10, prefix=PREFIXES[name])[0])


@pytest.mark.parametrize("free", [True, False], ids=["any batch", "batch of one"])
@pytest.mark.parametrize(
    ("name", "dynamo"),
    [(name, dynamo) for name in NETWORKS for dynamo in (True, False) if not dynamo or name not in SLOW],
)
def test_what_pytorch_exports(name: str, dynamo: bool, free: bool, tmp_path: Path) -> None:
    if (name, dynamo, free) == ("transformer", True, False):
        pytest.skip("takes one image at a time, as below")
    path = exported(made(NETWORKS[name]), tmp_path / "model.onnx", dynamo=dynamo, free=free, images=2 if free else 1)
    check(classifier(read(path), SHAPE, 10)[0])


def test_a_batch_that_cannot_be_loosened_is_refused(tmp_path: Path) -> None:
    path = exported(made(Transformer), tmp_path / "model.onnx", dynamo=True, free=False, images=1)
    model = classifier(read(path), SHAPE, 10)[0]
    with pytest.raises(UsageError, match="takes 1 images at a time"):
        program(model)


def test_what_brings_pixels_to_it_stands_before(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 10)).eval()
    path = exported(net, tmp_path / "model.onnx", x=torch.rand(2, 3, 32, 32))
    prefix = [Resizing(height=32, width=32), ToColour(), Rescaling(scale=255.0), Permute(dims=(2, 1, 3))]
    check(classifier(read(path), SHAPE, 10, prefix=prefix)[0], 1e-3)


def test_pixels_of_eight_bits_and_half_precision(tmp_path: Path) -> None:
    given = (pixels() * 255).round().to(torch.uint8)
    path = exported(made(Bytes), tmp_path / "a.onnx", x=given)
    check(classifier(read(path), SHAPE, 10, prefix=[Rescaling(scale=255.0)])[0])
    half = exported(made(Residual).half(), tmp_path / "b.onnx", x=torch.rand(1, *SHAPE, dtype=torch.float16))
    check(classifier(read(half), SHAPE, 10)[0])


HELPER = library().helper


def node(op: str, given: str, output: str, **attributes: Any) -> Any:
    return HELPER.make_node(op, given.split(), output.split(), **attributes)


# What one opset writes as attributes and another as inputs, and what only some know: nodes from x (N, 1, 28, 28) to y.
OLD: dict[str, tuple[int, list[Any]]] = {
    "slice": (9, [node("Slice", "x", "y", starts=[2, 3], ends=[20, 1000], axes=[2, 3])]),
    "squeeze": (11, [node("Squeeze", "x", "a", axes=[1]), node("Unsqueeze", "a", "y", axes=[3])]),
    "squeeze all": (13, [node("Squeeze", "x", "y")]),
    "upsample": (9, [node("Upsample", "x s", "y", mode="nearest")]),
    "resize": (10, [node("Resize", "x s", "y", mode="linear")]),
    "clip": (7, [node("Clip", "x", "y", min=0.2, max=0.7)]),
    "clip from below": (7, [node("Clip", "x", "y", min=0.4)]),
    "pad": (7, [node("Pad", "x", "y", pads=[0, 0, 1, 2, 0, 0, 3, 0], value=0.5)]),
    "sum": (11, [node("ReduceSum", "x", "y", axes=[2], keepdims=1)]),
    "mean": (13, [node("ReduceMean", "x", "y", axes=[1, 3], keepdims=0)]),
    "softmax": (11, [node("Softmax", "x", "y", axis=2)]),
    "split": (11, [node("Split", "x", "a b", axis=2, split=[10, 18]), node("Concat", "b a", "y", axis=2)]),
    "split evenly": (13, [node("Split", "x", "a b", axis=2), node("Sub", "a b", "y")]),
    "gelu": (20, [node("Gelu", "x", "y", approximate="tanh")]),
    "groups": (21, [node("GroupNormalization", "x w w", "y", num_groups=1)]),
    "half": (13, [node("Cast", "x", "a", to=10), node("Cast", "a", "y", to=1)]),
    "filled": (13, [node("Shape", "x", "a"), node("ConstantOfShape", "a", "b"), node("Add", "x b", "y")]),
    "sizes of 32 bits": (
        13,
        [
            node("Shape", "x", "a"),
            node("Cast", "a", "b", to=6),
            node("Slice", "b zero one", "c"),
            node("Concat", "c rest", "d", axis=0),
            node("Cast", "d", "e", to=7),
            node("Reshape", "x e", "y"),
        ],
    ),
}  # fmt: skip
TENSORS = {
    "s": np.array([1, 1, 2, 2], np.float32),
    "w": np.array([0.5], np.float32),
    "zero": np.array([0]),
    "one": np.array([1]),
    "rest": np.array([14, 56], np.int32),
}


@pytest.mark.parametrize("name", OLD)
def test_what_every_opset_writes_in_its_own_way(name: str, tmp_path: Path) -> None:
    opset, nodes = OLD[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(ended(nodes, opset))
    model = classifier(read(path), SHAPE, 10)[0]
    check(model)
    with torch.inference_mode():
        np.testing.assert_allclose(
            model(pixels(2)).numpy(), by_runtime(str(path), pixels(2).numpy())[0], atol=0.02 if name == "half" else 1e-4
        )


def ended(nodes: Sequence[Any], opset: int) -> bytes:
    """A file with these nodes and ten values behind them: y against random weights."""
    tensors = {**TENSORS, "k": np.random.default_rng(0).normal(size=(1, 1, 5, 5)).astype(np.float32) * 0.1}
    held = [library().numpy_helper.from_array(one, key) for key, one in tensors.items()]
    x = np.zeros((2, *SHAPE), np.float32)
    alone = graph(nodes, x, ["y"], held, opset=opset)
    sides = int(np.prod(by_runtime(alone, x)[0].shape[1:]))
    held.append(library().numpy_helper.from_array(
        np.random.default_rng(1).normal(size=(sides, 10)).astype(np.float32) * 0.1, "matrix"))  # fmt: skip
    last = [node("Flatten", "y", "flat", axis=1), node("MatMul", "flat matrix", "out")]
    return graph([*nodes, *last], x, ["out"], held, opset=opset)


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_whole_numbers_stay_whole_numbers(form: str, tmp_path: Path) -> None:
    from onnxruntime import quantization

    class Images(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [{"x": pixels(16).numpy()}]

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6 * 13 * 13, 10)).eval()
    source, path = exported(net, tmp_path / "model.onnx"), tmp_path / "small.onnx"
    kind = getattr(quantization.QuantFormat, form)
    kinds = ["Conv", "MaxPool"] if form == "QOperator" else None  # it has a product of its own otherwise
    quantization.quantize_static(source, path, Images(), quant_format=kind, op_types_to_quantize=kinds)
    model = classifier(read(path), SHAPE, 10)[0]
    with torch.inference_mode():
        step = float(np.ptp(model(pixels(7)).numpy())) / 100
    proto = check(model, step)
    assert onnx_graph.in_whole_numbers(model)
    assert not onnx_graph.in_whole_numbers(network("dense"))
    assert {one.name for one in proto.graph.initializer if one.data_type in (2, 3)}


def test_scales_of_the_whole_batch_are_refused(tmp_path: Path) -> None:
    from onnxruntime import quantization

    source = exported(made(Residual), tmp_path / "model.onnx")
    quantization.quantize_dynamic(source, tmp_path / "small.onnx")
    model = classifier(read(tmp_path / "small.onnx"), SHAPE, 10)[0]
    with pytest.raises(UsageError, match="finds the scales of DynamicQuantizeLinear for all images together"):
        program(model)


def test_the_file_has_a_card_and_names_nothing_of_its_maker(tmp_path: Path) -> None:
    model = classifier(read(exported(made(Residual), tmp_path / "a.onnx")), SHAPE, 10)[0]
    path = written(model, "onnx", tmp_path)
    assert readback.read(path).card.classes[0] == "class 0"
    proto = library().load(path)
    assert proto.producer_name == "ropero"
    assert [one.name for one in proto.graph.output] == ["logits", "probabilities"]
    again = classifier(read(path), SHAPE, 10)[0]
    with torch.inference_mode():
        torch.testing.assert_close(again(pixels()), model(pixels()))


def test_an_operator_that_its_opset_does_not_have_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(ended([node("Clip", "x", "y", min=0.2)], 7))
    model = classifier(read(path), SHAPE, 10)[0]
    for part in onnx_graph.graphs(model):
        for step in part.steps:
            object.__setattr__(step.node, "op", "Nothing" if step.node.op == "Clip" else step.node.op)
    with pytest.raises(UsageError, match="ONNX cannot hold this network: "):
        program(model)
