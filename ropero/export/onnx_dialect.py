"""Says a node of an ONNX file in the newest opset, and scikit-learn's operators in ONNX's own.

What one number of the opset changed in meaning is written out in attributes here, so that nothing behind this knows
of opsets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ropero.errors import DataError
from ropero.export.onnx_tensors import Array
from ropero.models.entries import cut
from ropero.models.nodes import Node
from ropero.texts import joined, t

LEARNING = "ai.onnx.ml"  # the domain of scikit-learn's operators
KNOWN_DOMAINS = ("", "ai.onnx", LEARNING)
OLDEST = 7  # before it, broadcasting and several attributes meant something else
_SOFTMAX_BY_AXIS = 13  # from here on; before, all values behind the axis were taken together
_RESIZE_BY_HALVES = 11
_SKIPPED = ("ZipMap",)


@dataclass
class Said:
    """What a node becomes: nodes, and the tensors that they hold."""

    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Array] = field(default_factory=dict)


def said(node: Node, domain: str, opset: int) -> Said:
    """A node, whose attributes may be arrays, as `models/operators.py` knows it.

    Raises DataError, of which the caller says the node's name.
    """
    if domain not in KNOWN_DOMAINS:
        raise DataError(
            t("is of the domain {domain!r}, whose operators ropero does not know; export the network with ONNX's own "
              "(of ONNX Runtime's: in the QDQ format and not as an optimised model; of functions: after "
              "onnx.inliner.inline_local_functions).", domain=cut(domain))
        )  # fmt: skip
    if domain == LEARNING:
        if node.op not in _LEARNING:
            raise DataError(
                t("is none of {known}, the operators of scikit-learn that ropero computes; trees and support vectors "
                  "have no layers.", known=joined(_LEARNING))
            )  # fmt: skip
        return _LEARNING[node.op](node)
    if node.op == "Constant":
        return _constant(node)
    if node.op == "Upsample" or (node.op == "Resize" and opset < _RESIZE_BY_HALVES):
        node = _resize(node)
    attributes = {key: value for key, value in node.attributes.items() if not isinstance(value, np.ndarray)}
    if node.op in ("Softmax", "LogSoftmax") and opset < _SOFTMAX_BY_AXIS:
        attributes = {"axis": 1, **attributes, "flat": 1}
    if node.op == "ConstantOfShape" and isinstance(filled := node.attributes.get("value"), np.ndarray):
        attributes = {"dtype": str(filled.dtype), "shape": list(filled.shape), "value": filled.reshape(-1).tolist()}
    return Said([Node(node.op, node.name, node.inputs, node.outputs, attributes)])


def _constant(node: Node) -> Said:
    """A tensor, however the node writes it."""
    for key, value in node.attributes.items():
        if key == "value" and isinstance(value, np.ndarray):
            return Said(tensors={node.outputs[0]: value})
        if key in ("value_float", "value_floats", "value_int", "value_ints"):
            dtype = np.float32 if "float" in key else np.int64
            return Said(tensors={node.outputs[0]: np.array(value, dtype)})
    raise DataError(t("holds neither numbers nor a tensor of numbers."))


def _resize(node: Node) -> Node:
    """An Upsample, or the first Resize: places are counted from the corner."""
    nearest = "floor" if node.op == "Upsample" else "simple"
    mode = {"bilinear": "linear"}.get(str(node.attributes.get("mode")), node.attributes.get("mode", "nearest"))
    attributes = {"mode": mode, "coordinate_transformation_mode": "asymmetric", "nearest_mode": nearest}
    if "scales" in node.attributes:
        attributes["scales"] = node.attributes["scales"]
    inputs = (node.inputs[0], "", *node.inputs[1:]) if len(node.inputs) > 1 else node.inputs
    return Node("Resize", node.name, inputs, node.outputs, attributes)


def _linear(node: Node) -> Said:
    """LinearClassifier: a product with a matrix, a bias, and softmax or sigmoid."""
    labels = node.attributes.get("classlabels_strings") or node.attributes.get("classlabels_ints") or ()
    weights = np.array(node.numbers("coefficients") or (), np.float32)
    bias = np.array(node.numbers("intercepts") or np.zeros(len(labels)), np.float32)
    if len(labels) < 2 or len(bias) != len(labels) or not len(weights) or len(weights) % len(labels):
        raise DataError(t("should have coefficients and an intercept for each of {n} classes.", n=len(labels)))
    after = node.word("post_transform", "NONE", ("NONE", "SOFTMAX", "LOGISTIC"))
    out = node.outputs[1]
    names = [f"{out} coefficients", f"{out} intercepts", f"{out} product", f"{out} sum"]
    last = out if after == "NONE" else names[3]
    nodes = [
        Node("MatMul", node.name, (node.inputs[0], names[0]), (names[2],)),
        Node("Add", node.name, (names[2], names[1]), (last,)),
    ]
    if after != "NONE":
        nodes.append(Node({"SOFTMAX": "Softmax", "LOGISTIC": "Sigmoid"}[after], node.name, (last,), (out,)))
    return Said(nodes, {names[0]: np.ascontiguousarray(weights.reshape(len(labels), -1).T), names[1]: bias})


def _scaler(node: Node) -> Said:
    """(x - offset) * scale."""
    parts = {
        key: np.array(node.numbers(key) or (default,), np.float32) for key, default in (("offset", 0), ("scale", 1))
    }
    out = node.outputs[0]
    nodes = [
        Node("Sub", node.name, (node.inputs[0], f"{out} offset"), (f"{out} centred",)),
        Node("Div", node.name, (f"{out} centred", f"{out} scale"), (out,)),
    ]
    with np.errstate(divide="ignore"):
        return Said(nodes, {f"{out} offset": parts["offset"], f"{out} scale": 1 / parts["scale"]})


def _normalizer(node: Node) -> Said:
    """Rows divided by their norm."""
    norm = node.word("norm", "MAX", ("MAX", "L1", "L2"))
    out = node.outputs[0]
    if norm != "MAX":
        return Said([Node("LpNormalization", node.name, node.inputs, node.outputs, {"axis": 1, "p": int(norm[1])})])
    largest = Node("ReduceMax", node.name, node.inputs, (f"{out} largest",), {"axes": [1]})
    return Said([largest, Node("Div", node.name, (*node.inputs, f"{out} largest"), (out,))])


def _extractor(node: Node) -> Said:
    """Some places of the last axis."""
    flat, shape = f"{node.outputs[0]} places", f"{node.outputs[0]} places shape"
    nodes = [
        Node("Reshape", node.name, (node.inputs[1], shape), (flat,)),
        Node("Gather", node.name, (node.inputs[0], flat), node.outputs, {"axis": -1}),
    ]
    return Said(nodes, {shape: np.array([-1], np.int64)})


def _skipped(node: Node) -> Said:
    return Said([Node("Identity", node.name, node.inputs[:1], node.outputs[:1])])


_LEARNING: Mapping[str, Callable[[Node], Said]] = {
    "ArrayFeatureExtractor": _extractor,
    "LinearClassifier": _linear,
    "Normalizer": _normalizer,
    "Scaler": _scaler,
    **dict.fromkeys(_SKIPPED, _skipped),
}


def labels(op: str, attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes' names that a node of scikit-learn's holds, in the order of their values; none of another node."""
    keys = {
        "ZipMap": ("classlabels_strings", "classlabels_int64s"),
        "LinearClassifier": ("classlabels_strings", "classlabels_ints"),
    }
    for key in keys.get(op, ()):
        if found := attributes.get(key):
            return tuple(str(one) for one in found)
    return ()
