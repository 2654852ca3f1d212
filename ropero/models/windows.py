"""What moves over a picture or a sequence: where a window stands, what "same" pads, and torch's modules for it.

The sides of a shape are (H, W) of pictures and (T,) of sequences; its last number are channels. Modules take torch's
order, channels first. "same" padding is Keras's: with a stride more is padded at the end, by what is known of the size.
Legend: N examples, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ropero.errors import UsageError, did_you_mean
from ropero.models.layers import GLOROT, Shape, positive, start
from ropero.texts import joined, t

Pair = int | tuple[int, int]
Turned = nn.ConvTranspose1d | nn.ConvTranspose2d
Convolution = nn.Conv1d | nn.Conv2d | Turned

VALID, SAME, CAUSAL = "valid", "same", "causal"
SMALL = 32  # a window up to this may be larger than twice the side: networks pool down to a pixel and go on with 3 x 3

# torch's modules by the number of sides.
_CONV: dict[int, Callable[..., nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d}
_TURNED: dict[int, Callable[..., Turned]] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d}
_PAD: dict[int, Callable[..., nn.Module]] = {1: nn.ConstantPad1d, 2: nn.ConstantPad2d}
_LARGEST: dict[int, Callable[..., nn.Module]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d}
_MEAN: dict[int, Callable[..., nn.Module]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d}


def sides(name: str, value: int | tuple[int, ...], rank: int) -> tuple[int, ...]:
    """An option for each side. Raises UsageError when one is not more than zero."""
    each = (value,) * rank if isinstance(value, int) else value
    for side in each:
        positive(name, side)
    return each


@dataclass(frozen=True)
class Window:
    """A window that moves by `stride`; "valid" stays inside, "same" pads at both ends, "causal" before the first step.

    size: what it spans, with the gaps that dilation leaves between the `cells` that it looks at.
    """

    cells: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str
    dilation: tuple[int, ...] = (1, 1)
    paddings: tuple[str, ...] = (VALID, SAME)

    @property
    def size(self) -> tuple[int, ...]:
        return tuple((cells - 1) * gap + 1 for cells, gap in zip(self.cells, self.dilation, strict=False))

    def output(self, shape: Shape) -> tuple[int, ...]:
        """The sides of what comes out. Raises UsageError for a window that is larger than the picture."""
        if self.padding not in self.paddings:
            raise UsageError(
                t("{name} should be one of {known}, got {value!r}.", name="padding", known=joined(self.paddings),
                  value=self.padding) + did_you_mean(self.padding, self.paddings)
            )  # fmt: skip
        padded = self.padding != VALID
        # Padded, a window may hang over the edge, but one of twice the side has cells that never meet the picture.
        room = [max(2 * side, SMALL) if padded else side for side in shape[:-1]]
        if any(size > side for size, side in zip(self.size, room, strict=True)):
            raise UsageError(self._too_large(shape))
        if padded:
            return tuple(-(-side // stride) for side, stride in zip(shape, self.stride, strict=False))
        return tuple(
            (side - size) // stride + 1 for side, size, stride in zip(shape, self.size, self.stride, strict=False)
        )

    def _too_large(self, shape: Shape) -> str:
        window = " x ".join(map(str, self.size))
        if len(shape) == 2:
            return t(
                'a window of {window} does not fit into {steps} steps; use a smaller one, padding = "same" or less '
                "pooling before it.",
                window=window,
                steps=shape[0],
            )
        return t(
            'a window of {window} does not fit into a picture of {shape}; use a smaller one, padding = "same" '
            "or less pooling before it.",
            window=window,
            shape=f"{shape[0]} x {shape[1]}",
        )

    def margins(self, shape: Shape) -> tuple[int, ...]:
        """What is padded before and after each side, as torch's pad wants it: from the last side to the first."""
        if self.padding == VALID:
            return (0, 0) * len(self.cells)
        found: list[int] = []
        for size, stride, out, side in zip(self.size, self.stride, self.output(shape), shape, strict=False):
            more = max(0, (out - 1) * stride + size - side)
            before = size - 1 if self.padding == CAUSAL else more // 2
            found = [before, 0 if self.padding == CAUSAL else more - before, *found]
        return tuple(found)


class Separable(nn.Sequential):
    """Depthwise and pointwise convolution: one line in a table."""


class PaddedConv(nn.Sequential):
    """Padding and a convolution: one line in a table."""


