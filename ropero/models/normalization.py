"""Layers that normalise, by Keras's names: over the batch, within an example, or by figures that were measured before.

An axis is counted with the batch as Keras does: -1 are features or channels, 1 the first side of an example.
Legend: N examples, H x W pixels, C channels, T time steps, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.models.layers import ChannelsLast, Layer, Shape, place, positive, share, torch_axis
from ropero.texts import t

Axes = int | tuple[int, ...]
LEAST = 1e-7  # keras.backend.epsilon(): what Normalization divides by at least


def places(axes: Axes, shape: Shape) -> tuple[int, ...]:
    """The sides of a shape that some axes are. Raises UsageError for one that is none, or for another order."""
    given = sorted((axes,) if isinstance(axes, int) else axes)
    found = tuple(place(axis, len(shape)) for axis in given)
    if found != tuple(sorted(set(found))):
        raise UsageError(t("axis should name each side once, all from the front or all from behind, got {value}.",
                           value=axes))  # fmt: skip
    return found


def _spread(values: Tensor, at: Sequence[int], rank: int) -> Tensor:
    """Values of some sides of an example, in a shape that torch repeats along the others."""
    for side in range(rank):
        values = values if side in at else values.unsqueeze(side)
    return values.permute(2, 0, 1) if rank == 3 else values


@dataclass(frozen=True)
class BatchNormalization(Layer):
    """Normalises every channel over the batch; Keras's defaults. torch writes momentum as what is taken of the new.

    torch and Keras's fused kernel, which the reports of 2018 to 2023 ran on images, keep the unbiased variance.
    """

    momentum: float = 0.99
    epsilon: float = 1e-3
    axis: int = -1
    center: bool = True
    scale: bool = True

    def output(self, shape: Shape) -> Shape:
        share("momentum", self.momentum)
        positive("epsilon", self.epsilon)
        place(self.axis, len(shape))
        return shape

    def module(self, shape: Shape) -> nn.Module:
        at, last = place(self.axis, len(shape)), len(shape) - 1
        kind = {(0, 0): nn.BatchNorm1d, (1, 1): SequenceNorm, (0, 1): nn.BatchNorm1d, (2, 2): nn.BatchNorm2d}
        momentum = 1 - self.momentum
        if (at, last) in kind:
            norm = kind[at, last](shape[at], eps=self.epsilon, momentum=momentum)
        else:
            norm = SideNorm(torch_axis(at, len(shape)), shape[at], self.epsilon, momentum)
        return _learning(norm, self.scale, self.center)


def _learning(norm: nn.Module, scale: bool, center: bool) -> nn.Module:
    """A normalisation without the weights that its layer does without."""
    for name, wanted in (("weight", scale), ("bias", center)):
        if not wanted:
            norm.register_parameter(name, None)
    return norm


class SequenceNorm(nn.BatchNorm1d):
    """Batch normalisation of the features (N, T, D) over examples and time steps."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(0, 1)).view_as(x)


class SideNorm(nn.BatchNorm1d):
    """Batch normalisation of any side."""

    def __init__(self, axis: int, features: int, eps: float, momentum: float) -> None:
        super().__init__(features, eps, momentum)
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        moved = x.movedim(self.axis, 1)
        return super().forward(moved.flatten(2)).view(moved.shape).movedim(1, self.axis)


@dataclass(frozen=True)
class LayerNormalization(Layer):
    """Normalises the last dimension of every example, features or the channels of a pixel, or several dimensions.

    rms_scaling is a form that Keras 3 gave up again: values are divided by their deviation and not centred.
    """

    epsilon: float = 1e-3
    axis: Axes = -1
    center: bool = True
    scale: bool = True
    rms_scaling: bool = False

    def output(self, shape: Shape) -> Shape:
        positive("epsilon", self.epsilon)
        places(self.axis, shape)
        return shape

    def module(self, shape: Shape) -> nn.Module:
        at = places(self.axis, shape)
        if self.rms_scaling:
            return SidesNorm(shape, at, self.epsilon, center=False, centred=False)
        if at != (len(shape) - 1,):
            return SidesNorm(shape, at, self.epsilon, scale=self.scale, center=self.center)
        norm = _learning(nn.LayerNorm(shape[-1], eps=self.epsilon), self.scale, self.center)
        return ChannelsLast(norm) if len(shape) == 3 else norm


class SidesNorm(nn.Module):
    """Normalises along some sides of every example.

    centred: whether the mean is taken off. about_mean: whether it is the deviation that values are divided by, else the
    root of their mean square.
    """

    def __init__(
        self,
        shape: Shape,
        at: tuple[int, ...],
        epsilon: float,
        *,
        scale: bool = True,
        center: bool = True,
        centred: bool = True,
        about_mean: bool = True,
    ) -> None:
        super().__init__()
        self.at, self.rank, self.epsilon = at, len(shape), epsilon
        self.axes = tuple(torch_axis(side, len(shape)) for side in at)
        self.centred, self.about_mean = centred, about_mean
        sides = [shape[side] for side in at]
        self.weight = nn.Parameter(torch.ones(sides)) if scale else None
        self.bias = nn.Parameter(torch.zeros(sides)) if center else None

    def forward(self, x: Tensor) -> Tensor:
        off = x - x.mean(self.axes, keepdim=True) if self.centred or self.about_mean else x
        power = (off if self.about_mean else x).square().mean(self.axes, keepdim=True)
        x = (off if self.centred else x) * (power + self.epsilon).rsqrt()
        if self.weight is not None:
            x = x * _spread(self.weight, self.at, self.rank)
        return x if self.bias is None else x + _spread(self.bias, self.at, self.rank)


