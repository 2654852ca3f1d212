"""Writes a network as ONNX: a traced one by PyTorch's exporter, one that came as an ONNX file by its own nodes, said in
one opset, behind what brings pixels to them.

Knows nothing of what the operators compute; what is written is proved by the program that it is for.
Legend: N images, C channels, H x W pixels, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ropero.errors import RoperoError, UsageError
from ropero.export import onnx_writer
from ropero.export.card import KEY
from ropero.export.onnx_writer import LOGITS, OPSET, PIXELS, PROBABILITIES, library, translated
from ropero.export.traced import BATCH, Answers, Both, trace
from ropero.models import operators_quantised
from ropero.models.classifier import Classifier
from ropero.models.nodes import Node
from ropero.models.operator_graph import IMAGES, OperatorGraph, Shape
from ropero.texts import t

FEATURES = "features"
_GIVEN, _COUNT = "given", "images"  # what the nodes take, and how many images there are
_LEAST = {"GroupNormalization": 21}  # the opset that means the same
# ONNX's types that ropero holds as others: all floats as float32, whole numbers as int64.
_TYPES = {5: 7, 6: 7, 10: 1, 11: 1, 12: 7, 13: 7, 16: 1}
_WHOLE = ("int16", "int32", "uint16")
_RENAMED = {"value": "constant_value", "paddings": "pads"}  # of Pad: an attribute once, an input now
_FLOATS = ("scales", "min", "max", "constant_value")  # what was an attribute and is an input of floats
_STATES = {"RNN": (5,), "GRU": (5,), "LSTM": (5, 6)}
_SHARES = ("Softmax", "LogSoftmax")


def write_onnx(model: Classifier, path: Path, card: Callable[[str], str]) -> None:
    """Write the network.

    Raises:
        UsageError: code that PyTorch's exporter cannot follow, or a graph that is not for any number of images.
        MissingExtra: onnx or onnxscript is not installed.
    """
    try:
        onnx_writer.finish(program(model), path, card)
    except RoperoError:
        raise
    except Exception as error:  # what the checker says of a stranger's nodes
        raise onnx_writer.cannot(error) from error


def program(model: Classifier, *, features: bool = False) -> Any:
    """A network as ONNX's own object: logits and probabilities, or else features and logits. Raises as `write_onnx`."""
    if not graphs(model):
        names = (FEATURES, LOGITS) if features else (LOGITS, PROBABILITIES)
        return translated(trace(model, Both if features else Answers), names)
    try:
        return _Writing(model).whole(features)
    except RoperoError:
        raise
    except Exception as error:  # onnx's helpers, of attributes that no exporter writes
        raise onnx_writer.cannot(error) from error


def graphs(model: Classifier) -> list[OperatorGraph]:
    """The parts of a network that came as ONNX, in their order; none of ropero's own networks."""
    return [part for part in model.modules() if isinstance(part, OperatorGraph)]


def in_whole_numbers(model: Classifier) -> bool:
    """Whether a network that came as ONNX computes with numbers of 8 bits."""
    return any(step.node.op in operators_quantised.OPERATORS for part in graphs(model) for step in part.steps)


