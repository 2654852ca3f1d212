"""Pictures out of a trained generator: by seed, between two of them, and along a way that comes back to its beginning.

A picture is its seed: the same number gives the same latent values, whatever is made beside it. Knows nothing of
folders or names of classes.
Legend: N pictures, Z latent values in the shape that the kind has, S steps, C channels, H x W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ropero.data.batches import in_chunks
from ropero.data.dataset import Images
from ropero.generation.learner import Learner
from ropero.runtime import mix_seed

CHUNK = 100  # pictures at once

Told = Callable[[int, int], None]  # how many pictures are made, of how many
Classes = Sequence[int] | NDArray[np.int64]


def latents(learner: Learner, seeds: Sequence[int]) -> Tensor:
    """(N, Z): the latent values of each seed."""
    drawn = [learner.draw(1, torch.Generator().manual_seed(mix_seed("garment", int(seed)))) for seed in seeds]
    return torch.cat(drawn)


def images(learner: Learner, latent: Tensor, classes: Classes | None = None, told: Told | None = None) -> Images:
    """What latent values (N, Z) become: (N, H, W) or (N, H, W, 3) uint8, as a Dataset holds them.

    Args:
        classes: (N,) that are wanted, for a generator that can be asked.
    """
    return _bytes(_pictures(learner, latent, classes, told))


def _pictures(learner: Learner, latent: Tensor, classes: Classes | None, told: Told | None = None) -> Tensor:
    """(N, C, H, W) in [0, 1]."""
    wanted = None if classes is None else torch.as_tensor(np.asarray(classes, np.int64)).to(latent.device)
    found = []
    for part in in_chunks(len(latent), CHUNK):
        found.append(learner.pictures(latent[part], None if wanted is None else wanted[part]).float().cpu())
        if told:
            told(part.stop, len(latent))
    return torch.cat(found)


def _bytes(pictures: Tensor) -> Images:
    pixels = pictures.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()  # (N, C, H, W)
    return pixels[:, 0] if pixels.shape[1] == 1 else np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))


def seeded(learner: Learner, seeds: Sequence[int], classes: Classes | None = None, told: Told | None = None) -> Images:
    """The pictures of these seeds, of these classes."""
    return images(learner, latents(learner, seeds), classes, told)


def between(learner: Learner, ends: tuple[int, int], classes: tuple[int, int] | None = None, steps: int = 10) -> Images:
    """(S, H, W[, 3]): from the picture of one seed to that of another, both included.

    The latent values go along the sphere, as all that are likely lie near it (White 2016, arXiv 1609.04468). Of two
    classes both are made on the whole way, and one is faded into the other.
    """
    shares = torch.linspace(0, 1, steps)
    first, second = latents(learner, ends)
    way = torch.stack([_along(first, second, float(share)) for share in shares])
    if classes is None:
        return images(learner, way)
    one, other = (_pictures(learner, way, [name] * steps) for name in classes)
    weight = shares.view(-1, 1, 1, 1)
    return _bytes(one if classes[0] == classes[1] else (1 - weight) * one + weight * other)


def _along(first: Tensor, second: Tensor, share: float) -> Tensor:
    """The point (Z) at this share of the way along the sphere; along the line where both lie in one direction."""
    one, other = first.flatten().double(), second.flatten().double()
    cosine = float((one @ other / (one.norm() * other.norm()).clamp_min(1e-12)).clamp(-1, 1))
    angle = math.acos(cosine)
    if math.sin(angle) < 1e-6:
        return torch.lerp(first, second, share)
    weights = math.sin((1 - share) * angle) / math.sin(angle), math.sin(share * angle) / math.sin(angle)
    return (weights[0] * first + weights[1] * second).to(first.dtype)


def walk(
    learner: Learner, seeds: Sequence[int], steps: int, classes: Classes | None = None, told: Told | None = None
) -> Images:
    """(S, N, H, W[, 3]): garments that change all the while and end as they began, the first of each that of its seed.

    Each goes round a circle of its own, cos a z + sin a z' with other latent values z': on all of it the values are
    distributed as those that were drawn, so no picture is likelier than another.
    """
    first, other = latents(learner, seeds), latents(learner, [mix_seed("walk", int(seed)) for seed in seeds])
    angles = [2 * math.pi * step / steps for step in range(steps)]
    way = torch.cat([math.cos(angle) * first + math.sin(angle) * other for angle in angles])  # (S N, Z)
    wanted = None if classes is None else np.tile(np.asarray(classes, np.int64), steps)
    found = images(learner, way, wanted, told)
    return found.reshape(steps, len(seeds), *found.shape[1:])
