"""Logits and features of many images, in batches, without gradients.

Legend: N images, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ropero.data.batches import channels_first, chunk_size, in_chunks, to_unit
from ropero.data.dataset import Images
from ropero.models import codes
from ropero.models.classifier import Classifier
from ropero.models.codes import Told
from ropero.runtime import keep_freed_memory

Floats = NDArray[np.float32]


def logits(model: Classifier, images: Images) -> Floats:
    """(N, K) float32, in fp32 whatever the training's precision was: a run's figures do not depend on rounding."""
    return _of_images(model, model.forward, images)


def features(model: Classifier, images: Images) -> Floats:
    """(N, D) float32, the activations before the head."""
    return _of_images(model, model.features, images)


def answers(
    model: Classifier, images: Images, narrow: Callable[[Floats], Floats], told: Told | None = None
) -> tuple[Floats, Floats]:
    """Features (N, D) and logits (N, K) in one pass, both float32.

    What a frozen base makes of the images is taken from the cache, and kept there where it lacks.

    Args:
        narrow: makes the features of a batch (n, D) smaller, as 60,000 of a wide network would fill the memory.
        told: is told how far a frozen base has come; it may take hours.
    """
    wide: list[Floats] = []

    def ask(seen: Tensor) -> Tensor:
        found: Tensor = model.trunk(seen)
        wide.append(narrow(found.float().cpu().numpy()))
        logits: Tensor = model.head(found)
        return logits

    if model.base is None:
        said = _of_images(model, lambda pixels: ask(model.encode(pixels)), images)
    else:
        codes.fill(model, [images], told)
        found = codes.look_up(model, images)
        said = _in_batches(model, ask, len(images), lambda part: found.take(part).to(model.mean.device))
    return np.concatenate(wide), said


def probabilities(model: Classifier, images: Images) -> Floats:
    """(N, K) float32 rows that sum to 1."""
    return softmax(logits(model, images))


def softmax(values: Floats) -> Floats:
    """Logits (N, K) -> probabilities (N, K), computed in float64 so that rows sum to 1 to the last bit."""
    wide = values.astype(np.float64)
    shifted = np.exp(wide - wide.max(axis=1, keepdims=True))
    shares: Floats = (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _of_images(model: Classifier, ask: Callable[[Tensor], Tensor], images: Images) -> Floats:
    device = model.mean.device
    return _in_batches(model, ask, len(images), lambda part: to_unit(channels_first(images[part]).to(device)))


def _in_batches(
    model: Classifier, ask: Callable[[Tensor], Tensor], count: int, give: Callable[[slice], Tensor]
) -> Floats:
    was_training = model.training
    model.eval()
    keep_freed_memory()  # or a picture takes twice its time
    size = chunk_size(model.peak, model.mean.device.type)
    try:
        with torch.inference_mode():
            parts = [ask(give(part)).float().cpu().numpy() for part in in_chunks(count, size)]
    finally:
        model.train(was_training)
    return np.concatenate(parts)
