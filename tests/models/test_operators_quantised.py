"""Networks of 8 bits: ONNX Runtime is the oracle, exact or to one step of what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_twin import Array, by_ropero, by_runtime, graph, graph_of, library, same, short

from ropero.errors import UsageError
from ropero.export.onnx_reader import read
from ropero.models.operators_quantised import rounded

RNG = np.random.default_rng(0)
IMAGES = (RNG.normal(size=(2, 4, 7, 6)) * 2).astype(np.float32)
ROWS = (RNG.normal(size=(3, 40)) * 2).astype(np.float32)
S = np.float32(0.05)


def small(dtype: Any, *shape: int) -> Array:
    info = np.iinfo(dtype)
    return np.random.default_rng(1).integers(info.min, info.max + 1, shape).astype(dtype)


def node(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    return library().helper.make_node(op, inputs, outputs, **attributes)


def chain(nodes: list[Any], x: Array, tensors: dict[str, Any], opset: int = 19) -> bytes:
    held = [library().numpy_helper.from_array(np.asarray(one), name) for name, one in tensors.items()]
    return graph(nodes, x, ["y"], held, opset=opset)


def cast() -> Any:
    return node("Cast", ["q"], ["y"], to=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("zero", [0, 3])
def test_to_whole_numbers_and_back(dtype: Any, zero: int, tmp_path: Path) -> None:
    opset = 21 if np.dtype(dtype).itemsize == 2 else 19
    tensors = {"s": S, "z": dtype(zero)}
    x = np.concatenate([IMAGES * 20, np.full_like(IMAGES[:1], 0.125), np.full_like(IMAGES[:1], 0.075)])
    same(chain([node("QuantizeLinear", ["x", "s", "z"], ["q"]), cast()], x, tensors, opset), x, tmp_path, 0)
    both = [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"])]
    same(chain(both, x, tensors, opset), x, tmp_path)


def test_a_scale_for_each_channel(tmp_path: Path) -> None:
    tensors = {"s": np.array([0.1, 0.2, 0.3, 0.4], np.float32), "z": np.array([0, 1, -2, 3], np.int8)}
    both = [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"], axis=-3)]
    same(chain(both, IMAGES, tensors), IMAGES, tmp_path)
    same(chain([node("QuantizeLinear", ["x", "t"], ["q"]), cast()], IMAGES, {"t": S}), IMAGES, tmp_path, 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("shape", "attributes"),
    [((5, 4, 3, 3), {"pads": [1, 1, 1, 1]}), ((4, 1, 3, 3), {"group": 4, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
     ((5, 4, 7, 6), {})],
    ids=short,
)  # fmt: skip
def test_quantised_convolutions(
    dtype: Any, bias: bool, shape: tuple[int, ...], attributes: dict[str, Any], tmp_path: Path
) -> None:
    """To one step: the runtime multiplies by the scale in another order."""
    scales = np.linspace(0.01, 0.03, shape[0], dtype=np.float32)
    tensors = {"s": S, "z": np.uint8(120), "w": small(dtype, *shape), "ws": scales, "wz": np.zeros(shape[0], dtype),
               "ys": np.float32(0.9), "yz": np.uint8(100), "b": np.arange(shape[0]).astype(np.int32) * 100}  # fmt: skip
    tensors |= {"wz": dtype(3), "ws": np.float32(0.02)} if dtype is np.uint8 else {}
    inputs = ["a", "s", "z", "w", "ws", "wz", "ys", "yz", *["b"] * bias]
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["a"]), node("QLinearConv", inputs, ["q"], **attributes), cast()]
    content = chain(nodes, IMAGES, tensors)
    theirs, ours = by_runtime(content, IMAGES)[0], by_ropero(content, IMAGES, tmp_path)
    assert len(np.unique(theirs)) > 8
    assert np.abs(theirs - ours).max() <= 1
    assert (theirs == ours).mean() > 0.99


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("features", [40, 3000])
def test_quantised_products(dtype: Any, features: int, tmp_path: Path) -> None:
    x = (np.random.default_rng(2).normal(size=(3, features)) * 2).astype(np.float32)
    tensors = {"s": S, "z": np.uint8(120), "w": small(dtype, features, 5), "ws": np.float32(0.02), "wz": dtype(2),
               "ys": np.float32(1.5), "yz": np.uint8(128)}  # fmt: skip
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["a"]),
             node("QLinearMatMul", ["a", "s", "z", "w", "ws", "wz", "ys", "yz"], ["q"]), cast()]  # fmt: skip
    content = chain(nodes, x, tensors)
    theirs, ours = by_runtime(content, x)[0], by_ropero(content, x, tmp_path)
    assert np.abs(theirs - ours).max() <= 1


def test_whole_products_and_convolutions_are_exact(tmp_path: Path) -> None:
    """Of 3,000 terms, whose sums are beyond what float32 counts."""
    x = (np.random.default_rng(2).normal(size=(3, 3000)) * 20).astype(np.float32)
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["a"]),
        node("MatMulInteger", ["a", "w", "z", "wz"], ["q"]),
        cast(),
    ]
    tensors = {"s": S, "z": np.uint8(7), "w": small(np.int8, 3000, 5), "wz": np.zeros(5, np.int8)}
    same(chain(nodes, x, tensors), x, tmp_path, 0)
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["a"]),
             node("ConvInteger", ["a", "w", "z"], ["q"], pads=[1, 0, 0, 1]), cast()]  # fmt: skip
    same(chain(nodes, IMAGES, {"s": S, "z": np.uint8(7), "w": small(np.uint8, 3, 4, 3, 3)}), IMAGES, tmp_path, 0)


def test_ranges_that_the_values_say_themselves(tmp_path: Path) -> None:
    """As dynamic quantisation writes a fully connected layer."""
    nodes = [node("DynamicQuantizeLinear", ["x"], ["a", "s", "z"]), node("MatMulInteger", ["a", "w", "z"], ["p"]),
             node("Cast", ["p"], ["f"], to=1), node("Mul", ["s", "ws"], ["scale"]),
             node("Mul", ["f", "scale"], ["y"])]  # fmt: skip
    content = chain(nodes, ROWS, {"w": small(np.int8, 40, 5), "ws": np.float32(0.01)})
    same(content, ROWS, tmp_path, 1e-3)
    same(content, np.abs(ROWS) + 1, tmp_path, 1e-3)


def test_gradients_pass_what_is_rounded() -> None:
    x = torch.tensor([0.4, 1.5, 2.5], requires_grad=True)
    found = rounded(x)
    found.sum().backward()
    assert found.tolist() == [0, 2, 2]
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1, 1]


def test_weights_of_eight_bits_are_parameters_of_eight_bits(tmp_path: Path) -> None:
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["a"]), node("MatMulInteger", ["a", "w", "z"], ["q"]), cast()]
    path = tmp_path / "model.onnx"
    path.write_bytes(chain(nodes, ROWS, {"s": S, "z": np.uint8(7), "w": small(np.int8, 40, 5)}))
    (parameter,) = graph_of(read(path), (3, 40)).parameters()
    assert (parameter.dtype, tuple(parameter.shape), parameter.requires_grad) == (torch.int8, (40, 5), False)


@pytest.mark.parametrize(
    ("attributes", "tensors", "says"),
    [
        ({"block_size": 2}, {}, "block_size = 2 is not supported"),
        ({}, {"z": np.int32(0)}, "quantises to torch.int32; ropero knows 8 and 16 bits"),
        ({}, {"s": np.ones((4, 2), np.float32)}, "has scales for blocks"),
    ],
    ids=short,
)
def test_what_is_not_read_is_refused(
    attributes: dict[str, Any], tensors: dict[str, Any], says: str, tmp_path: Path
) -> None:
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["q"], **attributes), cast()]
    with pytest.raises(UsageError) as caught:
        by_ropero(chain(nodes, IMAGES, {"s": S, "z": np.uint8(7), **tensors}, 21), IMAGES, tmp_path)
    assert says in str(caught.value)
