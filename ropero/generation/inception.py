"""Inception's features, by which the Frechet Inception Distance is measured, for who has their weights.

The network of 2015 as FID's own TensorFlow graph computes it: poolings that leave the margin out, pictures enlarged as
TensorFlow 1 did (Heusel et al. 2017, arXiv 1706.08500; the weights as torch-fidelity and pytorch-fid publish them,
pt_inception-2015-12-05-6726825d.pth). On small grey pictures its figures say little; papers state them, so here they
are. Knows nothing of generators.
Legend: N images, H x W pixels, D = 2048 features.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ropero.data.batches import in_chunks
from ropero.data.dataset import Images
from ropero.errors import UsageError
from ropero.models.inference import Floats
from ropero.texts import t

SIDE, FEATURES = 299, 2048
_LIMIT_BYTES = 400 << 20
_AT_ONCE = 50  # pictures
# A convolution: the end of its name, filters, kernel (a number or height x width), stride. A branch is what follows
# one another; names are those of the published weights.
_Convolution = tuple[str, int, int | tuple[int, int], int]
_Branch = Sequence[_Convolution]


class _Unit(nn.Module):
    """Convolution, batch-norm, ReLU; padded to keep its size unless it has a stride or is told otherwise."""

    def __init__(self, channels: int, filters: int, kernel: int | tuple[int, int], stride: int, pad: bool) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        margin = (sides[0] // 2, sides[1] // 2) if pad else (0, 0)
        self.conv = nn.Conv2d(channels, filters, sides, stride, margin, bias=False)
        self.bn = nn.BatchNorm2d(filters, eps=0.001)

    def forward(self, pictures: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(pictures)))


class _Mixed(nn.Module):
    """Branches side by side, their filters one after another; the last branch is pooled first.

    forks: names of units after which two more, "a" and "b", are taken side by side.
    """

    def __init__(
        self, channels: int, branches: Sequence[_Branch], pool: int, pooling: str, forks: Sequence[str]
    ) -> None:
        super().__init__()
        self.branches, self.pool, self.pooling, self.forks = branches, pool, pooling, forks
        self.filters = 0
        for branch in branches:
            before = channels
            for name, filters, kernel, stride in branch:
                self.add_module(f"branch{name}", _Unit(before, filters, kernel, stride, pad=stride == 1))
                before = filters
            self.filters += before
            if branch[-1][0] in forks:
                stem = branch[-1][0][:-1] + str(int(branch[-1][0][-1]) + 1)
                for end, sides in (("a", (1, 3)), ("b", (3, 1))):
                    self.add_module(f"branch{stem}{end}", _Unit(before, 384, sides, 1, pad=True))
                self.filters += 2 * 384 - before
        if pool:
            self.branch_pool = _Unit(channels, pool, 1, 1, pad=False)
        self.filters += pool or channels

    def forward(self, pictures: Tensor) -> Tensor:
        found = []
        for branch in self.branches:
            one = pictures
            for name, *_ in branch:
                one = self.get_submodule(f"branch{name}")(one)
            if branch[-1][0] in self.forks:
                stem = branch[-1][0][:-1] + str(int(branch[-1][0][-1]) + 1)
                found += [self.get_submodule(f"branch{stem}{end}")(one) for end in "ab"]
            else:
                found.append(one)
        if self.pooling == "mean":  # FID's graph does not count the margin
            pooled = functional.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
        else:
            pooled = functional.max_pool2d(pictures, 3, 1, 1) if self.pool else functional.max_pool2d(pictures, 3, 2)
        return torch.cat([*found, self.branch_pool(pooled) if self.pool else pooled], 1)


def _wide(filters: int) -> list[_Branch]:
    """The branches of the middle part, with kernels of 1 x 7 and 7 x 1."""
    row, column = (1, 7), (7, 1)
    single: _Branch = [("7x7_1", filters, 1, 1), ("7x7_2", filters, row, 1), ("7x7_3", 192, column, 1)]
    double: _Branch = [
        ("7x7dbl_1", filters, 1, 1),
        *((f"7x7dbl_{at}", filters, column if at % 2 == 0 else row, 1) for at in (2, 3, 4)),
        ("7x7dbl_5", 192, row, 1),
    ]
    return [[("1x1", 192, 1, 1)], single, double]


_SMALL: list[_Branch] = [
    [("1x1", 64, 1, 1)],
    [("5x5_1", 48, 1, 1), ("5x5_2", 64, 5, 1)],
    [("3x3dbl_1", 64, 1, 1), ("3x3dbl_2", 96, 3, 1), ("3x3dbl_3", 96, 3, 1)],
]
_SMALLER: list[_Branch] = [
    [("3x3", 384, 3, 2)],
    [("3x3dbl_1", 64, 1, 1), ("3x3dbl_2", 96, 3, 1), ("3x3dbl_3", 96, 3, 2)],
]
_SMALLEST: list[_Branch] = [
    [("3x3_1", 192, 1, 1), ("3x3_2", 320, 3, 2)],
    [("7x7x3_1", 192, 1, 1), ("7x7x3_2", 192, (1, 7), 1), ("7x7x3_3", 192, (7, 1), 1), ("7x7x3_4", 192, 3, 2)],
]
_LAST: list[_Branch] = [
    [("1x1", 320, 1, 1)],
    [("3x3_1", 384, 1, 1)],
    [("3x3dbl_1", 448, 1, 1), ("3x3dbl_2", 384, 3, 1)],
]
_FORKS = ("3x3_1", "3x3dbl_2")
# name, branches, filters after the pooling (0 for none of its own), pooling, forks
_BLOCKS: tuple[tuple[str, list[_Branch], int, str, Sequence[str]], ...] = (
    ("5b", _SMALL, 32, "mean", ()),
    ("5c", _SMALL, 64, "mean", ()),
    ("5d", _SMALL, 64, "mean", ()),
    ("6a", _SMALLER, 0, "highest", ()),
    *((f"6{at}", _wide(filters), 192, "mean", ()) for at, filters in zip("bcde", (128, 160, 160, 192), strict=True)),
    ("7a", _SMALLEST, 0, "highest", ()),
    ("7b", _LAST, 192, "mean", _FORKS),
    ("7c", _LAST, 192, "highest", _FORKS),
)
_FIRST = (
    ("1a_3x3", 3, 32, 3, 2, False),
    ("2a_3x3", 32, 32, 3, 1, False),
    ("2b_3x3", 32, 64, 3, 1, True),
    ("3b_1x1", 64, 80, 1, 1, False),
    ("4a_3x3", 80, 192, 3, 1, False),
)


class Inception(nn.Module):
    """(N, 3, H, W) in 0..255 -> (N, 2048)."""

    def __init__(self) -> None:
        super().__init__()
        for name, channels, filters, kernel, stride, pad in _FIRST:
            self.add_module(f"Conv2d_{name}", _Unit(channels, filters, kernel, stride, pad))
        wide = 192
        for name, branches, pool, pooling, forks in _BLOCKS:
            block = _Mixed(wide, branches, pool, pooling, forks)
            self.add_module(f"Mixed_{name}", block)
            wide = block.filters
        self.fc = nn.Linear(wide, 1008)  # the weights' classes, which no feature needs

    def forward(self, pictures: Tensor) -> Tensor:
        found = (_enlarged(pictures.float()) - 128) / 128
        for name, *_ in _FIRST:
            found = self.get_submodule(f"Conv2d_{name}")(found)
            if name in ("2b_3x3", "4a_3x3"):
                found = functional.max_pool2d(found, 3, 2)
        for name, *_ in _BLOCKS:
            found = self.get_submodule(f"Mixed_{name}")(found)
        return found.mean((2, 3))


def _enlarged(pictures: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, 299, 299) as TensorFlow 1 did: pixel i of the large one lies at i H / 299 of the small."""
    found = pictures
    for axis, side in ((2, pictures.shape[2]), (3, pictures.shape[3])):
        places = torch.arange(SIDE, device=pictures.device, dtype=pictures.dtype) * (side / SIDE)
        low = places.floor().long()
        share = (places - low).view((-1, 1) if axis == 2 else (-1,))
        first, second = found.index_select(axis, low), found.index_select(axis, (low + 1).clamp_max(side - 1))
        found = first + (second - first) * share
    return found


def load(path: Path) -> Inception:
    """The network with published weights. Raises UsageError for a file that does not hold them."""
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise ValueError(t("too large"))
        held = torch.load(path, map_location="cpu", weights_only=True)
        net = Inception()
        net.load_state_dict(held)
    except Exception as error:  # whatever a file that is something else makes of torch's reader
        reason = (str(error).strip() or type(error).__name__).split("\n")[0][:200]
        raise UsageError(
            t("{path} holds no Inception weights ({reason}); FID's own are pt_inception-2015-12-05-6726825d.pth.",
              path=path, reason=reason)
        ) from error  # fmt: skip
    return net.eval().requires_grad_(False)


def features(net: Inception, images: Images) -> Floats:
    """(N, 2048) float32 of images (N, H, W) or (N, H, W, 3) uint8; grey ones are shown in three equal channels."""
    found = []
    with torch.inference_mode():
        for part in in_chunks(len(images), _AT_ONCE):
            some = images[part]
            colours = np.repeat(some[..., None], 3, 3) if some.ndim == 3 else some
            found.append(net(torch.from_numpy(np.ascontiguousarray(colours.transpose(0, 3, 1, 2)))).numpy())
    return np.concatenate(found)
