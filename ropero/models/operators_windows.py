"""ONNX's operators that move a window over images: convolutions, poolings and normalisation among channels.

Legend: N images, C channels, sides of each image: one, two or three. Margins are (before, after) of each side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ropero.errors import UsageError
from ropero.models.nodes import Maps, Node, Operator, room, work
from ropero.texts import t
from ropero.texts.numbers import whole

_CONVOLVE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TURNED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
_LARGEST = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_MEAN = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
_PADDINGS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
_MOST = 100_000  # of a stride, a margin or a side of a window

Sides = Sequence[int]
Margins = list[tuple[int, int]]


@dataclass(frozen=True)
class Window:
    """How a window moves, as its node says; None stands for ones or zeros of as many sides as the images have."""

    cells: tuple[int, ...] | None
    strides: tuple[int, ...] | None
    dilations: tuple[int, ...] | None
    pads: tuple[int, ...] | None
    padding: str

    @classmethod
    def of(cls, node: Node) -> Window:
        """Raises UsageError for numbers that no window has."""
        cells, strides, dilations, pads = (node.wholes(key) for key in ("kernel_shape", "strides", "dilations", "pads"))
        for one, least in zip((cells, strides, dilations, pads), (1, 1, 1, 0), strict=True):
            if one and not all(least <= value <= _MOST for value in one):
                raise UsageError(t("a window's numbers should be {least} to {most}, got {value}.",
                                   least=least, most=whole(_MOST), value=one))  # fmt: skip
        return cls(cells, strides, dilations, pads, node.word("auto_pad", "NOTSET", _PADDINGS))

    def steps(self, rank: int) -> tuple[int, ...]:
        """The stride along each side."""
        return _filled(self.strides, rank)

    def gaps(self, rank: int) -> tuple[int, ...]:
        """The dilation along each side."""
        return _filled(self.dilations, rank)

    def spans(self, cells: Sides) -> list[int]:
        """What the window covers along each side, gaps included."""
        return [(many - 1) * gap + 1 for many, gap in zip(cells, self.gaps(len(cells)), strict=True)]

    def margins(self, sides: Sides, cells: Sides) -> Margins:
        """What is added before and after each side of an image."""
        rank = len(sides)
        if self.padding == "VALID":
            return [(0, 0)] * rank
        if self.padding == "NOTSET":
            pads = self.pads or (0,) * (2 * rank)
            if len(pads) != 2 * rank:
                raise UsageError(t("needs two margins for each axis, got {n} for {axes}.", n=len(pads), axes=rank))
            return list(zip(pads[:rank], pads[rank:], strict=True))
        found = []
        for side, step, span in zip(sides, self.steps(rank), self.spans(cells), strict=True):
            total = max(0, (-(-side // step) - 1) * step + span - side)
            found.append(self.shared(total))
        return found

    def shared(self, total: int) -> tuple[int, int]:
        """A margin of both ends: the odd one stands after the image, with SAME_LOWER before it."""
        less = total // 2
        return (total - less, less) if self.padding == "SAME_LOWER" else (less, total - less)


def _filled(values: tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
    if values and len(values) != rank:
        raise UsageError(t("has a window of {n} sides, but the images have {rank}.", n=len(values), rank=rank))
    return values or (1,) * rank


def _ranked(x: Tensor) -> int:
    """How many sides the images (N, C, ...) have."""
    rank = x.ndim - 2
    if rank not in _CONVOLVE:
        raise UsageError(t("takes images (N, C, H, W), sequences (N, C, T) or volumes, but gets {shape}.",
                           shape=tuple(x.shape)))  # fmt: skip
    return rank


def padded(x: Tensor, margins: Margins, value: float = 0.0) -> Tensor:
    """The images with margins of a value."""
    flat = [margin for pair in reversed(margins) for margin in pair]
    return functional.pad(x, flat, value=value) if any(flat) else x


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, groups: int) -> Tensor:
    """The convolution of images (N, C, ...) with a kernel (O, C / groups, ...)."""
    rank = _ranked(x)
    _filled(tuple(weight.shape[2:]), rank)
    margins = window.margins(x.shape[2:], weight.shape[2:])
    even = all(before == after for before, after in margins)
    padding = [before for before, _ in margins] if even else [0] * rank
    reach = [side + sum(pair) for side, pair in zip(x.shape[2:], margins, strict=True)]
    room(len(x), x.shape[1], *reach)
    places = [(side - span) // step + 1 for side, span, step in
              zip(reach, window.spans(weight.shape[2:]), window.steps(rank), strict=True)]  # fmt: skip
    written = math.prod(weight.shape[1:]) * groups if x.dtype == torch.float64 else 0  # torch writes each window out
    room(len(x), max(len(weight), written), *(max(0, place) for place in places))
    work(len(x), *weight.shape, *(max(0, place) for place in places))
    x = x if even else padded(x, margins)
    return _CONVOLVE[rank](x, weight, bias, window.steps(rank), padding, window.gaps(rank), groups)


class Conv(nn.Module):
    """A convolution; its weights are inputs, as ONNX has them."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.window, self.groups = Window.of(node), node.whole("group", 1)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return convolve(x, weight, bias, self.window, self.groups)


