"""Reads an ONNX file: which operators, which numbers, what goes in and what comes out. No code in it is run, no other
file is opened, and what it asks for is checked before memory is taken.

Knows nothing of how the operators are computed (`models/operators.py`) or of what the pixels mean.
Legend: N images, C channels, H x W pixels, K classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ropero.errors import DataError, MissingExtra, RoperoError, UsageError
from ropero.export import onnx_dialect, onnx_file
from ropero.export.onnx_dialect import Said
from ropero.export.onnx_tensors import MAX_NUMBERS, Array, array, attribute, shape_of, words
from ropero.models.adopting import RawGraph, adopt
from ropero.models.classifier import Classifier
from ropero.models.entries import cut
from ropero.models.graphs import CHANNELS_FIRST, CHANNELS_LAST, MAX_TENSORS, GraphCard
from ropero.models.layers import Layer
from ropero.models.nodes import MAX_LINKS, MAX_NAME, MAX_NODES, Node
from ropero.texts import joined, t
from ropero.texts.numbers import whole

MAX_SIDES = 5  # of what goes in
_FLOATS = {1: "float32", 10: "float16", 11: "float64"}
_INPUTS = {**_FLOATS, 2: "uint8"}
_FEW_CHANNELS = 4  # a side that is larger is no side of colours
_SAID_AGAIN = ("Softmax", "LogSoftmax", "Sigmoid", "Identity", "Cast")
_SHOWN_METADATA = 100

Sides = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """What an ONNX file holds.

    nodes: those that lead to the output, in the newest opset. tensors: what they hold, floats as float32. input_shape:
    as declared, the number of images first, None for a free side; empty where the file does not say. input_dtype:
    float32, float16, float64 or uint8. output: of all that it gives the one with a value for each class; values: how
    many these are, None where the file does not say. classes: their names, where the file has them.
    """

    path: Path
    sha256: str
    nodes: tuple[Node, ...]
    tensors: Mapping[str, Array]
    input: str
    input_shape: Sides
    input_dtype: str
    output: str
    values: int | None
    opset: int
    producer: str = ""
    producer_version: str = ""
    classes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def layout(self) -> str:
        """How it seems to take its images: by which side looks like colours, else as ONNX's own operators do."""
        sides = self.input_shape
        if len(sides) != 4:
            return CHANNELS_FIRST
        first, last = ((one or _FEW_CHANNELS + 1) <= _FEW_CHANNELS for one in (sides[1], sides[3]))
        return CHANNELS_LAST if last and not first else CHANNELS_FIRST


def classifier(
    file: OnnxFile,
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    prefix: Sequence[Layer] = (),
    spare: int = 0,
) -> tuple[Classifier, GraphCard]:
    """(the network with its weights, in eval mode, the graph for its model card), for images (C, H, W) in [0, 1].

    Args:
        classes: how many values it gives for an image.
        prefix: ropero's layers that bring pixels to what it takes.
        spare: how many values more it may give; the last ones are left away.

    Raises:
        DataError: a network that ropero cannot compute, or that gives something else than one value a class.
    """
    raw = RawGraph(
        nodes=file.nodes,
        tensors={name: torch.from_numpy(one.copy()) for name, one in file.tensors.items()},
        source=file.input,
        output=file.output,
        layout=file.layout,
        eight_bits=file.input_dtype == "uint8",
        batch=(file.input_shape[0] or 0) if file.input_shape else 0,
    )
    try:
        return adopt(raw, prefix, input_shape, classes, spare)
    except UsageError as error:
        raise _of(file.path, error) from error
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, StopIteration, TypeError, ValueError) as error:
        # A graph that no exporter writes, met while it is brought to logits; each node's own mistakes are sentences.
        reason = t("its nodes do not fit each other ({reason})", reason=type(error).__name__)
        raise _of(file.path, DataError(reason + ".")) from error


def read(path: Path) -> OnnxFile:
    """What the file holds.

    Raises:
        DataError: a file that is no ONNX model, damaged, too large, or with what ropero does not compute.
        MissingExtra: without the package onnx.
    """
    content = onnx_file.content(path)
    try:
        found = _Reading(path, hashlib.sha256(content).hexdigest(), onnx_file.parsed(content))
        return found.file()
    except MissingExtra:
        raise
    except RoperoError as error:
        raise _of(path, error) from error
    except Exception as error:  # what the parser raises on damaged files is written down nowhere
        raise _of(path, DataError(t("is no ONNX file, or damaged."))) from error


def _of(path: Path, error: Exception) -> DataError:
    return DataError(t("{path}: {reason}", path=path, reason=error))


