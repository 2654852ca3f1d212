"""Augmentation of a batch of uint8 tensors, all images at once. Knows nothing of training or files.

Every function takes pixels (B, C, H, W) and draws from torch's global generator, which the training loop seeds for
each step; a result is a new tensor or the same one when there is nothing to do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ropero.runtime import mix_seed


def random_flip(pixels: Tensor) -> Tensor:
    """Mirror each image left to right with probability 1/2."""
    return flip_where(pixels, torch.rand(len(pixels)) < 0.5)


def flip_halves(n: int, seed: int) -> Tensor:
    """(n,) booleans: the half of the training images that `alternating_flip` mirrors in even epochs."""
    return torch.rand(n, generator=torch.Generator().manual_seed(mix_seed("flip", seed))) < 0.5


def alternating_flip(pixels: Tensor, half: Tensor, epoch: int) -> Tensor:
    """Mirror one half of all images in even epochs and the other half in odd ones; half (B,) from `flip_halves`.

    Two epochs then show every image both ways, without the repeats of `random_flip` (Jordan 2024, arXiv 2404.00498).
    """
    return flip_where(pixels, half ^ bool(epoch % 2))


def flip_where(pixels: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the images where chosen (B,) is true."""
    return torch.where(chosen.to(pixels.device).view(-1, 1, 1, 1), pixels.flip(3), pixels)


def random_shift(pixels: Tensor, most: int) -> Tensor:
    """Move each image by -most..most pixels along both axes; zeros, the background, come in at the edges."""
    if most == 0:
        return pixels
    count, channels, height, width = pixels.shape
    padded = torch.nn.functional.pad(pixels, (most, most, most, most))
    down, right = torch.randint(0, 2 * most + 1, (2, count)).to(pixels.device)
    rows = down.view(-1, 1) + torch.arange(height, device=pixels.device)  # (B, H)
    columns = right.view(-1, 1) + torch.arange(width, device=pixels.device)  # (B, W)
    index = rows.view(-1, 1, height, 1) * padded.shape[3] + columns.view(-1, 1, 1, width)  # (B, 1, H, W)
    flat = index.expand(-1, channels, -1, -1).reshape(count, channels, -1)
    return padded.flatten(2).gather(2, flat).view(count, channels, height, width)


def random_erase(pixels: Tensor, probability: float, side: int) -> Tensor:
    """Blacken one `side` x `side` square at a random place of each image, with this probability.

    Cutout (DeVries & Taylor 2017, arXiv 1708.04552): the square's centre is anywhere, so it may hang over the edge.
    """
    if probability == 0 or side == 0:
        return pixels
    count, _, height, width = pixels.shape
    top = torch.randint(0, height, (count, 1)) - side // 2
    left = torch.randint(0, width, (count, 1)) - side // 2
    rows = torch.arange(height) - top
    columns = torch.arange(width) - left
    inside = ((rows >= 0) & (rows < side)).view(count, height, 1) & ((columns >= 0) & (columns < side)).view(
        count, 1, width
    )
    inside &= (torch.rand(count) < probability).view(count, 1, 1)
    return pixels.masked_fill(inside.unsqueeze(1).to(pixels.device), 0)
