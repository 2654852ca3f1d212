"""Writes an ONNX file: `pixels` (N, C, H, W) float32 in [0, 1], any N, in; `logits` and `probabilities` (N, K) out.

Recurrent layers become ONNX's own LSTM, GRU and RNN. The card is in the file's metadata. What the exporter notes of
this machine is taken out.
Legend: N images, T time steps, D features, U units, W directions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram

from ropero.errors import MissingExtra, UsageError
from ropero.export.card import KEY, digest
from ropero.export.traced import BATCH, quiet
from ropero.texts import t

OPSET = 18
PIXELS, LOGITS, PROBABILITIES = "pixels", "logits", "probabilities"
_FOLDED = 1 << 30  # values: weights that are only put in another order are stored as they are wanted


def library(name: str) -> ModuleType:
    """onnx, onnxscript, onnxruntime or a part of one. Raises MissingExtra without it."""
    try:
        with quiet():
            return import_module(name)
    except ImportError as error:
        raise MissingExtra("ONNX", "onnx") from error


def translated(program: ExportedProgram, outputs: Sequence[str]) -> Any:
    """A traced network as ONNX's own object. Raises UsageError for what ONNX cannot hold."""
    library("onnxscript.optimizer")
    try:
        with quiet(), torch.no_grad():
            found: Any = torch.onnx.export(
                program,
                (),
                dynamo=True,
                opset_version=OPSET,
                external_data=False,
                input_names=[PIXELS],
                output_names=list(outputs),
                custom_translation_table={
                    torch.ops.aten.rnn_relu.input: _simple("Relu"),
                    torch.ops.aten.rnn_tanh.input: _simple("Tanh"),
                },
                verbose=False,
            )
            library("onnxscript.optimizer").optimize_ir(
                found.model, input_size_limit=_FOLDED, output_size_limit=_FOLDED
            )
            return found.model_proto
    except Exception as error:  # an operator that a user's code calls and ONNX lacks
        raise cannot(error) from error


def cannot(error: BaseException) -> UsageError:
    """The error for a network that another program's error keeps out of ONNX."""
    return UsageError(
        t("ONNX cannot hold this network: {reason}. --format torch-export or safetensors takes it.",
          reason=_reason(error))
    )  # fmt: skip


def _reason(error: BaseException) -> str:
    """What began it, in a line without colours."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = re.sub(r"\x1b\[\d*m", "", str(error)).strip().split("\n")[0].rstrip(".")
    return said[:200] or type(error).__name__


def finish(proto: Any, path: Path, card: Callable[[str], str]) -> None:
    """Write a model with its card, and without what the programs that made it noted."""
    _cleaned(proto)
    library("onnx.helper").set_model_props(proto, {KEY: card(digest(arrays(proto)))})
    library("onnx.checker").check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString())


def arrays(proto: Any) -> dict[str, NDArray[Any]]:
    """The weights of a model, by name."""
    numpy_helper = library("onnx.numpy_helper")
    return {one.name: np.asarray(numpy_helper.to_array(one)) for one in proto.graph.initializer}


def card_of(proto: Any) -> str | None:
    """The card of a model, where it has one."""
    return next((one.value for one in proto.metadata_props if one.key == KEY), None)


def _cleaned(proto: Any) -> None:
    """Without the exporter's notes, which tell of files and code, and with no more operator sets than are used; the
    first side of images is called batch."""
    graph = proto.graph
    for part in (graph.node, graph.initializer, graph.input, graph.output, graph.value_info):
        for one in part:
            one.ClearField("metadata_props")
            one.ClearField("doc_string")
    proto.ClearField("metadata_props")
    used = {node.domain for node in graph.node}
    kept = [one for one in proto.opset_import if one.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(kept)
    proto.graph.name = KEY
    proto.producer_name = KEY
    symbol = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for one in (*graph.input, *graph.output, *graph.value_info):
        for side in one.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_param = BATCH if side.dim_param == symbol else side.dim_param.replace(symbol, BATCH)


def _simple(activation: str) -> Callable[..., Any]:
    """How ONNX says torch's fused simple recurrent layer, which it would write step by step otherwise."""

    def said(
        x: Any,
        start: Any,
        weights: Sequence[Any],
        _has_biases: bool,
        _layers: int,
        _dropout: float,
        _train: bool,
        bidirectional: bool,
        _batch_first: bool,
    ) -> tuple[Any, Any]:
        op: Any = library("onnxscript").opset18
        ways = [weights[place : place + 4] for place in range(0, len(weights), 4)]

        def stacked(part: int) -> Any:
            sheets = [op.Unsqueeze(way[part], [0]) for way in ways]  # (W, U, ...)
            return op.Concat(*sheets, axis=0) if len(sheets) > 1 else sheets[0]

        bias = op.Concat(stacked(2), stacked(3), axis=1)
        options: Mapping[str, Any] = {
            "activations": [activation] * len(ways),
            "direction": "bidirectional" if bidirectional else "forward",
            "hidden_size": start.shape[2],
        }
        steps = op.Transpose(x, perm=[1, 0, 2])  # (T, N, D)
        every, last = op.RNN(steps, stacked(0), stacked(1), bias, None, start, **options)
        beside = op.Transpose(every, perm=[2, 0, 1, 3])  # (T, W, N, U) -> (N, T, W, U)
        return op.Reshape(beside, op.Constant(value_ints=[0, 0, -1])), last

    return said
