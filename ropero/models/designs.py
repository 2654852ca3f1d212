"""A layer list: checked layer by layer, built into a `Classifier`, read from TOML, written as JSON.

The list ends with the Dense layer that gives one value a class; its softmax is part of the loss and of inference, so
"softmax" there is understood and needs no module.
Legend: H x W pixels, C channels, K classes.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import torch
from torch import nn

from ropero.errors import UsageError, did_you_mean
from ropero.models import convolutions, layers, recurrent
from ropero.models.classifier import Classifier
from ropero.models.layers import LINEAR, SOFTMAX, Activation, Dense, Layer, Shape
from ropero.models.spelling import layer_guess, option_guess
from ropero.storage import human_bytes
from ropero.texts import t
from ropero.texts.numbers import whole

# What a list may ask for, whoever wrote it: refused by a sentence before any memory is taken.
MAX_LAYERS, MAX_BYTES = 1000, 200_000
MAX_NUMBER = 1_000_000  # of any option
MAX_VALUES = 100_000_000  # numbers that a layer holds for one image: 400 MB
MAX_PARAMETERS = 500_000_000  # 2 GB of weights, 8 GB while Adam trains them
SHOWN = 60  # characters of a wrong value that a sentence repeats

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
        UsageError: a list that is empty, too large, or does not end in one value a class, or a layer that cannot take
            what the one before gives; the sentence names the layer.
    """
    design = _closed(design, classes)
    channels, height, width = input_shape
    steps = list(_walk(design, (height, width, channels)))
    _weigh(steps)
    modules = [(step.name, step.layer.module(step.before)) for step in steps]
    trunk = nn.Sequential()
    for name, module in modules[:-1]:
        trunk.add_module(name, module)
    model = Classifier(trunk, modules[-1][1], input_shape, standardise=standardise)
    model.design = tuple(design)
    model.peak = max(math.prod(input_shape), *(step.layer.work(step.before) for step in steps))
    return model


def table(design: Design, input_shape: tuple[int, int, int]) -> list[tuple[str, str, Shape]]:
    """(name, Keras kind, output shape) of every layer, for images (C, H, W)."""
    channels, height, width = input_shape
    return [(step.name, type(step.layer).__name__, step.after) for step in _walk(design, (height, width, channels))]


@dataclasses.dataclass(frozen=True)
class _Step:
    """A layer at its place: its number from 1, its name, and the shapes of what goes in and comes out."""

    number: int
    name: str
    layer: Layer
    before: Shape
    after: Shape


def _walk(design: Design, shape: Shape) -> Iterator[_Step]:
    """The layers in order, each asked whether it can take what the one before gives."""
    seen: dict[str, int] = {}
    for number, layer in enumerate(design, 1):
        kind = type(layer).__name__
        with _told_of(number, kind):
            layer.check(shape)
            after = layer.output(shape)
            if any(side < 1 for side in after) or max(math.prod(after), layer.work(shape)) > MAX_VALUES:
                raise UsageError(
                    t(
                        "would give {shape}; it may hold {limit} numbers for an image, each side of 1 or more.",
                        shape=after,
                        limit=whole(MAX_VALUES),
                    )
                )
            layers.activation_module(getattr(layer, "activation", LINEAR))
            if number == len(design) and len(after) != 1:
                raise UsageError(
                    t(
                        "would give {shape}, not one value a class; put Flatten or GlobalAveragePooling1D before it, "
                        "or leave return_sequences out of the layer before it.",
                        shape=after,
                    )
                )
        name = snake(kind)
        count = seen[name] = seen.get(name, -1) + 1
        yield _Step(number, f"{name}_{count}" if count else name, layer, shape, after)
        shape = after


def _weigh(steps: Sequence[_Step]) -> None:
    """Raises UsageError for more parameters than MAX_PARAMETERS; counted on torch's device without memory."""
    total = 0
    for step in steps:
        with _told_of(step.number, type(step.layer).__name__), torch.device("meta"):
            total += sum(parameter.numel() for parameter in step.layer.module(step.before).parameters())
            if total > MAX_PARAMETERS:
                raise UsageError(
                    t(
                        "brings the network to {n} parameters; it may have {limit}.",
                        n=whole(total),
                        limit=whole(MAX_PARAMETERS),
                    )
                )


