"""A network as a Keras-style table: layer, output shape, parameters. Knows nothing of how it is printed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ropero.models.classifier import Classifier, count_parameters


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


def summarise(model: Classifier) -> Summary:
    """Run one blank image through the network and note what every leaf layer gives."""
    rows: list[LayerRow] = []

    def note(name: str, layer: nn.Module, output: Tensor) -> None:
        rows.append(LayerRow(name, type(layer).__name__, tuple(output.shape[1:]), count_parameters(layer)[0]))

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
    return Summary(tuple(rows), *count_parameters(model))