class _Before(nn.Module):
    """What brings pixels to the nodes."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.parts = nn.Sequential(*(part for part in model.trunk.children() if not isinstance(part, OperatorGraph)))

    def forward(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.parts(pixels)
        return found


class _Writing:
    """A network on its way to ONNX's own object."""

    def __init__(self, model: Classifier) -> None:
        self.model, self.parts = model, graphs(model)
        self.helper, self.defs = library("onnx.helper"), library("onnx.defs")
        self.nodes: list[Any] = []
        self.tensors: dict[str, Any] = {}
        self.names: dict[str, str] = {}
        self.counted = False
        every = [step.node for part in self.parts for step in part.steps]
        self.opset = max([OPSET, *(self._least(node.op) for node in every)])
        # Numbers of other sizes than 64 bits are wanted by operators on quantised values alone.
        self.exact = {name for node in every if node.op in operators_quantised.OPERATORS for name in node.inputs}
        for node in every:
            if node.op == "DynamicQuantizeLinear":
                raise UsageError(t("ONNX finds the scales of {op} for all images together, so that each would change "
                                   "what is said of the others; export it with scales that are fixed.",
                                   op=node.op))  # fmt: skip
        if any(part.ends.batch for part in self.parts):
            raise UsageError(
                t("The network takes {n} images at a time, as the file says that it came from, and exported files take "
                  "any number; export it from its own program for any number.", n=self.parts[0].ends.batch)
            )  # fmt: skip

    def whole(self, features: bool) -> Any:
        """The model, with pixels in and two outputs."""
        helper, kind = self.helper, library("onnx").TensorProto.FLOAT
        last = middle = self._before()
        for part in self.parts:
            last = self._part(part, last)
            middle = middle if part is self.model.head else last
        self._add("Identity", [last], LOGITS)
        if features:
            self._add("Flatten", [middle], FEATURES, axis=1)
        else:
            self._add("Softmax", [LOGITS], PROBABILITIES, axis=1)
        names = (FEATURES, LOGITS) if features else (LOGITS, PROBABILITIES)
        classes = self.parts[-1].survey.shapes[self.parts[-1].ends.output][-1]
        made = helper.make_graph(
            self.nodes,
            KEY,
            [helper.make_tensor_value_info(PIXELS, kind, [BATCH, *self.model.input_shape])],
            [
                helper.make_tensor_value_info(name, kind, [BATCH, None if name == FEATURES else classes])
                for name in names
            ],
            list(self.tensors.values()),
        )
        sets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(made, opset_imports=sets, ir_version=helper.find_min_ir_version_for(sets))

    def _least(self, op: str) -> int:
        """The first opset from here on that has an operator."""
        if self.defs.has(op) and self.defs.get_schema(op).since_version > OPSET:
            with_it = [one.since_version for one in self.defs.get_all_schemas_with_history() if one.name == op]
            return int(max(OPSET, min(with_it), _LEAST.get(op, 0)))
        return OPSET

    def _before(self) -> str:
        """The layers that stand before the nodes; the name of what they give."""
        if all(part in self.parts for part in self.model.trunk.children()):
            return PIXELS
        found = translated(trace(self.model, _Before), [_GIVEN]).graph
        self.nodes += found.node
        self.tensors |= {one.name: one for one in found.initializer}
        return _GIVEN

    def _part(self, part: OperatorGraph, given: str) -> str:
        """The nodes of a part, for what comes into it by this name; the name of what it gives."""
        ends = part.ends
        if ends.eight_bits:
            limits = [self._constant(np.array(value, np.float32)) for value in (0, 255)]
            given = self._add("Clip", [self._add("Round", [given]), *limits])
            given = self._add("Cast", [given], to=2)
        if ends.turned and len(part.survey.shapes[ends.source]) == 1 + len(self.model.input_shape):
            given = self._add("Transpose", [given], perm=[0, 2, 3, 1])
        self.names[ends.source] = given
        held = {name: getattr(module, called) for name, (module, called) in part.places.items()}
        for name, values in {**part.host, **held}.items():
            if name not in self.names:
                self.names[name] = self._constant(self._sized(name, values), f"graph.{name}")
        shapes = {name: tuple(values.shape) for name, values in {**part.host, **held}.items()} | part.survey.shapes
        for step in part.steps:
            self._node(step.node, shapes)
        return self.names[ends.output]

    def _sized(self, name: str, values: Tensor) -> NDArray[Any]:
        found: NDArray[Any] = values.detach().cpu().numpy()
        return found.astype(np.int64) if found.dtype.name in _WHOLE and name not in self.exact else found

    def _node(self, node: Node, shapes: Mapping[str, Shape]) -> None:
        """A node in the opset that is written."""
        inputs = [self.names[name] if name else "" for name in node.inputs]
        outputs = [f"graph.{name}" if name else "" for name in node.outputs]
        self.names |= {name: f"graph.{name}" for name in node.outputs if name}
        attributes = dict(node.attributes)
        if node.op in _SHARES and attributes.pop("flat", 0):
            self._flat_shares(node, inputs[0], outputs[0])
            return
        if node.op == "ConstantOfShape" and "shape" in attributes:
            value = np.array(attributes["value"], attributes["dtype"]).reshape(-1)
            attributes = {"value": library("onnx.numpy_helper").from_array(value)}
        if node.op == "Cast":
            attributes["to"] = _TYPES.get(node.whole("to", 1), node.whole("to", 1))
        if node.op == "Resize" and attributes.get("nearest_mode") == "simple":  # of the first Resize
            attributes["nearest_mode"] = "floor"
        if node.op == "Squeeze" and len(inputs) < 2 and "axes" not in attributes:  # not a batch of one image
            attributes["axes"] = [at for at, side in enumerate(shapes[node.inputs[0]]) if side == 1 and at]
        if node.op == "Split" and len(inputs) < 2 and "split" not in attributes:
            attributes["num_outputs"] = len(outputs)
        if node.op in ("BatchNormalization", "MaxPool"):
            outputs = outputs[:1]  # others were for training
        if node.op == "Concat" and node.whole("axis", 1):
            inputs = self._beside_every_image(node, inputs, shapes)
        for place in _STATES.get(node.op, ()):
            axis = 0 if node.whole("layout", 0) else 1
            if len(inputs) > place and inputs[place] and shapes[node.inputs[place]][axis] == 1:
                inputs[place] = self._spread(inputs[place], axis, 3)
        self._said(node.op, inputs, outputs, attributes)

    def _flat_shares(self, node: Node, given: str, output: str) -> None:
        """Softmax as before opset 13: over all values from an axis on."""
        flat = self._add("Flatten", [given], axis=node.whole("axis", 1))
        shape = self._add("Shape", [given])
        self._add("Reshape", [self._add(node.op, [flat], axis=-1), shape], output)

    def _beside_every_image(self, node: Node, inputs: list[str], shapes: Mapping[str, Shape]) -> list[str]:
        """What is joined, a constant that was written for one image with every one of them."""
        found = [shapes[name] for name in node.inputs]
        if max(shape[0] for shape in found) != IMAGES:
            return inputs
        return [self._spread(name, 0, len(shape)) if shape[0] == 1 else name
                for name, shape in zip(inputs, found, strict=True)]  # fmt: skip

    def _spread(self, name: str, axis: int, rank: int) -> str:
        """A value that stands once along an axis, as often as there are images."""
        if not self.counted:
            self.counted = True
            self._add("Shape", [PIXELS], _COUNT, start=0, end=1)
        ones = [self._constant(np.ones(many, np.int64)) for many in (axis, rank - axis - 1)]
        return self._add("Expand", [name, self._add("Concat", [ones[0], _COUNT, ones[1]], axis=0)])

    def _said(self, op: str, inputs: list[str], outputs: Sequence[str], attributes: Mapping[str, Any]) -> None:
        """A node by the operator's own description: what is none of its attributes any more is one of its inputs, or
        has no meaning."""
        schema = self.defs.get_schema(op, self.opset)
        places = [one.name for one in schema.inputs]
        kept = []
        for key, value in attributes.items():
            name = _RENAMED.get(key, key)
            if key in schema.attributes:
                kept.append(self._attribute(key, value, schema.attributes[key].type))
            elif name in places:
                place = places.index(name)
                inputs += [""] * (place + 1 - len(inputs))
                kind = np.float32 if name in _FLOATS else np.int64
                inputs[place] = inputs[place] or self._constant(np.array(value, kind))
        made = self.helper.make_node(op, inputs, outputs, f"{op}_{len(self.nodes)}")
        made.attribute.extend(kept)
        self.nodes.append(made)

    def _attribute(self, key: str, value: Any, kind: Any) -> Any:
        if kind.name in ("FLOAT", "FLOATS"):  # JSON holds what is infinite as a word
            value = [float(one) for one in value] if kind.name == "FLOATS" else float(value)
        return self.helper.make_attribute(key, value, attr_type=getattr(library("onnx").AttributeProto, kind.name))

    def _add(self, op: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """A node of one output; its name."""
        output = output or f"made.{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(op, inputs, [output], f"{op}_{len(self.nodes)}", **attributes))
        return output

    def _constant(self, values: NDArray[Any], name: str = "") -> str:
        name = name or f"held.{len(self.tensors)}"
        self.tensors[name] = library("onnx.numpy_helper").from_array(
            np.asarray(values, order="C"), name
        )  # which keeps a number a number
        return name
