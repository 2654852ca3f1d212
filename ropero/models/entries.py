"""A layer list as it is written down: TOML and JSON, by Keras's names, each mistake with its sentence.

Knows nothing of how the layers fit together (`designs.py`).
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from ropero.errors import UsageError, did_you_mean
from ropero.models import (
    activations,
    convolutions,
    layers,
    merging,
    noise,
    normalization,
    pooling,
    recurrent,
    spatial,
)
from ropero.models.layers import Layer
from ropero.models.spelling import layer_guess, option_guess
from ropero.storage import human_bytes
from ropero.texts import joined, t
from ropero.texts.numbers import whole
from ropero.texts.plain import shown

# What a list may ask for, whoever wrote it.
MAX_LAYERS, MAX_BYTES = 1000, 200_000
MAX_NUMBER = 1_000_000  # of any option
SHOWN = 60  # characters of a wrong value that a sentence repeats

LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        activations.Activation,
        noise.ActivityRegularization,
        pooling.AdaptiveAveragePooling1D,
        pooling.AdaptiveAveragePooling2D,
        pooling.AdaptiveMaxPooling1D,
        pooling.AdaptiveMaxPooling2D,
        merging.Add,
        noise.AlphaDropout,
        recurrent.AttentionPooling,
        merging.Average,
        pooling.AveragePooling1D,
        pooling.AveragePooling2D,
        normalization.BatchNormalization,
        recurrent.Bidirectional,
        merging.Concatenate,
        convolutions.Conv1D,
        convolutions.Conv1DTranspose,
        convolutions.Conv2D,
        convolutions.Conv2DTranspose,
        spatial.Cropping1D,
        spatial.Cropping2D,
        layers.Dense,
        convolutions.DepthwiseConv1D,
        convolutions.DepthwiseConv2D,
        layers.Dropout,
        activations.ELU,
        layers.Flatten,
        recurrent.GRU,
        noise.GaussianDropout,
        noise.GaussianNoise,
        pooling.GlobalAveragePooling1D,
        pooling.GlobalAveragePooling2D,
        pooling.GlobalMaxPooling1D,
        pooling.GlobalMaxPooling2D,
        normalization.GroupNormalization,
        recurrent.LSTM,
        normalization.LayerNormalization,
        activations.LeakyReLU,
        pooling.MaxPooling1D,
        pooling.MaxPooling2D,
        merging.Maximum,
        merging.Minimum,
        merging.Multiply,
        normalization.Normalization,
        activations.PReLU,
        spatial.Permute,
        normalization.RMSNormalization,
        activations.ReLU,
        spatial.RepeatVector,
        layers.Rescaling,
        layers.Reshape,
        spatial.Resizing,
        recurrent.Rows,
        convolutions.SeparableConv1D,
        convolutions.SeparableConv2D,
        recurrent.SimpleRNN,
        activations.Softmax,
        noise.SpatialDropout1D,
        noise.SpatialDropout2D,
        merging.Subtract,
        spatial.ToColour,
        normalization.UnitNormalization,
        spatial.UpSampling1D,
        spatial.UpSampling2D,
        spatial.ZeroPadding1D,
        spatial.ZeroPadding2D,
    )
}

Design = Sequence[Layer]
EntryTable = Mapping[str, Any]


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
                known=joined(LAYERS),
            )
        )
    for name in content:
        if name != "layers":
            raise UsageError(t("Unknown option {name!r}.", name=cut(name)) + did_you_mean(name[:SHOWN], ["layers"]))
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
            t("Unknown {what} {name!r}.", what=t("layer"), name=cut(kind))
            + (layer_guess(kind[:SHOWN], LAYERS) or " " + t("Known: {known}.", known=joined(LAYERS)))
        )
    options = {one.name: one for one in _options(LAYERS[kind])}
    hints = get_type_hints(LAYERS[kind])
    values: dict[str, Any] = {}
    for name, value in entry.items():
        if name == "type":
            continue
        if name not in options:
            shown = cut(str(name))
            raise UsageError(
                t("{kind} has no option {name!r}.", kind=kind, name=shown)
                + option_guess(shown, options)
                + " "
                + t("Known: {known}.", known=joined(options) or "-")
            )
        if name in ("layer", "backward_layer") and depth == 0:
            values[name] = _layer(value, depth + 1)
        else:
            values[name] = _fitted(name, hints[name], value)
    return LAYERS[kind](**values)


def _options(kind: type[Layer]) -> tuple[dataclasses.Field[Any], ...]:
    return fields(kind)


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
        if kind == tuple[str, ...] and isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            return tuple(value)
        if get_origin(kind) is tuple and kind != tuple[str, ...] and isinstance(value, list | tuple):
            length = len(value) if Ellipsis in get_args(kind) else 2
            if len(value) == length and all(map(_is_number if float in get_args(kind) else _is_whole, value)):
                return tuple(map(float, value)) if float in get_args(kind) else tuple(value)
    expected = f" {t('or')} ".join(_words(kind) for kind in kinds if kind is not type(None))
    got = repr(cut(value)) if isinstance(value, str) else cut(value)
    raise UsageError(t("{name} should be {kind}, got {value}.", name=name, kind=expected, value=got))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _is_number(value: Any) -> bool:
    is_float = isinstance(value, float) and math.isfinite(value) and abs(value) <= MAX_NUMBER
    return is_float or _is_whole(value)


def _words(kind: Any) -> str:
    """What an option of this type holds."""
    if get_origin(kind) is tuple:
        if kind == tuple[str, ...]:
            return t('a list of names as in ["conv2d"]')
        if float in get_args(kind):
            return t("a list of numbers")
        return t("a list of whole numbers") if Ellipsis in get_args(kind) else t("two of them as in [2, 3]")
    limit = whole(MAX_NUMBER)
    return {
        int: t("a whole number up to {limit}", limit=limit),
        float: t("a number up to {limit}", limit=limit),
        bool: t("true or false"),
        str: t("text in quotes"),
    }.get(kind) or t("a layer")


def cut(value: Any) -> str:
    """A value as a sentence repeats it, however long or deep it is."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except (ValueError, RecursionError):  # thousands of digits, thousands of brackets
        return "…"
    return shown(text, SHOWN)