def convolution(
    shape: Shape,
    filters: int,
    window: Window,
    *,
    bias: bool,
    groups: int = 1,
    initializer: str = GLOROT,
    fans: tuple[int, int] | None = None,
) -> nn.Module:
    """A convolution that starts as Keras's and pads as Keras does; fans as in `start`."""
    rank, margins = len(shape) - 1, window.margins(shape)
    even = margins[::2] == margins[1::2]
    padding = tuple(reversed(margins[::2])) if even else (0,) * rank
    kind, dilation = _CONV[rank], window.dilation[:rank]
    made = kind(shape[-1], filters, window.cells, window.stride, padding, dilation, groups=groups, bias=bias)
    start(made, initializer, fans)
    return made if even else PaddedConv(_PAD[rank](margins, 0.0), made)


def depthwise(shape: Shape, multiplier: int, window: Window, *, bias: bool) -> nn.Module:
    """`multiplier` convolutions of each channel alone. Keras's kernel is (window, C, multiplier)."""
    channels, values = shape[-1], math.prod(window.cells)
    fans = (channels * values, multiplier * values)
    return convolution(shape, channels * multiplier, window, bias=bias, groups=channels, fans=fans)


def separable(shape: Shape, multiplier: int, filters: int, window: Window, *, bias: bool) -> nn.Module:
    """A convolution for every channel, then a mixture of the channels."""
    first = depthwise(shape, multiplier, window, bias=False)
    return Separable(first, start(_CONV[len(shape) - 1](shape[-1] * multiplier, filters, 1, bias=bias)))


def turned_sides(shape: Shape, cells: Sequence[int], stride: Sequence[int], padding: str) -> tuple[int, ...]:
    """The sides of what a transposed convolution gives."""
    Window((1,) * len(cells), (1,) * len(cells), padding).output(shape)  # is it "valid" or "same"?
    room = [max(0, cells[i] - stride[i]) if padding == VALID else 0 for i in range(len(cells))]
    return tuple(shape[i] * stride[i] + room[i] for i in range(len(cells)))


def turned(
    shape: Shape, filters: int, cells: tuple[int, ...], stride: tuple[int, ...], padding: str, *, bias: bool
) -> nn.Module:
    """A transposed convolution that starts as Keras's and gives as much as Keras's."""
    made = _TURNED[len(cells)](shape[-1], filters, cells, stride, bias=bias)
    window = math.prod(cells)
    start(made, GLOROT, (shape[-1] * window, filters * window))
    # What the strides alone would give is wanted; torch gives (n - 1) * stride + kernel.
    both = list(zip(cells, stride, strict=True))
    over = [one - step if padding == SAME else min(0, one - step) for one, step in both]
    first = [max(0, one) // 2 for one in over]
    return Trimmed(made, first, [over[i] - first[i] for i in range(len(over))]) if any(over) else made


class Trimmed(nn.Module):
    """A transposed convolution without some places before and after each side; less than none adds them, of bias."""

    def __init__(self, inner: Turned, before: Sequence[int], after: Sequence[int]) -> None:
        super().__init__()
        self.inner = inner
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        off = [-one for both in zip(reversed(self.before), reversed(self.after), strict=True) for one in both]
        if self.inner.bias is None or min(self.after) >= 0:
            return functional.pad(self.inner(x), off)
        run = functional.conv_transpose1d if len(self.before) == 1 else functional.conv_transpose2d
        bare = run(x, self.inner.weight, None, self.inner.stride)
        return functional.pad(bare, off) + self.inner.bias.view(-1, *[1] * len(self.before))


def largest(shape: Shape, window: Window) -> nn.Module:
    """The largest value in each window."""
    rank, margins = len(shape) - 1, window.margins(shape)
    pool = _LARGEST[rank](window.size, window.stride)
    return nn.Sequential(_PAD[rank](margins, float("-inf")), pool) if any(margins) else pool


def mean(shape: Shape, window: Window) -> nn.Module:
    """The mean of each window."""
    if any(window.margins(shape)):
        return PaddedMean(window, shape)
    return _MEAN[len(shape) - 1](window.size, window.stride)


class PaddedMean(nn.Module):
    """Mean over windows that hang over the edge, of the values inside only."""

    share: Tensor

    def __init__(self, window: Window, shape: Shape) -> None:
        super().__init__()
        self.window, self.margins = window, window.margins(shape)
        inside = self._pool(torch.ones(1, 1, *shape[:-1]))
        self.register_buffer("share", inside, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self._pool(x) / self.share

    def _pool(self, x: Tensor) -> Tensor:
        pool = functional.avg_pool1d if len(self.window.cells) == 1 else functional.avg_pool2d
        return pool(functional.pad(x, self.margins), self.window.size, self.window.stride)
