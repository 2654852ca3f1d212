"""ONNX's RNN, GRU and LSTM: by torch's fused kernels where those compute the same, step by step where they do not.

Legend: N sequences, T steps, D features, U units, G gates (1, 3 or 4), W ways (1, or 2 when read both ways).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ropero.errors import UsageError, unknown
from ropero.models.nodes import Node, Operator, room, wholes_of, work
from ropero.texts import t

Bend = Callable[[Tensor], Tensor]
_STEP = 1_000_000  # multiplications that a step counts for at least: it takes as long, however small it is
_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
_DEFAULT = {"RNN": ("tanh",), "GRU": ("sigmoid", "tanh"), "LSTM": ("sigmoid", "tanh", "tanh")}
# From ONNX's order of gates to torch's: LSTM i o f c -> i f c o, GRU z r h -> r z h.
_ORDER = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 2, 3, 1)}

# Activations by ONNX's names: those without numbers of their own, and those with alpha, some with beta too, and what
# stands for these where they are left out.
_PLAIN: dict[str, Bend] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "softsign": functional.softsign,
    "softplus": functional.softplus,
}
_SHAPED: dict[str, tuple[Callable[..., Tensor], tuple[float, ...]]] = {
    "hardsigmoid": (lambda x, alpha, beta: (alpha * x + beta).clamp(0, 1), (0.2, 0.5)),
    "leakyrelu": (functional.leaky_relu, (0.01,)),
    "thresholdedrelu": (lambda x, alpha: torch.where(x > alpha, x, torch.zeros_like(x)), (1.0,)),
    "elu": (functional.elu, (1.0,)),
    "affine": (lambda x, alpha, beta: alpha * x + beta, (1.0, 0.0)),
    "scaledtanh": (lambda x, alpha, beta: alpha * torch.tanh(beta * x), (1.0, 1.0)),
}


class Recurrent(nn.Module):
    """One recurrent layer: (N, T, W*U) and the last states (W, N, U); `as_onnx` brings them into ONNX's order."""

    kind = "RNN"

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.layout = node.whole("layout", 0)
        self.direction = node.word("direction", "forward", ("forward", "reverse", "bidirectional"))
        self.ways = 2 if self.direction == "bidirectional" else 1
        node.refuse("input_forget", allowed=(0,))
        self.clip = node.number("clip", math.inf)
        self.behind = bool(node.whole("linear_before_reset", 0))
        self.names = [name.lower() for name in node.words("activations") or _DEFAULT[self.kind] * self.ways]
        if len(self.names) != len(_DEFAULT[self.kind]) * self.ways:
            raise UsageError(t("needs {n} activations, got {got}.",
                               n=len(_DEFAULT[self.kind]) * self.ways, got=len(self.names)))  # fmt: skip
        self.bends = _bends(self.names, node.numbers("activation_alpha"), node.numbers("activation_beta"))

    def forward(
        self,
        x: Tensor,
        kernel: Tensor,  # (W, G*U, D)
        recurrent: Tensor,  # (W, G*U, U)
        bias: Tensor | None = None,  # (W, 2*G*U)
        lengths: Tensor | None = None,
        start: Tensor | None = None,
        cell: Tensor | None = None,
        peepholes: Tensor | None = None,  # (W, 3*U)
    ) -> tuple[Tensor, ...]:
        x = x if self.layout else x.transpose(0, 1)  # (N, T, D)
        if lengths is not None and any(length != x.shape[1] for length in wholes_of(lengths)):
            raise UsageError(t("reads sequences of several lengths, which is not supported."))
        units, rows = recurrent.shape[-1], _GATES[self.kind] * recurrent.shape[-1]
        _check(kernel, (self.ways, rows, x.shape[2]))  # torch's kernels would read beyond what is there
        _check(recurrent, (self.ways, rows, units))
        _check(bias, (self.ways, 2 * rows))
        _check(peepholes, (self.ways, 3 * units))
        room(x.shape[0] * x.shape[1], kernel.shape[0] * kernel.shape[1])
        work(x.shape[0] * x.shape[1] * self.ways, max(_STEP, rows * (x.shape[2] + units)))
        if bias is None:
            bias = kernel.new_zeros(self.ways, 2 * kernel.shape[1])
        first = [self._state(x, one, units) for one in (start, cell)]
        if self._is_fused(peepholes):
            return self._fused(x, kernel, recurrent, bias, first)
        return self._stepwise(x, kernel, recurrent, bias, first, peepholes)

    def as_onnx(self, found: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Y (T, W, N, U) and the states (W, N, U), or with layout 1 (N, T, W, U) and (N, W, U)."""
        outputs, *states = found
        apart = outputs.reshape(*outputs.shape[:2], self.ways, -1)  # (N, T, W, U)
        if self.layout:
            return apart, *(state.transpose(0, 1) for state in states)
        return apart.permute(1, 2, 0, 3), *states

    def _state(self, x: Tensor, given: Tensor | None, units: int) -> Tensor:
        """(W, N, U) of a start; zeros without one, and one for all where it was written for a single image."""
        if given is None:
            return x.new_zeros(self.ways, len(x), units)
        given = given.transpose(0, 1) if self.layout else given
        _check(given, (self.ways, 1 if given.shape[1] == 1 else len(x), units))
        return given.expand(self.ways, len(x), units).contiguous()

    def _is_fused(self, peepholes: Tensor | None) -> bool:
        """Whether torch's kernel computes this layer."""
        plain = peepholes is None and self.clip == math.inf
        if self.kind == "RNN":
            return plain and set(self.names) in ({"tanh"}, {"relu"})
        return plain and tuple(self.names) == _DEFAULT[self.kind] * self.ways and (self.kind == "LSTM" or self.behind)

    def _fused(
        self, x: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor, first: list[Tensor]
    ) -> tuple[Tensor, ...]:
        def turned(weights: Tensor) -> Tensor:
            parts = weights.chunk(_GATES[self.kind])
            return torch.cat([parts[place] for place in _ORDER[self.kind]])

        weights = []
        for way in range(self.ways):
            weights += [turned(kernel[way]), turned(recurrent[way]), *map(turned, bias[way].chunk(2))]
        backwards = self.direction == "reverse"
        x = x.flip(1) if backwards else x
        flags = (True, 1, 0.0, False, self.ways == 2, True)
        if self.kind == "LSTM":
            outputs, *states = torch.lstm(x, first, weights, *flags)
        else:
            run: Any = {"GRU": torch.gru, "tanh": torch.rnn_tanh, "relu": torch.rnn_relu}
            outputs, *states = run["GRU" if self.kind == "GRU" else self.names[0]](x, first[0], weights, *flags)
        return outputs.flip(1) if backwards else outputs, *states

    def _stepwise(
        self,
        x: Tensor,
        kernel: Tensor,
        recurrent: Tensor,
        bias: Tensor,
        first: list[Tensor],
        peepholes: Tensor | None,
    ) -> tuple[Tensor, ...]:
        rows, last = [], []
        each = len(self.bends) // self.ways
        for way in range(self.ways):
            backwards = self.direction == "reverse" or way == 1
            outer, inner = bias[way].chunk(2)
            seen = x @ kernel[way].T + outer  # (N, T, G*U)
            state = [one[way] for one in first]
            bends = self.bends[way * each : (way + 1) * each]
            bends = [*map(self._clipped, bends[:2]), *bends[2:]]  # not the cell, as ONNX Runtime has it
            looks = None if peepholes is None else peepholes[way].chunk(3)
            found = []
            for step in range(x.shape[1])[:: -1 if backwards else 1]:
                state = self.step(seen[:, step], state, recurrent[way], inner, bends, looks)
                found.append(state[0])
            rows.append(torch.stack(found[::-1] if backwards else found, 1))
            last.append(state)
        states = [torch.stack(one) for one in zip(*last, strict=True)]
        return torch.cat(rows, 2), *(states if self.kind == "LSTM" else states[:1])

    def step(
        self,
        seen: Tensor,
        state: list[Tensor],
        recurrent: Tensor,
        bias: Tensor,
        bends: Sequence[Bend],
        looks: Sequence[Tensor] | None,
    ) -> list[Tensor]:
        """The states after a step: what is given out first, then an LSTM's cell."""
        return [bends[0](seen + state[0] @ recurrent.T + bias), state[1]]

    def _clipped(self, bend: Bend) -> Bend:
        return bend if self.clip == math.inf else lambda x: bend(x.clamp(-self.clip, self.clip))


class RNN(Recurrent):
    """h = activation(x W + h R + b)."""


class GRU(Recurrent):
    """Gated recurrent unit; linear_before_reset puts the reset gate behind the recurrent product."""

    kind = "GRU"

    def step(
        self,
        seen: Tensor,
        state: list[Tensor],
        recurrent: Tensor,
        bias: Tensor,
        bends: Sequence[Bend],
        looks: Sequence[Tensor] | None,
    ) -> list[Tensor]:
        gate, bend = bends
        before = state[0]
        units = before.shape[1]
        both = gate(seen[:, : 2 * units] + before @ recurrent[: 2 * units].T + bias[: 2 * units])
        keep, reset = both.chunk(2, 1)
        last, own = recurrent[2 * units :].T, bias[2 * units :]
        pulled = reset * (before @ last + own) if self.behind else (reset * before) @ last + own
        new = bend(seen[:, 2 * units :] + pulled)
        return [(1 - keep) * new + keep * before, state[1]]


class LSTM(Recurrent):
    """Long short-term memory, with peepholes where the file has them."""

    kind = "LSTM"

    def step(
        self,
        seen: Tensor,
        state: list[Tensor],
        recurrent: Tensor,
        bias: Tensor,
        bends: Sequence[Bend],
        looks: Sequence[Tensor] | None,
    ) -> list[Tensor]:
        gate, bend, show = bends
        before, cell = state
        into, out, forget, new = (seen + before @ recurrent.T + bias).chunk(4, 1)
        if looks is not None:
            into, forget = into + looks[0] * cell, forget + looks[2] * cell
        cell = gate(forget) * cell + gate(into) * bend(new)
        if looks is not None:
            out = out + looks[1] * cell
        return [gate(out) * show(cell), cell]


def _check(weights: Tensor | None, expected: tuple[int, ...]) -> None:
    if weights is not None and tuple(weights.shape) != expected:
        raise UsageError(t("has weights of the shape {got}; {expected} is expected.",
                           got=tuple(weights.shape), expected=expected))  # fmt: skip


def _bends(names: Sequence[str], alphas: Sequence[float] | None, betas: Sequence[float] | None) -> list[Bend]:
    """The activations; alphas and betas are for those that take any, in their order."""
    left = [list(alphas or ()), list(betas or ())]
    found: list[Bend] = []
    for name in names:
        if name not in (*_PLAIN, *_SHAPED):
            raise unknown(t("activation"), name, [*_PLAIN, *_SHAPED])
        if name in _PLAIN:
            found.append(_PLAIN[name])
        else:
            how, usual = _SHAPED[name]
            chosen = [given.pop(0) if given else value for given, value in zip(left, usual, strict=False)]
            found.append(_shaped(how, chosen))
    return found


def _shaped(how: Callable[..., Tensor], numbers: Sequence[float]) -> Bend:
    return lambda x: how(x, *numbers)


_NAMES = ("", "kernel", "recurrent", "bias", "", "", "", "peepholes")
OPERATORS: dict[str, Operator] = {kind.kind: Operator(kind, host=(4,), names=_NAMES) for kind in (RNN, GRU, LSTM)}
