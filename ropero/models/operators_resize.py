"""ONNX's Resize: every output pixel is a weighted sum of a few input pixels along one axis after the other.

Legend: O outputs along an axis, t input pixels that each of them takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.models.nodes import Maps, Node, Operator, numbers_of, room, wholes_of
from ropero.models.operators_arithmetic import place_of
from ropero.texts import t

_PLACES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
)
_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple")
_POLICIES = ("stretch", "not_larger", "not_smaller")


class Resize(nn.Module):
    """Images of another size: by scales, or by the sides that are wanted."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        node.refuse("antialias", allowed=(0,))
        self.mode = node.word("mode", "nearest", ("nearest", "linear", "cubic"))
        self.places = node.word("coordinate_transformation_mode", "half_pixel", _PLACES)
        self.nearest = node.word("nearest_mode", "round_prefer_floor", _NEAREST)
        self.sharpness, self.inside = node.number("cubic_coeff_a", -0.75), bool(node.whole("exclude_outside", 0))
        self.policy = node.word("keep_aspect_ratio_policy", "stretch", _POLICIES)
        self.axes, self.written = node.wholes("axes"), node.numbers("scales")

    def forward(
        self, x: Tensor, roi: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None
    ) -> Tensor:
        axes = [place_of(axis, x.ndim) for axis in (self.axes or range(x.ndim))]
        before = [x.shape[axis] for axis in axes]
        factors, after = self._wanted(before, scales, sizes)
        for axis, factor, side in zip(axes, factors, after, strict=True):
            if factor != 1:
                x = self._along(x, axis, factor, side)
        return x

    def _wanted(
        self, before: Sequence[int], scales: Tensor | None, sizes: Tensor | None
    ) -> tuple[list[float], list[int]]:
        """(factor, output side) of each axis."""
        given = list(self.written or ()) if scales is None else numbers_of(scales)
        if given:
            if len(given) != len(before) or not all(0 < one < math.inf for one in given):
                raise UsageError(t("needs a scale above 0 for each of {n} axes.", n=len(before)))
            return given, [math.floor(side * factor) for side, factor in zip(before, given, strict=True)]
        wanted = [] if sizes is None else wholes_of(sizes)
        if len(wanted) != len(before) or min(wanted, default=0) < 1:
            raise UsageError(t("needs a size of 1 or more for each of {n} axes.", n=len(before)))
        ratios = [want / side for want, side in zip(wanted, before, strict=True)]
        if self.policy != "stretch":
            ratios = [(min if self.policy == "not_larger" else max)(ratios)] * len(before)
            wanted = [math.floor(side * ratio + 0.5) for side, ratio in zip(before, ratios, strict=True)]
        return ratios, wanted

    def _along(self, x: Tensor, axis: int, factor: float, after: int) -> Tensor:
        before = x.shape[axis]
        room(*(after if place == axis else side for place, side in enumerate(x.shape)))
        indices, shares = self._taps(before, after, factor)  # (t, O)
        sides = [-1 if place == axis else 1 for place in range(x.ndim)]
        taps = [x.index_select(axis, one.to(x.device)) for one in indices]
        if len(taps) == 1:
            return taps[0]
        return sum(
            (tap * share.to(x.device).reshape(sides) for tap, share in zip(taps, shares, strict=True)),
            start=torch.zeros_like(taps[0]),
        )

    def _taps(self, before: int, after: int, factor: float) -> tuple[Tensor, Tensor]:
        """(t, O) which input pixels each output takes, and the shares of each."""
        where = self._origins(before, after, factor)
        if self.mode == "nearest":
            found = self._rounded(where, factor < 1).long().clamp(0, before - 1)
            return found[None], torch.ones(1, after)
        if self.mode == "linear":
            where = where.clamp(0, before - 1)
            first = where.floor()
            rest = where - first
            indices = torch.stack([first, first + 1]).long().clamp(max=before - 1)
            return indices, torch.stack([1 - rest, rest])
        first = where.floor()
        indices = torch.stack([first + step for step in (-1, 0, 1, 2)]).long()
        shares = _cubic((where - indices).abs(), self.sharpness)
        if self.inside:
            shares = torch.where((indices < 0) | (indices >= before), 0, shares)
            shares = shares / shares.sum(0)
        return indices.clamp(0, before - 1), shares

    def _origins(self, before: int, after: int, factor: float) -> Tensor:
        """(O,) where each output pixel lies among the inputs; in float32, as the rounding of halves depends on it."""
        places, scale = torch.arange(after, dtype=torch.float32), torch.tensor(factor, dtype=torch.float32)
        if self.places == "asymmetric":
            return places / scale
        if self.places == "align_corners":
            return places * (before - 1) / (after - 1) if after > 1 else places
        if self.places == "tf_half_pixel_for_nn":
            return (places + 0.5) / scale
        if self.places == "pytorch_half_pixel" and after == 1:
            return torch.zeros(1)
        centred = (places + 0.5) / scale - 0.5
        if self.places == "half_pixel_symmetric":
            centred = centred + before / 2 * (1 - after / (factor * before))
        return centred

    def _rounded(self, where: Tensor, smaller: bool) -> Tensor:
        if self.nearest == "round_prefer_floor":
            return (where - 0.5).ceil()
        if self.nearest == "round_prefer_ceil":
            return (where + 0.5).floor()
        up = self.nearest == "ceil" or (self.nearest == "simple" and smaller)
        return where.ceil() if up else where.floor()


def _cubic(distance: Tensor, a: float) -> Tensor:
    """Keys 1981: the share of a pixel at a distance."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * a - 4 * a
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, torch.zeros_like(distance)))


OPERATORS: dict[str, Operator] = {"Resize": Operator(Resize, host=(1, 2, 3), maps=Maps.ALWAYS)}