@contextmanager
def _told_of(number: int, kind: str) -> Iterator[None]:
    """Whatever is wrong inside is said of this layer. Raises UsageError."""
    try:
        yield
    except (UsageError, RuntimeError, TypeError, OverflowError) as error:
        # torch's own words come in for sizes beyond 64 bits, a line of many.
        reason = error if isinstance(error, UsageError) else str(error).split("\n")[0]
        raise UsageError(t("Layer {position} ({kind}): {reason}", position=number, kind=kind, reason=reason)) from None


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
            raise UsageError(
                t("A list of layers should have at most {limit}, but {path} has {size}; is it another file?",
                  limit=human_bytes(MAX_BYTES), path=path, size=human_bytes(path.stat().st_size))
            )  # fmt: skip
        content = tomllib.loads(path.read_text("utf-8"))
    except UsageError:
        raise
    except FileNotFoundError as error:
        raise UsageError(t("There is no file {path}.", path=path)) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            t("Cannot read {path}: {reason}", path=path, reason=error)
            + ". "
            + t("In TOML, text stands in quotes, and true and false are small.")
        ) from error
    except (OSError, ValueError, RecursionError) as error:  # also of numbers with thousands of digits
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise UsageError(t("Cannot read {path}: {reason}", path=path, reason=reason)) from error
    entries = content.get("layers")
    if not isinstance(entries, list) or not entries:
        raise UsageError(
            t(
                '{path} should hold a list of layers, each as [[layers]] with type = "Dense" or another of {known}.',
                path=path,
                known=", ".join(LAYERS),
            )
        )
    for name in content:
        if name != "layers":
            raise UsageError(t("Unknown option {name!r}.", name=_cut(name)) + did_you_mean(name[:SHOWN], ["layers"]))
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
        raise UsageError(
            t("Unknown {what} {name!r}.", what=t("layer"), name=_cut(kind))
            + (layer_guess(kind[:SHOWN], LAYERS) or " " + t("Known: {known}.", known=", ".join(LAYERS)))
        )
    options = {one.name: one for one in _options(LAYERS[kind])}
    hints = get_type_hints(LAYERS[kind])
    values: dict[str, Any] = {}
    for name, value in entry.items():
        if name == "type":
            continue
        if name not in options:
            shown = _cut(str(name))
            raise UsageError(
                t("{kind} has no option {name!r}.", kind=kind, name=shown)
                + option_guess(shown, options)
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
    kinds = (hint,) if isinstance(hint, type) or get_origin(hint) is tuple else get_args(hint)
    for kind in kinds:
        if kind is float and _is_number(value):
            return float(value)
        if kind is int and _is_whole(value):
            return value
        if kind in (str, bool) and isinstance(value, kind):
            return value
        if get_origin(kind) is tuple and isinstance(value, list | tuple):
            length = len(value) if Ellipsis in get_args(kind) else 2
            if len(value) == length and all(map(_is_whole, value)):
                return tuple(value)
    expected = f" {t('or')} ".join(_words(kind) for kind in kinds if kind is not type(None))
    got = repr(_cut(value)) if isinstance(value, str) else _cut(value)
    raise UsageError(t("{name} should be {kind}, got {value}.", name=name, kind=expected, value=got))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _is_number(value: Any) -> bool:
    is_float = isinstance(value, float) and math.isfinite(value) and abs(value) <= MAX_NUMBER
    return is_float or _is_whole(value)


def _words(kind: Any) -> str:
    """What an option of this type holds."""
    if get_origin(kind) is tuple:
        return t("a list of whole numbers") if Ellipsis in get_args(kind) else t("two of them as in [2, 3]")
    limit = whole(MAX_NUMBER)
    return {
        int: t("a whole number up to {limit}", limit=limit),
        float: t("a number up to {limit}", limit=limit),
        bool: t("true or false"),
        str: t("text in quotes"),
    }.get(kind) or t("a layer")


def _cut(value: Any) -> str:
    """A value as a sentence repeats it, however long or deep it is."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except (ValueError, RecursionError):  # thousands of digits, thousands of brackets
        return "…"
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def snake(kind: str) -> str:
    """Keras's own way from a layer's kind to its name: Conv2D -> conv2d, BatchNormalization -> batch_normalization."""
    parts = ""
    for before, letter in zip(" " + kind, kind, strict=False):
        parts += ("_" if letter.isupper() and before.islower() else "") + letter.lower()
    return parts