@dataclass(frozen=True)
class RMSNormalization(Layer):
    """Divides the last dimension of every example, or the last few, by the root of the mean square (arXiv 1910.07467).

    Other dimensions than the last are refused: Keras multiplies there by weights that stand along the wrong ones.
    """

    axis: Axes = -1
    epsilon: float = 1e-6

    def output(self, shape: Shape) -> Shape:
        positive("epsilon", self.epsilon)
        at = places(self.axis, shape)
        if at != tuple(range(len(shape)))[-len(at) :]:
            raise UsageError(t("axis should be the last one, or the last few, got {value}.", value=self.axis))
        return shape

    def module(self, shape: Shape) -> nn.Module:
        at = places(self.axis, shape)
        return SidesNorm(shape, at, self.epsilon, center=False, centred=False, about_mean=False)


@dataclass(frozen=True)
class GroupNormalization(Layer):
    """Normalises every example in groups of channels; -1: as many groups as channels (instance normalisation)."""

    groups: int = 32
    axis: int = -1
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True

    def output(self, shape: Shape) -> Shape:
        positive("epsilon", self.epsilon)
        channels, groups = shape[place(self.axis, len(shape))], self.groups
        if groups != -1 and (groups < 1 or channels % groups):
            raise UsageError(
                t("groups should divide the {channels} channels, or be -1; got {value}.", channels=channels,
                  value=groups)
            )  # fmt: skip
        return shape

    def module(self, shape: Shape) -> nn.Module:
        at = place(self.axis, len(shape))
        groups = shape[at] if self.groups == -1 else self.groups
        norm = Groups(groups, shape[at], self.epsilon, torch_axis(at, len(shape)))
        return _learning(norm, self.scale, self.center)


class Groups(nn.GroupNorm):
    """Group normalisation of any side."""

    def __init__(self, groups: int, channels: int, epsilon: float, axis: int) -> None:
        super().__init__(groups, channels, epsilon)
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        # torch's module would refuse groups of one value, which come out as the bias; and its gradients want a weight.
        moved, weight, bias = x.movedim(self.axis, 1), self.weight, self.bias
        if weight is None and bias is not None:
            weight = torch.ones_like(bias)
        return torch.group_norm(moved, self.num_groups, weight, bias, self.eps).movedim(1, self.axis)


@dataclass(frozen=True)
class UnitNormalization(Layer):
    """Brings the last dimension of every example, or several, to length 1; zeros stay.

    Keras 2 leaves lengths below 1e-6 shorter than 1, Keras 3 those below 1e-12.
    """

    axis: Axes = -1

    def output(self, shape: Shape) -> Shape:
        places(self.axis, shape)
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return UnitLength(tuple(torch_axis(side, len(shape)) for side in places(self.axis, shape)))


class UnitLength(nn.Module):
    """x divided by its length along some axes, at most by 1e12 multiplied."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        return x * x.square().sum(self.axes, keepdim=True).rsqrt().clamp(max=1e12)


@dataclass(frozen=True)
class Normalization(Layer):
    """(x - mean) / deviation, with figures that were measured before the training or are given; `invert` undoes it.

    axis: the sides that have figures of their own, none for one mean of all. mean and variance: one number, or one for
    each place along the last of these sides; given both or not at all.
    """

    axis: Axes = -1
    mean: float | tuple[float, ...] | None = None
    variance: float | tuple[float, ...] | None = None
    invert: bool = False

    def output(self, shape: Shape) -> Shape:
        at = places(self.axis, shape)
        if (self.mean is None) != (self.variance is None):
            raise UsageError(t("give mean and variance, or none of them."))
        side = shape[at[-1]] if at else 1
        for name, given in (("mean", self.mean), ("variance", self.variance)):
            if isinstance(given, tuple) and len(given) not in (1, side):
                raise UsageError(t("{name} should be one number or {n}, got {got}.", name=name, n=side, got=len(given)))
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return Standardised(shape, places(self.axis, shape), self.mean, self.variance, self.invert)


class Standardised(nn.Module):
    """Takes a mean off and divides by a deviation, or the other way round.

    There is a number for each place along the sides `at`, and a count, Keras's own, of what was measured. Figures that
    are given belong to the description and are no part of the stored state.
    """

    def __init__(
        self,
        shape: Shape,
        at: tuple[int, ...],
        mean: float | tuple[float, ...] | None,
        variance: float | tuple[float, ...] | None,
        invert: bool,
    ) -> None:
        super().__init__()
        self.at, self.rank, self.invert = at, len(shape), invert
        sides, measured = [shape[side] for side in at], mean is None
        self.names = ("running_mean", "running_var") if measured else ("mean", "variance")
        for name, given in zip(self.names, (0.0, 1.0) if measured else (mean, variance), strict=True):
            values = torch.tensor(given).expand(sides or [1]).clone()
            self.register_buffer(name, values.reshape(sides), persistent=measured)
        if measured:
            self.register_buffer("running_count", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = (_spread(self.get_buffer(name), self.at, self.rank) for name in self.names)
        deviation = variance.sqrt().clamp(min=LEAST)
        return mean + x * deviation if self.invert else (x - mean) / deviation
