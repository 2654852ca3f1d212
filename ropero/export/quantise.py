"""An ONNX file in whole numbers of 8 bits, by onnxruntime: a quarter of the bytes, and quicker where a processor has
instructions for it.

Convolutions and dense layers get scales that were found beforehand by showing images ("static"), for each channel its
own; LSTM layers find theirs while they run ("dynamic"). Logits and softmax stay in floats. Batch-norms of pictures
become convolutions, so that whole numbers pass through them, and a first convolution of grey pictures stays as it is
where it is quicker so; both were measured (benchmarks/inference.py).
Weights take seven bits of the eight: older processors would saturate with all of them, and say something else than
newer ones.
Legend: N images, C channels, H x W pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.batches import unit_batches
from ropero.data.dataset import Images
from ropero.errors import UsageError
from ropero.export import onnx_file
from ropero.export.onnx_writer import PIXELS, library
from ropero.export.traced import quiet
from ropero.models import operators_quantised
from ropero.texts import t

STATIC, DYNAMIC = "static", "dynamic"
CALIBRATION_IMAGES = 500
_AT_ONCE = 50  # images
_FLOATING = ("RNN", "GRU")  # layers that onnxruntime multiplies in floats alone
_LOGITS_FROM = ["Gemm", "MatMul"]
_ACTIVATIONS = {"Relu", "LeakyRelu", "Tanh", "Sigmoid", "Elu"}
_BY_CHANNEL = "_by_channel"
_MANY = 32  # filters whose picture takes longer to be turned round for whole numbers than to be made of them


def kind(path: Path) -> str:
    """Which way a network allows. Raises UsageError for one that onnxruntime has no whole numbers for, or that is
    in them already."""
    operators = {node.op_type for node in onnx_file.model(path).graph.node}
    if operators & set(operators_quantised.OPERATORS):
        raise UsageError(t("The network is in whole numbers of 8 bits already; leave --int8 away."))
    for one in _FLOATING:
        if one in operators:
            raise UsageError(
                t("onnxruntime multiplies {layer} layers in floating point only; --int8 is for convolutions, dense and "
                  "LSTM layers.", layer={"RNN": "SimpleRNN"}.get(one, one))
            )  # fmt: skip
    return DYNAMIC if "LSTM" in operators else STATIC


def quantise(source: Path, target: Path, images: Images) -> str:
    """Write the network of an ONNX file in whole numbers, without a card; returns which way it was done.

    Args:
        images: (N, H, W) or (N, H, W, C) training images, by which scales are found.

    Raises:
        UsageError: a network that onnxruntime has no whole numbers for.
        MissingExtra: onnxruntime is not installed.
    """
    way = kind(source)
    tools, types = library("onnxruntime.quantization"), library("onnxruntime.quantization.quant_utils").QuantType
    prepared = target.with_name(f"{target.stem}-prepared.onnx")
    onnx = library("onnx")
    options: dict[str, Any] = {"per_channel": True, "weight_type": types.QInt8, "reduce_range": True}
    try:
        with quiet():
            library("onnxruntime.quantization.shape_inference").quant_pre_process(
                str(source), str(prepared), skip_symbolic_shape=True, skip_optimization=way == DYNAMIC
            )
            model = onnx_file.model(prepared)
            if way == DYNAMIC:
                model.graph.ClearField("value_info")  # the shapes of what is written anew
                tools.quantize_dynamic(model, str(target), **options)
            else:
                _as_convolutions(model)
                floats = _in_floats(model)
                tools.quantize_static(
                    onnx.shape_inference.infer_shapes(model),
                    str(target),
                    _Shown(images),
                    quant_format=tools.QuantFormat.QDQ,
                    activation_type=types.QUInt8,
                    nodes_to_exclude=[*floats, *(one.name for one in model.graph.node if one.op_type == "Softmax")],
                    extra_options={"OpTypesToExcludeOutputQuantization": _LOGITS_FROM},
                    **options,
                )
    finally:
        prepared.unlink(missing_ok=True)
    return way


def _as_convolutions(model: Any) -> None:
    """Each BatchNormalization of pictures becomes a convolution of 1 x 1 pixel by channels, which is the same function.

    onnxruntime has no BatchNormalization in whole numbers: it would make floats of them and numbers again, and turn the
    picture round for it; max pooling behind it then takes ten times as long.
    """
    onnx = library("onnx")
    graph = model.graph
    sides = {one.name: len(one.type.tensor_type.shape.dim) for one in (*graph.value_info, *graph.input)}
    stored = {one.name: one for one in graph.initializer}
    for place, node in enumerate(graph.node):
        if node.op_type != "BatchNormalization" or sides.get(node.input[0]) != 4:
            continue
        if not all(name in stored for name in node.input[1:]):
            continue
        gamma, beta, mean, variance = (
            onnx.numpy_helper.to_array(stored[name]).astype(float) for name in node.input[1:]
        )
        epsilon = next((one.f for one in node.attribute if one.name == "epsilon"), 1e-5)
        factor = gamma / np.sqrt(variance + epsilon)
        values = {"kernel": factor.reshape(-1, 1, 1, 1), "bias": beta - mean * factor}
        names = {name: f"{node.name}_{name}" for name in values}
        for name, value in values.items():
            graph.initializer.append(onnx.numpy_helper.from_array(value.astype(np.float32), names[name]))
        inputs, name = [node.input[0], *names.values()], node.name + _BY_CHANNEL
        made = onnx.helper.make_node("Conv", inputs, list(node.output), name, group=len(factor), kernel_shape=[1, 1])
        graph.node[place].CopyFrom(made)
    used = {name for node in graph.node for name in node.input}
    for one in [one for one in graph.initializer if one.name not in used]:
        graph.initializer.remove(one)


def _in_floats(model: Any) -> list[str]:
    """The names of what stays in floats at a network's beginning: a first convolution of grey pictures, which whole
    numbers save nothing, where another one follows; where it is pooled first, the pooling with it. Not where it has
    many filters and a ReLU, which whole numbers take along.

    Activations and batch-norms before that pooling are put behind it, which is the same where they rise with their
    values: onnxruntime takes 8-bit numbers through a pooling that stands before them, and would pool those with a slow
    loop.
    """
    values = {one.name: one for one in model.graph.initializer}
    channels = {name: one.dims[1] for name, one in values.items() if len(one.dims) == 4}
    wide = [node for node in model.graph.node if node.op_type == "Conv" and not node.name.endswith(_BY_CHANNEL)]
    if not wide or channels.get(wide[0].input[1]) != 1:
        return []
    passed: list[Any] = []
    place = wide[0].output[0]
    while True:
        after = [node for node in model.graph.node if place in node.input]
        if len(after) != 1:
            return []
        (node,) = after
        if node in wide:
            many = values[wide[0].input[1]].dims[0] >= _MANY
            return [] if many and [one.op_type for one in passed] == ["Relu"] else [wide[0].name]
        if node.op_type == "MaxPool" and passed and all(_rises(one, values) for one in passed):
            names = [one.name for one in (*wide[:1], *passed, node)]
            for one in reversed(passed):
                _exchange(one, node)
                node = one
            return names
        if node.op_type not in _ACTIVATIONS and not node.name.endswith(_BY_CHANNEL):
            return []
        passed.append(node)
        place = node.output[0]


def _rises(node: Any, values: dict[str, Any]) -> bool:
    """Whether larger values give larger ones, or the same: activations that do not fall below 0, norms of no minus."""
    if node.op_type in _ACTIVATIONS:
        return all(one.f >= 0 for one in node.attribute)
    return bool((library("onnx").numpy_helper.to_array(values[node.input[1]]) >= 0).all())


def _exchange(first: Any, second: Any) -> None:
    """What the second node makes of the first one's output is made the other way round."""
    start, end = first.input[0], second.output[0]
    before, behind = type(first)(), type(first)()
    before.CopyFrom(second)
    behind.CopyFrom(first)
    before.input[0], before.output[0] = start, f"{end}_before"
    behind.input[0], behind.output[0] = before.output[0], end
    first.CopyFrom(before)  # in the first one's place among the nodes, which are in the order of their values
    second.CopyFrom(behind)


class _Shown:
    """The images, as onnxruntime asks for them: a batch each time, then None."""

    def __init__(self, images: Images) -> None:
        self._batches = unit_batches(images, _AT_ONCE)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next batch by the name of the input."""
        found = next(self._batches, None)
        return None if found is None else {PIXELS: found}
