"""Recurrent layers by Keras's names, on sequences (T, D), and what makes a vector out of a sequence.

torch's fused kernels do the work, with Keras's parameters: Glorot-uniform input weights, orthogonal recurrent weights,
one bias (LSTM: ones for the forget gate; GRU: two, as Keras's default `reset_after` has them).
Legend: N sequences, T time steps, D features, U units, G gates (1, 3 or 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.models.layers import Layer, Rearrange, Shape, positive
from ropero.texts import t

SIMPLE, LSTM_KIND, GRU_KIND = "simple", "lstm", "gru"
_GATES = {SIMPLE: 1, LSTM_KIND: 4, GRU_KIND: 3}


class Recurrent(nn.Module):
    """One recurrent layer, in one direction or both, whose outputs are then side by side.

    (N, T, D) -> (N, T, U) with `sequences`, else (N, U): the last output, in the backward direction that of step 0.
    kernel (G*U, D), recurrent (G*U, U) and bias (G*U,) of a direction have torch's order of gates: i f g o of an LSTM,
    r z n of a GRU.
    """

    no_bias: Tensor

    def __init__(self, kind: str, inputs: int, units: int, activation: str, sequences: bool, directions: int) -> None:
        super().__init__()
        self.kind, self.units, self.activation = kind, units, activation
        self.sequences, self.directions = sequences, directions
        rows = _GATES[kind] * units
        for way in range(directions):
            self.register_parameter(f"kernel_{way}", nn.Parameter(torch.empty(rows, inputs)))
            self.register_parameter(f"recurrent_{way}", nn.Parameter(torch.empty(rows, units)))
            self.register_parameter(f"bias_{way}", nn.Parameter(torch.zeros(rows)))
            if kind == GRU_KIND:
                self.register_parameter(f"recurrent_bias_{way}", nn.Parameter(torch.zeros(rows)))
            nn.init.xavier_uniform_(self.get_parameter(f"kernel_{way}"))
            nn.init.orthogonal_(self.get_parameter(f"recurrent_{way}"))
            if kind == LSTM_KIND:
                with torch.no_grad():
                    self.get_parameter(f"bias_{way}")[units : 2 * units] = 1
        # torch's kernels add two biases; the second stays zero and is no parameter.
        self.register_buffer("no_bias", torch.zeros(rows), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        start = x.new_zeros(self.directions, x.shape[0], self.units)
        flags = (True, 1, 0.0, self.training, self.directions == 2, True)
        weights = [tensor for way in range(self.directions) for tensor in self._weights(way)]
        if self.kind == LSTM_KIND:
            out = torch.lstm(x, (start, start), weights, *flags)[0]
        else:
            run = {GRU_KIND: torch.gru, "relu": torch.rnn_relu, "tanh": torch.rnn_tanh}
            out = run[GRU_KIND if self.kind == GRU_KIND else self.activation](x, start, weights, *flags)[0]
        if self.sequences:
            return out
        if self.directions == 1:
            return out[:, -1]
        return torch.cat([out[:, -1, : self.units], out[:, 0, self.units :]], 1)

    def _weights(self, way: int) -> list[Tensor]:
        second = self.get_parameter(f"recurrent_bias_{way}") if self.kind == GRU_KIND else self.no_bias
        return [*(self.get_parameter(f"{name}_{way}") for name in ("kernel", "recurrent", "bias")), second]


@dataclass(frozen=True)
class Cell(Layer):
    """What SimpleRNN, LSTM and GRU share."""

    units: int = 128
    activation: str = "tanh"
    return_sequences: bool = False

    ranks: ClassVar[tuple[int, ...]] = (2,)
    kind: ClassVar[str] = SIMPLE
    activations: ClassVar[tuple[str, ...]] = ("tanh",)

    def output(self, shape: Shape) -> Shape:
        positive("units", self.units)
        if self.activation not in self.activations:
            raise UsageError(
                t("{name} should be one of {known}, got {value!r}.", name="activation",
                  known=", ".join(self.activations), value=self.activation)
            )  # fmt: skip
        return (shape[0], self.units) if self.return_sequences else (self.units,)

    def work(self, shape: Shape) -> int:
        return shape[0] * _GATES[self.kind] * self.units

    def module(self, shape: Shape) -> nn.Module:
        return self.made(shape, 1)

    def made(self, shape: Shape, directions: int) -> Recurrent:
        """The module in one direction or in both."""
        return Recurrent(self.kind, shape[1], self.units, self.activation, self.return_sequences, directions)


@dataclass(frozen=True)
class SimpleRNN(Cell):
    """h = activation(x W + h R + b)."""

    activations: ClassVar[tuple[str, ...]] = ("tanh", "relu")


@dataclass(frozen=True)
class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), one bias, the forget gate's starting at 1."""

    kind: ClassVar[str] = LSTM_KIND


