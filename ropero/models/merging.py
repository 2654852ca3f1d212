"""Layers that take several others, by Keras's names, and the network in which layers are wired freely.

Images travel as torch has them, (N, C, H, W), sequences as (N, T, D); shapes are written as Keras writes them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.models.layers import Layer, Shape, place, torch_axis
from ropero.texts import joined, t

INPUT = "input"  # what layers call the images themselves


class Merge(Layer):
    """A layer that takes two others or more; `inputs` names them."""

    @abstractmethod
    def merged(self, shapes: Sequence[Shape]) -> Shape:
        """What comes out of inputs of these shapes. Raises UsageError when nothing can."""

    @abstractmethod
    def merger(self, shapes: Sequence[Shape]) -> nn.Module:
        """The module, which takes a tensor for each shape."""

    def output(self, shape: Shape) -> Shape:
        return self.merged([shape])

    def module(self, shape: Shape) -> nn.Module:
        return self.merger([shape])


class _Alike(Merge):
    """Takes inputs of one shape, value by value; a side of 1 is repeated. One with fewer sides gets such in front, as
    Keras gives them: (C,) goes with every pixel of (H, W, C)."""

    how: ClassVar[Callable[[Tensor, Tensor], Tensor]]

    def merged(self, shapes: Sequence[Shape]) -> Shape:
        if len(shapes) < 2:
            raise UsageError(t('takes two layers or more; name them, as in inputs = ["conv2d", "conv2d_1"].'))
        rank = max(map(len, shapes))
        sides = list(zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True))
        if any(len(set(side) - {1}) > 1 for side in sides):
            raise UsageError(t("takes layers of one shape, but gets {shapes}.", shapes=joined(shapes)))
        return tuple(map(max, sides))

    def merger(self, shapes: Sequence[Shape]) -> nn.Module:
        return Elementwise(type(self).how)


@dataclass(frozen=True)
class Add(_Alike):
    """The sum of its inputs: what a residual block ends with."""

    how: ClassVar[Callable[[Tensor, Tensor], Tensor]] = staticmethod(torch.add)


@dataclass(frozen=True)
class Subtract(_Alike):
    """The first input less the second."""

    how: ClassVar[Callable[[Tensor, Tensor], Tensor]] = staticmethod(torch.sub)

    def merged(self, shapes: Sequence[Shape]) -> Shape:
        if len(shapes) > 2:
            raise UsageError(t("takes two layers, but gets {n}.", n=len(shapes)))
        return super().merged(shapes)


@dataclass(frozen=True)
class Multiply(_Alike):
    """The product of its inputs."""

    how: ClassVar[Callable[[Tensor, Tensor], Tensor]] = staticmethod(torch.mul)


@dataclass(frozen=True)
class Maximum(_Alike):
    """The largest of its inputs."""

    how: ClassVar[Callable[[Tensor, Tensor], Tensor]] = staticmethod(torch.maximum)


@dataclass(frozen=True)
class Minimum(_Alike):
    """The smallest of its inputs."""

    how: ClassVar[Callable[[Tensor, Tensor], Tensor]] = staticmethod(torch.minimum)


@dataclass(frozen=True)
class Average(_Alike):
    """The mean of its inputs."""

    def merger(self, shapes: Sequence[Shape]) -> nn.Module:
        return Mean()


@dataclass(frozen=True)
class Concatenate(Merge):
    """Its inputs one behind the other along an axis, counted with the batch as Keras does: -1 joins channels."""

    axis: int = -1

    def merged(self, shapes: Sequence[Shape]) -> Shape:
        if len(shapes) < 2:
            raise UsageError(t('takes two layers or more; name them, as in inputs = ["conv2d", "conv2d_1"].'))
        rank = len(shapes[0])
        at = place(self.axis, rank)
        rests = {shape[:at] + shape[at + 1 :] for shape in shapes}
        if {len(shape) for shape in shapes} != {rank} or len(rests) > 1:
            raise UsageError(t("takes layers whose other sides are equal, but gets {shapes}.", shapes=joined(shapes)))
        whole = list(shapes[0])
        whole[at] = sum(shape[at] for shape in shapes)
        return tuple(whole)

    def merger(self, shapes: Sequence[Shape]) -> nn.Module:
        rank = len(shapes[0])
        return Join(torch_axis(place(self.axis, rank), rank))


class Elementwise(nn.Module):
    """Applies a function of two tensors to all of them, from the first on; sides fit as in Keras, else as in torch."""

    def __init__(self, how: Callable[[Tensor, Tensor], Tensor], *, keras: bool = True) -> None:
        super().__init__()
        self.how, self.keras = how, keras

    def forward(self, *parts: Tensor) -> Tensor:
        return reduce(self.how, _level(parts) if self.keras else parts)


class Mean(nn.Module):
    """The mean of several tensors; sides fit as in Keras, else as in torch."""

    def __init__(self, *, keras: bool = True) -> None:
        super().__init__()
        self.keras = keras

    def forward(self, *parts: Tensor) -> Tensor:
        return reduce(torch.add, _level(parts) if self.keras else parts) / len(parts)


def _level(parts: Sequence[Tensor]) -> list[Tensor]:
    """Tensors with as many sides each: sides of 1 behind the batch where there are fewer, channels where torch has
    them."""
    most = max(part.ndim for part in parts)
    return [part if part.ndim == most else _lifted(part, most) for part in parts]


def _lifted(x: Tensor, ndim: int) -> Tensor:
    x = x.view(x.shape[0], *[1] * (ndim - x.ndim), *x.shape[1:])
    return x.permute(0, 3, 1, 2) if ndim == 4 else x


class Join(nn.Module):
    """Several tensors one behind the other along torch's axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *parts: Tensor) -> Tensor:
        return torch.cat(parts, self.axis)


class Graph(nn.Sequential):
    """Modules in an order in which each comes after all that it takes; a value is let go after its last use.

    sources: for each module's name, the names of those that it takes, INPUT among them. output: whose value comes out.
    """

    def __init__(self, modules: Mapping[str, nn.Module], sources: Mapping[str, Sequence[str]], output: str) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.sources, self.output = dict(sources), output
        uses = [(name, step) for step, taken in enumerate(sources.values()) for name in taken]
        last = dict(uses)  # the last step at which each is taken
        self.done = [[name for name, at in last.items() if at == step and name != output] for step in range(len(self))]

    def forward(self, x: Tensor) -> Tensor:
        values: dict[str, Tensor] = {INPUT: x}
        for step, (name, module) in enumerate(self.named_children()):
            values[name] = module(*(values[one] for one in self.sources[name]))
            for one in self.done[step]:
                del values[one]
        return values[self.output]
