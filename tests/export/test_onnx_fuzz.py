"""Files and model cards that were tampered with: each becomes a network that runs, or is refused by a sentence."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")

from ropero.errors import DataError, UsageError
from ropero.export.onnx_graph import program
from ropero.export.onnx_reader import classifier, read
from ropero.models.graphs import GraphCard, build_graph
from ropero.models.layers import Flatten, Layer
from ropero.models.operators import OPERATORS
from ropero.models.recurrent import Rows

FIXTURES = Path(__file__).parent.parent / "fixtures" / "onnx"
SHAPE = (1, 28, 28)
PREFIXES: dict[str, list[Layer]] = {
    "keras-cnn": [],
    "keras-separable": [],
    "keras-lstm": [Rows()],
    "sklearn-mlp": [Flatten()],
    "sklearn-logistic": [Flatten()],
}
quickly = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)


@quickly
@given(data=st.data(), name=st.sampled_from(sorted(PREFIXES)))
def test_bytes_that_were_changed(data: st.DataObject, name: str, tmp_path: Path) -> None:
    content = bytearray((FIXTURES / f"{name}.onnx").read_bytes())
    # Near both ends lie names and shapes; between them weights alone.
    near = st.one_of(st.integers(0, 3000), st.integers(len(content) - 800, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 4))):
        at = min(data.draw(near), len(content) - 1)
        how = data.draw(st.sampled_from(["flip", "put", "cut", "end"]))
        if how == "flip":
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "put":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=12))
        elif how == "cut":
            del content[at : at + data.draw(st.integers(1, 30))]
        elif len(content) > 4000:
            del content[at + 1 :]
        if not content:
            return
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes(content))
    with contextlib.suppress(DataError):
        model, _ = classifier(read(path), SHAPE, 10, prefix=PREFIXES[name])
        assert model(torch.rand(2, *SHAPE)).shape == (2, 10)


@functools.cache
def card(name: str) -> str:
    return json.dumps(classifier(read(FIXTURES / f"{name}.onnx"), SHAPE, 10, prefix=PREFIXES[name])[1].to_json())


VALUES: list[Any] = [0, 1, -1, 2, 3, 7, 28, 1000, 10**9, 2**31, 2**62, -(2**63), 2**64, 0.5, 1e30]
VALUES += ["inf", "nan", "", None, True, [], [1], [0, 0], [10**6, 10**6], {}, "float32", "int64", "NHWC"]
KEYS = ["axis", "axes", "pads", "strides", "kernel_shape", "dilations", "group", "perm", "mode", "keepdims", "to"]
KEYS += ["shape", "blocksize", "ceil_mode", "auto_pad", "direction", "starts", "ends", "value", "min", "max", "alpha"]


def places(value: Any) -> list[tuple[Any, Any]]:
    """(what holds it, its key) of everything in a JSON value."""
    if not isinstance(value, dict | list):
        return []
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
    return [(value, key) for key, _ in pairs] + [place for _, inner in pairs for place in places(inner)]


@settings(parent=quickly, max_examples=150)
@given(data=st.data(), name=st.sampled_from(sorted(PREFIXES)))
def test_cards_that_were_changed(data: st.DataObject, name: str) -> None:
    entry = json.loads(card(name))
    nodes = copy.copy(entry["nodes"])
    names = [one for node in nodes for one in node["outputs"]] + sorted(entry["tensors"])
    for _ in range(data.draw(st.integers(1, 3))):
        node = data.draw(st.sampled_from(nodes))
        how = data.draw(st.sampled_from(["operator", "link", "attribute", "anything", "anything"]))
        if how == "operator":
            node["op"] = data.draw(st.sampled_from(sorted(OPERATORS)))
        elif how == "link":
            node["inputs"] = [data.draw(st.sampled_from(names)) for _ in node["inputs"]]
        elif how == "attribute":
            node["attributes"] = {data.draw(st.sampled_from(KEYS)): copy.deepcopy(data.draw(st.sampled_from(VALUES)))}
        else:
            holder, key = data.draw(st.sampled_from(places(entry)))
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
    with contextlib.suppress(UsageError):
        model = build_graph(GraphCard.from_json(entry), PREFIXES[name], SHAPE, 10)
        assert model(torch.rand(2, *SHAPE)).shape == (2, 10)


def changed(proto: Any, data: st.DataObject) -> None:
    """One thing in a file that parses is another: an attribute, a tensor's shape or type, a name, an operator."""
    graph = proto.graph
    node = data.draw(st.sampled_from(list(graph.node)))
    names = [name for one in graph.node for name in one.output] + [one.name for one in graph.initializer] + ["", "x"]
    how = data.draw(st.sampled_from(["attribute", "tensor", "operator", "input", "outputs", "type", "opset", "twice"]))
    if how == "attribute":
        one = node.attribute.add(name=data.draw(st.sampled_from([*KEYS, *(one.name for one in node.attribute)])))
        one.type = data.draw(st.integers(0, 14))
        one.i, one.f = data.draw(st.integers(-(2**63), 2**63 - 1)), data.draw(st.floats(width=32))
        one.s = data.draw(st.binary(max_size=9))
        one.ints.extend(data.draw(st.lists(st.integers(-9, 9), max_size=5)))
    elif how == "tensor" and graph.initializer:
        tensor = data.draw(st.sampled_from(list(graph.initializer)))
        tensor.data_type = data.draw(st.integers(0, 24))
        del tensor.dims[:]
        tensor.dims.extend(data.draw(st.lists(st.integers(-1, 30), max_size=4)))
        size = {1: 4, 7: 8, 6: 4, 10: 2, 11: 8, 16: 2}.get(tensor.data_type, 1) * math.prod(tensor.dims)
        tensor.raw_data = bytes(max(0, min(size, 1 << 20)))
    elif how == "operator":
        node.op_type = data.draw(st.sampled_from([*sorted(OPERATORS), "Loop", "If", "Scan", "SequenceAt", "Upsample"]))
    elif how == "input":
        node.input.append(data.draw(st.sampled_from(names)))
    elif how == "outputs":
        del node.output[:]
        node.output.extend(data.draw(st.lists(st.sampled_from([*names, "new"]), max_size=3)))
    elif how == "type":
        one = data.draw(st.sampled_from([*graph.input, *graph.output]))
        one.type.Clear()
        one.type.sequence_type.elem_type.tensor_type.elem_type = 1
    elif how == "opset":
        proto.opset_import[0].version = data.draw(st.integers(-1, 30))
    elif data.draw(st.booleans()):
        graph.node.append(node)
    else:
        graph.output.append(graph.output[0])


@settings(parent=quickly, max_examples=150)
@given(data=st.data(), name=st.sampled_from(sorted(PREFIXES)))
def test_files_that_parse_but_say_something_else(data: st.DataObject, name: str, tmp_path: Path) -> None:
    import onnx

    proto = onnx.load(FIXTURES / f"{name}.onnx")
    for _ in range(data.draw(st.integers(1, 3))):
        changed(proto, data)
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    with contextlib.suppress(DataError, UsageError):
        model, _ = classifier(read(path), SHAPE, 10, prefix=PREFIXES[name])
        assert model(torch.rand(2, *SHAPE)).shape == (2, 10)
        if not PREFIXES[name]:  # which PyTorch's exporter takes seconds for
            assert program(model).graph.output[0].name == "logits"
