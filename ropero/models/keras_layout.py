"""A layer's weights as Keras keeps them: its arrays in Keras's order, each with Keras's name, shape and layout.

One description serves both ways: what reads a Keras file writes into the slots, what writes one reads them.
Knows nothing of files (`export/`).
Legend: H x W window, D features in, U units, G gates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ropero.models.activations import LearnedSlope, PReLU
from ropero.models.convolutions import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from ropero.models.layers import Dense, Layer
from ropero.models.normalization import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    Normalization,
    RMSNormalization,
)
from ropero.models.recurrent import GRU_KIND, AttentionPooling, Bidirectional, Cell, Recurrent
from ropero.models.windows import Convolution

Array = NDArray[np.float32]
Turn = Callable[[Tensor], Tensor]
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Slot:
    """One array of a Keras layer.

    name: what Keras calls it ("kernel", "moving_mean"). place: the part of the layer that holds it in Keras 3's files,
    "" for the layer itself ("cell", "forward_layer/cell"). trainable: False of running figures. tensors: where torch
    keeps it, several where Keras puts side by side what torch holds apart. out: from torch's layout to Keras's; back:
    the other way, to as many tensors.
    """

    name: str
    trainable: bool
    tensors: tuple[Tensor, ...]
    out: Callable[..., Tensor]
    back: Callable[[Tensor], tuple[Tensor, ...]]
    place: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Keras's shape."""
        return tuple(self._seen().shape)

    def _seen(self) -> Tensor:
        seen: Tensor = self.out(*(tensor.detach() for tensor in self.tensors))
        return seen

    def read(self) -> Array:
        """The array as Keras keeps it, float32."""
        return np.array(self._seen().cpu().float().numpy(), order="C")

    def write(self, array: Array) -> None:
        """Take over an array of Keras's; its shape has to be `shape`."""
        assert array.shape == self.shape
        with torch.no_grad():
            parts = self.back(torch.from_numpy(np.array(array, order="C")))
            for tensor, part in zip(self.tensors, parts, strict=True):
                tensor.copy_(part)


def slots(layer: Layer, module: nn.Module) -> list[Slot]:
    """The arrays of a layer, whose module this is, in Keras's order; empty for one without weights."""
    if isinstance(layer, Bidirectional):
        (both,) = _all(module, Recurrent)
        return [
            replace(slot, place=f"{way}_layer/cell")
            for number, way in enumerate(("forward", "backward"))
            for slot in _recurrent(both, number)
        ]
    if isinstance(layer, Cell):
        (one,) = _all(module, Recurrent)
        return [replace(slot, place="cell") for slot in _recurrent(one, 0)]
    if isinstance(layer, Dense):
        (linear,) = _all(module, nn.Linear)
        return [_plain("kernel", linear.weight, _transposed), *_bias(linear)]
    if isinstance(layer, Conv1D | Conv2D | Conv1DTranspose | Conv2DTranspose):
        # Turned round, torch has (in, out, window), Keras (window, out, in): the same exchange.
        (convolution,) = _convolutions(module)
        return [_plain("kernel", convolution.weight, _conv_kernel, _conv_kernel_back), *_bias(convolution)]
    if isinstance(layer, DepthwiseConv1D | DepthwiseConv2D):
        (convolution,) = _convolutions(module)
        return [_depthwise("kernel", convolution), *_bias(convolution)]
    if isinstance(layer, SeparableConv1D | SeparableConv2D):
        first, second = _convolutions(module)
        pointwise = _plain("pointwise_kernel", second.weight, _conv_kernel, _conv_kernel_back)
        return [_depthwise("depthwise_kernel", first), pointwise, *_bias(second)]
    if isinstance(layer, PReLU):
        (slope,) = _all(module, LearnedSlope)
        if slope.slope.ndim == 3:
            return [_plain("alpha", slope.slope, lambda x: x.permute(1, 2, 0), lambda x: x.permute(2, 0, 1))]
        return [_plain("alpha", slope.slope)]
    if type(layer) in _NORMS:
        return _figures(module, _NORMS[type(layer)])
    assert isinstance(layer, AttentionPooling) or not list(module.parameters()), layer
    return []


