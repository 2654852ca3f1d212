"""What a Keras network ends in: whether its values are probabilities already, and which outputs are wanted of it.

Knows nothing of files (`keras_reader.py`), nor of how a list of layers becomes a network.
Legend: N images, C channels, H x W pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ropero.errors import UsageError
from ropero.export.keras_layers import Line
from ropero.models.activations import ELU, Activation, LeakyReLU, ReLU, Softmax
from ropero.models.classifier import Classifier
from ropero.models.layers import LOG_SOFTMAX, SOFTMAX, Dense, Dropout, Flatten, Layer, Reshape
from ropero.models.pooling import GlobalAveragePooling1D, GlobalAveragePooling2D
from ropero.texts import t

Columns = dict[int, Sequence[int]]  # of the last weights, which outputs they give, by the leaf's id
_IMAGES = 3
_CLOSE = 1e-4  # of a sum of probabilities to 1
_PASSING = (Dropout, Flatten, Reshape, GlobalAveragePooling1D, GlobalAveragePooling2D)  # leave a sigmoid one
_ALIKE = (*_PASSING[:2], *_PASSING[3:], Activation, ELU, LeakyReLU, ReLU, Softmax)  # do the same with every output


def chosen(lines: list[Line], classes: int, order: Sequence[int] = ()) -> tuple[list[Line], Columns]:
    """(the network with the outputs that are wanted of it, the columns of the last Dense that give them, by its leaf).

    Args:
        order: which output becomes the first, the second and so on; the first ones, as many as classes, when left out.

    Raises UsageError for an order that a network cannot be brought into, as its last weights are no Dense's.
    """
    found = _last_dense(lines)
    columns = order or range(classes)
    if found is None or found[1] <= max(columns):
        if order:
            raise UsageError(
                t("Its classes stand in another order than the data's, and its last weights are not those of a Dense "
                  "layer, whose outputs could be exchanged; give data in its order.")
            )  # fmt: skip
        return lines, {}
    place, units = found
    if len(columns) == units and list(columns) == list(range(classes)):
        return lines, {}
    last = replace(lines[place], layer=replace(lines[place].layer, units=classes))  # type: ignore[call-arg]
    return [*lines[:place], last, *lines[place + 1 :]], {id(lines[place].leaf): columns}


def _last_dense(lines: Sequence[Line]) -> tuple[int, int] | None:
    """(where the Dense stands whose outputs are the network's, each on its own way to the end, how many they are); None
    without such."""
    for place in reversed(range(len(lines))):
        layer, leaf = lines[place].layer, lines[place].leaf
        if isinstance(layer, Dense):
            once = sum(one.leaf is leaf for one in lines) == 1
            return (place, layer.units) if once and isinstance(layer.units, int) else None
        if layer.inputs or not isinstance(layer, _ALIKE):
            break
    return None


def gives_shares(model: Classifier, layers: Sequence[Layer]) -> bool:
    """Whether a network gives probabilities where logits are wanted: shares that sum to 1, or a sigmoid a class.

    Its answers to random images tell, for a softmax may stand anywhere before the end.

    Args:
        layers: the list that the network was built of, which has left away a softmax at its end.
    """
    if _softmaxes(layers) > _softmaxes(model.design):
        return False
    return are_shares(to_random(model)) or _ends_in_sigmoid(model.design)


def to_random(model: Classifier) -> Tensor:
    """What a network says to a few random images (N, K)."""
    images = torch.rand(_IMAGES, *model.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        rows: Tensor = model(images.to(model.mean.device))
    return rows


def are_shares(rows: Tensor) -> bool:
    """Whether these values (N, K) are probabilities, which sum to 1."""
    return bool((rows >= 0).all()) and bool(((rows.sum(1) - 1).abs() < _CLOSE).all())


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
