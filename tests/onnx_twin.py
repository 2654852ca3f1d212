"""One network twice: by ONNX Runtime, the oracle, and by ropero's own operators. Shared by the tests of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ropero.export.onnx_reader import OnnxFile, read
from ropero.models.folding import simplify
from ropero.models.nodes import Held
from ropero.models.operator_graph import Ends, OperatorGraph

Array = NDArray[Any]
IR_VERSION = 9  # what every ONNX Runtime of these years reads


def library() -> Any:
    import onnx

    return onnx


def one_node(
    op: str,
    x: Array,
    others: Sequence[Array | None] = (),
    attributes: Mapping[str, Any] | None = None,
    *,
    opset: int = 18,
    outputs: int = 1,
    domain: str = "",
    free: Sequence[int] = (0,),
    kind: int = 1,
) -> bytes:
    """A file of one node, whose first input are the images; `others` are constants, None where one is left out.

    kind: the type of the output by ONNX's number. free: the sides of the input that are not written down.
    """
    helper, numpy_helper = library().helper, library().numpy_helper
    names = ["x", *("" if one is None else f"c{place}" for place, one in enumerate(others))]
    results = [f"y{place}" for place in range(outputs)]
    node = helper.make_node(op, names, results, "n", domain=domain, **(attributes or {}))
    tensors = [numpy_helper.from_array(np.asarray(one), f"c{place}") for place, one in enumerate(others)
               if one is not None]  # fmt: skip
    return graph([node], x, results[:1], tensors, opset=opset, free=free, kind=kind)


def graph(
    nodes: Sequence[Any],
    x: Array,
    outputs: Sequence[str],
    tensors: Sequence[Any] = (),
    *,
    opset: int = 18,
    free: Sequence[int] = (0,),
    kind: int = 1,
) -> bytes:
    """A file of nodes."""
    helper = library().helper
    sides = [f"side{place}" if place in free else side for place, side in enumerate(x.shape)]
    inputs = [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), sides)]
    found = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
    made = helper.make_graph(list(nodes), "g", inputs, found, list(tensors))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    content: bytes = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()
    return content


def by_runtime(content: bytes | str, x: Array, outputs: Sequence[str] | None = None) -> list[Array]:
    """What ONNX Runtime gives, its graph as it is written: rewritten, some of its kernels differ."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    found: list[Array] = session.run(outputs, {session.get_inputs()[0].name: x})
    return found


def short(value: object) -> str:
    """A test's name for what may hold arrays: their shapes."""
    if isinstance(value, np.ndarray):
        return str(value.tolist() if value.size < 5 else value.shape)
    if isinstance(value, list | tuple):
        return ",".join(map(short, value))
    return ",".join(f"{key}={short(one)}" for key, one in value.items()) if isinstance(value, dict) else str(value)


def graph_of(file: OnnxFile, shape: tuple[int, ...]) -> OperatorGraph:
    """A file's network with its weights, as its graph alone, for batches of this shape."""
    nodes, tensors, output = simplify(
        file.nodes, {name: torch.from_numpy(one.copy()) for name, one in file.tensors.items()}, file.output
    )
    held = {name: Held.of(one) for name, one in tensors.items()}
    made = OperatorGraph(nodes, held, Ends(file.input, output, batch=shape[0]), shape[1:])
    made.fill(tensors)
    return made


def by_ropero(content: bytes, x: Array, folder: Path) -> Array:
    """What ropero's operators give for the same file."""
    path = folder / "model.onnx"
    path.write_bytes(content)
    made = graph_of(read(path), x.shape)
    with torch.inference_mode():
        found: Array = made(torch.from_numpy(x)).numpy()
    return found


def by_reference(content: bytes, x: Array) -> Array:
    """What ONNX's own definition gives, written in numpy."""
    from onnx.reference import ReferenceEvaluator

    found: Array = ReferenceEvaluator(library().load_model_from_string(content)).run(None, {"x": x})[0]
    return found


def same(content: bytes, x: Array, folder: Path, close: float = 1e-5) -> None:
    """ONNX Runtime and ropero give the same for a file."""
    theirs, ours = by_runtime(content, x)[0], by_ropero(content, x, folder)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=close, rtol=1e-5)
