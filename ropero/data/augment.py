"""Augmentation of a batch of tensors, all images at once. Knows nothing of training, labels or files.

A function that draws says so and draws from torch's global generator on the CPU, whatever device the pixels are on:
the training loop seeds it for each step. The others are pure. A result is a new tensor, or the same one when there is
nothing to do. Legend: B images, C channels, H x W pixels, values 0..255 as uint8 or float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from ropero.runtime import mix_seed

Floats = NDArray[np.float64]

_VALUES_AT_ONCE = 2**20  # numbers that a CPU's cache holds between two passes; large images gain a third and more


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

    Every field is (B,). x runs along the columns, y along the rows. These few numbers and what follows of them stay in
    NumPy, whose calls on small arrays take a third of the time of torch's.
    """

    theta: Floats  # degrees
    tx: Floats  # pixels
    ty: Floats  # pixels
    shear: Floats  # degrees
    zx: Floats  # above 1 shows more of the image, that is, smaller
    zy: Floats


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
    unit = torch.rand(6, count, dtype=torch.float64).numpy() * 2 - 1
    theta, tx, ty, slant, zx, zy = unit * np.array(
        [[rotation], [width_shift * width], [height_shift * height], [shear], [zoom], [zoom]]
    )
    return Moves(theta, tx, ty, slant, 1 + zx, 1 + zy)


def affine(moves: Moves, size: tuple[int, int]) -> Floats:
    """(2, 3, B): rows x and y of the place in the image that a result's (column, row, 1) is read from.

    Keras's product rotation @ shift @ shear @ zoom, written out. Its centre is kept too: it swaps the axes after
    having moved the centre to the origin, so x turns about the middle of H, and y about that of W. For square images
    that is the middle; oblong ones are shifted a little.
    """
    theta, slanted = np.deg2rad(moves.theta), np.deg2rad(moves.theta + moves.shear)
    cos, sin = np.cos(theta), np.sin(theta)
    xx, xy = cos * moves.zx, -np.sin(slanted) * moves.zy
    yx, yy = sin * moves.zx, np.cos(slanted) * moves.zy
    middle_x, middle_y = (side / 2 - 0.5 for side in size)  # size is (H, W): Keras's mistake, see above
    x = cos * moves.tx - sin * moves.ty + middle_x - (xx * middle_x + xy * middle_y)
    y = sin * moves.tx + cos * moves.ty + middle_y - (yx * middle_x + yy * middle_y)
    return np.array([[xx, xy, x], [yx, yy, y]])


def move(
    pixels: Tensor,
    moves: Moves,
    fill: str = "nearest",
    mirrored: Tensor | None = None,
    upside_down: Tensor | None = None,
    interpolation: str = "bilinear",
) -> Tensor:
    """Turn, shift, slant and stretch, then flip the images where `mirrored` and `upside_down` (B,) are true.

    One interpolation does it all, as Keras's `apply_transform` with SciPy's `affine_transform`.

    Args:
        pixels: (B, C, H, W), of any device.
        moves: one for each image.
        fill: what lies outside an image, SciPy's modes: `nearest` its edge, `constant` 0, `reflect` its mirror image
            (d c b a | a b c d), `wrap` its other side, with period H - 1 and W - 1.
        mirrored: flipped left to right.
        upside_down: flipped top to bottom.
        interpolation: `bilinear` between four pixels (order 1), or the `nearest` one (order 0), as Keras before 2.1.3
            (keras-team/keras, pull request 8849).

    Returns:
        (B, C, H, W) float32 in 0..255, not rounded: what Keras would feed, and what the network's input has to become
        anyway; rounding to uint8 and back would cost time and gain nothing.
    """
    count, channels, height, width = pixels.shape
    places = _places(affine(moves, (height, width)), (height, width), fill, mirrored, upside_down)
    columns, rows = (torch.from_numpy(one).to(pixels.device) for one in places)
    size = max(1, _VALUES_AT_ONCE // (height * width * (2 + 2 * channels)))
    if size >= count or pixels.device.type != "cpu":
        return _sampled(pixels, columns, rows, fill, interpolation)
    moved = torch.empty(pixels.shape)
    for start in range(0, count, size):
        part = slice(start, start + size)
        moved[part] = _sampled(pixels[part], columns[part], rows[part], fill, interpolation)
    return moved


def _places(
    matrix: Floats, size: tuple[int, int], fill: str, mirrored: Tensor | None, upside_down: Tensor | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Columns (B, 2, W) and rows (B, 2, H) whose sums are the places to read from, x before y.

    In the unit of grid_sample, -1..1, for fills that it does; in pixels for the others.
    """
    height, width = size
    x, y = np.arange(width)[None], np.arange(height)[None]
    if mirrored is not None:
        x = np.where(mirrored.cpu().numpy()[:, None], width - 1 - x, x)
    if upside_down is not None:
        y = np.where(upside_down.cpu().numpy()[:, None], height - 1 - y, y)
    columns, rows = (
        np.empty((matrix.shape[2], 2, width), np.float32),
        np.empty((matrix.shape[2], 2, height), np.float32),
    )
    for axis, side in enumerate((width, height)):
        by_column, by_row, start = matrix[axis]
        if fill == "reflect":  # -1 and 1 are the outer edges of the outermost pixels
            by_column, by_row, start = by_column * 2 / side, by_row * 2 / side, (start * 2 + 1) / side - 1
        elif fill == "nearest":  # -1 and 1 are their centres
            span = max(side - 1, 1)
            by_column, by_row, start = by_column * 2 / span, by_row * 2 / span, start * 2 / span - 1
        columns[:, axis] = by_column[:, None] * x
        rows[:, axis] = by_row[:, None] * y + start[:, None]
    return columns, rows


def _sampled(pixels: Tensor, columns: Tensor, rows: Tensor, fill: str, interpolation: str) -> Tensor:
    """Images read where columns (B, 2, W) plus rows (B, 2, H) say, x before y: (B, C, H, W) float32."""
    grid = rows.unsqueeze(3) + columns.unsqueeze(2)  # (B, 2, H, W)
    outside = None
    if fill in ("constant", "wrap"):
        # Places are in pixels here: an axis that is not moved is exact, and its ends are not taken for outside.
        last = torch.tensor([columns.shape[2] - 1, rows.shape[2] - 1], device=grid.device).view(1, 2, 1, 1)
        span = last.clamp(min=1)  # a side of one pixel has all places in it
        outside = (grid < 0) | (grid > last)
        if fill == "wrap":
            grid = torch.where(outside, grid.remainder(span), grid)
        grid = grid.mul_(2 / span).sub_(1)
    # grid_sample reads x and y from two planes as fast as from pairs, and planes are made 20 times faster.
    moved = grid_sample(
        pixels.float(),
        grid.permute(0, 2, 3, 1),
        mode=interpolation,
        padding_mode="reflection" if fill == "reflect" else "border",
        align_corners=fill != "reflect",
    )
    if fill == "constant" and outside is not None:
        moved.masked_fill_(outside[:, :1] | outside[:, 1:], 0)  # any() takes fifty times as long
    return moved


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