class ConvTranspose(nn.Module):
    """A convolution turned round: all that the windows reach, less margins."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.window, self.groups = Window.of(node), node.whole("group", 1)
        self.more, self.wanted = node.wholes("output_padding"), node.wholes("output_shape")

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rank = _ranked(x)
        steps, gaps = self.window.steps(rank), self.window.gaps(rank)
        spans = self.window.spans(weight.shape[2:])
        more = list(self.more or (0,) * rank)
        full = [(side - 1) * step + span + extra
                for side, step, span, extra in zip(x.shape[2:], steps, spans, more, strict=True)]  # fmt: skip
        room(len(x), weight.shape[1] * self.groups, *full)
        margins = self._margins(x.shape[2:], weight.shape[2:], full, steps)
        sides = [max(0, side - sum(pair)) for side, pair in zip(full, margins, strict=True)]
        room(len(x), weight.shape[1] * self.groups, *sides)
        work(len(x), *x.shape[2:], *weight.shape)
        found = _TURNED[rank](x, weight, None, steps, 0, more, self.groups, gaps)
        found = padded(found, [(-before, -after) for before, after in margins])
        return found if bias is None else found + bias.reshape(-1, *[1] * rank)

    def _margins(self, sides: Sides, cells: Sides, full: Sides, steps: Sides) -> Margins:
        wanted = self.wanted[-len(sides) :] if self.wanted else None
        if wanted is None and self.window.padding in ("NOTSET", "VALID"):
            return self.window.margins(sides, cells)
        if wanted is None:  # no more than what the windows reach, as ONNX Runtime has it
            wanted = tuple(min(have, side * step) for have, side, step in zip(full, sides, steps, strict=True))
        return [self._shared(have - want) for have, want in zip(full, wanted, strict=True)]

    def _shared(self, total: int) -> tuple[int, int]:
        if total < 0:  # pixels that no window reaches stand at the end
            return 0, total
        before, after = self.window.shared(total)
        # ONNX gives the odd one to the end with SAME_UPPER alone.
        return (before, after) if self.window.padding == "SAME_UPPER" else (max(before, after), min(before, after))


class _Pool(nn.Module):
    """What poolings share: where windows stand, the last of them perhaps over the edge. Places are not given."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        node.refuse("storage_order", allowed=(0,))
        self.window, self.beyond = Window.of(node), bool(node.whole("ceil_mode", 0))
        if self.window.cells is None:
            raise UsageError(t("has no kernel_shape."))
        self.cells = self.window.cells

    def margins(self, x: Tensor) -> tuple[Margins, Margins]:
        """(written margins, those with what a last window over the edge needs)."""
        rank = _ranked(x)
        _filled(self.cells, rank)
        written = self.window.margins(x.shape[2:], self.cells)
        reached, places = [], []
        spans = self.window.spans(self.cells)
        for side, (before, after), step, span in zip(x.shape[2:], written, self.window.steps(rank), spans, strict=True):
            room_left = side + before + after - span
            if room_left < 0 and not self.beyond:
                raise UsageError(t("has a window larger than the image."))
            count = (-(-room_left // step) if self.beyond else room_left // step) + 1
            if self.beyond and (count - 1) * step >= side + before:  # it would start behind the image
                count -= 1
            reached.append((before, max(after, (count - 1) * step + span - side - before)))
            places.append(max(0, count))
        room(*x.shape[:2], *(side + sum(pair) for side, pair in zip(x.shape[2:], reached, strict=True)))
        work(*x.shape[:2], *places, *self.cells)
        return written, reached


class MaxPool(_Pool):
    """The largest value in a window."""

    def forward(self, x: Tensor) -> Tensor:
        _, margins = self.margins(x)
        rank = x.ndim - 2
        x = padded(x, margins, -math.inf)
        found: Tensor = _LARGEST[rank](x, self.cells, self.window.steps(rank), 0, self.window.gaps(rank))
        return found


class AveragePool(_Pool):
    """The mean of a window: of the pixels inside, or of margins too where count_include_pad says so."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.counts_margins = bool(node.whole("count_include_pad", 0))

    def forward(self, x: Tensor) -> Tensor:
        written, margins = self.margins(x)
        sums = self.sums(padded(x, margins))
        if not any(sum(pair) for pair in margins):
            return sums / math.prod(self.cells)
        inside = x.new_ones(1, 1, *x.shape[2:])
        if self.counts_margins:
            inside = padded(inside, written, 1.0)
            margins = [(0, all_[1] - own[1]) for own, all_ in zip(written, margins, strict=True)]
        return sums / self.sums(padded(inside, margins))

    def sums(self, x: Tensor) -> Tensor:
        """The sum of each window that stands inside."""
        rank = x.ndim - 2
        steps, gaps = self.window.steps(rank), self.window.gaps(rank)
        if set(gaps) == {1}:
            mean: Tensor = _MEAN[rank](x, self.cells, steps)
            return mean * math.prod(self.cells)
        ones = x.new_ones(x.shape[1], 1, *self.cells)
        found: Tensor = _CONVOLVE[rank](x, ones, None, steps, 0, gaps, x.shape[1])
        return found


class LpPool(AveragePool):
    """The p-norm of a window."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.p = node.whole("p", 2)

    def forward(self, x: Tensor) -> Tensor:
        _, margins = self.margins(x)
        return self.sums(padded(x.abs() ** self.p, margins)) ** (1 / self.p)


class GlobalAveragePool(nn.Module):
    """The mean of every channel; sides of 1 stay."""

    def __init__(self, _: Node) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(tuple(range(2, x.ndim)), keepdim=True)


class GlobalMaxPool(GlobalAveragePool):
    """The largest value of every channel; sides of 1 stay."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(tuple(range(2, x.ndim)), keepdim=True)


class GlobalLpPool(nn.Module):
    """The p-norm of every channel; sides of 1 stay."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.p = node.whole("p", 2)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = torch.linalg.vector_norm(x, self.p, tuple(range(2, x.ndim)), keepdim=True)
        return found


class LRN(nn.Module):
    """Divides a value by what its neighbours among the channels hold (Krizhevsky 2012)."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.size = node.whole("size", 1)
        self.alpha, self.beta = node.number("alpha", 1e-4), node.number("beta", 0.75)
        self.bias = node.number("bias", 1.0)

    def forward(self, x: Tensor) -> Tensor:
        squares = x.square().flatten(2)[:, None]  # (N, 1, C, places)
        room(*squares.shape[:2], squares.shape[2] + self.size, squares.shape[3])
        work(squares.numel(), self.size)
        around = functional.pad(squares, (0, 0, (self.size - 1) // 2, self.size // 2))
        means = functional.avg_pool2d(around, (self.size, 1), 1)[:, 0].reshape(x.shape)
        return x / (self.bias + self.alpha * means) ** self.beta


_WEIGHTED = ("", "weight", "bias")
OPERATORS: dict[str, Operator] = {
    "AveragePool": Operator(AveragePool, maps=Maps.ALWAYS),
    "Conv": Operator(Conv, names=_WEIGHTED, maps=Maps.ALWAYS),
    "ConvTranspose": Operator(ConvTranspose, names=_WEIGHTED, maps=Maps.ALWAYS),
    "GlobalAveragePool": Operator(GlobalAveragePool, maps=Maps.ALWAYS),
    "GlobalLpPool": Operator(GlobalLpPool, maps=Maps.ALWAYS),
    "GlobalMaxPool": Operator(GlobalMaxPool, maps=Maps.ALWAYS),
    "LRN": Operator(LRN, maps=Maps.ALWAYS),
    "LpPool": Operator(LpPool, maps=Maps.ALWAYS),
    "MaxPool": Operator(MaxPool, maps=Maps.ALWAYS),
}
