"""A layer list: checked layer by layer, built into a `Classifier`, read from TOML, written as JSON.

The list ends with the Dense layer that gives one value a class; its softmax is part of the loss and of inference, so
"softmax" there is understood and needs no module.
Legend: H x W pixels, C channels, K classes.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from torch import nn

from ropero.errors import UsageError, did_you_mean, unknown
from ropero.models import convolutions, layers, recurrent
from ropero.models.classifier import Classifier
from ropero.models.layers import LINEAR, SOFTMAX, Activation, Dense, Layer, Shape
from ropero.texts import t

MAX_LAYERS, MAX_BYTES = 1000, 1_000_000
MAX_VALUES = 200_000_000  # numbers that a layer of a stranger's list may give for one image

LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        layers.Activation,
        recurrent.AttentionPooling,
        convolutions.AveragePooling2D,
        layers.BatchNormalization,
        recurrent.Bidirectional,
        convolutions.Conv2D,
        layers.Dense,
        convolutions.DepthwiseConv2D,
        layers.Dropout,
        layers.Flatten,
        recurrent.GRU,
        recurrent.GlobalAveragePooling1D,
        convolutions.GlobalAveragePooling2D,
        recurrent.GlobalMaxPooling1D,
        convolutions.GlobalMaxPooling2D,
        recurrent.LSTM,
        layers.LayerNormalization,
        layers.LeakyReLU,
        convolutions.MaxPooling2D,
        layers.Rescaling,
        recurrent.Rows,
        layers.Reshape,
        convolutions.Resizing,
        convolutions.SeparableConv2D,
        recurrent.SimpleRNN,
        convolutions.SpatialDropout2D,
        convolutions.ToColour,
        convolutions.UpSampling2D,
        convolutions.ZeroPadding2D,
    )
}

Design = Sequence[Layer]
EntryTable = Mapping[str, Any]


def build(design: Design, input_shape: tuple[int, int, int], classes: int, *, standardise: bool = False) -> Classifier:
    """The network of a layer list, for images (C, H, W).

    Raises:
        UsageError: a list that is empty or does not end in one value a class, or a layer that cannot take what the one
            before gives; the sentence names the layer.
    """
    design = _closed(design, classes)
    channels, height, width = input_shape
    modules: list[tuple[str, nn.Module]] = []
    for name, layer, shape in _walk(design, (height, width, channels)):
        modules.append((name, layer.module(shape)))
    trunk = nn.Sequential()
    for name, module in modules[:-1]:
        trunk.add_module(name, module)
    model = Classifier(trunk, modules[-1][1], input_shape, standardise=standardise)
    model.design = tuple(design)
    model.peak = max([math.prod(input_shape), *(math.prod(shape) for _, _, shape in table(design, input_shape))])
    return model


def table(design: Design, input_shape: tuple[int, int, int]) -> list[tuple[str, str, Shape]]:
    """(name, Keras kind, output shape) of every layer, for images (C, H, W)."""
    channels, height, width = input_shape
    walked = _walk(design, (height, width, channels))
    return [(name, type(layer).__name__, layer.output(shape)) for name, layer, shape in walked]


def _walk(design: Design, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
    """(name, layer, its input's shape) in order, each layer asked whether it can take it."""
    seen: dict[str, int] = {}
    for position, layer in enumerate(design, 1):
        kind = type(layer).__name__
        try:
            layer.check(shape)
            after = layer.output(shape)
            if any(side < 1 for side in after) or math.prod(after) > MAX_VALUES:
                raise UsageError(t("would give {shape}.", shape=after))
            activation = getattr(layer, "activation", LINEAR)
            layers.activation_module(activation)
        except UsageError as error:
            raise UsageError(
                t("Layer {position} ({kind}): {reason}", position=position, kind=kind, reason=error)
            ) from None
        name = _snake(kind)
        count = seen[name] = seen.get(name, -1) + 1
        yield (f"{name}_{count}" if count else name), layer, shape
        shape = after


def _closed(design: Design, classes: int) -> list[Layer]:
    """The list with its last layer as logits of K classes."""
    if not design:
        raise UsageError(t("The network has no layers; it should end with Dense, one unit a class."))
    closed = list(design)
    if isinstance(closed[-1], Activation) and closed[-1].activation in (SOFTMAX, LINEAR) and len(closed) > 1:
        closed.pop()
    last = closed[-1]
    if not isinstance(last, Dense):
        raise UsageError(
            t(
                "The last layer should be Dense, one unit a class, but is {kind}; add Dense with activation softmax.",
                kind=type(last).__name__,
            )
        )
    if last.units not in (None, classes):
        raise UsageError(
            t(
                "The last layer gives {units} values, but the data have {classes} classes; leave its units out, and it "
                "gives one a class.",
                units=last.units,
                classes=classes,
            )
        )
    if last.activation not in (LINEAR, SOFTMAX):
        raise UsageError(
            t("The last layer's activation should be softmax, got {activation!r}.", activation=last.activation)
        )
    closed[-1] = replace(last, units=classes, activation=LINEAR)
    return closed


def read_toml(path: Path) -> list[Layer]:
    """The layer list of a TOML file: a table `[[layers]]` for each layer, with `type` and the Keras layer's options.

    Raises UsageError for a file that is missing, too large or something else; the sentence names the layer.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(t("{path} is too large for a list of layers.", path=path))
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UsageError(t("There is no file {path}.", path=path)) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(t("Cannot read {path}: {reason}", path=path, reason=error)) from error
    for name in content:
        if name != "layers":
            raise UsageError(t("Unknown option {name!r}.", name=name) + did_you_mean(name, ["layers"]))
    entries = content.get("layers")
    if not isinstance(entries, list) or not entries:
        raise UsageError(
            t(
                '{path} should hold a list of layers, each as [[layers]] with type = "Dense" or another of {known}.',
                path=path,
                known=", ".join(LAYERS),
            )
        )
    return from_json(entries)


def from_json(entries: Iterable[EntryTable]) -> list[Layer]:
    """Layers of what `to_json` wrote or TOML holds. Raises UsageError; the sentence names the layer."""
    found: list[Layer] = []
    for position, entry in enumerate(entries, 1):
        if position > MAX_LAYERS:
            raise UsageError(t("A network may have {n} layers at most.", n=MAX_LAYERS))
        try:
            found.append(_layer(entry))
        except UsageError as error:
            raise UsageError(t("Layer {position}: {reason}", position=position, reason=error)) from None
    return found


def to_json(design: Design) -> list[dict[str, Any]]:
    """The list as JSON objects, options at their defaults left out."""
    return [_entry(layer) for layer in design]


def _entry(layer: Layer) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": type(layer).__name__}
    for one in _options(type(layer)):
        value = getattr(layer, one.name)
        if value != one.default or isinstance(value, Layer):
            entry[one.name] = _entry(value) if isinstance(value, Layer) else value
    return entry


def _layer(entry: object, depth: int = 0) -> Layer:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
        raise UsageError(t('a layer needs its type, such as type = "Dense".'))
    kind = entry["type"]
    if kind not in LAYERS:
        raise unknown(t("layer"), kind, LAYERS)
    options = {one.name: one for one in _options(LAYERS[kind])}
    hints = get_type_hints(LAYERS[kind])
    values: dict[str, Any] = {}
    for name, value in entry.items():
        if name == "type":
            continue
        if name not in options:
            raise UsageError(
                t("{kind} has no option {name!r}.", kind=kind, name=name)
                + did_you_mean(name, options)
                + " "
                + t("Known: {known}.", known=", ".join(options) or "-")
            )
        if name == "layer" and depth == 0:
            values[name] = _layer(value, depth + 1)
        else:
            values[name] = _fitted(name, hints[name], value)
    return LAYERS[kind](**values)


def _options(kind: type[Layer]) -> tuple[dataclasses.Field[Any], ...]:
    return fields(kind)  # type: ignore[arg-type]  # every layer is a dataclass


def _fitted(name: str, hint: Any, value: Any) -> Any:
    """The value as the option's type wants it. Raises UsageError when it cannot be."""
    kinds: tuple[Any, ...] = get_args(hint) if not isinstance(hint, type) else (hint,)
    if get_args(hint) and getattr(hint, "__origin__", None) is tuple:
        kinds = (hint,)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    for kind in kinds:
        if kind is float and (is_whole or isinstance(value, float)):
            return float(value)
        if kind is int and is_whole:
            return value
        if kind in (str, bool) and isinstance(value, kind):
            return value
        if getattr(kind, "__origin__", None) is tuple and isinstance(value, list | tuple):
            sides = tuple(value)
            length = 2 if Ellipsis not in get_args(kind) else len(sides)
            if len(sides) == length and all(isinstance(side, int) and not isinstance(side, bool) for side in sides):
                return sides
    shown: Callable[[Any], str] = lambda kind: str(getattr(kind, "__name__", kind))  # noqa: E731
    expected = ", ".join(shown(kind) for kind in kinds if kind is not type(None))
    raise UsageError(t("{name} should be of type {kind}, got {value!r}.", name=name, kind=expected, value=value))


def _snake(kind: str) -> str:
    """Keras's own way from a layer's kind to its name: Conv2D -> conv2d, BatchNormalization -> batch_normalization."""
    parts = ""
    for before, letter in zip(" " + kind, kind, strict=False):
        parts += ("_" if letter.isupper() and before.islower() else "") + letter.lower()
    return parts
