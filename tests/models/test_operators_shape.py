"""Operators that move values about and make shapes: ONNX Runtime is the oracle, for batches of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_twin import Array, by_reference, by_ropero, graph, library, one_node, same, short

from ropero.errors import UsageError
from ropero.models.nodes import Node
from ropero.models.operators_shape import constant, value_of

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(3, 4, 5, 6)).astype(np.float32)
STEPS = RNG.normal(size=(3, 4, 1, 5)).astype(np.float32)


def wholes(*values: int) -> Array:
    return np.array(values, np.int64)


CASES: list[tuple[str, list[Array | None], dict[str, Any], int]] = [
    ("Reshape", [wholes(-1, 20, 6)], {}, 13),
    ("Reshape", [wholes(0, 0, -1)], {}, 7),
    ("Reshape", [wholes(0, -1)], {}, 7),
    ("Reshape", [wholes(-1, 120)], {"allowzero": 1}, 14),
    ("Flatten", [], {}, 7),
    ("Flatten", [], {"axis": 2}, 13),
    ("Flatten", [], {"axis": -1}, 13),
    ("Transpose", [], {"perm": [0, 2, 3, 1]}, 13),
    ("Concat", [IMAGES[:1] * 2], {"axis": 0}, 13),
    ("Slice", [wholes(1), wholes(3), wholes(2)], {}, 13),
    ("Slice", [wholes(0, -1), wholes(2**62, -(2**62)), wholes(1, 3), wholes(2, -2)], {}, 13),
    ("Slice", [wholes(-3), wholes(-1), wholes(-1)], {}, 11),
    ("Slice", [wholes(0, 1), wholes(3, 9)], {}, 10),
    ("Slice", [], {"starts": [1], "ends": [-1], "axes": [3]}, 9),
    ("Slice", [], {"starts": [0, 2], "ends": [3, 4]}, 7),
    ("Gather", [wholes(2, 0, -1)], {"axis": 1}, 13),
    ("Gather", [np.array(1)], {"axis": 2}, 13),
    ("Gather", [np.array([[0, 1], [3, 2]])], {"axis": -1}, 13),
    ("Expand", [wholes(2, 1, 1, 1, 1)], {}, 13),
    ("Tile", [wholes(1, 2, 1, 3)], {}, 13),
    ("Unsqueeze", [wholes(1, -1)], {}, 13),
    ("Unsqueeze", [], {"axes": [1, 3]}, 11),
    ("DepthToSpace", [], {"blocksize": 2}, 13),
    ("DepthToSpace", [], {"blocksize": 2, "mode": "CRD"}, 11),
    ("Trilu", [], {}, 14),
    ("Trilu", [np.array(-1)], {"upper": 0}, 14),
    ("Cast", [], {"to": 1}, 13),
    ("Pad", [wholes(0, 0, 1, 2, 0, 0, 3, 1)], {}, 13),
    ("Pad", [wholes(0, 0, 1, 2, 0, 0, 3, 1), np.float32(7)], {"mode": "constant"}, 13),
    ("Pad", [wholes(0, 1, -1, 2, 0, 0, 3, -2), np.float32(-np.inf)], {}, 13),
    ("Pad", [wholes(1, 2), None, wholes(3)], {"mode": "edge"}, 18),
    ("Pad", [wholes(2, 1, 2, 0), np.float32(1), wholes(2, 3)], {}, 18),
    ("Pad", [wholes(0, 0, 2, 3, 0, 0, 3, 1)], {"mode": "reflect"}, 13),
    ("Pad", [wholes(0, 0, 2, 3, 0, 0, 3, 1)], {"mode": "edge"}, 13),
    ("Pad", [wholes(0, 0, 2, 3, 0, 0, 3, 1)], {"mode": "wrap"}, 19),
    ("Pad", [], {"pads": [0, 0, 1, 1, 0, 0, 1, 1], "mode": "constant", "value": 2.0}, 7),
]


@pytest.mark.parametrize(("op", "others", "attributes", "opset"), CASES, ids=short)
def test_moving_values(
    op: str, others: list[Array | None], attributes: dict[str, Any], opset: int, tmp_path: Path
) -> None:
    same(one_node(op, IMAGES, others, attributes, opset=opset), IMAGES, tmp_path)


@pytest.mark.parametrize(
    ("others", "attributes", "opset"), [([wholes(2)], {}, 13), ([], {"axes": [2]}, 11), ([], {}, 13)]
)
def test_sides_of_one_are_taken_off(
    others: list[Array], attributes: dict[str, Any], opset: int, tmp_path: Path
) -> None:
    same(one_node("Squeeze", STEPS, others, attributes, opset=opset), STEPS, tmp_path)


def test_without_axes_one_image_alone_keeps_its_place(tmp_path: Path) -> None:
    content = one_node("Squeeze", STEPS)
    assert by_ropero(content, STEPS[:1], tmp_path).shape == (1, 4, 5)


def test_places_that_the_picture_says(tmp_path: Path) -> None:
    nodes = [node("Clip", ["x", "low", "high"], ["c"]), node("Cast", ["c"], ["i"], to=7),
             node("GatherElements", ["x", "i"], ["y"], axis=3)]  # fmt: skip
    content = graph(nodes, IMAGES, ["y"], [held("low", np.float32(-5)), held("high", np.float32(5))])
    same(content, IMAGES * 3, tmp_path)
    beyond = graph(nodes, IMAGES, ["y"], [held("low", np.float32(-5)), held("high", np.float32(50))])
    with pytest.raises(UsageError, match=r"\(GatherElements\): index 30 is out of bounds"):
        by_ropero(beyond, IMAGES * 0 + 30, tmp_path)


def test_space_to_depth(tmp_path: Path) -> None:
    x = RNG.normal(size=(2, 3, 4, 6)).astype(np.float32)
    same(one_node("SpaceToDepth", x, (), {"blocksize": 2}), x, tmp_path)


@pytest.mark.parametrize(
    ("others", "attributes", "opset", "outputs"),
    [
        ([wholes(1, 3, 2)], {"axis": 3}, 13, 3),
        ([], {"axis": 1, "split": [3, 1]}, 11, 2),
        ([], {"axis": 1}, 11, 2),
        ([], {"axis": 2, "num_outputs": 2}, 18, 2),
    ],
    ids=short,
)
def test_splitting(others: list[Array], attributes: dict[str, Any], opset: int, outputs: int, tmp_path: Path) -> None:
    same(one_node("Split", IMAGES, others, attributes, opset=opset, outputs=outputs), IMAGES, tmp_path)


def node(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    return library().helper.make_node(op, inputs, outputs, **attributes)


def held(name: str, values: Any) -> Any:
    return library().numpy_helper.from_array(np.asarray(values), name)


def test_shapes_are_computed_for_every_batch(tmp_path: Path) -> None:
    """What exporters write for x.view(x.size(0), -1, 6): the sides are taken apart and put together again."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"], axis=0),
        node("Unsqueeze", ["n", "first"], ["row"]),
        node("Cast", ["n"], ["float"], to=1),
        node("Slice", ["s", "first", "two", "first"], ["rest"]),
        node("Concat", ["row", "sides"], ["wanted"], axis=0),
        node("Reshape", ["x", "wanted"], ["r"]),
        node("ConstantOfShape", ["rest"], ["ones"], value=held("", np.ones(1, np.float32))),
        node("ReduceSum", ["ones"], ["count"], keepdims=0),
        node("Mul", ["count", "float"], ["many"]),
        node("Div", ["r", "many"], ["y"]),
    ]
    tensors = [
        held("zero", np.array(0)),
        held("first", wholes(0)),
        held("two", wholes(2)),
        held("sides", wholes(-1, 6)),
    ]
    content = graph(nodes, IMAGES, ["y"], tensors)
    for many in (1, 2, 3):
        same(content, IMAGES[:many], tmp_path)


