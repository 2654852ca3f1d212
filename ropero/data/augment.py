"""Augmentation of a batch of tensors, all images at once. Knows nothing of training, labels or files.

A function that draws says so and draws from torch's global generator on the CPU, whatever device the pixels are on:
the training loop seeds it for each step. The others are pure. A result is a new tensor, or the same one when there is
nothing to do. Legend: B images, C channels, H x W pixels, values 0..255 as uint8 or float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ropero.runtime import mix_seed


def coins(count: int) -> Tensor:
    """(count,) booleans, each true with probability 1/2; draws."""
    return torch.rand(count) < 0.5


def flip_halves(n: int, seed: int) -> Tensor:
    """(n,) booleans: the half of the training images that `alternating` mirrors in even epochs."""
    return torch.rand(n, generator=torch.Generator().manual_seed(mix_seed("flip", seed))) < 0.5


def alternating(half: Tensor, epoch: int) -> Tensor:
    """(B,) booleans: one half of all images in even epochs and the other half in odd ones; half from `flip_halves`.

    Two epochs then show every image both ways, without the repeats of coins (Jordan 2024, arXiv 2404.00498).
    """
    return half ^ bool(epoch % 2)


def flip_where(pixels: Tensor, chosen: Tensor, axis: int = 3) -> Tensor:
    """Mirror the images where chosen (B,) is true: axis 3 left to right, axis 2 upside down."""
    return torch.where(chosen.to(pixels.device).view(-1, 1, 1, 1), pixels.flip(axis), pixels)


@dataclass(frozen=True)
class Moves:
    """How each of B images is moved; names, units and signs of Keras's `ImageDataGenerator.apply_transform`.

    Every field is (B,) float64 on the CPU. x runs along the columns, y along the rows.
    """

    theta: Tensor  # degrees
    tx: Tensor  # pixels
    ty: Tensor  # pixels
    shear: Tensor  # degrees
    zx: Tensor  # above 1 shows more of the image, that is, smaller
    zy: Tensor


def draw_moves(
    count: int,
    size: tuple[int, int],
    *,
    rotation: float = 0.0,
    width_shift: float = 0.0,
    height_shift: float = 0.0,
    shear: float = 0.0,
    zoom: float = 0.0,
) -> Moves:
    """Uniform moves for `count` images of size (H, W), all drawn independently; draws.

    Args:
        rotation: up to this many degrees, either way.
        width_shift: sideways by up to this share of the width. Keras 3.15 by mistake draws its `height_shift_range`
            for the x axis and its `width_shift_range` for y; for equal shares and square images it is all the same.
        height_shift: up or down by up to this share of the height.
        shear: up to this many degrees, either way.
        zoom: factors in [1 - zoom, 1 + zoom], one for each axis.
    """
    height, width = size
    reach = torch.tensor([rotation, width_shift * width, height_shift * height, shear, zoom, zoom], dtype=torch.float64)
    theta, tx, ty, slant, zx, zy = (torch.rand(6, count, dtype=torch.float64) * 2 - 1) * reach.view(6, 1)
    return Moves(theta, tx, ty, slant, 1 + zx, 1 + zy)


def affine(moves: Moves, size: tuple[int, int]) -> Tensor:
    """(B, 2, 3) float64: rows x and y of the place in the image that a result's (column, row, 1) is read from.

    Keras's product rotation @ shift @ shear @ zoom, written out. Its centre is kept too: it swaps the axes after
    having moved the centre to the origin, so x turns about the middle of H, and y about that of W. For square images
    that is the middle; oblong ones are shifted a little.
    """
    theta, shear = moves.theta.deg2rad(), moves.shear.deg2rad()
    cos, sin = theta.cos(), theta.sin()
    xx, xy = cos * moves.zx, -(theta + shear).sin() * moves.zy
    yx, yy = sin * moves.zx, (theta + shear).cos() * moves.zy
    middle_x, middle_y = (side / 2 - 0.5 for side in size)  # size is (H, W): Keras's mistake, see above
    x = cos * moves.tx - sin * moves.ty + middle_x - (xx * middle_x + xy * middle_y)
    y = sin * moves.tx + cos * moves.ty + middle_y - (yx * middle_x + yy * middle_y)
    return torch.stack([xx, xy, x, yx, yy, y], 1).view(-1, 2, 3)


def move(
    pixels: Tensor,
    moves: Moves,
    fill: str = "nearest",
    mirrored: Tensor | None = None,
    upside_down: Tensor | None = None,
) -> Tensor:
    """Turn, shift, slant and stretch, then flip the images where `mirrored` and `upside_down` (B,) are true.

    One bilinear interpolation does it all, as Keras's `apply_transform` with SciPy's `affine_transform` of order 1.

    Args:
        pixels: (B, C, H, W), of any device.
        moves: one for each image.
        fill: what lies outside an image, SciPy's modes: `nearest` its edge, `constant` 0, `reflect` its mirror image
            (d c b a | a b c d), `wrap` its other side, with period H - 1 and W - 1.
        mirrored: flipped left to right.
        upside_down: flipped top to bottom.

    Returns:
        (B, C, H, W) float32 in 0..255, not rounded: what Keras would feed, and what the network's input has to become
        anyway; rounding to uint8 and back costs a fifth of the whole and gains nothing.
    """
    height, width = pixels.shape[2:]
    matrix = affine(moves, (height, width))
    last = torch.tensor([width - 1, height - 1], dtype=torch.float64)
    span = last.clamp(min=1)  # a side of one pixel has all places in it
    columns = _places(width, mirrored) * matrix[:, :, :1]  # (B, 2, W)
    rows = _places(height, upside_down) * matrix[:, :, 1:2] + matrix[:, :, 2:]  # (B, 2, H)
    corners = fill != "reflect"  # whether -1 and 1 mean the centres of the outermost pixels, or their outer edges
    if fill in ("constant", "wrap"):
        # Places have to be compared with the edges first, in pixels: there, an axis that is not moved is exact.
        places = _summed(columns, rows, pixels.device)
        ends = last.float().to(pixels.device).view(1, 2, 1, 1)
        outside = (places < 0) | (places > ends)
        if fill == "wrap":
            places = torch.where(outside, places.remainder(ends.clamp(min=1)), places)
        grid = places.mul_(2 / ends.clamp(min=1)).sub_(1)
    else:
        scale = (2 / span if corners else 2 / (last + 1)).view(1, 2, 1)
        start = -1 if corners else scale / 2 - 1
        grid = _summed(columns * scale, rows * scale + start, pixels.device)
    # grid_sample reads x and y from two planes as fast as from pairs, and planes are made 20 times faster.
    moved = grid_sample(
        pixels.float(),
        grid.permute(0, 2, 3, 1),
        padding_mode="border" if corners else "reflection",
        align_corners=corners,
    )
    return moved.masked_fill_(outside.any(1, keepdim=True), 0) if fill == "constant" else moved


def _places(side: int, flipped: Tensor | None) -> Tensor:
    """(1, 1, side) or (B, 1, side) float64: 0..side-1, backwards for the flipped."""
    places = torch.arange(side, dtype=torch.float64).view(1, 1, side)
    return places if flipped is None else torch.where(flipped.cpu().view(-1, 1, 1), side - 1 - places, places)


def _summed(columns: Tensor, rows: Tensor, device: torch.device) -> Tensor:
    """columns (B, 2, W) and rows (B, 2, H) -> their sums (B, 2, H, W) float32 on the device."""
    return rows.float().to(device).unsqueeze(3) + columns.float().to(device).unsqueeze(2)


def random_erase(pixels: Tensor, probability: float, side: int) -> Tensor:
    """Blacken one `side` x `side` square at a random place of each image, with this probability; draws.

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


