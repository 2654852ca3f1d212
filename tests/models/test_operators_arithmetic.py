"""Arithmetic, reductions and comparisons: ONNX Runtime is the oracle for the same node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_twin import Array, by_ropero, graph, library, one_node, same, short

from ropero.errors import UsageError
from ropero.models.nodes import Node
from ropero.models.operators import OPERATORS

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 3, 5, 4)).astype(np.float32)
POSITIVE = np.abs(IMAGES) + 0.1
CHANNELS = RNG.normal(size=(3, 1, 1)).astype(np.float32) + 2
WHOLE = RNG.integers(-9, 9, (2, 3, 5, 4))
DIVISORS = np.where(WHOLE == 0, 3, WHOLE)
BOOL, FLOAT, INT64 = 9, 1, 7


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean", "PRelu"])
@pytest.mark.parametrize("other", [CHANNELS, np.float32(2), POSITIVE[0], POSITIVE], ids=short)
@pytest.mark.parametrize("opset", [8, 18])
def test_two_together(op: str, other: Array, opset: int, tmp_path: Path) -> None:
    if op == "PRelu" and other.shape == POSITIVE.shape:
        other = other[0]
    same(one_node(op, POSITIVE, [other], opset=opset), POSITIVE, tmp_path)


@pytest.mark.parametrize("op", ["Sum", "Mean", "Max", "Min"])
def test_one_or_several_together(op: str, tmp_path: Path) -> None:
    same(one_node(op, IMAGES), IMAGES, tmp_path)
    same(one_node(op, IMAGES, [CHANNELS, POSITIVE[:1], np.float32(0.5)]), IMAGES, tmp_path)


SINGLE = ["Abs", "Neg", "Exp", "Erf", "Floor", "Ceil", "Round", "Sign", "Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh",
          "Asinh"]  # fmt: skip


@pytest.mark.parametrize("op", [*SINGLE, "Sqrt", "Log", "Reciprocal", "Acosh"])
def test_value_by_value(op: str, tmp_path: Path) -> None:
    x = IMAGES if op in SINGLE else POSITIVE + (op == "Acosh")
    same(one_node(op, x), x, tmp_path)


@pytest.mark.parametrize("op", ["Asin", "Acos", "Atanh"])
def test_what_is_defined_around_zero(op: str, tmp_path: Path) -> None:
    x = np.tanh(IMAGES) * 0.9
    same(one_node(op, x), x, tmp_path)


def test_halves_are_rounded_to_the_even_neighbour(tmp_path: Path) -> None:
    x = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, 3.4]], np.float32)
    same(one_node("Round", x), x, tmp_path)


@pytest.mark.parametrize("op", ["Div", "Mod"])
def test_whole_numbers(op: str, tmp_path: Path) -> None:
    """Cut towards 0 when divided; the rest has the divisor's sign."""
    to, back = (library().helper.make_node("Cast", [a], [b], to=kind) for a, b, kind in (("x", "w", 7), ("z", "y", 1)))
    node = library().helper.make_node(op, ["w", "d"], ["z"])
    content = graph([to, node, back], IMAGES, ["y"], [library().numpy_helper.from_array(DIVISORS[0], "d")])
    same(content, WHOLE.astype(np.float32), tmp_path)


@pytest.mark.parametrize("fmod", [0, 1])
def test_whole_numbers_and_what_is_left(fmod: int, tmp_path: Path) -> None:
    if fmod:
        same(one_node("Mod", IMAGES, [CHANNELS], {"fmod": 1}), IMAGES, tmp_path)


@pytest.mark.parametrize("op", ["Div", "Mod"])
def test_the_division_that_ends_a_process_does_not(op: str) -> None:
    compute = OPERATORS[op].make(Node(op, "", ("a", "b"), ("c",)))
    found = compute(torch.tensor([-(2**63), 7]), torch.tensor([-1, -1]))
    assert found.tolist() == ([-(2**63), -7] if op == "Div" else [0, 0])


COMPARED = ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]


