"""Products, normalisations and activations: ONNX Runtime is the oracle for the same node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_twin import Array, by_reference, by_ropero, graph, library, one_node, same, short

from ropero.errors import UsageError

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 4, 5, 6)).astype(np.float32) * 2
ROWS = RNG.normal(size=(3, 7)).astype(np.float32)
STEPS = RNG.normal(size=(2, 5, 6)).astype(np.float32)


def weights(*shape: int) -> Array:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("x", "other"),
    [
        (ROWS, weights(7, 4)),
        (STEPS, weights(6, 4)),
        (IMAGES, weights(6, 3)),
        (IMAGES, weights(4, 6, 3)),
        (STEPS, weights(2, 6, 3)),
        (ROWS, weights(7)),
    ],
    ids=short,
)
def test_products(x: Array, other: Array, tmp_path: Path) -> None:
    same(one_node("MatMul", x, [other]), x, tmp_path)


def test_a_product_of_the_images_with_themselves(tmp_path: Path) -> None:
    helper = library().helper
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]), helper.make_node("MatMul", ["x", "t"], ["y"])]
    same(graph(nodes, STEPS, ["y"]), STEPS, tmp_path)


@pytest.mark.parametrize(
    "attributes", [{}, {"alpha": 0.5, "beta": 2.0}, {"transB": 1}, {"transA": 1, "transB": 1, "beta": 0.0}], ids=short
)
@pytest.mark.parametrize("bias", [None, weights(4), weights(1, 4), np.float32(1.5)], ids=short)
def test_fully_connected(attributes: dict[str, Any], bias: Array | None, tmp_path: Path) -> None:
    kernel = weights(4, 7) if attributes.get("transB") else weights(7, 4)
    helper, numpy_helper = library().helper, library().numpy_helper
    turned = helper.make_node("Transpose" if attributes.get("transA") else "Identity", ["x"], ["a"])
    node = helper.make_node("Gemm", ["a", "k", "b"] if bias is not None else ["a", "k"], ["y"], **attributes)
    tensors = [numpy_helper.from_array(kernel, "k")]
    tensors += [] if bias is None else [numpy_helper.from_array(np.asarray(bias), "b")]
    same(graph([turned, node], ROWS, ["y"], tensors, opset=13), ROWS, tmp_path)


NORMS: list[tuple[str, Array, list[Array], dict[str, Any], int]] = [
    ("BatchNormalization", IMAGES, [weights(4), weights(4), weights(4), weights(4) ** 2], {"epsilon": 1e-3}, 15),
    ("BatchNormalization", IMAGES, [weights(4), weights(4), weights(4), weights(4) ** 2], {}, 9),
    ("BatchNormalization", ROWS, [weights(7), weights(7), weights(7), weights(7) ** 2], {}, 15),
    ("InstanceNormalization", IMAGES, [weights(4), weights(4)], {"epsilon": 1e-2}, 18),
    ("LayerNormalization", STEPS, [weights(6), weights(6)], {}, 17),
    ("LayerNormalization", IMAGES, [weights(5, 6)], {"axis": 2, "epsilon": 0.1}, 17),
    ("LayerNormalization", IMAGES, [weights(4, 5, 6), weights(4, 5, 6)], {"axis": 1}, 17),
    ("GroupNormalization", IMAGES, [weights(4), weights(4)], {"num_groups": 2}, 21),
    ("LpNormalization", STEPS, [], {"p": 1, "axis": 1}, 18),
    ("LpNormalization", STEPS, [], {"p": 2}, 18),
    ("MeanVarianceNormalization", IMAGES, [], {}, 13),
    ("MeanVarianceNormalization", IMAGES, [], {"axes": [2, 3]}, 13),
]


@pytest.mark.parametrize(("op", "x", "others", "attributes", "opset"), NORMS, ids=short)
def test_normalisations(
    op: str, x: Array, others: list[Array], attributes: dict[str, Any], opset: int, tmp_path: Path
) -> None:
    same(one_node(op, x, others, attributes, opset=opset), x, tmp_path)


@pytest.mark.parametrize(
    ("op", "others", "attributes", "opset"),
    [
        ("GroupNormalization", [weights(2), weights(2)], {"num_groups": 2}, 18),
        ("RMSNormalization", [weights(6)], {}, 23),
        ("Swish", [], {"alpha": 0.7}, 24),
    ],
    ids=short,
)
def test_what_the_runtime_has_no_kernel_for(
    op: str, others: list[Array], attributes: dict[str, Any], opset: int, tmp_path: Path
) -> None:
    """By ONNX's own reference."""
    content = one_node(op, IMAGES, others, attributes, opset=opset)
    np.testing.assert_allclose(by_ropero(content, IMAGES, tmp_path), by_reference(content, IMAGES), atol=1e-5)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [None, 1, -1, 2], ids=short)
@pytest.mark.parametrize("opset", [7, 12, 13])
def test_softmax_before_opset_13_takes_all_behind_the_axis(
    op: str, axis: int | None, opset: int, tmp_path: Path
) -> None:
    attributes = {} if axis is None else {"axis": axis % 3 if opset < 11 else axis}
    same(one_node(op, STEPS, (), attributes, opset=opset), STEPS, tmp_path)