# Keras's names of what the layers that normalise hold, by torch's; those that a layer does without are left out.
_GAMMA = {"weight": "gamma", "bias": "beta"}
_NORMS: dict[type[Layer], dict[str, str]] = {
    BatchNormalization: {**_GAMMA, "running_mean": "moving_mean", "running_var": "moving_variance"},
    GroupNormalization: _GAMMA,
    LayerNormalization: _GAMMA,
    Normalization: {"running_mean": "mean", "running_var": "variance", "running_count": "count"},
    RMSNormalization: {"weight": "scale"},
}


def _figures(module: nn.Module, names: Mapping[str, str]) -> list[Slot]:
    """The stored tensors of a module or of the one inside it, which lie as Keras's do."""
    stored = {name.rpartition(".")[2]: tensor for name, tensor in module.state_dict(keep_vars=True).items()}
    return [
        replace(_plain(names[name], stored[name]), trainable=isinstance(stored[name], nn.Parameter))
        for name in names
        if name in stored
    ]


def _all(module: nn.Module, kind: type[M]) -> Iterator[M]:
    return (one for one in module.modules() if isinstance(one, kind))


def _convolutions(module: nn.Module) -> list[Convolution]:
    return [one for one in module.modules() if isinstance(one, Convolution)]


def _same(x: Tensor) -> Tensor:
    return x


def _transposed(x: Tensor) -> Tensor:
    return x.T


def _conv_kernel(x: Tensor) -> Tensor:
    """(out, in, window) -> (window, in, out)."""
    return x.permute(*range(2, x.ndim), 1, 0)


def _conv_kernel_back(x: Tensor) -> Tensor:
    return x.permute(-1, -2, *range(x.ndim - 2))


def _plain(name: str, tensor: Tensor, out: Turn = _same, back: Turn | None = None) -> Slot:
    """A tensor of its own; `back` is `out` itself where that undoes itself."""
    undo = back or out
    return Slot(name, True, (tensor,), out, lambda x: (undo(x),))


def _bias(layer: nn.Linear | Convolution) -> list[Slot]:
    return [] if layer.bias is None else [_plain("bias", layer.bias)]


def _depthwise(name: str, convolution: Convolution) -> Slot:
    """torch (C * multiplier, 1, window), Keras (window, C, multiplier)."""
    channels = convolution.in_channels

    def out(x: Tensor) -> Tensor:
        return _conv_kernel(x).reshape(*x.shape[2:], channels, -1)

    def back(x: Tensor) -> Tensor:
        return _conv_kernel_back(x.reshape(*x.shape[:-2], 1, -1))

    return _plain(name, convolution.weight, out, back)


def _recurrent(module: Recurrent, way: int) -> list[Slot]:
    """kernel (D, G*U), recurrent_kernel (U, G*U) and bias (G*U,), or (2, G*U) of a GRU with reset_after."""
    own = {name: tensor for name, tensor in module.named_parameters(recurse=False) if name.endswith(f"_{way}")}
    kernel, recurrent, *biases = own.values()
    order = torch.arange(len(kernel))
    if module.kind == GRU_KIND:  # torch's r z n, Keras's z r n: the exchange undoes itself
        gates = order.view(3, -1)
        order = torch.cat([gates[1], gates[0], gates[2]])

    def turned(x: Tensor) -> Tensor:
        return x[order].T

    def turned_back(x: Tensor) -> Tensor:
        return x.T[order]

    found = [_plain("kernel", kernel, turned, turned_back), _plain("recurrent_kernel", recurrent, turned, turned_back)]
    if len(biases) < 2:
        return [*found, *(_plain("bias", bias, lambda x: x[order]) for bias in biases)]

    def stacked(*x: Tensor) -> Tensor:
        return torch.stack([one[order] for one in x])

    return [*found, Slot("bias", True, tuple(biases), stacked, lambda x: (x[0][order], x[1][order]))]
