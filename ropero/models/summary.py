"""A network as a Keras-style table: layer, output shape, parameters. Knows nothing of how it is printed.

A network that was built from a layer list has a line for each of its layers; any other has one for each module that
computes something. Both write shapes as Keras does, channels last.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ropero.models.classifier import Classifier, count_parameters
from ropero.models.designs import table


@dataclass(frozen=True)
class LayerRow:
    """One layer that computes something: its place in the network, its kind, output shape without N, parameters."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Summary:
    """All layers in the order in which they run, and totals as Keras counts them."""

    rows: tuple[LayerRow, ...]
    total: int
    trainable: int


# What torch calls what Keras calls otherwise.
_KERAS_NAMES = {
    "Conv2d": "Conv2D",
    "Linear": "Dense",
    "BatchNorm1d": "BatchNormalization",
    "BatchNorm2d": "BatchNormalization",
    "LayerNorm": "LayerNormalization",
    "MaxPool2d": "MaxPooling2D",
    "AvgPool2d": "AveragePooling2D",
    "AdaptiveMaxPool2d": "GlobalMaxPooling2D",
    "AdaptiveAvgPool2d": "GlobalAveragePooling2D",
    "Dropout2d": "SpatialDropout2D",
    "Upsample": "Resizing",
}


def summarise(model: Classifier) -> Summary:
    """The rows of a network and its totals; a hand-written one is shown a blank image."""
    rows = _listed(model) if model.design else _observed(model)
    return Summary(tuple(rows), *count_parameters(model))


def _listed(model: Classifier) -> list[LayerRow]:
    modules = [*model.trunk.children(), model.head]
    lines = table(model.design, model.input_shape)
    return [
        LayerRow(name, kind, shape, count_parameters(module)[0])
        for (name, kind, shape), module in zip(lines, modules, strict=True)
    ]


def _observed(model: Classifier) -> list[LayerRow]:
    rows: list[LayerRow] = []

    def note(name: str, layer: nn.Module, output: Tensor) -> None:
        shape = tuple(output.shape[1:])
        shape = (*shape[1:], shape[0]) if len(shape) == 3 else shape
        kind = type(layer).__name__
        rows.append(LayerRow(name, _KERAS_NAMES.get(kind, kind), shape, count_parameters(layer)[0]))

    hooks = [
        layer.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
        for name, layer in model.named_modules()
        if not list(layer.children())
    ]
    was_training = model.training
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, *model.input_shape, device=model.mean.device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return rows
