"""Recurrent layers by Keras's names, on sequences (T, D), and what makes a vector out of a sequence.

torch's fused kernels do the work of the layers that they know, a loop over the steps that of the others, with Keras's
parameters: Glorot-uniform input weights, orthogonal recurrent weights, one bias (LSTM: ones for the forget gate; GRU:
two where `reset_after` is true).

What was the default differs: gates were hard_sigmoid_2 up to Keras 2.2 and in tf.keras 1, and are sigmoid since, and
here; a GRU's reset_after was false in Keras up to 2.3 and in tf.keras 1, and is true since, and here.
Legend: N sequences, T time steps, D features, U units, G gates (1, 3 or 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ropero.errors import UsageError, did_you_mean
from ropero.models.layers import Layer, Rearrange, Shape, activation_module, positive, share
from ropero.texts import joined, t

SIMPLE, LSTM_KIND, GRU_KIND = "simple", "lstm", "gru"
_GATES = {SIMPLE: 1, LSTM_KIND: 4, GRU_KIND: 3}
TANH, SIGMOID = "tanh", "sigmoid"
CONCAT = "concat"
MERGES = (CONCAT, "sum", "mul", "ave")


@dataclass(frozen=True)
class Cell(Layer):
    """What SimpleRNN, LSTM and GRU share.

    go_backwards: whether it begins with the last step; a sequence then comes out from last to first. dropout: of what
    comes in, recurrent_dropout: of what it remembers, the same values at every step, while training.
    """

    units: int = 128
    activation: str = TANH
    return_sequences: bool = False
    use_bias: bool = True
    go_backwards: bool = False
    dropout: float = 0.0
    recurrent_dropout: float = 0.0

    ranks: ClassVar[tuple[int, ...]] = (2,)
    kind: ClassVar[str] = SIMPLE

    @property
    def fused(self) -> bool:
        """Whether torch's kernels know it."""
        return self.activation in (TANH, "relu")

    def output(self, shape: Shape) -> Shape:
        positive("units", self.units)
        activation_module(self.activation)
        for name in ("dropout", "recurrent_dropout"):
            share(name, getattr(self, name))
        return (shape[0], self.units) if self.return_sequences else (self.units,)

    def work(self, shape: Shape) -> int:
        return shape[0] * _GATES[self.kind] * self.units

    def module(self, shape: Shape) -> nn.Module:
        return Recurrent([self], shape[1])


@dataclass(frozen=True)
class SimpleRNN(Cell):
    """h = activation(x W + h R + b)."""


@dataclass(frozen=True)
class _Gated(Cell):
    """A cell whose gates have an activation of their own."""

    recurrent_activation: str = SIGMOID

    @property
    def fused(self) -> bool:
        return (self.activation, self.recurrent_activation) == (TANH, SIGMOID)

    def output(self, shape: Shape) -> Shape:
        activation_module(self.recurrent_activation)
        return super().output(shape)


@dataclass(frozen=True)
class LSTM(_Gated):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), one bias, the forget gate's starting at 1."""

    kind: ClassVar[str] = LSTM_KIND


@dataclass(frozen=True)
class GRU(_Gated):
    """Gated recurrent unit (Cho 2014) with the reset gate behind the recurrent product, Keras's default, or before."""

    reset_after: bool = True

    kind: ClassVar[str] = GRU_KIND

    @property
    def fused(self) -> bool:
        return super().fused and self.reset_after


@dataclass(frozen=True)
class Bidirectional(Layer):
    """A recurrent layer read forwards and, by a second one, backwards; both outputs side by side, or sum, product or
    mean of them.

    backward_layer: the second one, as the first but backwards when it is left out.
    """

    layer: Cell = LSTM()
    merge_mode: str = CONCAT
    backward_layer: Cell | None = None

    ranks: ClassVar[tuple[int, ...]] = (2,)

    def output(self, shape: Shape) -> Shape:
        first, second = self._ways()
        for one in (first, second):
            if not isinstance(one, Cell):
                raise UsageError(
                    t(
                        "its layer should be SimpleRNN, LSTM or GRU, as in {example}.",
                        example='layer = { type = "LSTM", units = 64 }',
                    )
                )
        if self.merge_mode not in MERGES:
            raise UsageError(
                t("{name} should be one of {known}, got {value!r}.", name="merge_mode", known=joined(MERGES),
                  value=self.merge_mode) + did_you_mean(self.merge_mode, MERGES)
            )  # fmt: skip
        there, back = first.output(shape), second.output(shape)
        if type(first) is not type(second) or first.go_backwards == second.go_backwards or there != back:
            raise UsageError(
                t(
                    "backward_layer should be of the same kind as layer, with the same units and "
                    "return_sequences and the opposite go_backwards."
                )
            )
        return (*there[:-1], 2 * there[-1]) if self.merge_mode == CONCAT else there

    def work(self, shape: Shape) -> int:
        return sum(one.work(shape) for one in self._ways())

    def module(self, shape: Shape) -> nn.Module:
        return Recurrent(self._ways(), shape[1], self.merge_mode)

    def _ways(self) -> tuple[Cell, Cell]:
        if isinstance(self.layer, Cell) and self.backward_layer is None:
            return self.layer, replace(self.layer, go_backwards=not self.layer.go_backwards)
        return self.layer, self.backward_layer or self.layer


