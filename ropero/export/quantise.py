"""An ONNX file in whole numbers of 8 bits, by onnxruntime: a quarter of the bytes, and quicker where a processor has
instructions for it.

Convolutions and dense layers get scales that were found beforehand by showing images ("static"), for each channel its
own; LSTM layers find theirs while they run ("dynamic"). Logits and softmax stay in floats.
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
from ropero.export.onnx_writer import PIXELS, library
from ropero.export.readback import onnx_model
from ropero.export.traced import quiet
from ropero.models import operators_quantised
from ropero.texts import t

STATIC, DYNAMIC = "static", "dynamic"
CALIBRATION_IMAGES = 500
_AT_ONCE = 50  # images
_FLOATING = ("RNN", "GRU")  # layers that onnxruntime multiplies in floats alone
_LOGITS_FROM = ["Gemm", "MatMul"]


def kind(path: Path) -> str:
    """Which way a network allows. Raises UsageError for one that onnxruntime has no whole numbers for, or that is
    in them already."""
    operators = {node.op_type for node in onnx_model(path).graph.node}
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
    options: dict[str, Any] = {"per_channel": True, "weight_type": types.QInt8, "reduce_range": True}
    try:
        with quiet():
            library("onnxruntime.quantization.shape_inference").quant_pre_process(
                str(source), str(prepared), skip_optimization=True, skip_symbolic_shape=True
            )
            model = onnx_model(prepared)
            if way == DYNAMIC:
                model.graph.ClearField("value_info")  # the shapes of what is written anew
                tools.quantize_dynamic(model, str(target), **options)
            else:
                tools.quantize_static(
                    model,
                    str(target),
                    _Shown(images),
                    quant_format=tools.QuantFormat.QDQ,
                    activation_type=types.QUInt8,
                    nodes_to_exclude=[node.name for node in model.graph.node if node.op_type == "Softmax"],
                    extra_options={"OpTypesToExcludeOutputQuantization": _LOGITS_FROM},
                    **options,
                )
    finally:
        prepared.unlink(missing_ok=True)
    return way


class _Shown:
    """The images, as onnxruntime asks for them: a batch each time, then None."""

    def __init__(self, images: Images) -> None:
        self._batches = unit_batches(images, _AT_ONCE)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next batch by the name of the input."""
        found = next(self._batches, None)
        return None if found is None else {PIXELS: found}