ACTIVATIONS: list[tuple[str, dict[str, Any], int]] = [
    ("Relu", {}, 7),
    ("LeakyRelu", {}, 16),
    ("LeakyRelu", {"alpha": 0.3}, 7),
    ("Sigmoid", {}, 13),
    ("Tanh", {}, 13),
    ("Elu", {"alpha": 0.7}, 7),
    ("Selu", {}, 7),
    ("Selu", {"alpha": 1.2, "gamma": 0.8}, 7),
    ("Celu", {"alpha": 0.6}, 12),
    ("Gelu", {}, 20),
    ("Gelu", {"approximate": "tanh"}, 20),
    ("HardSigmoid", {}, 7),
    ("HardSigmoid", {"alpha": 0.1, "beta": 0.6}, 7),
    ("HardSwish", {}, 14),
    ("Mish", {}, 18),
    ("Softplus", {}, 7),
    ("Softsign", {}, 7),
    ("ThresholdedRelu", {"alpha": 0.4}, 10),
    ("Shrink", {"lambd": 0.4, "bias": 0.2}, 9),
    ("Clip", {"min": -0.5, "max": 0.7}, 7),
    ("Clip", {"max": 0.7}, 7),
    ("Clip", {}, 13),
    ("Identity", {}, 7),
    ("Dropout", {"ratio": 0.9}, 7),
]


@pytest.mark.parametrize(("op", "attributes", "opset"), ACTIVATIONS, ids=short)
def test_activations(op: str, attributes: dict[str, Any], opset: int, tmp_path: Path) -> None:
    same(one_node(op, IMAGES, (), attributes, opset=opset), IMAGES, tmp_path)


@pytest.mark.parametrize("limits", [[-0.5, 0.7], [None, 0.7], [-0.5]], ids=short)
def test_limits_that_are_inputs(limits: list[float | None], tmp_path: Path) -> None:
    others = [None if one is None else np.float32(one) for one in limits]
    same(one_node("Clip", IMAGES, others), IMAGES, tmp_path)


def test_dropout_is_inert_whatever_its_inputs_say(tmp_path: Path) -> None:
    same(one_node("Dropout", IMAGES, [np.float32(0.9)]), IMAGES, tmp_path)


@pytest.mark.parametrize("equation", ["bchw,cd->bdhw", "bchw,cd", "b...w,wd->b...d", "bchw,ce->bhwe"])
def test_einstein_sums(equation: str, tmp_path: Path) -> None:
    other = weights(6, 3) if "w,wd" in equation else weights(4, 3)
    same(one_node("Einsum", IMAGES, [other], {"equation": equation}), IMAGES, tmp_path)


@pytest.mark.parametrize(
    ("op", "others", "attributes", "says"),
    [
        ("MatMul", [weights(5, 3)], {}, "Node 'n' (MatMul): "),
        ("Gelu", [], {"approximate": "erf"}, "approximate should be none / tanh, got erf"),
        ("BatchNormalization", [weights(4)] * 4, {"training_mode": 1}, "training_mode = 1 is not supported"),
        ("BatchNormalization", [weights(4)], {}, "does not fit the 2 inputs that it is given"),
        ("Einsum", [weights(4, 3)] * 3, {"equation": "a,b,c,d->a"}, "needs an equation of at most 2 terms"),
        ("Elu", [], {"alpha": "much"}, "alpha should be a number, got much"),
        ("Softmax", [], {"axis": 0.5}, "axis should be a whole number, got 0.5"),
    ],
    ids=short,
)
def test_what_does_not_fit_is_said_of_the_node(
    op: str, others: list[Array], attributes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        by_ropero(one_node(op, IMAGES, others, attributes, opset=20), IMAGES, tmp_path)
    assert says in str(caught.value)


def test_a_product_that_torch_would_write_out_is_refused(tmp_path: Path) -> None:
    """Four million products of a row with a column: what comes out is small, what torch makes on its way is not."""
    x = np.ones((1, 2000, 1, 1, 200), np.float32)
    with pytest.raises(UsageError, match=r"\(MatMul\): would hold 2000 x 2000 x 1 x 200 numbers"):
        by_ropero(one_node("MatMul", x, [np.ones((2000, 200, 1), np.float32)]), x, tmp_path)


@pytest.mark.parametrize("equation", ["bchw,cd->bhwd", "bchw,cd", "b...w,cd->b...wcd"])
def test_an_equation_that_grows_is_refused(equation: str, tmp_path: Path) -> None:
    x = np.ones((1, 4, 200, 200), np.float32)
    sides = {"bchw,cd->bhwd": (4, 3000), "bchw,cd": (4, 3000), "b...w,cd->b...wcd": (30, 30)}
    with pytest.raises(UsageError, match=r"\(Einsum\): would hold"):
        by_ropero(one_node("Einsum", x, [np.ones(sides[equation], np.float32)], {"equation": equation}), x, tmp_path)
