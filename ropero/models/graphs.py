"""A network from another program as a `Classifier`: ropero's layers that bring pixels to what it takes, its graph, and
its last layer as the head. Built of what a model card holds, which may be a stranger's: all of it is checked.

Knows nothing of files (`export/`), nor of how a graph becomes one that gives logits (`adopting.py`).
Legend: N images, C channels, H x W pixels, D features, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ropero.errors import UsageError
from ropero.models import designs
from ropero.models.classifier import Classifier
from ropero.models.entries import cut
from ropero.models.layers import Layer, Shape
from ropero.models.nodes import DTYPES, MAX_NAME, Held, Node, from_json, numbers_in, to_json
from ropero.models.operator_graph import IMAGES, Ends, OperatorGraph
from ropero.texts import joined, t
from ropero.texts.numbers import whole

CHANNELS_FIRST, CHANNELS_LAST = "NCHW", "NHWC"
LAYOUTS = (CHANNELS_FIRST, CHANNELS_LAST)
MAX_TENSORS = 20_000
MAX_BATCH = 10_000
MAX_RANK = 8
# What may stand behind the last layer without making it another one: value by value or fewer of them, with one input
# that changes.
_BEHIND = ("Add", "Cast", "Clip", "Div", "Gather", "Log", "Mul", "Neg", "Relu", "Sigmoid", "Softplus", "Sub", "Tanh")
_LAST = ("Gemm", "MatMul")


@dataclass(frozen=True)
class GraphCard:
    """A graph as a model card holds it.

    tensors: what it holds beside its nodes, whose values are in the weights file. layout: LAYOUTS, how it takes images
    where what comes before it leaves any. eight_bits: whether it takes whole numbers from 0 to 255. batch: how many
    images it takes at once, 0 for any number.
    """

    nodes: tuple[Node, ...]
    tensors: Mapping[str, Held]
    source: str
    output: str
    layout: str = CHANNELS_FIRST
    eight_bits: bool = False
    batch: int = 0

    def ends(self, source: str, output: str) -> Ends:
        """Where a part of it begins and ends."""
        first = source == self.source
        turned = first and self.layout == CHANNELS_LAST
        return Ends(source, output, turned, first and self.eight_bits, self.batch)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "nodes": to_json(self.nodes),
            "tensors": {name: {"shape": list(one.shape), "dtype": one.dtype} for name, one in self.tensors.items()},
            "source": self.source,
            "output": self.output,
            "layout": self.layout,
            "eight_bits": self.eight_bits,
            "batch": self.batch,
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> GraphCard:
        """What `to_json` wrote. Raises UsageError for anything else, before memory is taken."""
        kinds: dict[str, type] = {
            "nodes": list,
            "tensors": dict,
            "source": str,
            "output": str,
            "layout": str,
            "eight_bits": bool,
            "batch": int,
        }
        for key, kind in kinds.items():
            if type(entry.get(key)) is not kind:
                raise UsageError(t("{name} should be {kind}, got {value}.",
                                   name=key, kind=kind.__name__, value=cut(entry.get(key))))  # fmt: skip
        if set(entry) != set(kinds) or entry["layout"] not in LAYOUTS or not 0 <= entry["batch"] <= MAX_BATCH:
            raise UsageError(t("A network's graph should have {known}, got {got}.",
                               known=joined(kinds), got=cut(entry)))  # fmt: skip
        return cls(**{**entry, "nodes": from_json(entry["nodes"]), "tensors": _tensors(entry["tensors"])})


def _tensors(entries: Mapping[str, Any]) -> dict[str, Held]:
    if len(entries) > MAX_TENSORS:
        raise UsageError(t("A network may hold {n} tensors at most.", n=whole(MAX_TENSORS)))
    found = {}
    for name, entry in entries.items():
        shape, dtype = (entry.get("shape"), entry.get("dtype")) if isinstance(entry, dict) else (None, None)
        good = isinstance(shape, list) and len(shape) <= MAX_RANK and len(name) <= MAX_NAME and dtype in tuple(DTYPES)
        if not good or not all(type(side) is int and side >= 0 for side in shape or ()):
            raise UsageError(t("The tensor {name!r} should have a shape and one of the types {known}, got {value}.",
                               name=cut(name), known=joined(DTYPES), value=cut(entry)))  # fmt: skip
        found[name] = Held(tuple(shape or ()), str(dtype))
    weigh(found)
    return found


def weigh(tensors: Mapping[str, Held]) -> None:
    """Raises UsageError for more numbers than a network may have."""
    total = sum(numbers_in(one.shape) for one in tensors.values())
    if total > designs.MAX_PARAMETERS:
        raise UsageError(
            t("The network has {n} parameters; it may have {limit}.",
              n=whole(total), limit=whole(designs.MAX_PARAMETERS))
        )  # fmt: skip


def build_graph(
    graph: GraphCard, prefix: Sequence[Layer], input_shape: tuple[int, int, int], classes: int
) -> Classifier:
    """The network, for images (C, H, W) in [0, 1]; its weights are zeros until they are filled in.

    Args:
        prefix: ropero's layers that bring pixels to what the graph takes.

    Raises:
        UsageError: a graph that ropero cannot compute, that takes too much memory, or that gives something else than
            one value a class.
    """
    modules, shape = designs.opening(prefix, input_shape)
    sides = (shape[2], *shape[:2]) if len(shape) == 3 else shape
    trunk, second = _trunk(graph, sides)
    if trunk.steps or trunk.ends.turned or trunk.ends.eight_bits:
        modules["graph"] = trunk
    middle, many = trunk.ends.output, graph.batch or IMAGES
    features = trunk.survey.shapes[middle]
    head: nn.Module = nn.Identity()
    shape, largest = features, trunk.survey.largest
    if second:
        head = OperatorGraph(second, _held(graph, second), graph.ends(middle, graph.output), features[1:])
        shape, largest = head.survey.shapes[graph.output], max(largest, head.survey.largest)
    check_logits(shape, many, classes)
    model = Classifier(nn.Sequential(modules), head, input_shape)
    model.peak = max(math.prod(input_shape), largest)
    return model


def _trunk(graph: GraphCard, sides: Shape) -> tuple[OperatorGraph, list[Node]]:
    """(the graph up to the features, the nodes behind them); all of it where there are no features (N, D)."""
    for middle in dict.fromkeys((_middle(graph), graph.output)):
        first, second = _halves(graph.nodes, middle)
        trunk = OperatorGraph(first, _held(graph, first), graph.ends(graph.source, middle), sides)
        shape = trunk.survey.shapes[middle]
        if not second or (len(shape) == 2 and shape[0] == (graph.batch or IMAGES)):
            break
    return trunk, second


def check_logits(shape: Shape, images: int, classes: int) -> None:
    """Raises UsageError when a graph gives something else than (N, K)."""
    if shape != (images, classes):
        raise UsageError(
            t("The network gives {got} for {n} images, but there are {classes} classes: ({n}, {classes}) is expected.",
              got=shape, n=images, classes=classes)
        )  # fmt: skip


def _held(graph: GraphCard, nodes: Sequence[Node]) -> dict[str, Held]:
    taken = {name for node in nodes for name in node.inputs}
    return {name: held for name, held in graph.tensors.items() if name in taken}


def _middle(graph: GraphCard) -> str:
    """The value that the last layer decides from; the output itself where there is no such layer."""
    makers = {name: node for node in graph.nodes for name in node.outputs}
    fixed = {*graph.tensors, *(node.outputs[0] for node in graph.nodes if not node.inputs)}
    name = graph.output
    for _ in graph.nodes:  # a stranger's nodes may go round in a circle
        if name not in makers:
            break
        node = makers[name]
        moving = [one for one in node.inputs if one and one not in fixed]
        if len(moving) != 1 or node.op not in (*_BEHIND, *_LAST):
            break
        (name,) = moving
        if node.op in _LAST:
            lonely = sum(name in other.inputs for other in graph.nodes) == 1
            return name if lonely else graph.output
    return graph.output


def _halves(nodes: Sequence[Node], middle: str) -> tuple[list[Node], list[Node]]:
    """The nodes that make the features, and those behind them; small constants go wherever they are taken."""
    behind = {middle}
    numbers: list[Node] = []
    first: list[Node] = []
    second: list[Node] = []
    for node in nodes:
        if behind & set(node.inputs):
            second.append(node)
            behind |= set(node.outputs)
        else:
            (first if node.inputs else numbers).append(node)
    return [*_taken(numbers, first), *first], [*_taken(numbers, second), *second]


def _taken(numbers: Sequence[Node], nodes: Sequence[Node]) -> list[Node]:
    names = {name for node in nodes for name in node.inputs}
    return [one for one in numbers if one.outputs[0] in names]
