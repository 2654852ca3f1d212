"""Operations between Keras's layers, as x / 255, a + b and keras.ops.relu(x), as the layers that do the same.

Knows nothing of the other layers (`keras_layers.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ropero.errors import UsageError
from ropero.export.keras_config import OPERATIONS, Call
from ropero.models.designs import snake
from ropero.models.entries import LAYERS
from ropero.models.layers import LINEAR, Shape
from ropero.texts import t

Said = tuple[str, dict[str, Any]]  # a Keras layer's kind and its options

_SYNONYMS = {"true_divide": "divide", "truediv": "divide", "div": "divide", "sub": "subtract", "mul": "multiply",
             "swish": "silu", "exp": "exponential", "amax": "max", "neg": "negative"}  # fmt: skip
_TWO = ("add", "subtract", "multiply", "maximum", "minimum")
_PLAIN = ("relu", "relu6", "sigmoid", "tanh", "softplus", "softsign", "silu", "selu", "exponential", "log_sigmoid",
          "hard_sigmoid", "hard_silu", "hard_tanh", "tanh_shrink", "sparse_plus", "sparse_sigmoid")  # fmt: skip
# Functions of each value; what options they have, as they are where nothing is said.
_ACTIVATIONS: dict[str, Mapping[str, float]] = {
    **{name: {} for name in _PLAIN},
    "celu": {"alpha": 1.0},
    "hard_shrink": {"threshold": 0.5},
    "soft_shrink": {"threshold": 0.5},
    "squareplus": {"b": 4},
    "sparsemax": {"axis": -1},
    "log_softmax": {"axis": -1},
}
_LAYING = ("reshape", "transpose", "swapaxes", "expand_dims", "squeeze")
_FLOATS = ("float16", "bfloat16", "float32", "float64")
_OTHERS = ("gelu", "leaky_relu", "elu", "softmax", "negative", "clip", "concatenate", "mean", "max", "cast",
           "stop_gradient", "copy", "identity")  # fmt: skip
_KNOWN = (*_TWO, *_ACTIVATIONS, *_LAYING, *_OTHERS)

PROGRAMS = ("SlicingOpLambda", "TensorFlowOpLayer", "ClassMethod")  # of TensorFlow's own, which keep no such names


def is_operation(call: Call) -> bool:
    """Whether a call is of an operation, and of no layer."""
    kind, options = call.leaf.kind, call.leaf.options
    if call.leaf.package == OPERATIONS or kind == "TFOpLambda" or call.constants or "newshape" in options:
        return True
    # Keras 3 leaves out in its legacy files that it is one; a layer of that name would say whether it is trainable.
    return kind not in LAYERS and _name(call) in _KNOWN and "trainable" not in options


def plain(call: Call, shape: Shape) -> Said:
    """The layer that does the same, for a first input of this shape. Raises UsageError where there is none."""
    name = _name(call)
    if len(call.inputs) == 1 and len(call.constants) == 1:
        found = _with_number(name, call)
    elif call.constants:
        found = None
    elif name == "concatenate":
        found = "Concatenate", {"axis": call.leaf.options.get("axis", 0)}
    elif len(call.inputs) == 2:
        found = (name.capitalize(), {}) if name in _TWO else None
    else:
        found = _of_one(name, dict(call.leaf.options), shape)
    if found is None:
        raise UsageError(unread(name))
    return found


def unread(name: str) -> str:
    """The sentence for an operation, by its name, that no layer stands for."""
    return t(
        "it is the operation {name}; of operations between the layers ropero reads sums, products, those with a "
        "number, activations, means, and what lays values otherwise, not this one.",
        name=name[:60],
    )


def _name(call: Call) -> str:
    """leaky_relu, of LeakyRelu and of nn.leaky_relu."""
    function = call.leaf.options.get("function")
    name = str(function).rpartition(".")[2].lower() if function else snake(call.leaf.kind)
    return _SYNONYMS.get(name, name)


def _with_number(name: str, call: Call) -> Said | None:
    """An operation of a value and a number."""
    ((place, number),) = call.constants.items()
    if name == "maximum" and number == 0:
        return "Activation", {"activation": "relu"}
    lines = {
        ("add", 0): (1.0, number),
        ("add", 1): (1.0, number),
        ("subtract", 0): (-1.0, number),
        ("subtract", 1): (1.0, -number),
        ("multiply", 0): (number, 0.0),
        ("multiply", 1): (number, 0.0),
    }
    if number:
        lines["divide", 1] = (1 / number, 0.0)
    if (name, place) not in lines:
        return None
    scale, offset = lines[name, place]
    return "Rescaling", {"scale": scale, "offset": offset}


def _of_one(name: str, options: Mapping[str, Any], shape: Shape) -> Said | None:
    """An operation of one value."""
    if name in _ACTIVATIONS:
        usual = all(options.get(option, value) == value for option, value in _ACTIVATIONS[name].items())
        return ("Activation", {"activation": name}) if usual else None
    if name == "gelu":
        nearly = options.get("approximate", "function" not in options)  # keras.ops has other defaults than TensorFlow
        return "Activation", {"activation": "gelu_approximate" if nearly else "gelu"}
    if name == "leaky_relu":
        return "LeakyReLU", {"negative_slope": options.get("negative_slope", 0.2)}
    if name == "elu":
        return "ELU", {"alpha": options.get("alpha", 1.0)}
    if name == "softmax":
        return "Softmax", {"axis": options.get("axis", -1)}
    if name == "negative":
        return "Rescaling", {"scale": -1.0}
    if name == "clip" and options.get("x_min") == 0 and options.get("x_max", 0) > 0:
        return "ReLU", {"max_value": options["x_max"]}
    if name in ("stop_gradient", "copy", "identity") or (name == "cast" and options.get("dtype") in _FLOATS):
        return "Activation", {"activation": LINEAR}
    if name in ("mean", "max"):
        return _pooled(name, options, shape)
    return _laid(name, options, shape) if name in _LAYING else None


def _pooled(name: str, options: Mapping[str, Any], shape: Shape) -> Said | None:
    """The mean or the largest over all pixels or all time steps."""
    axes = set(_axes(options.get("axis"), len(shape) + 1))
    if options.get("initial") is not None or axes != set(range(1, len(shape))) or len(shape) not in (2, 3):
        return None
    kind = "Average" if name == "mean" else "Max"
    return f"Global{kind}Pooling{len(shape) - 1}D", {"keepdims": options.get("keepdims", False)}


def _laid(name: str, options: Mapping[str, Any], shape: Shape) -> Said | None:
    """The same values in another shape or order; the images stay where they are."""
    rank = len(shape) + 1
    if name == "reshape":
        first, *sides = options["newshape"]
        return ("Reshape", {"target_shape": sides}) if first in (-1, None) else None
    if name in ("transpose", "swapaxes"):
        order = list(range(rank))
        if name == "transpose":
            order = _axes(options.get("axes") or order[::-1], rank)
        else:
            one, other = _axes([options["axis1"], options["axis2"]], rank)
            order[one], order[other] = order[other], order[one]
        return ("Permute", {"dims": order[1:]}) if order[0] == 0 else None
    if name == "expand_dims":
        (axis,) = _axes(options["axis"], rank + 1)
        return ("Reshape", {"target_shape": [*shape[: axis - 1], 1, *shape[axis - 1 :]]}) if axis else None
    gone = _axes(options.get("axis"), rank) or [at for at, side in enumerate(shape, 1) if side == 1]
    if 0 in gone or any(shape[at - 1] != 1 for at in gone):
        return None
    return "Reshape", {"target_shape": [side for at, side in enumerate(shape, 1) if at not in gone]}


def _axes(given: Any, rank: int) -> list[int]:
    """Axes counted from the front, the batch among them; none where nothing is given. Raises ValueError."""
    listed: Sequence[int] = [] if given is None else [given] if isinstance(given, int) else list(given)
    if not all(-rank <= one < rank for one in listed):
        raise ValueError(f"axis {given}")
    return [one % rank for one in listed]