class _Reading:
    """A parsed model on its way to an `OnnxFile`."""

    def __init__(self, path: Path, sha256: str, model: Any) -> None:
        self.path, self.sha256, self.model, self.graph = path, sha256, model, model.graph
        self.opset = self._opset()
        self._check_counts()
        self.initializers = {one.name: one for one in self.graph.initializer}
        if len(self.initializers) < len(self.graph.initializer):
            raise DataError(t("holds several tensors of one name."))
        self.makers = self._makers()
        self.source = self._source()

    def file(self) -> OnnxFile:
        chosen = self._chosen()
        nodes, tensors = self._said(self._needed(chosen.name))
        shape, dtype = self._declared()
        return OnnxFile(
            path=self.path,
            sha256=self.sha256,
            nodes=tuple(nodes),
            tensors=tensors,
            input=self.source.name,
            input_shape=shape,
            input_dtype=dtype,
            output=chosen.name,
            values=_values(chosen),
            opset=self.opset,
            producer=cut(self.model.producer_name),
            producer_version=cut(self.model.producer_version),
            classes=self._classes(),
            metadata={cut(one.key): one.value for one in self.model.metadata_props[:_SHOWN_METADATA]},
        )

    def _opset(self) -> int:
        versions = {"" if one.domain == "ai.onnx" else one.domain: one.version for one in self.model.opset_import}
        if not self.model.HasField("graph") or not versions:
            raise DataError(t("is no ONNX file, or damaged."))
        opset = int(versions.get("", 0))
        if 0 < opset < onnx_dialect.OLDEST:
            raise DataError(
                t("is of opset {opset}, older than what ropero reads ({oldest}); bring it up to date with "
                  "onnx.version_converter.", opset=opset, oldest=onnx_dialect.OLDEST)
            )  # fmt: skip
        return opset or onnx_dialect.OLDEST

    def _check_counts(self) -> None:
        """Raises DataError for more of anything than a network has, before any of it is read."""
        if len(self.graph.node) > MAX_NODES or len(self.graph.initializer) > MAX_TENSORS:
            raise DataError(
                t("has {nodes} nodes and {tensors} tensors; {limit} of each are read at most.",
                  nodes=whole(len(self.graph.node)), tensors=whole(len(self.graph.initializer)), limit=whole(MAX_NODES))
            )  # fmt: skip
        if len(self.graph.sparse_initializer):
            raise DataError(t("holds sparse tensors, which ropero does not read; save it with dense ones."))
        total = 0
        for one in self.graph.initializer:
            sides = shape_of(one)
            total += int(torch.Size(sides).numel())
            if total > MAX_NUMBERS:
                raise DataError(t("holds more than {limit} numbers.", limit=whole(MAX_NUMBERS)))
        for node in self.graph.node:
            names = (*node.input, *node.output, node.name, node.op_type, node.domain)
            if len(node.input) > MAX_LINKS or len(node.output) > MAX_LINKS or max(map(len, names)) > MAX_NAME:
                raise DataError(t("has a node with too many inputs or too long a name."))

    def _makers(self) -> dict[str, int]:
        """Which node gives each value. Raises DataError for a value that two of them give."""
        found: dict[str, int] = {}
        for place, node in enumerate(self.graph.node):
            for name in filter(None, node.output):
                if name in found or name in self.initializers:
                    raise DataError(t("gives the value {name!r} twice.", name=cut(name)))
                found[name] = place
        return found

    def _source(self) -> Any:
        """The one input that is no tensor of the file's own."""
        found = [one for one in self.graph.input if one.name not in self.initializers]
        if len(found) != 1:
            raise DataError(
                t("takes {n} inputs ({names}); ropero reads networks that take images alone.",
                  n=len(found), names=cut(joined(one.name for one in found)))
            )  # fmt: skip
        if found[0].name in self.makers:
            raise DataError(t("gives the value {name!r} twice.", name=cut(found[0].name)))
        return found[0]

    def _declared(self) -> tuple[Sides, str]:
        """(the input's shape, its type). Raises DataError for an input that holds no images."""
        kind = self.source.type.tensor_type if self.source.type.HasField("tensor_type") else None
        if kind is None or kind.elem_type not in _INPUTS:
            raise DataError(t("takes something other than numbers of the types {known}.",
                              known=joined(_INPUTS.values())))  # fmt: skip
        sides = [one.dim_value if one.HasField("dim_value") else 0 for one in kind.shape.dim]
        if len(sides) > MAX_SIDES or any(abs(side) > MAX_NUMBERS for side in sides):
            raise DataError(t("takes an input of the shape {shape}, which no images have.", shape=cut(sides)))
        return tuple(side if side > 0 else None for side in sides), _INPUTS[kind.elem_type]

    def _chosen(self) -> Any:
        """The output with a value for each class."""
        values = [one for one in self.graph.output if self._holds_values(one)]
        if not values:
            raise DataError(
                t("gives the number or the name of a class alone, and no value for each; export it with its "
                  "probabilities.")
            )  # fmt: skip
        rows = self._rows(values) if len(values) > 1 else values
        if len(rows) != 1:
            raise DataError(
                t("has several outputs ({names}) and none that alone looks like a value for each class; export it with "
                  "that one.", names=cut(joined(one.name for one in self.graph.output)))
            )  # fmt: skip
        return rows[0]

    def _rows(self, values: Sequence[Any]) -> list[Any]:
        """Of several outputs those that may be (N, K), without what is only another one's softmax."""
        found = [one for one in values if len(one.type.tensor_type.shape.dim) in (0, 2)]
        names = {one.name for one in found}
        makers = {one.name: self.graph.node[self.makers[one.name]] for one in found if one.name in self.makers}
        again = {name for name, node in makers.items() if node.op_type in _SAID_AGAIN and names & set(node.input)}
        return [one for one in found if one.name not in again]

    def _holds_values(self, output: Any) -> bool:
        """Whether an output may hold a value for each class: floats, or scikit-learn's dictionaries."""
        maker = self.graph.node[self.makers[output.name]] if output.name in self.makers else None
        if maker is not None and maker.op_type == "ZipMap":
            return True
        kind = output.type.tensor_type if output.type.HasField("tensor_type") else None
        return kind is not None and kind.elem_type in (0, 16, *_FLOATS)

    def _needed(self, output: str) -> list[int]:
        """The places of the nodes that lead to the output, in order."""
        wanted, places = [output], set[int]()
        while wanted:
            place = self.makers.get(wanted.pop())
            if place is not None and place not in places:
                places.add(place)
                wanted += list(self.graph.node[place].input)
        return sorted(places)

    def _said(self, places: Sequence[int]) -> tuple[list[Node], dict[str, Array]]:
        """The nodes in the newest opset, and the tensors that they hold."""
        nodes: list[Node] = []
        tensors: dict[str, Array] = {}
        ready = {self.source.name}
        for place in places:
            proto = self.graph.node[place]
            for name in filter(None, proto.input):
                if name not in ready and name in self.initializers:
                    tensors[name] = array(self.initializers[name])
                elif name not in ready:
                    raise DataError(self._unready(proto, name))
                ready.add(name)
            found = _translated(proto, self.opset)
            nodes += found.nodes
            tensors |= found.tensors
            ready |= set(proto.output)
        return nodes, tensors

    def _unready(self, proto: Any, name: str) -> str:
        if name in self.makers:
            reason = t("takes {name!r}, which a later node gives: the nodes go round in a circle, or are out of order.",
                       name=cut(name))  # fmt: skip
            return _told(proto, reason)
        return _told(proto, t("takes {name!r}, which nothing in the file gives.", name=cut(name)))

    def _classes(self) -> tuple[str, ...]:
        """The classes' names, where a node of scikit-learn's holds them."""
        for proto in self.graph.node:
            if proto.domain == onnx_dialect.LEARNING:
                held = {one.name: attribute(one) for one in proto.attribute if one.type in (7, 8)}
                found = onnx_dialect.labels(proto.op_type, held)
                if not found and proto.op_type == "ArrayFeatureExtractor" and proto.input[0] in self.initializers:
                    found = words(self.initializers[proto.input[0]])
                if found:
                    return found
        return ()


def _values(output: Any) -> int | None:
    """How many values an output has for an image, by what the file says of it."""
    sides: Any = output.type.tensor_type.shape.dim if output.type.HasField("tensor_type") else ()
    said = sides[1].dim_value if len(sides) == 2 else 0
    return said if said > 1 else None  # one may be the sigmoid of two classes


def _translated(proto: Any, opset: int) -> Said:
    """What a node becomes. Raises DataError, with the node's name."""
    try:
        attributes = {one.name: attribute(one) for one in proto.attribute}
        node = Node(proto.op_type, proto.name, tuple(proto.input), tuple(proto.output), attributes)
        return onnx_dialect.said(node, proto.domain, opset)
    except (DataError, UsageError) as error:
        raise DataError(_told(proto, str(error))) from error
    except (IndexError, TypeError, ValueError) as error:
        raise DataError(_told(proto, t("has other inputs or attributes than its kind has."))) from error


def _told(proto: Any, reason: str) -> str:
    name = proto.name or next(iter(proto.output), "")
    return t("Node {name!r} ({op}): {reason}", name=cut(name), op=cut(proto.op_type), reason=reason)
