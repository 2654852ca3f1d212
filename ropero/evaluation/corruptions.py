"""What happens to pictures in the world, at five severities: noise, blur, light, place, shape, things in the way.

After Hendrycks and Dietterich (2019, arXiv 1903.12261) and, for images this small, Mu and Gilmer's MNIST-C (2019,
arXiv 1906.02337); lengths are shares of the image's side, so that any size is changed alike.
Knows nothing of networks. Legend: N images, H x W pixels, C channels. Images are uint8, (N, H, W) or (N, H, W, C).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ropero.data.augment import Moves, move
from ropero.data.batches import channels_first
from ropero.data.dataset import Images
from ropero.runtime import mix_seed
from ropero.texts import mark

Floats = NDArray[np.float32]
Change = Callable[[Images, float, np.random.Generator], NDArray[Any]]
SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """A change of images and how strong it is at each severity, in the unit that `unit` names."""

    change: Change
    strengths: tuple[float, float, float, float, float]
    unit: str


def corrupted(kind: str, images: Images, severity: int, seed: int = 0) -> Images:
    """The images under a corruption; the same seed gives the same ones.

    Args:
        severity: 1 (slight) to 5 (heavy).
    """
    one = CORRUPTIONS[kind]
    # Not of the severity: what is random falls alike, only stronger.
    rng = np.random.default_rng(mix_seed("corruptions", kind, seed))
    changed = one.change(images, one.strengths[severity - 1], rng)
    found: Images = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return found


def _gaussian_noise(images: Images, strength: float, rng: np.random.Generator) -> Floats:
    return images + np.float32(255 * strength) * rng.standard_normal(images.shape, np.float32)


def _shot_noise(images: Images, strength: float, rng: np.random.Generator) -> Floats:
    return (rng.poisson(images / 255 * strength) * (255 / strength)).astype(np.float32)


def _impulse_noise(images: Images, strength: float, rng: np.random.Generator) -> Images:
    drawn = rng.random(images.shape, np.float32)
    return np.where(drawn < strength / 2, 0, np.where(drawn > 1 - strength / 2, 255, images)).astype(np.uint8)


def _blur(images: Images, strength: float, rng: np.random.Generator) -> Images:  # noqa: ARG001, one face for all
    kernel = ImageFilter.GaussianBlur(strength * _side(images))
    return np.stack([np.asarray(Image.fromarray(one).filter(kernel)) for one in images])


def _motion(images: Images, strength: float, rng: np.random.Generator) -> Floats:
    """Moved in a straight line of any direction while the picture was taken."""
    angles, length, steps = rng.uniform(0, np.pi, len(images)), strength * _side(images), 9
    total = np.zeros(images.shape, np.float32)
    for share in np.linspace(-0.5, 0.5, steps):
        total += _moved(images, tx=share * length * np.cos(angles), ty=share * length * np.sin(angles))
    return total / np.float32(steps)


def _pixelate(images: Images, strength: float, rng: np.random.Generator) -> Images:  # noqa: ARG001
    height, width = images.shape[1:3]
    small = (max(1, round(width * strength)), max(1, round(height * strength)))
    made = (Image.fromarray(one).resize(small, Image.Resampling.BOX) for one in images)
    return np.stack([np.asarray(one.resize((width, height), Image.Resampling.NEAREST)) for one in made])


def _jpeg(images: Images, strength: float, rng: np.random.Generator) -> Images:  # noqa: ARG001
    return np.stack([_through_jpeg(one, int(strength)) for one in images])


def _through_jpeg(image: Images, quality: int) -> Images:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    file.seek(0)
    return np.asarray(Image.open(file, formats=("JPEG",)))


def _contrast(images: Images, strength: float, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    means = images.mean(axis=tuple(range(1, images.ndim)), keepdims=True, dtype=np.float32)
    found: Floats = (images - means) * np.float32(strength) + means
    return found


def _brightness(images: Images, strength: float, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    return images + np.float32(255 * strength)


def _darkness(images: Images, strength: float, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    return images * np.float32(strength)


def _shade(images: Images, strength: float, rng: np.random.Generator) -> Floats:
    """Light that falls in from one side and brightens what is there, the ground included."""
    height, width = images.shape[1:3]
    angles = rng.uniform(0, 2 * np.pi, (len(images), 1, 1))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = (np.cos(angles) * x + np.sin(angles) * y) / (np.abs(np.cos(angles)) + np.abs(np.sin(angles)))
    light = (255 * strength * (light + 1) / 2).astype(np.float32)
    found: Floats = images + (light[..., None] if images.ndim == 4 else light)
    return found


def _inversion(images: Images, strength: float, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    return images * np.float32(1 - strength) + (255 - images) * np.float32(strength)


def _shift(images: Images, strength: float, rng: np.random.Generator) -> Floats:
    angles, length = rng.uniform(0, 2 * np.pi, len(images)), strength * _side(images)
    return _moved(images, tx=length * np.cos(angles), ty=length * np.sin(angles))


def _rotation(images: Images, strength: float, rng: np.random.Generator) -> Floats:
    return _moved(images, theta=strength * _signs(images, rng))


def _shear(images: Images, strength: float, rng: np.random.Generator) -> Floats:
    return _moved(images, shear=strength * _signs(images, rng))


def _scale(images: Images, strength: float, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    factor = np.full(len(images), 1 / strength)
    return _moved(images, zx=factor, zy=factor)


def _occlusion(images: Images, strength: float, rng: np.random.Generator) -> Images:
    """A grey square somewhere within the picture."""
    height, width = images.shape[1:3]
    side = max(1, round(strength * _side(images)))
    found = images.copy()
    tops, lefts = rng.random((2, len(images)))  # the same place at every severity
    for one, top, left in zip(found, tops, lefts, strict=True):
        y, x = round(top * (height - min(side, height))), round(left * (width - min(side, width)))
        one[y : y + side, x : x + side] = 128
    return found


def _side(images: Images) -> int:
    return int(min(images.shape[1:3]))


def _signs(images: Images, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.where(rng.random(len(images)) < 0.5, -1.0, 1.0)


def _moved(images: Images, **moves: NDArray[np.float64]) -> Floats:
    """Moved about their middle; what comes in at the edges is black, as the ground of the home data set is."""
    still = {name: np.zeros(len(images)) for name in ("theta", "tx", "ty", "shear")}
    stretched = {name: np.ones(len(images)) for name in ("zx", "zy")}
    pixels = move(channels_first(images), Moves(**{**still, **stretched, **moves}), fill="constant").numpy()
    found: Floats = pixels[:, 0] if images.ndim == 3 else pixels.transpose(0, 2, 3, 1)
    return found


CORRUPTIONS: dict[str, Corruption] = {
    mark("gaussian noise"): Corruption(_gaussian_noise, (0.04, 0.08, 0.12, 0.18, 0.26), mark("standard deviation")),
    mark("shot noise"): Corruption(_shot_noise, (60, 25, 12, 5, 3), mark("photons a pixel of full light")),
    mark("impulse noise"): Corruption(_impulse_noise, (0.02, 0.05, 0.09, 0.16, 0.25), mark("share of pixels")),
    mark("blur"): Corruption(_blur, (0.02, 0.035, 0.05, 0.065, 0.085), mark("radius, share of the side")),
    mark("motion blur"): Corruption(_motion, (0.08, 0.14, 0.2, 0.28, 0.36), mark("length, share of the side")),
    mark("pixelation"): Corruption(_pixelate, (0.75, 0.6, 0.5, 0.38, 0.27), mark("share of the resolution")),
    mark("jpeg"): Corruption(_jpeg, (60, 35, 20, 10, 5), mark("quality")),
    mark("contrast"): Corruption(_contrast, (0.7, 0.5, 0.35, 0.22, 0.12), mark("share of the contrast")),
    mark("brightness"): Corruption(_brightness, (0.08, 0.16, 0.25, 0.36, 0.5), mark("share of white added")),
    mark("darkness"): Corruption(_darkness, (0.8, 0.6, 0.45, 0.3, 0.18), mark("share of the light")),
    mark("light from a side"): Corruption(_shade, (0.12, 0.25, 0.4, 0.6, 0.85), mark("share of white added")),
    mark("inversion"): Corruption(_inversion, (0.1, 0.2, 0.35, 0.7, 1.0), mark("share of the negative")),
    mark("shift"): Corruption(_shift, (0.04, 0.08, 0.13, 0.18, 0.25), mark("share of the side")),
    mark("rotation"): Corruption(_rotation, (6, 12, 20, 32, 50), mark("degrees")),
    mark("shear"): Corruption(_shear, (7, 14, 22, 32, 44), mark("degrees")),
    mark("scale"): Corruption(_scale, (0.92, 0.83, 0.73, 0.62, 0.5), mark("share of the size")),
    mark("occlusion"): Corruption(_occlusion, (0.14, 0.21, 0.29, 0.39, 0.5), mark("share of the side")),
}