def chained(op: str, inputs: list[str], x: Array, tensors: dict[str, Array], opset: int = 18) -> bytes:
    """The node between what makes truth values of numbers and numbers of truth values."""
    helper = library().helper
    nodes = [helper.make_node("Greater", ["x", "zero"], ["b"]), helper.make_node(op, inputs, ["t"]),
             helper.make_node("Cast", ["t"], ["y"], to=FLOAT)]  # fmt: skip
    held = [library().numpy_helper.from_array(one, name) for name, one in tensors.items()]
    return graph(nodes, x, ["y"], [library().numpy_helper.from_array(np.float32(0), "zero"), *held], opset=opset)


@pytest.mark.parametrize("op", COMPARED)
def test_comparisons(op: str, tmp_path: Path) -> None:
    x = np.round(IMAGES)
    same(chained(op, ["x", "c"], x, {"c": np.round(CHANNELS - 2)}), x, tmp_path)


@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_logic(op: str, tmp_path: Path) -> None:
    same(chained(op, ["b", "c"], IMAGES, {"c": CHANNELS > 2}), IMAGES, tmp_path)


def test_not_and_where(tmp_path: Path) -> None:
    same(chained("Not", ["b"], IMAGES, {}), IMAGES, tmp_path)
    same(chained("Where", ["b", "x", "c"], IMAGES, {"c": CHANNELS}), IMAGES, tmp_path)


@pytest.mark.parametrize(
    ("op", "attributes"), [("IsNaN", {}), ("IsInf", {}), ("IsInf", {"detect_negative": 0})], ids=short
)
def test_what_is_no_number(op: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    x = np.array([[np.inf, -np.inf, np.nan, 1.0]], np.float32)
    helper = library().helper
    nodes = [helper.make_node(op, ["x"], ["t"], **attributes), helper.make_node("Cast", ["t"], ["y"], to=FLOAT)]
    same(graph(nodes, x, ["y"], opset=20), x, tmp_path)


REDUCTIONS = ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
              "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"]  # fmt: skip


@pytest.mark.parametrize("op", REDUCTIONS)
@pytest.mark.parametrize("axes", [[1], [2, 3], [-1, 1], None], ids=short)
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("opset", [11, 18])
def test_reductions(op: str, axes: list[int] | None, keepdims: int, opset: int, tmp_path: Path) -> None:
    """Axes are an attribute in older files, an input in newer ones, of sums since opset 13."""
    x = POSITIVE if op == "ReduceLogSum" else IMAGES
    attributes: dict[str, Any] = {"keepdims": keepdims}
    others = [] if axes is None or opset < 18 else [np.array(axes)]
    if axes is not None and opset < 18:
        attributes["axes"] = axes
    same(one_node(op, x, others, attributes, opset=opset), x, tmp_path)


def test_a_reduction_over_no_axes_may_change_nothing(tmp_path: Path) -> None:
    content = one_node("ReduceSum", IMAGES, [np.zeros(0, np.int64)], {"noop_with_empty_axes": 1})
    np.testing.assert_array_equal(by_ropero(content, IMAGES, tmp_path), IMAGES)


@pytest.mark.parametrize(("op", "others"), [("Sub", 2), ("Sub", 0), ("Sqrt", 1), ("Sin", 1), ("Equal", 2)])
def test_inputs_beyond_what_an_operator_takes_are_refused(op: str, others: int, tmp_path: Path) -> None:
    """torch.sub of three would read the second as a factor."""
    with pytest.raises(UsageError, match=f"does not fit the {others + 1} inputs that it is given"):
        by_ropero(one_node(op, IMAGES, [np.float32(2)] * others), IMAGES, tmp_path)


def test_an_axis_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Node 'n' \(ReduceSum\): axis 4 is none of an input with 4 sides"):
        by_ropero(one_node("ReduceSum", IMAGES, [np.array([4])]), IMAGES, tmp_path)


def test_what_grows_beyond_memory_is_refused(tmp_path: Path) -> None:
    """A row of 20,000 numbers against a column of as many would be 1.6 GB for one image."""
    x = RNG.normal(size=(1, 20_000)).astype(np.float32)
    content = one_node("Add", x, [np.zeros((20_000, 1), np.float32)])
    with pytest.raises(UsageError, match=r"Node 'n' \(Add\): would hold 20000 x 20000 numbers; 100,000,000 at most"):
        by_ropero(content, x, tmp_path)
