"""Images that show none of the classes, made of nothing or of garments, to measure by how well such are told apart.

Knows nothing of networks. Legend: N images, H x W pixels, C channels. All images are uint8, (N, H, W) or (N, H, W, C).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ropero.data.dataset import Images
from ropero.runtime import mix_seed
from ropero.texts import mark

Maker = Callable[[Images, np.random.Generator], Images]


def made(kind: str, garments: Images, seed: int = 0) -> Images:
    """As many images of a kind, and of the size, as there are garments; the same seed makes the same ones."""
    return KINDS[kind](garments, np.random.default_rng(mix_seed("outliers", kind, seed)))


def _rotated(garments: Images, rng: np.random.Generator) -> Images:
    """Garments that lie on their side or stand on their head; turned about their middle where they are not square."""
    turns = rng.integers(1, 4, len(garments))
    found = garments.copy()
    for quarter in (1, 2, 3):
        chosen = turns == quarter
        if garments.shape[1] == garments.shape[2] or quarter == 2:
            found[chosen] = np.rot90(garments[chosen], quarter, axes=(1, 2))
        else:
            found[chosen] = np.stack([_fitted_turn(one, quarter) for one in garments[chosen]]) if chosen.any() else 0
    return found


def _fitted_turn(image: Images, quarter: int) -> Images:
    turned = Image.fromarray(image).rotate(90 * quarter, expand=True)
    return np.asarray(turned.resize((image.shape[1], image.shape[0]), Image.Resampling.BILINEAR))


def _inverted(garments: Images, rng: np.random.Generator) -> Images:  # noqa: ARG001, one face for all makers
    """Light and dark exchanged."""
    return 255 - garments


def _blank(garments: Images, rng: np.random.Generator) -> Images:
    """One even shade each, from black to white."""
    shades = rng.integers(0, 256, (len(garments), 1, 1, *garments.shape[3:]), dtype=np.uint8)
    return np.broadcast_to(shades, garments.shape).copy()


def _noise(garments: Images, rng: np.random.Generator) -> Images:
    """Every pixel any value."""
    return rng.integers(0, 256, garments.shape, dtype=np.uint8)


def _clouds(garments: Images, rng: np.random.Generator) -> Images:
    """Noise made smooth and stretched from black to white: shapes without meaning."""
    radius = max(garments.shape[1:3]) / 12
    found = np.empty_like(garments)
    for number, one in enumerate(_noise(garments, rng)):
        smooth = np.asarray(Image.fromarray(one).filter(ImageFilter.GaussianBlur(radius)), np.float32)
        low, high = smooth.min(), smooth.max()
        found[number] = np.round(255 * (smooth - low) / max(high - low, 1.0))
    return found


def _shuffled(garments: Images, rng: np.random.Generator) -> Images:
    """A garment's own pixels in any order."""
    flat = garments.reshape(len(garments), -1, *garments.shape[3:])
    order = rng.permuted(np.tile(np.arange(flat.shape[1]), (len(flat), 1)), axis=1)
    return np.stack([one[places] for one, places in zip(flat, order, strict=True)]).reshape(garments.shape)


def _digits(garments: Images, rng: np.random.Generator) -> Images:
    """Digits, light on black as in MNIST: of any thickness, slanted and off the middle a little."""
    return np.stack([_digit(garments.shape[1:], rng) for _ in garments])


def _digit(shape: tuple[int, ...], rng: np.random.Generator) -> Images:
    height, width = shape[:2]
    scale = 4  # drawn large and made small, as a scan would
    side = scale * min(height, width)
    canvas = Image.new("L", (scale * width, scale * height))
    font = ImageFont.load_default(side * rng.uniform(0.75, 1.0))
    stroke = int(side * rng.uniform(0.0, 0.035))
    x, y = (scale * length / 2 + side * rng.uniform(-0.06, 0.06) for length in (width, height))
    text = str(rng.integers(0, 10))
    ImageDraw.Draw(canvas).text((x, y), text, fill=255, font=font, anchor="mm", stroke_width=stroke, stroke_fill=255)
    slant, middle = np.tan(np.deg2rad(rng.uniform(-20, 20))), canvas.height / 2
    canvas = canvas.transform(canvas.size, Image.Transform.AFFINE, (1, slant, -slant * middle, 0, 1, 0))
    canvas = canvas.rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR)
    drawn: NDArray[np.uint8] = np.asarray(canvas.resize((width, height), Image.Resampling.BOX))
    return np.repeat(drawn[..., None], 3, axis=2) if len(shape) == 3 else drawn


KINDS: dict[str, Maker] = {
    mark("digits"): _digits,
    mark("noise"): _noise,
    mark("clouds"): _clouds,
    mark("blank"): _blank,
    mark("inverted"): _inverted,
    mark("rotated"): _rotated,
    mark("shuffled"): _shuffled,
}