def test_ranges_masks_and_expansions(tmp_path: Path) -> None:
    """As an attention mask is made: a range for the rows, one for the columns, compared, and filled in."""
    nodes = [
        node("Shape", ["x"], ["s"], start=2, end=3),
        node("Squeeze", ["s", "first"], ["t"]),
        node("Range", ["zero", "t", "one"], ["r"]),
        node("Unsqueeze", ["r", "first"], ["across"]),
        node("Unsqueeze", ["r", "last"], ["down"]),
        node("LessOrEqual", ["across", "down"], ["past"]),
        node("Slice", ["x", "first", "five", "last"], ["square"]),
        node("Shape", ["square"], ["all"]),
        node("Expand", ["past", "all"], ["seen"]),
        node("Where", ["seen", "square", "low"], ["y"]),
    ]
    tensors = [held("zero", 0), held("one", 1), held("first", wholes(0)), held("last", wholes(-1)),
               held("five", wholes(5)), held("low", np.float32(-1e9))]  # fmt: skip
    nodes[6] = node("Slice", ["x", "first", "five", "three"], ["square"])
    same(graph(nodes, IMAGES, ["y"], [*tensors, held("three", wholes(3))]), IMAGES, tmp_path)


def test_a_range_of_floats_and_a_size(tmp_path: Path) -> None:
    nodes = [
        node("Size", ["x"], ["n"]),
        node("Cast", ["n"], ["f"], to=1),
        node("Range", ["half", "six", "half"], ["r"]),
        node("ReduceSum", ["r"], ["sum"]),
        node("Mul", ["sum", "f"], ["p"]),
        node("Add", ["x", "p"], ["y"]),
    ]
    same(graph(nodes, IMAGES, ["y"], [held("half", np.float32(0.5)), held("six", np.float32(6))]), IMAGES, tmp_path)


