"""ONNX files are weighed before they are parsed, and lead nowhere, wherever a tensor stands in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

from ropero.errors import DataError  # noqa: E402
from ropero.export import onnx_file  # noqa: E402


def elsewhere(name: str = "secret") -> Any:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    return tensor


def graph(nodes: Any = (), initializers: Any = ()) -> Any:
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    return helper.make_graph([helper.make_node("Relu", ["x"], ["y"]), *nodes], "g", sides[:1], sides[1:], initializers)


def constant(tensor: Any) -> Any:
    return helper.make_node("Constant", [], ["c"], value=tensor)


def sparse() -> Any:
    return onnx.SparseTensorProto(values=elsewhere(), indices=helper.make_tensor("i", TensorProto.INT64, [1], [0]))


def in_function() -> Any:
    model = helper.make_model(graph())
    body = [constant(elsewhere())]
    model.functions.append(helper.make_function("own", "f", [], ["c"], body, [helper.make_opsetid("", 18)]))
    return model


BRANCH = {"then_branch": graph([constant(elsewhere())]), "else_branch": graph()}
LED_OUT = {
    "initializer": lambda: helper.make_model(graph((), [elsewhere()])),
    "constant": lambda: helper.make_model(graph([constant(elsewhere())])),
    "branch": lambda: helper.make_model(graph([helper.make_node("If", ["x"], ["z"], **BRANCH)])),
    "sparse": lambda: helper.make_model(graph([helper.make_node("Constant", [], ["c"], sparse_value=sparse())])),
    "function": in_function,
}


@pytest.mark.parametrize("place", LED_OUT)
def test_a_tensor_that_lies_elsewhere_is_named_and_not_followed(place: str, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(LED_OUT[place]().SerializeToString())
    with pytest.raises(DataError, match=r"x\.onnx: secret leads out of the file"):
        onnx_file.model(path)
    with pytest.raises(DataError, match="kept: secret leads out of the file"):
        onnx_file.model_of(path.read_bytes(), "kept")


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    own = helper.make_tensor("w", TensorProto.FLOAT, [1], [2.0])
    path.write_bytes(helper.make_model(graph([constant(own)], [own])).SerializeToString())
    assert onnx_file.model(path).graph.initializer[0].name == "w"
    assert onnx_file.model_of(path.read_bytes(), "kept").graph.initializer[0].name == "w"
    with pytest.raises(DataError, match=r"^kept: is no ONNX file"):
        onnx_file.model_of(b"\xff" + path.read_bytes(), "kept")


def test_what_would_take_too_much_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(helper.make_model(graph([constant(elsewhere())] * 1000)).SerializeToString())
    monkeypatch.setattr(onnx_file, "LIMIT_PARSED", 1 << 20)
    with pytest.raises(DataError, match=r"x\.onnx: would take more memory"):
        onnx_file.model(path)
    monkeypatch.setattr(onnx_file, "LIMIT_BYTES", 1000)
    with pytest.raises(DataError, match="ropero reads ONNX files of at most"):
        onnx_file.model(path)
