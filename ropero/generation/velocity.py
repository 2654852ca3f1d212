"""The network of the flow: which way a picture that is half noise has to move.

A U-Net of two sizes that begins and ends with 2 x 2 pixels as one, since products are cheap on a CPU and large
pictures are not. Knows nothing of training or of how the way is followed.
Legend: B pictures, C channels, H x W pixels, h x w of the pixels taken together, K classes, W filters, E values that
say time and class.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_GROUPS = 8  # of channels that are normalised together
_WAVES = 32  # of either kind that say the time
_HEAD = 32  # channels of one head of attention


class Velocity(nn.Module):
    """Pictures on their way, the time, what is known of them and their classes -> which way they move.

    Args:
        shape: (C, H, W). classes: K. width: W filters at half the size, 2 W at a quarter.
        depth: blocks on each way at each size.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        said = 4 * width
        self.register_buffer("waves", torch.exp(torch.linspace(0, math.log(1000), _WAVES)), persistent=False)
        self.time = nn.Sequential(nn.Linear(2 * _WAVES, said), nn.SiLU(), nn.Linear(said, said))
        self.classes = nn.Embedding(classes + 1, said)  # the last one: no class is wanted
        self.first = nn.Conv2d(4 * (2 * channels + 1), width, 3, padding=1)
        self.down = nn.ModuleList([_Block(width, said) for _ in range(depth)])
        self.smaller = nn.Conv2d(width, 2 * width, 3, 2, 1)
        self.middle = nn.ModuleList()
        for place in range(2 * depth):
            self.middle.append(_Block(2 * width, said))
            if place == depth - 1:
                self.middle.append(_Attention(2 * width))
        self.larger = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
        self.up = nn.ModuleList([_Block(width, said) for _ in range(depth)])
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.last = nn.Conv2d(width, 4 * channels, 3, padding=1)
        nn.init.zeros_(self.classes.weight)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, moving: Tensor, time: Tensor, classes: Tensor, seen: Tensor, known: Tensor) -> Tensor:
        """(B, C, H, W) pixels a unit of time.

        Args:
            moving: (B, C, H, W). time: (B,) from 0, all noise, to 1. classes: (B,) from 0 to K, which is none.
            seen: (B, C, H, W), 0 where nothing is known. known: (B, 1, H, W), 1 where something is, else 0.
        """
        found = torch.cat([moving, seen, known], 1)
        found = functional.pad(found, (0, -self.width % 4, 0, -self.height % 4))
        found = functional.pixel_unshuffle(found, 2).contiguous(memory_format=torch.channels_last)
        angles = time[:, None] * self.get_buffer("waves")  # (B, waves)
        said = functional.silu(self.time(torch.cat([angles.cos(), angles.sin()], 1)) + self.classes(classes))
        found = self.first(found)
        kept = []
        for block in self.down:
            found = block(found, said)
            kept.append(found)
        found = self.smaller(found)
        for block in self.middle:
            found = block(found, said)
        found = functional.pixel_shuffle(self.larger(found), 2).contiguous(memory_format=torch.channels_last)
        for block in self.up:
            found = block(found + kept.pop(), said)
        found = self.last(functional.silu(self.norm(found)))
        way: Tensor = functional.pixel_shuffle(found.float(), 2)[:, :, : self.height, : self.width]
        return way


class _Block(nn.Module):
    """Two convolutions beside a shortcut, the second one told of time and class: (B, F, h, w) -> the same shape."""

    def __init__(self, filters: int, said: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.GroupNorm(_GROUPS, filters), nn.GroupNorm(_GROUPS, filters, affine=False)])
        self.convolutions = nn.ModuleList([nn.Conv2d(filters, filters, 3, padding=1) for _ in range(2)])
        self.told = nn.Linear(said, 2 * filters)
        for zero in (self.told, self.convolutions[1]):
            nn.init.zeros_(zero.weight)  # type: ignore[arg-type]
            nn.init.zeros_(zero.bias)  # type: ignore[arg-type]

    def forward(self, pictures: Tensor, said: Tensor) -> Tensor:
        factor, shift = self.told(said)[:, :, None, None].chunk(2, 1)
        found = self.convolutions[0](functional.silu(self.norms[0](pictures)))
        found = functional.silu(torch.addcmul(shift, self.norms[1](found), 1 + factor))
        moved: Tensor = self.convolutions[1](found)
        return pictures + moved


class _Attention(nn.Module):
    """Every place looks at every other one: (B, F, h, w) -> the same shape."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, filters)
        self.asked, self.answer = nn.Linear(filters, 3 * filters), nn.Linear(filters, filters)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)

    def forward(self, pictures: Tensor, _: Tensor) -> Tensor:
        count, filters, height, width = pictures.shape
        rows = self.norm(pictures).permute(0, 2, 3, 1).reshape(count, height * width, filters)
        heads = self.asked(rows).view(count, height * width, 3, filters // _HEAD, _HEAD).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(rows.shape)
        moved: Tensor = self.answer(found).view(count, height, width, filters).permute(0, 3, 1, 2)
        return pictures + moved
