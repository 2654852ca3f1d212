"""What a Keras network ends in: whether its values are probabilities already, and which outputs are wanted of it.

Knows nothing of files (`keras_reader.py`), nor of how a list of layers becomes a network.
Legend: N images, C channels, H x W pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from ropero.export.keras_layers import Line
from ropero.models.activations import Activation, Softmax
from ropero.models.classifier import Classifier
from ropero.models.layers import LOG_SOFTMAX, SOFTMAX, Dense, Dropout, Flatten, Layer, Reshape
from ropero.models.pooling import GlobalAveragePooling1D, GlobalAveragePooling2D

_IMAGES = 3
_CLOSE = 1e-4  # of a sum of probabilities to 1
_PASSING = (Dropout, Flatten, Reshape, GlobalAveragePooling1D, GlobalAveragePooling2D)  # leave a sigmoid one


def cut(lines: list[Line], classes: int) -> list[Line]:
    """The network without its outputs beyond the classes, where its last weights are those of a Dense."""
    place = next((at for at in reversed(range(len(lines))) if lines[at].leaf is not None), 0)
    last = lines[place].layer if lines else None
    if isinstance(last, Dense) and last.units is not None and last.units > classes:
        shorter = Line(replace(last, units=classes), lines[place].leaf)
        return [*lines[:place], shorter, *lines[place + 1 :]]
    return lines


def gives_shares(model: Classifier, layers: Sequence[Layer]) -> bool:
    """Whether a network gives probabilities where logits are wanted: shares that sum to 1, or a sigmoid a class.

    Its answers to random images tell, for a softmax may stand anywhere before the end.

    Args:
        layers: the list that the network was built of, which has left away a softmax at its end.
    """
    if _softmaxes(layers) > _softmaxes(model.design):
        return False
    images = torch.rand(_IMAGES, *model.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        rows = model(images)  # (N, K)
    if bool((rows >= 0).all()) and bool(((rows.sum(1) - 1).abs() < _CLOSE).all()):
        return True
    return _ends_in_sigmoid(model.design)


def _softmaxes(layers: Sequence[Layer]) -> int:
    softs = (SOFTMAX, LOG_SOFTMAX)
    return sum(isinstance(one, Softmax) or getattr(one, "activation", "") in softs for one in layers)


def _ends_in_sigmoid(layers: Sequence[Layer]) -> bool:
    """Whether behind a sigmoid stands only what lays its values otherwise."""
    for layer in reversed(layers):
        if not isinstance(layer, _PASSING):
            return isinstance(layer, Activation | Dense) and layer.activation == "sigmoid"
        if layer.inputs:  # it takes another layer than the one before it
            break
    return False