class Recurrent(nn.Module):
    """One recurrent layer in one direction, or two of a kind in both, whose outputs are merged.

    (N, T, D) -> (N, T, U) with `return_sequences`, else (N, U): the last output, in the backward direction that of
    step 0. kernel (G*U, D), recurrent (G*U, U) and bias (G*U,) of a direction have torch's order of gates: i f g o of
    an LSTM, r z n of a GRU.
    """

    def __init__(self, cells: Sequence[Cell], inputs: int, merge: str = CONCAT) -> None:
        super().__init__()
        self.cells, self.merge, self.kind = tuple(cells), merge, cells[0].kind
        for way, cell in enumerate(cells):
            self._begin(cell, inputs, way)
        self.inner = nn.ModuleList(activation_module(cell.activation) for cell in cells)
        gates = [cell.recurrent_activation if isinstance(cell, _Gated) else SIGMOID for cell in cells]
        self.gates = nn.ModuleList(map(activation_module, gates))
        # Both directions at once, where they differ in nothing else.
        alike = len(cells) == 2 and cells[1] == replace(cells[0], go_backwards=True) and not cells[0].go_backwards
        self.at_once = alike and merge == CONCAT and cells[0].fused

    def _begin(self, cell: Cell, inputs: int, way: int) -> None:
        """Parameters as Keras starts them."""
        rows = _GATES[self.kind] * cell.units
        self.register_parameter(f"kernel_{way}", nn.Parameter(torch.empty(rows, inputs)))
        self.register_parameter(f"recurrent_{way}", nn.Parameter(torch.empty(rows, cell.units)))
        nn.init.xavier_uniform_(self.get_parameter(f"kernel_{way}"))
        nn.init.orthogonal_(self.get_parameter(f"recurrent_{way}"))
        biases = ["bias"] if cell.use_bias else []
        if cell.use_bias and isinstance(cell, GRU) and cell.reset_after:
            biases.append("recurrent_bias")
        for name in biases:
            self.register_parameter(f"{name}_{way}", nn.Parameter(torch.zeros(rows)))
        if self.kind == LSTM_KIND and cell.use_bias:
            with torch.no_grad():
                self.get_parameter(f"bias_{way}")[cell.units : 2 * cell.units] = 1
        # torch's kernels add two biases; those that Keras does without stay zero and are no parameters.
        self.register_buffer(f"no_bias_{way}", torch.zeros(rows), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        dropping = self.training and any(cell.dropout or cell.recurrent_dropout for cell in self.cells)
        if self.at_once and not dropping:
            out = self._kernel(x, (0, 1))
            units = self.cells[0].units
            if self.cells[0].return_sequences:
                return out
            return torch.cat([out[:, -1, :units], out[:, 0, units:]], 1)
        found = [self._way(x, way) for way in range(len(self.cells))]
        return found[0] if len(found) == 1 else _merged(found[0], found[1], self.merge)

    def _way(self, x: Tensor, way: int) -> Tensor:
        """What one direction gives."""
        cell = self.cells[way]
        if cell.go_backwards:
            x = x.flip(1)
        if cell.fused and not (self.training and cell.recurrent_dropout):
            masks = _masks(x[:, 0], cell.dropout, 1, self.training)
            out = self._kernel(x * masks[0][:, None] if masks else x, (way,))
        else:
            out = self._loop(x, way)
        if not cell.return_sequences:
            return out[:, -1]
        return out.flip(1) if way else out

    def _kernel(self, x: Tensor, ways: Sequence[int]) -> Tensor:
        """(N, T, D) -> (N, T, U or 2U), by torch's fused kernels."""
        cell = self.cells[ways[0]]
        start = x.new_zeros(len(ways), x.shape[0], cell.units)
        flags = (True, 1, 0.0, self.training, len(ways) == 2, True)
        weights = [tensor for way in ways for tensor in self._weights(way)]
        if self.kind == LSTM_KIND:
            return torch.lstm(x, (start, start), weights, *flags)[0]
        run = {GRU_KIND: torch.gru, "relu": torch.rnn_relu, TANH: torch.rnn_tanh}
        return run[GRU_KIND if self.kind == GRU_KIND else cell.activation](x, start, weights, *flags)[0]

    def _loop(self, x: Tensor, way: int) -> Tensor:
        """(N, T, D) -> (N, T, U), step by step."""
        cell = self.cells[way]
        kernel, recurrent, bias, second = self._weights(way)
        # Keras drops otherwise for each gate where it drops what is remembered too.
        gates = _GATES[self.kind] if self.training and cell.recurrent_dropout else 1
        into = _product(x, kernel, [mask[:, None] for mask in _masks(x[:, 0], cell.dropout, gates, self.training)])
        state = memory = x.new_zeros(x.shape[0], cell.units)
        masks = _masks(state, cell.recurrent_dropout, gates, self.training)
        found = []
        for step in (into + bias).unbind(1):
            if self.kind == LSTM_KIND:
                state, memory = self._lstm_step(step + _product(state, recurrent, masks), memory, way)
            elif self.kind == GRU_KIND:
                state = self._gru_step(step, state, recurrent, second, masks, way)
            else:
                state = self.inner[way](step + _product(state, recurrent, masks))
            found.append(state)
        return torch.stack(found, 1)

    def _lstm_step(self, values: Tensor, memory: Tensor, way: int) -> tuple[Tensor, Tensor]:
        inner, gate = self.inner[way], self.gates[way]
        into, forget, new, out = values.chunk(4, 1)
        memory = gate(forget) * memory + gate(into) * inner(new)
        state: Tensor = gate(out) * inner(memory)
        return state, memory

    def _gru_step(
        self, step: Tensor, state: Tensor, recurrent: Tensor, second: Tensor, masks: list[Tensor], way: int
    ) -> Tensor:
        inner, gate, cell = self.inner[way], self.gates[way], self.cells[way]
        x_reset, x_keep, x_new = step.chunk(3, 1)
        if isinstance(cell, GRU) and cell.reset_after:
            h_reset, h_keep, h_new = (_product(state, recurrent, masks) + second).chunk(3, 1)
            new = inner(x_new + gate(x_reset + h_reset) * h_new)
        else:
            units = cell.units
            h_reset, h_keep = _product(state, recurrent[: 2 * units], masks[:2]).chunk(2, 1)
            remembered = gate(x_reset + h_reset) * state
            new = inner(x_new + _product(remembered, recurrent[2 * units :], masks[2:]))
        keep = gate(x_keep + h_keep)
        mixed: Tensor = keep * state + (1 - keep) * new
        return mixed

    def _weights(self, way: int) -> list[Tensor]:
        """kernel, recurrent and both biases of a direction."""
        own = dict(self.named_parameters(recurse=False))
        none = self.get_buffer(f"no_bias_{way}")
        return [
            *(own[f"{name}_{way}"] for name in ("kernel", "recurrent")),
            *(own.get(f"{name}_{way}", none) for name in ("bias", "recurrent_bias")),
        ]


def _masks(like: Tensor, rate: float, count: int, training: bool) -> list[Tensor]:
    """0 with probability `rate`, else 1 / (1 - rate), in the shape of `like`, `count` times; none without dropout."""
    if not training or not rate:
        return []
    return [functional.dropout(torch.ones_like(like), rate) for _ in range(count)]


def _product(x: Tensor, weight: Tensor, masks: list[Tensor]) -> Tensor:
    """x (.., D) times weight (G*U, D), x masked: not at all, once, or for each gate otherwise."""
    if len(masks) < 2:
        return functional.linear(x * masks[0] if masks else x, weight)
    parts = weight.chunk(len(masks))
    return torch.cat([functional.linear(x * mask, part) for mask, part in zip(masks, parts, strict=True)], -1)


def _merged(there: Tensor, back: Tensor, how: str) -> Tensor:
    if how == CONCAT:
        return torch.cat([there, back], -1)
    if how == "mul":
        return there * back
    return (there + back) / (2 if how == "ave" else 1)


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
class Rows(Layer):
    """An image (H, W, C) as a sequence of its rows (H, W*C); Keras writes Reshape((28, 28))."""

    ranks: ClassVar[tuple[int, ...]] = (3,)

    def output(self, shape: Shape) -> Shape:
        return shape[0], shape[1] * shape[2]

    def module(self, shape: Shape) -> nn.Module:
        return Rearrange(shape, self.output(shape))
