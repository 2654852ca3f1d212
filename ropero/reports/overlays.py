"""A picture with a map of what speaks for a class laid over it. Knows nothing of how the map was made.

Legend: H x W pixels.
"""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

SIDE = 112  # of the picture, so that the map is smooth over large pixels
STRENGTH = 0.85  # opacity where the map is highest
FULL = 0.97  # quantile of the map from which on it is shown at its strongest
GROUND = 0.55  # brightness of the picture below, so that the colours are seen on white garments too


def overlay(image: NDArray[np.uint8], places: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H', W', 3) uint8: the picture in grey below the positive part of a map (H, W), from black-blue to yellow.

    cividis tells its steps apart by lightness, for every kind of colour blindness (Nunez et al. 2018).
    """
    picture = Image.fromarray(image).convert("L")
    scale = max(1, round(SIDE / max(picture.size)))
    size = (picture.width * scale, picture.height * scale)
    grey = np.asarray(picture.resize(size, Image.Resampling.NEAREST), np.float32) / 255
    positive = np.maximum(places, 0)
    # Of pixels alone a few are far above the rest: scaled by the highest, one would see nothing but those.
    positive = np.minimum(positive / max(float(np.quantile(positive, FULL)), float(positive.max()) / 5, 1e-12), 1)
    smooth = np.asarray(Image.fromarray(positive.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
    colour = colormaps["cividis"](np.clip(smooth, 0, 1))[..., :3]
    opacity = (STRENGTH * np.clip(smooth, 0, 1))[..., None]
    mixed = (1 - opacity) * (GROUND * grey[..., None]) + opacity * colour
    found: NDArray[np.uint8] = np.rint(255 * mixed).astype(np.uint8)
    return found
