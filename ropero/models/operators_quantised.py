"""ONNX's operators on numbers of 8 bits, computed with floats that hold whole numbers.

So gradients pass them, as if nothing were rounded inside the range. Sums of products are exact: in float32 while they
stay below 2^24, else in float64.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.models.nodes import Compute, Maps, Node, Operator, room
from ropero.models.operators_arithmetic import place_of
from ropero.models.operators_layers import product
from ropero.models.operators_windows import Window, convolve
from ropero.texts import t

_EXACT = 2**24  # whole numbers below this are float32's own
_LARGEST = 255 * 255  # a product of two numbers of 8 bits


class _Round(torch.autograd.Function):
    """The nearest whole number, halves to the even one; its slope is taken for 1."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return gradient


def rounded(x: Tensor) -> Tensor:
    """The nearest whole numbers; gradients pass as if nothing had been done."""
    found: Tensor = _Round.apply(x)  # type: ignore[no-untyped-call]
    return found


def _limits(zero: Tensor | None) -> tuple[int, int]:
    """The least and the most that numbers of the zero point's type hold."""
    dtype = torch.uint8 if zero is None or zero.is_floating_point() else zero.dtype
    info = torch.iinfo(dtype)
    if info.bits > 16:
        raise UsageError(t("quantises to {dtype}; ropero knows 8 and 16 bits.", dtype=str(dtype)))
    return info.min, info.max


def _quantised(x: Tensor, zero: Tensor | None) -> Tensor:
    """Scaled values as whole numbers around the zero point."""
    whole = rounded(x)
    return (whole if zero is None else whole + zero.float()).clamp(*_limits(zero))


def _along(values: Tensor, x: Tensor, axis: int) -> Tensor:
    """A scale or zero point for each place along an axis, in a shape that x takes."""
    if values.numel() == 1:
        return values.reshape(())
    room(x.numel() if x.shape[place_of(axis, x.ndim)] > 1 else x.numel() * values.numel())
    if values.ndim != 1:
        raise UsageError(t("has scales for blocks, which are not supported; there may be one for each channel."))
    return values.reshape([-1 if place == place_of(axis, x.ndim) else 1 for place in range(x.ndim)])


def _quantize(node: Node) -> Compute:
    axis = node.whole("axis", 1)
    _plain_blocks(node)

    def run(x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        zero = None if zero is None else _along(zero, x, axis)
        return _quantised(x / _along(scale, x, axis), zero)

    return run


def _dequantize(node: Node) -> Compute:
    axis = node.whole("axis", 1)
    _plain_blocks(node)

    def run(x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        centred = x.float() if zero is None else x.float() - _along(zero, x, axis).float()
        return centred * _along(scale, x, axis)

    return run


def _plain_blocks(node: Node) -> None:
    node.refuse("block_size", allowed=(0,))
    node.refuse("output_dtype", allowed=(0, 2))


def _dynamic(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """To 8 bits by the range of the values themselves, which always holds 0."""
    low, high = x.detach().min().clamp(max=0), x.detach().max().clamp(min=0)
    scale = (high - low) / 255
    scale = torch.where(scale == 0, 1, scale)
    zero = (-low / scale).round().clamp(0, 255)
    return (rounded(x / scale) + zero).clamp(0, 255), scale, zero


def _centred(x: Tensor, zero: Tensor | None, axis: int) -> Tensor:
    return x.float() if zero is None else x.float() - _along(zero, x, axis).float()


def _exact(terms: int) -> torch.dtype:
    """The type in which a sum of so many products has no rounding."""
    return torch.float32 if terms * _LARGEST < _EXACT else torch.float64


def _whole_convolution(x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, groups: int) -> Tensor:
    dtype = _exact(math.prod(weight.shape[1:]))
    found = convolve(x.to(dtype), weight.to(dtype), None, window, groups)
    return found if bias is None else found.double() + bias.double().reshape(-1, *[1] * (x.ndim - 2))


def _whole_product(x: Tensor, y: Tensor) -> Tensor:
    dtype = _exact(x.shape[-1])
    return product(x.to(dtype), y.to(dtype))


class ConvInteger(nn.Module):
    """The convolution of whole numbers."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.window, self.groups = Window.of(node), node.whole("group", 1)

    def forward(
        self, x: Tensor, weight: Tensor, zero: Tensor | None = None, weight_zero: Tensor | None = None
    ) -> Tensor:
        x, weight = _centred(x, zero, 1), _centred(weight, weight_zero, 0)
        return _whole_convolution(x, weight, None, self.window, self.groups).float()


class QLinearConv(ConvInteger):
    """A convolution of quantised images with a quantised kernel; it gives quantised images."""

    def forward(  # type: ignore[override]
        self,
        x: Tensor,
        scale: Tensor,
        zero: Tensor,
        weight: Tensor,
        weight_scale: Tensor,
        weight_zero: Tensor,
        out_scale: Tensor,
        out_zero: Tensor,
        bias: Tensor | None = None,
    ) -> Tensor:
        x, weight = _centred(x, zero, 1), _centred(weight, weight_zero, 0)
        sums = _whole_convolution(x, weight, bias, self.window, self.groups)
        factor = scale.reshape(()) * _along(weight_scale, sums, 1) / out_scale.reshape(())
        return _quantised((sums * factor).float(), out_zero)


class MatMulInteger(nn.Module):
    """The product of matrices of whole numbers."""

    def __init__(self, _: Node) -> None:
        super().__init__()

    def forward(self, x: Tensor, y: Tensor, zero: Tensor | None = None, y_zero: Tensor | None = None) -> Tensor:
        return _whole_product(_centred(x, zero, -2), _centred(y, y_zero, -1)).float()


class QLinearMatMul(MatMulInteger):
    """A product of quantised matrices; it gives a quantised one."""

    def forward(  # type: ignore[override]
        self,
        x: Tensor,
        scale: Tensor,
        zero: Tensor,
        y: Tensor,
        y_scale: Tensor,
        y_zero: Tensor,
        out_scale: Tensor,
        out_zero: Tensor,
    ) -> Tensor:
        sums = _whole_product(_centred(x, zero, -2), _centred(y, y_zero, -1))
        factor = _along(scale, sums, -2) * _along(y_scale, sums, -1) / out_scale.reshape(())
        return _quantised((sums * factor).float(), out_zero)


OPERATORS: dict[str, Operator] = {
    "ConvInteger": Operator(ConvInteger, names=("", "weight"), maps=Maps.ALWAYS, whole=True),
    "DequantizeLinear": Operator(_dequantize, names=("weight",), maps=Maps.AS_GIVEN, whole=True),
    "DynamicQuantizeLinear": Operator(lambda _: _dynamic, maps=Maps.AS_GIVEN),
    "MatMulInteger": Operator(MatMulInteger, names=("left", "right"), whole=True),
    "QLinearConv": Operator(
        QLinearConv, names=("", "", "", "weight", "", "", "", "", "bias"), maps=Maps.ALWAYS, whole=True
    ),
    "QLinearMatMul": Operator(QLinearMatMul, names=("left", "", "", "right"), whole=True),
    "QuantizeLinear": Operator(_quantize, maps=Maps.AS_GIVEN),
}
