"""The options of a Keras config as ropero's layers have them: which change nothing, and how each is written.

Knows nothing of networks (`keras_layers.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ropero.errors import UsageError
from ropero.texts import t

# What other Kerases called the same.
ALIASES = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution2DTranspose": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "MaxPool2D": "MaxPooling2D",
    "AvgPool2D": "AveragePooling2D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "ThresholdedReLU": "ReLU",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
}
RENAMED = {"LeakyReLU": {"alpha": "negative_slope"}, "ReLU": {"theta": "threshold"}}
# Old options whose name says something else today, and options of Keras's that only training or building looks at.
HARMLESS = {
    "name", "trainable", "dtype", "batch_input_shape", "batch_shape", "input_shape", "input_dtype", "sparse", "ragged",
    "seed", "autocast", "unit_forget_bias", "implementation", "unroll", "synchronized", "fused", "build_config",
    "compile_config", "module", "registered_name", "noise_shape", "momentum", "renorm_momentum", "cache",
    "supports_masking", "data_format", "lora_alpha", "input_dim", "input_length",
    "data_type", "value_range", "invert_range", "zero_output_for_mask",
}  # fmt: skip
TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint", "_activity_regularizer")


def is_neutral(kind: str, name: str, value: Any) -> bool:
    """Whether an option that ropero has not says what ropero does anyway."""
    if value is None or value is False or value == [] or value == {}:
        return True
    if name in ("dilation_rate", "strides", "depth_multiplier", "groups") and _ones(value):
        return True
    return (kind, name) in _NEUTRAL


_NEUTRAL = {("Resizing", "fill_mode"), ("Resizing", "fill_value"), ("Normalization", "input_mean"),
            ("BatchNormalization", "renorm_clipping"), ("Resizing", "antialias")}  # fmt: skip


def _ones(value: Any) -> bool:
    return all(one == 1 for one in value) if isinstance(value, list | tuple) else value == 1


def plain(value: Any) -> Any:
    """A value of JSON as an option has it: lists as tuples, NumPy's numbers as Keras 2 wrote them."""
    if isinstance(value, Mapping):
        inner = value.get("value", value.get("config", {}))
        return plain(inner.get("value") if isinstance(inner, Mapping) else inner)
    if isinstance(value, list):
        return tuple(plain(one) for one in value)
    return value


def _pairs(kind: str, value: Any) -> Any:
    """One number, or one a side."""
    if isinstance(value, list | tuple):
        sides = tuple(value)
        if kind.endswith("1D"):
            return sides[0] if len(sides) == 1 else sides
        return sides[0] if len(set(sides)) == 1 else sides
    return value


def _around(kind: str, value: Any) -> Any:
    """[[top, bottom], [left, right]] of padding or cropping, as four numbers."""
    if isinstance(value, str) or not isinstance(value, list | tuple):
        return value
    flat = [int(one) for side in value for one in (side if isinstance(side, list | tuple) else (side,))]
    if kind.endswith("2D") and len(flat) == 2 and not isinstance(value[0], list | tuple):
        return tuple(flat)
    return tuple(flat) if len(set(flat)) > 1 else flat[0]


def _axes(kind: str, value: Any) -> Any:
    """One axis or several, as the layer of that kind wants it."""
    if isinstance(value, list | tuple) and len(value) > 1 and kind in ("BatchNormalization", "Softmax"):
        raise UsageError(t("ropero reads it along one axis, got {axis}.", axis=str(value)[:60]))
    if kind in ("BatchNormalization", "Concatenate", "Softmax", "GroupNormalization"):
        return value[0] if isinstance(value, list | tuple) else value
    return value if isinstance(value, int) or value is None else tuple(value)


def _most(_: str, value: Any) -> Any:
    """ReLU's max_value: none is 0 in ropero's list."""
    return None if value is None else float(plain(value))


def _figures(value: Any) -> Any:
    """Given means or variances, however deep their lists: a number, or one a channel."""
    found = list(_numbers(plain(value)))
    return None if not found else found[0] if len(found) == 1 else tuple(found)


def _numbers(value: Any, depth: int = 0) -> Iterator[float]:
    if isinstance(value, tuple) and depth < 4:
        for one in value:
            yield from _numbers(one, depth + 1)
    elif value is not None:
        yield float(value)


READ: dict[str, Callable[[str, Any], Any]] = {
    "kernel_size": _pairs,
    "strides": _pairs,
    "dilation_rate": _pairs,
    "pool_size": _pairs,
    "size": _pairs,
    "padding": _around,
    "cropping": _around,
    "axis": _axes,
    "max_value": _most,
    "target_shape": lambda _, value: tuple(-1 if one is None else one for one in value),
    "dims": lambda _, value: tuple(value),
    "shared_axes": lambda _, value: tuple(value or ()),
    "mean": lambda _, value: _figures(value),
    "variance": lambda _, value: _figures(value),
}
