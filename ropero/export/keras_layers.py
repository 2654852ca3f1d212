"""Keras's layers as ropero's: each call of a config becomes the lines of a layer list that compute the same.

What changes nothing in a network that only answers (initializers, regularizers, augmentation) is left out; what would
change its function and is not known is refused by name, with the place and what can be done.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from ropero.errors import DataError, RoperoError, UsageError, did_you_mean
from ropero.export import keras_operations
from ropero.export.keras_config import OPERATIONS, Call, Leaf, Network
from ropero.export.keras_container import plain_name
from ropero.export.keras_options import ALIASES, HARMLESS, READ, RENAMED, TRAINING_ONLY, is_neutral, plain
from ropero.models.activations import Activation, Softmax
from ropero.models.entries import LAYERS
from ropero.models.layers import ACTIVATIONS, LINEAR, LOG, LOG_SOFTMAX, SOFTMAX, Layer, Shape
from ropero.models.merging import INPUT, Merge
from ropero.models.spatial import Permute
from ropero.texts import joined, mark, t

# Layers that only training feels and that ropero has no line for.
INERT = {
    "ActivityRegularization", "RandomBrightness", "RandomColorJitter", "RandomColorDegeneration", "RandomContrast",
    "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHeight", "RandomHue",
    "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness",
    "RandomShear", "RandomTranslation", "RandomWidth", "RandomZoom", "CutMix", "MixUp", "RandAugment",
    "AugMix",
}  # fmt: skip
_WORDS = mark("it reads words, not pixels.")
_ATTENTION = mark("ropero has no such layer.")
# Layers that many models have and that ropero does not read, and why.
REFUSED = {
    "Lambda": mark("it is a Lambda, which holds its author's code; code of a file is never run."),
    "KerasLayer": mark("it stands for a model of TensorFlow Hub, which the file does not hold."),
    "TFSMLayer": mark("it stands for a SavedModel, which the file does not hold."),
    "Embedding": _WORDS,
    "TextVectorization": _WORDS,
    "StringLookup": _WORDS,
    "Masking": mark("it hides time steps from the layers behind it."),
    "MultiHeadAttention": _ATTENTION,
    "Attention": _ATTENTION,
    "AdditiveAttention": _ATTENTION,
    "RandomCrop": mark("it cuts out a part of the picture, when answering too."),
}
CELLS = {"SimpleRNNCell": "SimpleRNN", "LSTMCell": "LSTM", "GRUCell": "GRU"}
STEPWISE = {"Dense", "Activation", "Dropout", "LayerNormalization", "ReLU", "LeakyReLU", "ELU", "BatchNormalization"}
CHANNELS_FIRST = "channels_first"


@dataclass(frozen=True, eq=False)
class Line:
    """One line of the list: the layer, and the Keras layer whose weights it has, None where it has none."""

    layer: Layer
    leaf: Leaf | None = None


@dataclass
class _Making:
    """The list as it grows: the names and shapes of the values so far."""

    version: str
    names: dict[int, str]
    shapes: dict[str, Shape]
    last: int
    lines: list[Line] = field(default_factory=list)

    @property
    def is_old(self) -> bool:
        """Whether Keras 2 wrote the file."""
        return not self.version.startswith("3")


def lines(network: Network, shape: Shape, version: str) -> list[Line]:
    """The layer list of a network for inputs of this shape, as Keras counts it.

    Args:
        version: of the Keras that wrote it: 2 and 3 have other functions by the same name.

    Raises DataError for a layer or an option that ropero does not read.
    """
    making = _Making(version, {0: INPUT}, {INPUT: shape}, network.output)
    for number, call in enumerate(network.calls, 1):
        try:
            _add(making, call)
        except UsageError as error:
            raise DataError(_placed(call, number, len(network.calls), str(error))) from error
        except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, RoperoError):
                raise
            reason = t("its options are damaged: {reason}", reason=f"{type(error).__name__} {error}"[:100])
            raise DataError(_placed(call, number, len(network.calls), reason)) from error
    return making.lines


def _placed(call: Call, number: int, count: int, reason: str) -> str:
    return t(
        "Layer {number} of {count}, {place} ({kind}): {reason}",
        number=number,
        count=count,
        place=call.place[:100],
        kind=call.leaf.kind[:60],
        reason=reason,
    )


def _refuse(reason: str) -> NoReturn:
    """Raises UsageError with the reason, a sentence, and what helps with any layer that is not read."""
    cure = t(
        "There is a way round it: where the model was made, export it to ONNX, which ropero reads too: "
        "model.export('m.onnx', format='onnx')."
    )
    raise UsageError(f"{reason} {cure}")


def _add(making: _Making, call: Call) -> None:
    """The lines of a call. Raises UsageError for what is not read."""
    leaf = call.leaf
    if leaf.package and leaf.package != OPERATIONS:
        _refuse(t("it is a class of its author's ({name}), whose code a file does not hold.", name=leaf.package))
    made = _layers(making, call)
    sources = [making.names[value] for value in call.inputs]
    if not made:
        making.names[call.output] = sources[0]
        return
    base, used = plain_name(call.place), set(making.shapes)
    for place, (layer, has_weights) in enumerate(made):
        stem = base if has_weights or len(made) == 1 else f"{base}_{type(layer).__name__.lower()}"
        name = next(one for one in (stem, *(f"{stem}_{k}" for k in range(1, 10_000))) if one not in used)
        used.add(name)
        before = making.lines[-1].layer.name if making.lines else INPUT
        wired = () if sources == [before] else tuple(sources)
        making.lines.append(Line(replace(layer, name=name, inputs=wired), leaf if has_weights else None))
        making.shapes[name] = after(layer, [making.shapes[one] for one in sources])
        sources = [name]
        if place == len(made) - 1:
            making.names[call.output] = name


def after(layer: Layer, before: Sequence[Shape]) -> Shape:
    if isinstance(layer, Merge):
        return layer.merged(before)
    layer.check(before[0])
    return layer.output(before[0])


def _layers(making: _Making, call: Call) -> list[tuple[Layer, bool]]:
    """ropero's layers for a call, and which of them has its weights."""
    shape = making.shapes[making.names[call.inputs[0]]]
    if keras_operations.is_operation(call):
        try:
            kind, options = keras_operations.plain(call, shape)
        except UsageError as error:
            _refuse(str(error))
        made = _translated(making, kind, options, is_last=call.output == making.last)
        return [(layer, False) for layer, _ in made]
    kind, options = _today(call.leaf.kind, call.leaf.options)
    if kind in INERT:
        return []
    if kind in keras_operations.PROGRAMS:
        _refuse(keras_operations.unread(kind))
    if kind in REFUSED:
        _refuse(t(REFUSED[kind]))
    if kind == "TimeDistributed":
        kind, options = _today(options["layer"]["class_name"], options["layer"]["config"])
        if kind not in STEPWISE or len(shape) != 2:
            _refuse(t("TimeDistributed is read around layers of vectors alone ({known}), not around {kind}.",
                      known=joined(sorted(STEPWISE)), kind=kind[:60]))  # fmt: skip
    if kind == "Bidirectional":
        return [(_both(making, options), True)]
    if kind == "Flatten" and options.get("data_format") == CHANNELS_FIRST and len(shape) > 1:
        # Keras brings the channels to the end first, so that Dense weights mean the same.
        return [(Permute(dims=(2, 3, 1) if len(shape) == 3 else (2, 1)), False), (LAYERS["Flatten"](), False)]
    if options.get("data_format") == CHANNELS_FIRST and len(shape) == 2:
        _refuse(t("ropero reads sequences with their features last, and it has them first."))
    if kind not in LAYERS:
        _refuse(t("ropero has no such layer.") + did_you_mean(kind, LAYERS))  # fmt: skip
    made = _translated(making, kind, options, is_last=call.output == making.last)
    if options.get("data_format") == CHANNELS_FIRST and len(shape) == 3 and kind not in ("Flatten",):
        layer = made[0][0]
        turned = (shape[1], shape[2], shape[0])
        back = [(Permute(dims=(3, 1, 2)), False)] if len(after(layer, [turned])) == 3 else []
        made = [(Permute(dims=(2, 3, 1)), False), made[0], *back, *made[1:]]
    return made


