"""Makes a foreign graph one that gives logits for any number of images, and proves it with random ones.

Three things stand in the way: a softmax or a sigmoid at the end; sizes that were written down for the batch it was
exported with; and values that are probabilities already. What is changed is kept only where it gives the same.
Legend: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from ropero.errors import UsageError
from ropero.models import designs
from ropero.models.classifier import Classifier
from ropero.models.folding import needed, renamed, simplify
from ropero.models.graphs import CHANNELS_FIRST, GraphCard, build_graph, check_logits, weigh
from ropero.models.layers import Layer
from ropero.models.nodes import Held, Node
from ropero.models.operator_graph import OperatorGraph
from ropero.models.operators import CONSTANT
from ropero.models.operators_shape import constant
from ropero.texts import t

_IMAGES = 3
_CLOSE = 1e-3  # of the largest value: other kernels for another number of images round otherwise
_LEAST = 1e-30  # of a probability, before its logarithm
_PASSING = ("Cast", "Flatten", "Reshape", "Squeeze")  # what may stand behind a softmax without changing a value
_MOVING = (*_PASSING, "Concat", "Gather", "Resize", "Slice", "Split", "Transpose", "Unsqueeze")
_BYTES_TAKEN = ("Cast", "ConvInteger", "DequantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul")


@dataclass(frozen=True)
class RawGraph:
    """A network as a file has it: nodes, tensors by name, and how it takes its images.

    batch: how many images its file says it takes, 0 for any number. Other fields as in `graphs.GraphCard`.
    """

    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    source: str
    output: str
    layout: str = CHANNELS_FIRST
    eight_bits: bool = False
    batch: int = 0


def adopt(
    raw: RawGraph, prefix: Sequence[Layer], input_shape: tuple[int, int, int], classes: int, spare: int = 0
) -> tuple[Classifier, GraphCard]:
    """(the network with its weights, in eval mode, and the graph for its model card), for images (C, H, W) in [0, 1].

    Args:
        prefix: ropero's layers that bring pixels to what the network takes.
        spare: how many values beyond the classes it may give; the last ones are left away.

    Raises:
        UsageError: a network that ropero cannot compute, or that gives something else than one value a class.
    """
    weigh({name: Held.of(one) for name, one in raw.tensors.items()})
    nodes, tensors, output = simplify(raw.nodes, raw.tensors, raw.output)
    plain = replace(raw, nodes=tuple(nodes), tensors=tensors, output=output)
    if plain.eight_bits:
        _check_bytes(plain)
    images = torch.rand(_IMAGES, *input_shape, generator=torch.Generator().manual_seed(0))
    probe = _Probe(prefix, input_shape, images)
    found = _logits(*_any_batch(plain, probe), probe, classes, spare)
    graph = _graph(found)
    model = build_graph(graph, prefix, input_shape, classes)
    for part in model.modules():
        if isinstance(part, OperatorGraph):
            part.fill(found.tensors)
    return model.eval(), graph


def _graph(found: RawGraph) -> GraphCard:
    kept = {name: Held.of(one) for name, one in found.tensors.items()}
    return GraphCard(found.nodes, kept, found.source, found.output, found.layout, found.eight_bits, found.batch)


class _Probe:
    """A few random images, and what a graph makes of them."""

    def __init__(self, prefix: Sequence[Layer], input_shape: tuple[int, int, int], images: Tensor) -> None:
        modules, shape = designs.opening(prefix, input_shape)
        self.sides = (shape[2], *shape[:2]) if len(shape) == 3 else shape
        with torch.inference_mode():
            self.given: Tensor = nn.Sequential(modules).eval()(images)

    def graph(self, raw: RawGraph) -> OperatorGraph:
        """The graph with its weights."""
        graph = _graph(raw)
        made = OperatorGraph(graph.nodes, graph.tensors, graph.ends(graph.source, graph.output), self.sides)
        made.fill(raw.tensors)
        return made.eval()

    def answers(self, raw: RawGraph) -> Tensor:
        """What the graph gives for the images. Raises UsageError for what is no finite number."""
        with torch.inference_mode():
            found: Tensor = self.graph(raw)(self.given)
        if not found.isfinite().all():
            raise UsageError(t("The network gives values for random images that are infinite or not a number; do its "
                               "pixels come in the form it was trained with?"))  # fmt: skip
        return found

    def answers_alone(self, raw: RawGraph) -> Tensor:
        """What it gives for each image alone."""
        with torch.inference_mode():
            graph = self.graph(raw)
            return torch.cat([graph(image[None]) for image in self.given])


def _check_bytes(raw: RawGraph) -> None:
    """Raises UsageError for arithmetic on whole numbers of 8 bits, which runs over where floats do not."""
    bytes_ = {raw.source}
    for node in raw.nodes:
        if bytes_ & set(node.inputs) and node.op not in _BYTES_TAKEN:
            if node.op not in _MOVING:
                raise UsageError(t("The network computes {op} with pixels of 8 bits; it should make floats of them "
                                   "first.", op=node.op))  # fmt: skip
            bytes_ |= set(node.outputs)


def _any_batch(raw: RawGraph, probe: _Probe) -> tuple[RawGraph, Tensor]:
    """(the graph as one that takes any number of images, or else as many at a time as its file says, its answers)."""
    fixed = raw.batch or 1
    free = replace(raw, batch=0)
    refused: UsageError | None = None
    for tried in (free, replace(free, nodes=tuple(_unbound(free, fixed))), replace(raw, batch=fixed)):
        try:
            together = probe.answers(tried)
            if tried.batch or (len(together) == _IMAGES and _close(together, probe.answers_alone(tried))):
                return tried, together
        except UsageError as error:
            refused = error
    assert refused is not None  # the last one, which is what the file says, is returned or refused
    raise refused


def _unbound(raw: RawGraph, fixed: int) -> Iterator[Node]:
    """The nodes, with 0 for the number of images in the shapes that say it: what a reshaping gets, it keeps."""
    numbers = {node.outputs[0]: node for node in raw.nodes if node.op == CONSTANT}
    for place, node in enumerate(raw.nodes):
        shape = numbers.get(node.inputs[1]) if node.op == "Reshape" and len(node.inputs) > 1 else None
        sides = list(shape.wholes("value") or ()) if shape is not None else []
        if sides[:1] == [fixed] and 0 not in sides:
            name = f"{node.outputs[0]} {place} shape"
            yield Node(CONSTANT, "", (), (name,), constant(torch.tensor([0, *sides[1:]])))
            node = replace(node, inputs=(node.inputs[0], name), attributes={})
        yield node


def _logits(raw: RawGraph, answers: Tensor, probe: _Probe, classes: int, spare: int) -> RawGraph:
    """The graph as one that gives a logit for each class."""
    values = answers[0].numel() if answers.ndim > 1 else 0
    if not classes < values <= classes + spare:
        return _with_logits(*_as_rows(raw, answers, classes), probe, classes)
    return _taken(_with_logits(*_as_rows(raw, answers, values), probe, values), range(classes))


def _taken(raw: RawGraph, places: Sequence[int]) -> RawGraph:
    """The graph with some of its outputs, in this order."""
    name = f"{raw.output} places"
    number = Node(CONSTANT, "", (), (name,), constant(torch.tensor(places)))
    gather = Node("Gather", "", (raw.output, name), (f"{raw.output} taken",), {"axis": 1})
    return replace(raw, nodes=(number, *raw.nodes, gather), output=gather.outputs[0])


def _as_rows(raw: RawGraph, answers: Tensor, classes: int) -> tuple[RawGraph, Tensor]:
    """The graph as one that gives (N, K), and its answers: without the sides of 1 that a convolution leaves."""
    if answers.ndim > 2 and answers[0].numel() == classes:
        return _behind(raw, [("Flatten", {"axis": 1})]), answers.flatten(1)
    if not (classes == 2 and answers.shape == (_IMAGES, 1)):  # one sigmoid may stand for two classes
        check_logits(tuple(answers.shape), _IMAGES, classes)
    return raw, answers


def _behind(raw: RawGraph, ops: Sequence[tuple[str, Mapping[str, object]]]) -> RawGraph:
    """The graph with nodes of one input put behind it."""
    nodes, output = list(raw.nodes), raw.output
    for op, attributes in ops:
        after = f"{output} {op}"
        nodes.append(Node(op, "", (output,), (after,), attributes))
        output = after
    return replace(raw, nodes=tuple(nodes), output=output)


def _with_logits(raw: RawGraph, answers: Tensor, probe: _Probe, classes: int) -> RawGraph:
    """The graph as one whose softmax are the probabilities that it gives."""
    end, shared = _end(raw)
    if answers.shape[1] == 1 and classes == 2:
        return _two_classes(raw, end)
    if end is not None:
        tried = _without(raw, end, *shared)
        if _close(_ended(probe.answers(tried), end, bool(shared)), answers):
            # log(sigmoid(x)) = -softplus(-x)
            return _behind(tried, [("Neg", {}), ("Softplus", {}), ("Neg", {})]) if end.op == "Sigmoid" else tried
    if bool((answers >= 0).all()) and bool(((answers.sum(1) - 1).abs() < _CLOSE).all()):
        return _behind(raw, [("Clip", {"min": _LEAST}), ("Log", {})])
    return raw


def _ended(values: Tensor, end: Node, shared: bool) -> Tensor:
    """What the end of a graph makes of a value for each class."""
    found = {"Softmax": values.softmax(1), "LogSoftmax": values.log_softmax(1), "Sigmoid": values.sigmoid()}[end.op]
    return functional.normalize(found, p=1) if shared else found


def _two_classes(raw: RawGraph, end: Node | None) -> RawGraph:
    """One value, the second class's sigmoid, as two logits: 0 and what went into it."""
    if end is None or end.op != "Sigmoid":
        raise UsageError(t("The network gives one value an image, but no sigmoid of it, for two classes."))
    tried = _without(raw, end)
    zero, both = f"{tried.output} zero", f"{tried.output} both"
    nodes = [
        *tried.nodes,
        Node("Sub", "", (tried.output, tried.output), (zero,)),
        Node("Concat", "", (zero, tried.output), (both,), {"axis": 1}),
    ]
    return replace(tried, nodes=tuple(nodes), output=both)


