"""Pictures of any kind and size, decoded safely and made one size.

Knows Pillow; knows nothing of folders, tables or labels. Nothing but pixels is kept: no location, no camera, no date.
Legend: N pictures, S the side of a square.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ropero.data.dataset import Images
from ropero.data.raw import LIMIT_BYTES, Progress
from ropero.errors import DataError, UsageError
from ropero.storage import human_bytes
from ropero.texts import t

# The formats that Pillow decodes by itself; it would start Ghostscript for others.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pnm")
MAX_PIXELS = 64_000_000  # a telephone's best camera; more is taken for a decompression bomb
KEPT_SIDE = 96  # pictures of one size up to this side are kept as they are
DEFAULT_SIDE = 64
MAX_SIDE = 1024
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")  # Pillow's modes of pictures that may be so
_ORIENTATION = 0x0112  # the EXIF tag; values from 5 up exchange width and height

# A picture to decode: its name for messages, and where its bytes are.
Source = tuple[str, Path | bytes]


@contextmanager
def _opened(source: Source) -> Iterator[Image.Image]:
    name, place = source
    try:
        with warnings.catch_warnings():
            # Pillow warns of strange metadata and of its own, larger, bound; ours decides.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(place) if isinstance(place, bytes) else place, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(
                        t(
                            "{name} has {width} x {height} pixels, more than {limit} million. Make it smaller.",
                            name=name,
                            width=image.width,
                            height=image.height,
                            limit=MAX_PIXELS // 1_000_000,
                        )
                    )
                yield image
    except (DataError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise DataError(
            t("{name} is not a picture that ropero can decode. Remove or replace it.", name=name)
        ) from error
    except Exception as error:  # a decoder may fail on a damaged file with nearly anything
        raise DataError(
            t("Cannot decode the picture {name} ({reason}). Remove or replace it.", name=name, reason=error)
        ) from error


def measure(source: Source) -> tuple[int, int]:
    """(height, width) of a picture as it is meant to be seen, from its header alone.

    Raises:
        DataError: not a picture, or one with too many pixels.
    """
    with _opened(source) as image:
        turned = False
        with suppress(Exception):  # a damaged EXIF block does not make a picture unreadable
            turned = image.getexif().get(_ORIENTATION, 1) >= 5
        return (image.width, image.height) if turned else (image.height, image.width)


def decode(source: Source, *, side: int | None = None) -> Image.Image:
    """A picture upright, in mode "L" (grey) or "RGB", transparency laid on white, 16 bits brought to 8.

    Args:
        source: name for messages, and path or bytes.
        side: the side it will be fitted to; lets JPEG skip detail that would be thrown away.

    Raises:
        DataError: it cannot be decoded, or has too many pixels.
    """
    with _opened(source) as image:
        if side:
            image.draft(None, (2 * side, 2 * side))
        image.load()
        upright = image
        with suppress(Exception):
            upright = ImageOps.exif_transpose(image)
        flat = _flatten(upright)
        return flat.copy() if flat is image else flat


def see_through(source: Source) -> NDArray[np.bool_]:
    """(height, width) of a picture upright, True where it is wholly transparent. Raises DataError as `decode`."""
    with _opened(source) as image:
        image.load()
        upright = image
        with suppress(Exception):
            upright = ImageOps.exif_transpose(image)
        if upright.mode not in _TRANSPARENT and "transparency" not in image.info:
            return np.zeros((upright.height, upright.width), bool)
        clear: NDArray[np.bool_] = np.asarray(upright.convert("RGBA").getchannel("A")) == 0
        return clear


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(np.asarray(image), image.mode))
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        opaque = Image.alpha_composite(white, layer)
        return opaque.convert("L" if image.mode in ("L", "LA", "La", "1") else "RGB")
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _eight_bits(values: NDArray[np.generic], mode: str) -> NDArray[np.uint8]:
    """Pixels of 16 or 32 bits or floats as bytes; floats are read as 0 to 1 when none is above 1, else as 0 to 255."""
    pixels = np.nan_to_num(values.astype(np.float64))
    top = float(pixels.max(initial=0))
    if mode == "F":
        pixels = pixels * 255 if top <= 1 else pixels
    elif top > 255 or mode != "I":
        pixels = pixels // 256
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


def fit(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """(S, S) or (S, S, 3): the picture as large as fits, its aspect kept, padded with the median colour of its edge."""
    scale = side / max(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    if (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    pixels = np.asarray(image)  # (height, width[, 3])
    if width == height:
        return pixels
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    canvas = np.empty((side, side, *pixels.shape[2:]), np.uint8)
    canvas[:] = np.median(edge, axis=0).astype(np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = pixels
    return canvas


def resize_all(images: Images, side: int) -> Images:
    """(N, S, S) or (N, S, S, 3): images of one size fitted to another side."""
    check_side(side)
    if images.shape[1] == images.shape[2] == side:
        return images
    _check_memory(len(images) * side * side * (1 if images.ndim == 3 else 3))
    return np.stack([fit(Image.fromarray(image), side) for image in images])


def check_side(side: int) -> None:
    """Raises UsageError for an image size that makes no sense."""
    if not 4 <= side <= MAX_SIDE:
        raise UsageError(t("Image size {size}: expected 4 to {top} pixels.", size=side, top=MAX_SIDE))


def _check_memory(size: int) -> None:
    if size > LIMIT_BYTES:
        raise DataError(
            t(
                "The pictures would take {size} of memory, more than {limit}. Choose a smaller --image-size.",
                size=human_bytes(size),
                limit=human_bytes(LIMIT_BYTES),
            )
        )


def gather(
    sources: Sequence[Source], *, image_size: int | None = None, what: str = "", progress: Progress | None = None
) -> Images:
    """All pictures as one array: (N, H, W) when all are grey, else (N, H, W, 3).

    Pictures of one size up to 96 x 96 are kept as they are when no size is asked for; all others are fitted into
    squares of `image_size`, 64 when not given. A picture in colours that are all grey counts as grey.

    Raises:
        DataError: a picture that cannot be decoded (its name is in the message), or too much for the memory.
    """
    if image_size is not None:
        check_side(image_size)
    sizes = {measure(source) for source in sources} if image_size is None else set()
    kept = len(sizes) == 1 and max(next(iter(sizes))) <= KEPT_SIDE
    side = image_size or DEFAULT_SIDE
    shape = next(iter(sizes)) if kept else (side, side)
    _check_memory(len(sources) * shape[0] * shape[1])
    images: NDArray[np.uint8] = np.empty((len(sources), *shape), np.uint8)
    for at, source in enumerate(sources):
        image = decode(source, side=None if kept else side)
        pixels = np.asarray(image) if kept else fit(image, side)
        if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
            pixels = pixels[..., 0]
        if pixels.ndim == 3 and images.ndim == 3:
            _check_memory(images.size * 3)
            colour = np.empty((*images.shape, 3), np.uint8)
            colour[:at] = images[:at, ..., None]
            images = colour
        images[at] = pixels if pixels.ndim == images.ndim - 1 else pixels[..., None]
        if progress:
            progress(what, at + 1, len(sources), "images")
    return images