def _translated(making: _Making, kind: str, options: Mapping[str, Any], is_last: bool) -> list[tuple[Layer, bool]]:
    """A layer by its options, its activation behind it where that is a layer of its own."""
    known = {one.name for one in dataclasses.fields(LAYERS[kind])} - {"name", "inputs"}
    values: dict[str, Any] = {}
    behind: list[tuple[Layer, bool]] = []
    renamed = RENAMED.get(kind, {})
    for given, value in options.items():
        name = renamed.get(given, given)
        if name == "activation" and kind not in _CELL_KINDS:
            activation, behind = _activation(making, value, kind, is_last)
            if "activation" in known:
                values["activation"] = activation
        elif name in known and name in READ:
            if (found := READ[name](kind, value)) is not None:
                values[name] = found
        elif name in known and not name.endswith(TRAINING_ONLY):
            if name in ("activation", "recurrent_activation"):
                value = _function(making, value)
            if value is not None:
                values[name] = plain(value)
        elif not (name in HARMLESS or name.endswith(TRAINING_ONLY) or is_neutral(kind, name, value)):
            _refuse(t("ropero does not know its option {name}={value}.", name=name, value=str(value)[:60]))  # fmt: skip
    if kind == "GRU" and "reset_after" in known:
        # Keras had no reset_after before 2.1.5, and False until TensorFlow 2; files that hold none are of then.
        values.setdefault("reset_after", not making.is_old)
    if kind == "Activation" and "activation" not in values:
        return behind
    return [(LAYERS[kind](**values), True), *behind]


