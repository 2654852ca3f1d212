"""Pictures with missing pixels, out of files: transparent ones, numbers that are none, a mask, or what is cut out here.

Knows files and shapes; knows nothing of what fills them. Legend: N pictures, H x W pixels, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data import pictures
from ropero.data.arrays import read_npy
from ropero.errors import DataError, UsageError
from ropero.generation import masks
from ropero.generation.fillers import Pixels
from ropero.generation.masks import Known, Missing
from ropero.texts import t
from ropero.workbench.predict import LIMIT_IMAGES, STDIN, prepare, read

_NUMPY = b"\x93NUMPY"
_ARRAYS = "biuf"  # kinds of numbers that a mask may be of


@dataclass(frozen=True, eq=False, repr=False)
class Holed:
    """One picture of which pixels are missing.

    Attributes:
        given: (H, W) or (H, W, 3), uint8 or floats 0 to 1 as it came; what lies where a pixel is missing says nothing.
        known: (H, W), False where a pixel is missing.
        inverted: whether what fills it is to see light and dark exchanged.
        fitted: whether the picture had another size and was brought to this one.
        from_array: whether it came as numbers, not as a picture.
    """

    name: str
    given: NDArray[Any]
    known: Known
    inverted: bool = False
    fitted: bool = False
    from_array: bool = False

    def shown(self) -> Pixels:
        """The picture as floats 0 to 1, as what fills it sees it; missing pixels are 0."""
        scale = np.float32(255 if self.given.dtype == np.uint8 else 1)
        values = self.given.astype(np.float32) / scale
        values = 1 - values if self.inverted else values
        return np.where(self.wide, values, np.float32(0))

    @property
    def wide(self) -> Known:
        """What is known, in the picture's shape."""
        return self.known if self.given.ndim == 2 else np.broadcast_to(self.known[..., None], self.given.shape)

    def filled(self, pixels: Pixels) -> NDArray[Any]:
        """Pixels (..., H, W[, 3]) 0 to 1 that were made for `shown`, as this picture is stored; observed ones are those
        that were given, bit for bit."""
        values = 1 - pixels if self.inverted else pixels
        stored = np.rint(values * 255) if self.given.dtype == np.uint8 else values
        return np.where(self.wide, self.given, stored.astype(self.given.dtype))


def holed(
    sources: Sequence[str | NDArray[Any]],
    shape: tuple[int, ...],
    missing: Missing | None = None,
    *,
    seed: int = 0,
    stdin: bytes = b"",
    invert: str = "auto",
) -> list[Holed]:
    """Pictures, fitted into (H, W) or (H, W, 3), and arrays of one image or many, and what is missing of each.

    Missing are transparent pixels of pictures, numbers that are none (NaN) in arrays, and what `missing` says.

    Args:
        sources: names of files, pictures or .npy; or arrays themselves.
        seed: of what is missing by chance. stdin: what the name "-" stands for.
        invert: "auto" exchanges light and dark of a grey picture whose known edge is light; "yes" or "no".

    Raises:
        DataError: a file that cannot be read, or of which nothing is known.
        UsageError: nothing is missing of any.
    """
    found: list[Holed] = []
    for source in sources:
        for one in _opened(source, shape, stdin):
            known = one.known
            if missing is not None:
                known = known & missing.known(1, shape[0], shape[1], seed, first=len(found))[0]
            if not known.any():
                raise DataError(t("Nothing is known of {name}: expected a pixel at least.", name=one.name))
            inverted = invert == "yes" or (invert == "auto" and len(shape) == 2 and _light(one.given, known))
            found.append(Holed(one.name, one.given, known, inverted, one.fitted, one.from_array))
    if all(one.known.all() for one in found):
        raise UsageError(
            t("Nothing is missing in these pictures: expected transparent pixels, NaN in an array, or --missing, as in "
              "--missing half-bottom.")
        )  # fmt: skip
    return found


def _opened(source: str | NDArray[Any], shape: tuple[int, ...], stdin: bytes) -> Iterable[Holed]:
    """What one source holds, with the holes that it brings."""
    if not isinstance(source, str):
        return _arrays("array", source, shape)
    content = read(source, stdin)
    name = source.removesuffix(":") if source == STDIN else source
    if content[:6] == _NUMPY:
        return _arrays(name, read_npy(name, content), shape)
    return [_picture(name, content, shape)]


def _light(given: NDArray[Any], known: Known) -> bool:
    """Whether the known pixels of a grey picture's edge are light."""
    edge = np.zeros(known.shape, bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    seen = given[edge & known]
    return bool(len(seen) and np.median(seen) > (127 if given.dtype == np.uint8 else 0.5))


def _picture(name: str, content: bytes, shape: tuple[int, ...]) -> Holed:
    channels, height, width = 1 if len(shape) == 2 else shape[2], shape[0], shape[1]
    pixels = np.asarray(pictures.decode((name, content)))
    known = ~pictures.see_through((name, content))
    given = prepare(pixels, (channels, height, width), "no")[0]
    if pixels.shape[:2] != shape[:2]:
        # A pixel that something missing has gone into is missing.
        known = prepare(known.astype(np.uint8) * np.uint8(255), (1, height, width), "no")[0] == 255
    return Holed(name, given, known, fitted=pixels.shape[:2] != shape[:2])


def _arrays(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> Iterator[Holed]:
    """The images of an array: one or many of this shape, uint8 or floats 0 to 1, those that are none missing."""
    if array.shape[-1:] == (1,) and len(shape) == 2:
        array = array[..., 0]
    stack = array[None] if array.ndim == len(shape) else array
    good = array.dtype == np.uint8 or array.dtype.kind == "f"
    if not good or stack.shape[1:] != shape or not 0 < len(stack) <= LIMIT_IMAGES:
        raise DataError(
            t(
                "{name}: expected up to {limit} images of shape {shape} as uint8, or as floats 0 to 1 with NaN where "
                "pixels are missing, got {dtype} {got}.",
                name=name,
                limit=LIMIT_IMAGES,
                shape=shape,
                dtype=array.dtype,
                got=array.shape,
            )
        )
    for number, image in enumerate(stack):
        lost: Known = np.isnan(image) if array.dtype.kind == "f" else np.zeros(shape, bool)
        if array.dtype.kind == "f" and not ((image >= 0) & (image <= 1) | lost).all():
            raise DataError(t("{name}: expected floats from 0 to 1 or NaN, got others in image {number}.", name=name,
                              number=number))  # fmt: skip
        known: Known = np.asarray(~lost.reshape(*shape[:2], -1).any(2))
        yield Holed(name if len(stack) == 1 else f"{name}[{number}]", image, known, from_array=True)


def what(text: str) -> Missing:
    """What is missing, as `masks.parse` reads it, or from the file of a mask: a picture that is light where pixels are
    missing, or a .npy array that is true there."""
    if Path(text).suffix.lower() not in (*pictures.SUFFIXES, ".npy"):
        return masks.parse(text)
    content = read(text)
    if content[:6] != _NUMPY:
        grey = pictures.decode((text, content)).convert("L")
        return masks.masked(np.asarray(grey) > 127, text)
    array = read_npy(text, content)
    if array.dtype.kind not in _ARRAYS:
        raise DataError(t("{name}: expected a mask of booleans or numbers, got {dtype}.", name=text, dtype=array.dtype))
    return masks.masked(array != 0, text)