def draw_weight(alpha: float) -> float:
    """A number in [0, 1] from the Beta distribution with both parameters alpha; draws."""
    both = torch.tensor([alpha, alpha], dtype=torch.float64)
    return float(torch.distributions.Dirichlet(both).sample()[0])


def mixup(pixels: Tensor, partners: Tensor, weight: float) -> Tensor:
    """Each image times weight plus its partner's times 1 - weight (Zhang et al. 2018, arXiv 1710.09412).

    Args:
        pixels: (B, C, H, W).
        partners: (B,) which image of the batch is blended in.
        weight: share of the image itself, and of its label.

    Returns:
        (B, C, H, W) float32.
    """
    floats = pixels.float()
    return floats.mul(weight).add_(floats[partners.to(pixels.device)], alpha=1 - weight)


def draw_box(size: tuple[int, int], weight: float) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of a rectangle with 1 - weight of the area of (H, W) and its proportions; draws.

    Its centre is anywhere in the image, and what hangs over the edge is cut off, as in CutMix's paper.
    """
    edges = []
    for side in size:
        length = int(side * math.sqrt(1 - weight))
        start = int(torch.randint(0, side, ())) - length // 2
        edges += [max(start, 0), min(start + length, side)]
    top, bottom, left, right = edges
    return top, bottom, left, right


def cutmix(pixels: Tensor, partners: Tensor, box: tuple[int, int, int, int]) -> tuple[Tensor, float]:
    """Paste the box of each image's partner into the image (Yun et al. 2019, arXiv 1905.04899).

    Args:
        pixels: (B, C, H, W).
        partners: (B,) which image of the batch is pasted.
        box: top, bottom, left, right, as from `draw_box`.

    Returns:
        The images, of the same kind, and the exact share of each that is its own: the weight of its label.
    """
    top, bottom, left, right = box
    there = (..., slice(top, bottom), slice(left, right))
    pasted = pixels.clone()
    pasted[there] = pixels[there][partners.to(pixels.device)]
    return pasted, 1 - (bottom - top) * (right - left) / math.prod(pixels.shape[2:])