def _activation(making: _Making, value: Any, kind: str, is_last: bool) -> tuple[str, list[tuple[Layer, bool]]]:
    """(the activation's name, the layers behind for one that needs a layer of its own)."""
    if isinstance(value, Mapping) and isinstance(value.get("config"), Mapping):  # a layer in an activation's place
        inner, own = str(value["class_name"]), dict(value["config"])
        if not _is_own(value) and inner in LAYERS:
            return LINEAR, [(one, False) for one, _ in _translated(making, inner, own, is_last)]
    name = _function(making, value)
    if name == SOFTMAX:
        return (SOFTMAX, []) if kind == "Dense" and is_last else (LINEAR, [(Softmax(), False)])
    if name == "sigmoid" and is_last:
        # One probability a class, each on its own: as logits, their logarithms keep the order and their shares.
        return LINEAR, [(Activation(activation="log_sigmoid"), False)]
    if kind == "Activation" and name == LINEAR:
        return LINEAR, []
    return name, []


def _is_own(value: Mapping[str, Any]) -> bool:
    registered = value.get("registered_name")
    return isinstance(registered, str) and ">" in registered


def _function(making: _Making, value: Any) -> str:
    """An activation's name in ropero. Raises UsageError for a function of the author's own."""
    if value is None:
        return LINEAR
    if isinstance(value, Mapping):
        value = value.get("config") if isinstance(value.get("config"), str) else value.get("class_name")
    name = str(value).rpartition(">")[2]
    name = _FUNCTIONS.get(name, name)
    if making.is_old and name == "hard_sigmoid":
        return "hard_sigmoid_2"
    if name not in (LINEAR, SOFTMAX, *ACTIVATIONS) or name == LOG:  # which is ropero's own
        _refuse(t("its activation {name} is none of Keras's that ropero knows, perhaps a function of its author's.",
                  name=name[:60]))  # fmt: skip
    return name


# What TensorFlow's own functions are called in a config.
_FUNCTIONS = {
    "softmax_v2": SOFTMAX,
    "log_softmax_v2": LOG_SOFTMAX,
    "swish": "silu",
    "hard_swish": "hard_silu",
}
_CELL_KINDS = ("SimpleRNN", "LSTM", "GRU")


def _today(kind: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A layer's kind as Keras 3 calls it, and its options."""
    if kind == "RNN":
        return _cell(options)
    return ALIASES.get(kind, kind), {**options, **({"reset_after": True} if kind == "CuDNNGRU" else {})}


def _cell(options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """keras.layers.RNN around one of Keras's cells is that layer."""
    cell = options["cell"]
    name = cell["class_name"] if isinstance(cell, Mapping) else ""
    if name not in CELLS:
        _refuse(t("its cell is none of Keras's ({known}).", known=joined(CELLS)))
    outer = {key: value for key, value in options.items() if key != "cell"}
    return CELLS[name], {**outer, **cell["config"], "name": outer.get("name", "rnn")}


def _both(making: _Making, options: Mapping[str, Any]) -> Layer:
    """Bidirectional with its layer, and with the way back where that is given as its own."""
    kind, own = _today(options["layer"]["class_name"], options["layer"]["config"])
    if kind not in _CELL_KINDS:
        _refuse(t("it holds {kind}; ropero reads it around SimpleRNN, LSTM and GRU.", kind=str(kind)[:60]))  # fmt: skip
    if own.get("go_backwards"):
        _refuse(t("the layer in it goes backwards already."))
    ((layer, _),) = _translated(making, kind, own, is_last=False)
    back = options.get("backward_layer")
    if isinstance(back, Mapping):
        another, theirs = _today(back["class_name"], back["config"])
        ((other, _),) = _translated(making, kind, {**theirs, "go_backwards": False}, is_last=False)
        if another != kind or other != layer:
            _refuse(t("its two layers are of different kinds or options."))
    merge = options.get("merge_mode", "concat")
    if merge is None:
        _refuse(t("it gives both directions apart (merge_mode None)."))
    return LAYERS["Bidirectional"](layer=layer, merge_mode=merge)  # type: ignore[call-arg]