@pytest.mark.parametrize("to", [6, 7, 9, 10, 11, 2, 3])
def test_types_come_back_as_floats(to: int, tmp_path: Path) -> None:
    x = np.abs(IMAGES * 9).astype(np.float32)
    content = graph([node("Cast", ["x"], ["t"], to=to), node("Cast", ["t"], ["y"], to=1)], x, ["y"])
    same(content, x, tmp_path, 0.02 if to == 10 else 1e-6)


def test_a_type_like_another(tmp_path: Path) -> None:
    content = one_node("CastLike", IMAGES, [np.float32(0)])
    np.testing.assert_array_equal(by_ropero(content, IMAGES, tmp_path), by_reference(content, IMAGES))


def test_a_constant_for_one_image_stands_beside_every_one(tmp_path: Path) -> None:
    """A class token that was expanded to the batch of one that the exporter saw."""
    token = RNG.normal(size=(1, 4, 1, 6)).astype(np.float32)
    found = by_ropero(one_node("Concat", IMAGES, [token], {"axis": 2}), IMAGES, tmp_path)
    expected = np.concatenate([IMAGES, np.repeat(token, 3, 0)], 2)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("op", "others", "attributes", "says"),
    [
        ("Reshape", [wholes(0, 7)], {}, "Node 'n' (Reshape): shape '[3, 7]' is invalid"),
        ("Slice", [wholes(0), wholes(1), wholes(1), wholes(0)], {}, "a step should not be 0"),
        ("Slice", [wholes(0), wholes(1), wholes(9)], {}, "axis 9 is none of an input with 4 sides"),
        ("Pad", [wholes(1, 1)], {}, "needs two margins for each axis, got 2 for 4"),
        ("Pad", [wholes(0, 0, 2**40, 0, 0, 0, 0, 0)], {}, "has a margin of 1099511627776; 100000 at most"),
        ("Pad", [wholes(*[0] * 8)], {"mode": "mirror"}, "mode should be constant / reflect / edge / wrap, got mirror"),
        ("Tile", [wholes(1, 10_000, 10_000, 1)], {}, "would hold 3 x 40000 x 50000 x 6 numbers; 300,000,000"),
        ("Expand", [wholes(10_000, 1, 10_000, 1, 1)], {}, "Node 'n' (Expand): "),
        ("Squeeze", [wholes(1)], {}, "takes off a side of 1, but gets (3, 4, 5, 6)"),
        ("Cast", [], {"to": 8}, "gives type 8 of ONNX"),
        ("Transpose", [], {"perm": [0, 1]}, "Node 'n' (Transpose): "),
        ("Gather", [wholes(2**40)], {"axis": 1}, "Node 'n' (Gather): "),
    ],
    ids=short,
)
def test_what_cannot_be_is_said_of_the_node(
    op: str, others: list[Array], attributes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        by_ropero(one_node(op, IMAGES, others, attributes), IMAGES, tmp_path)
    assert says in str(caught.value)


def test_a_size_that_depends_on_the_picture_is_refused(tmp_path: Path) -> None:
    nodes = [node("ReduceMax", ["x"], ["m"], keepdims=0), node("Cast", ["m"], ["i"], to=7),
             node("Unsqueeze", ["i", "first"], ["s"]), node("Expand", ["x", "s"], ["y"])]  # fmt: skip
    with pytest.raises(UsageError, match=r"\(Expand\): takes a size that depends on the picture's values"):
        by_ropero(graph(nodes, IMAGES, ["y"], [held("first", wholes(0))]), IMAGES, tmp_path)


@pytest.mark.parametrize(
    "values",
    [torch.tensor(3), torch.tensor([[1.5, float("-inf")]]), torch.zeros(0, 2), torch.tensor([True]),
     torch.tensor([200], dtype=torch.uint8)],
    ids=short,
)  # fmt: skip
def test_a_small_tensor_survives_json(values: torch.Tensor) -> None:
    found = value_of(Node("Constant", "", (), ("c",), constant(values)))
    assert found.dtype == values.dtype
    torch.testing.assert_close(found, values, rtol=0, atol=0)


@pytest.mark.parametrize(
    "attributes",
    [{}, {"dtype": "float32"}, {"dtype": "float32", "shape": [2], "value": [1]},
     {"dtype": "float32", "shape": [1], "value": ["x"]}, {"dtype": "int64", "shape": [1], "value": [0.5]},
     {"dtype": "int64", "shape": [-1, -1], "value": [1]}, {"dtype": "object", "shape": [0], "value": []},
     {"dtype": "int64", "shape": "2", "value": [1, 2]}, {"dtype": "int64", "shape": [2**70], "value": []},
     {"dtype": "int64", "shape": [0, 2**62, 2**62], "value": []}],
    ids=short,
)  # fmt: skip
def test_what_is_no_tensor_is_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        value_of(Node("Constant", "", (), ("c",), attributes))
