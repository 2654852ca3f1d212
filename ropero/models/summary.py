"""A network as a Keras-style table: layer, output shape, parameters. Knows nothing of how it is printed.

A network that was built from a layer list has a line for each of its layers; any other has one for each module that
computes something. Both write shapes as Keras does, channels last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ropero.models.classifier import Classifier, count_parameters
from ropero.models.designs import parts, snake, table


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
_KERAS_KINDS = {
    "AdaptiveAvgPool2d": "GlobalAveragePooling2D",
    "AdaptiveMaxPool2d": "GlobalMaxPooling2D",
    "Affine": "Rescaling",
    "AvgPool2d": "AveragePooling2D",
    "BatchNorm1d": "BatchNormalization",
    "BatchNorm2d": "BatchNormalization",
    "Conv2d": "Conv2D",
    "Dropout2d": "SpatialDropout2D",
    "LayerNorm": "LayerNormalization",
    "Linear": "Dense",
    "MaxPool2d": "MaxPooling2D",
    "Upsample": "Resizing",
}


def summarise(model: Classifier) -> Summary:
    """The rows of a network and its totals; one that is no layer list is shown a blank image."""
    return Summary(tuple(row for row, _ in _rows(model)), *count_parameters(model))


def layers(model: Classifier) -> dict[str, nn.Module]:
    """The modules behind the rows, by the rows' names."""
    return {row.name: module for row, module in _rows(model)}


def _rows(model: Classifier) -> list[tuple[LayerRow, nn.Module]]:
    return _listed(model) if model.design else _observed(model)


def _listed(model: Classifier) -> list[tuple[LayerRow, nn.Module]]:
    lines = table(model.design, model.input_shape)
    return [
        (LayerRow(name, kind, shape, count_parameters(module)[0]), module)
        for (name, kind, shape), (_, _, module) in zip(lines, parts(model), strict=True)
    ]


def _observed(model: Classifier) -> list[tuple[LayerRow, nn.Module]]:
    """A row for each module that has no parts, or that has weights beside those of its parts.

    Weights of parts that are never called themselves are counted with the module that holds them, those of a part that
    is called twice the first time, so that all rows add up. A user's modules keep the names that their code gives
    them; the others are named as Keras does it.
    """
    calls = _calls(model)
    called = {id(module) for _, module, _ in calls}
    counted: set[int] = set()
    seen: dict[str, int] = {}
    rows: list[tuple[LayerRow, nn.Module]] = []

    def share(module: nn.Module) -> int:
        """The parameters of a module and of its parts that are not called, which no row before has."""
        if id(module) in counted:
            return 0
        counted.add(id(module))
        parts = list(module.children())
        beside = count_parameters(module)[0] - sum(count_parameters(part)[0] for part in parts)
        return beside + sum(share(part) for part in parts if id(part) not in called)

    for path, module, shape in calls:
        parameters = share(module)
        parts = any(id(part) in called for part in module.modules() if part is not module)
        if isinstance(module, nn.Identity) or (parts and not parameters):
            continue
        kind = _KERAS_KINDS.get(type(module).__name__, type(module).__name__)
        name = snake(kind)
        count = seen[name] = seen.get(name, -1) + 1
        name = f"{name}_{count}" if count else name
        if model.own_head is not None:
            name = model.own_head if path == "head" else path.removeprefix("trunk").removeprefix(".") or name
        rows.append((LayerRow(name, kind, shape, parameters), module))
    return rows


def _calls(model: Classifier) -> list[tuple[str, nn.Module, tuple[int, ...]]]:
    """(path, module, output shape as Keras writes it) of every module in the order in which they finish."""
    calls: list[tuple[str, nn.Module, tuple[int, ...]]] = []

    def note(path: str, module: nn.Module, output: Any) -> None:
        # Recurrent layers give their state too.
        first = next((one for one in (output if isinstance(output, tuple | list) else [output])), None)
        shape = tuple(first.shape[1:]) if isinstance(first, Tensor) else ()
        calls.append((path, module, (*shape[1:], shape[0]) if len(shape) == 3 else shape))

    parts = [(path, module) for path, module in model.named_modules() if module is not model]
    hooks = [
        module.register_forward_hook(lambda module, _, output, path=path: note(path, module, output))
        for path, module in parts
    ]
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *model.input_shape, device=model.mean.device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return calls