@dataclass(frozen=True)
class GRU(Cell):
    """Gated recurrent unit (Cho 2014) with the reset gate behind the recurrent product, as Keras's default."""

    kind: ClassVar[str] = GRU_KIND


@dataclass(frozen=True)
class Bidirectional(Layer):
    """A recurrent layer read forwards and, by a second one, backwards; both outputs side by side."""

    layer: Cell = LSTM()

    ranks: ClassVar[tuple[int, ...]] = (2,)

    def output(self, shape: Shape) -> Shape:
        if not isinstance(self.layer, Cell):
            raise UsageError(
                t(
                    "its layer should be SimpleRNN, LSTM or GRU, as in {example}.",
                    example='layer = { type = "LSTM", units = 64 }',
                )
            )
        inner = self.layer.output(shape)
        return (*inner[:-1], 2 * inner[-1])

    def work(self, shape: Shape) -> int:
        return 2 * self.layer.work(shape)

    def module(self, shape: Shape) -> nn.Module:
        return self.layer.made(shape, 2)


@dataclass(frozen=True)
class AttentionPooling(Layer):
    """A vector out of a sequence: the mean of its steps, weighted by how much each matters (Bahdanau 2014, arXiv
    1409.0473; as in Yang 2016 for documents). In Keras: Dense(units, "tanh"), Dense(1, use_bias=False), softmax over
    the steps, weighted sum."""

    units: int = 64

    ranks: ClassVar[tuple[int, ...]] = (2,)

    def output(self, shape: Shape) -> Shape:
        positive("units", self.units)
        return (shape[1],)

    def work(self, shape: Shape) -> int:
        return shape[0] * self.units

    def module(self, shape: Shape) -> nn.Module:
        return WeightedMean(shape[1], self.units)


class WeightedMean(nn.Module):
    """(N, T, D) -> (N, D); weights over the T steps sum to 1."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.inner = nn.Linear(features, units)
        self.score = nn.Linear(units, 1, bias=False)
        for layer in (self.inner, self.score):
            nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(self.inner.bias)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.score(torch.tanh(self.inner(x))).softmax(1)  # (N, T, 1)
        pooled: Tensor = (weights * x).sum(1)
        return pooled


@dataclass(frozen=True)
class GlobalAveragePooling1D(Layer):
    """The mean over the time steps."""

    ranks: ClassVar[tuple[int, ...]] = (2,)

    def output(self, shape: Shape) -> Shape:
        return (shape[1],)

    def module(self, shape: Shape) -> nn.Module:
        return Pool1D(largest=False)


@dataclass(frozen=True)
class GlobalMaxPooling1D(Layer):
    """The largest value over the time steps."""

    ranks: ClassVar[tuple[int, ...]] = (2,)

    def output(self, shape: Shape) -> Shape:
        return (shape[1],)

    def module(self, shape: Shape) -> nn.Module:
        return Pool1D(largest=True)


class Pool1D(nn.Module):
    """(N, T, D) -> (N, D)."""

    def __init__(self, largest: bool) -> None:
        super().__init__()
        self.largest = largest

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(1) if self.largest else x.mean(1)


@dataclass(frozen=True)
class Rows(Layer):
    """An image (H, W, C) as a sequence of its rows (H, W*C); Keras writes Reshape((28, 28))."""

    ranks: ClassVar[tuple[int, ...]] = (3,)

    def output(self, shape: Shape) -> Shape:
        return shape[0], shape[1] * shape[2]

    def module(self, shape: Shape) -> nn.Module:
        return Rearrange(shape, self.output(shape))
