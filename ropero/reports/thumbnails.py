"""Pictures inside a page: small PNG files as data URIs. Knows nothing of what they show."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST = 112  # pixels of the longer side; what is larger is made smaller


def thumbnail(image: NDArray[np.uint8]) -> str:
    """A uint8 picture (H, W), (H, W, 1) or (H, W, 3) as a `data:image/png` URI."""
    pixels = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if max(picture.size) > LARGEST:
        picture.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
