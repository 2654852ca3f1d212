"""Which pixels of an image are missing: a half, a rectangle, a share by chance, or what a mask says.

Knows nothing of pictures' files or of what fills them. `known` is False where a pixel is missing.
Legend: N images, H x W pixels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ropero.errors import UsageError, did_you_mean
from ropero.texts import joined, t

Known = NDArray[np.bool_]

HALVES = ("half-top", "half-bottom", "half-left", "half-right")
RECTANGLE, RANDOM, MASK = "rectangle", "random", "mask"
LEAST, MOST = 0.01, 0.99  # share of pixels that may be missing by chance
_SIDES = (0.3, 0.7)  # of a rectangle at a place by chance, as shares of the image's


@dataclass(frozen=True)
class Missing:
    """A kind of hole, the same for the same seed.

    Attributes:
        kind: one of HALVES, "rectangle", "random" or "mask".
        place: (top, left, height, width) in pixels of a rectangle; somewhere by chance when None.
        shares: the least and the largest share of pixels that are missing by chance; each image has its own.
        mask: (H, W), True where pixels are missing; of the kind "mask".
        name: as it was asked for.
    """

    kind: str
    name: str
    place: tuple[int, int, int, int] | None = None
    shares: tuple[float, float] = (0.0, 0.0)
    mask: Known | None = None

    def known(self, count: int, height: int, width: int, seed: int = 0, first: int = 0) -> Known:
        """(N, H, W), False where pixels are missing.

        Args:
            first: the number of the first image; what is missing of an image does not depend on those beside it.

        Raises UsageError for a rectangle or mask that does not fit the images.
        """
        if self.kind in HALVES:
            return np.broadcast_to(~_half(self.kind, height, width), (count, height, width)).copy()
        if self.kind == MASK:
            assert self.mask is not None
            if self.mask.shape != (height, width):
                raise UsageError(
                    t("The mask {name} has {got} pixels, but the images have {expected}.", name=self.name,
                      got=_size(*self.mask.shape), expected=_size(height, width))
                )  # fmt: skip
            return np.broadcast_to(~self.mask, (count, height, width)).copy()
        if self.place is not None:
            top, left, tall, wide = self.place
            if top + tall > height or left + wide > width:
                raise UsageError(
                    t("The rectangle {name} does not lie in images of {size} pixels.", name=self.name,
                      size=_size(height, width))
                )  # fmt: skip
        drawn = [self._drawn(np.random.default_rng([seed, first + at]), height, width) for at in range(count)]
        return ~np.stack(drawn) if drawn else np.ones((0, height, width), bool)

    def _drawn(self, rng: np.random.Generator, height: int, width: int) -> Known:
        """(H, W), True where pixels of one image are missing."""
        if self.kind == RANDOM:
            share = rng.uniform(*self.shares) if self.shares[0] < self.shares[1] else self.shares[0]
            hidden = min(max(1, round(share * height * width)), height * width - 1)
            missing = np.zeros(height * width, bool)
            missing[rng.permutation(height * width)[:hidden]] = True
            return missing.reshape(height, width)
        if self.place is None:
            tall, wide = (max(1, round(side * rng.uniform(*_SIDES))) for side in (height, width))
            top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
        else:
            top, left, tall, wide = self.place
        missing = np.zeros((height, width), bool)
        missing[top : top + tall, left : left + wide] = True
        return missing


def _half(kind: str, height: int, width: int) -> Known:
    """(H, W), True in the half; the middle row or column of an odd number is known."""
    missing = np.zeros((height, width), bool)
    rows, columns = height // 2, width // 2
    match kind:
        case "half-top":
            missing[:rows] = True
        case "half-bottom":
            missing[height - rows :] = True
        case "half-left":
            missing[:, :columns] = True
        case _:
            missing[:, width - columns :] = True
    return missing


def parse(text: str) -> Missing:
    """What is missing, from a text: "half-bottom", "rectangle", "rectangle:8,8,12,12" (top, left, height, width), "0.5"
    or "50%" of the pixels by chance, "0.1-0.9" a share by chance too.

    Raises UsageError for another text.
    """
    said = text.strip().lower()
    if said in HALVES:
        return Missing(said, said)
    if said == RECTANGLE:
        return Missing(RECTANGLE, said)
    if match := re.fullmatch(r"rectangle:(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})", said):
        top, left, tall, wide = (int(one) for one in match.groups())
        if not tall or not wide:
            raise UsageError(t("The rectangle {name} is empty: expected a height and width from 1.", name=text))
        return Missing(RECTANGLE, said, (top, left, tall, wide))
    if match := re.fullmatch(r"(\d{0,3}\.?\d{1,9})(%?)(?:-(\d{0,3}\.?\d{1,9})(%?))?", said):
        low, high = _share(match[1], match[2] or match[4] or ""), _share(match[3] or match[1], match[4] or match[2])
        if not LEAST <= low <= high <= MOST:
            raise UsageError(
                t("{text!r} is no share of pixels that can be missing: expected {low} to {high}.", text=text, low=LEAST,
                  high=MOST)
            )  # fmt: skip
        return Missing(RANDOM, said, shares=(low, high))
    known = (*HALVES, RECTANGLE)
    raise UsageError(
        t("Cannot read what is missing from {text!r}.", text=text) + did_you_mean(said, known) + " "
        + t("Expected one of {known}, rectangle:TOP,LEFT,HEIGHT,WIDTH in pixels, a share of the pixels such as 0.5, or "
            "the file of a mask.", known=joined(known))
    )  # fmt: skip


def _share(number: str, percent: str) -> float:
    return float(number) / (100 if percent else 1)


def masked(missing: Known, name: str) -> Missing:
    """What a mask (H, W) says, True where pixels are missing. Raises UsageError for one that hides nothing or all."""
    if missing.ndim != 2 or not missing.size:
        raise UsageError(t("The mask {name} should be one picture, got {shape}.", name=name, shape=missing.shape))
    if not missing.any() or missing.all():
        raise UsageError(
            t("The mask {name} should be light where pixels are missing and dark where they are known; it is all one.",
              name=name)
        )  # fmt: skip
    return Missing(MASK, name, mask=missing)


def _size(height: int, width: int) -> str:
    return f"{height} x {width}"