def _end(raw: RawGraph) -> tuple[Node | None, list[Node]]:
    """(the softmax or sigmoid that a graph ends with, if it does, what divides its values by their sum); what else
    stands behind it moves values at most."""
    makers = {name: node for node in raw.nodes for name in node.outputs}
    name = raw.output
    shared: list[Node] = []
    while name in makers:
        node = makers[name]
        if node.op in ("Softmax", "LogSoftmax", "Sigmoid"):
            return node, shared
        if node.op == "LpNormalization" and node.whole("p", 2) == 1:
            shared.append(node)
        elif node.op not in _PASSING:
            break
        name = node.inputs[0]
    return None, []


def _without(raw: RawGraph, *gone: Node) -> RawGraph:
    """The graph without these nodes: what took the values of one takes what it took."""
    names: dict[str, str] = {}
    for one in sorted(gone, key=raw.nodes.index):
        names[one.outputs[0]] = names.get(one.inputs[0], one.inputs[0])
    output = names.get(raw.output, raw.output)
    rest = [node for node in raw.nodes if node not in gone]
    return replace(raw, nodes=tuple(needed(list(renamed(rest, names)), output)), output=output)


def _close(found: Tensor, expected: Tensor) -> bool:
    same = found.shape == expected.shape
    return same and bool((found - expected).abs().max() <= _CLOSE * (expected.abs().max() + 1e-6))
