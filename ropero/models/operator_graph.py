"""A foreign network's graph as a torch module: runs its nodes one after the other.

What counts as a layer is a child, so that hooks see it as they see a layer of ropero's own networks. Sizes are not
trusted: nothing may grow beyond what is allowed for an image, and each operator asks before it takes memory.
Legend: N images.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.models.designs import MAX_VALUES, snake
from ropero.models.entries import cut
from ropero.models.nodes import (
    DTYPES,
    MAX_WORK,
    Compute,
    Held,
    Maps,
    Node,
    Operator,
    allowing,
    numbers_in,
    room,
    room_for,
    told_of,
    work_on,
    working,
)
from ropero.models.operators import CONSTANT, operator
from ropero.models.operators_quantised import rounded
from ropero.models.operators_recurrent import Recurrent
from ropero.models.operators_shape import value_of
from ropero.texts import t

Shape = tuple[int, ...]
IMAGES = 3  # in the run that shapes are found by: few sides of other things are as long
_SIDES_OF_MAPS = 4


@dataclass(frozen=True)
class Ends:
    """Where a graph begins and ends, and how it takes its images.

    source, output: the names of what comes in and what goes out. turned: whether images come as (N, H, W, C).
    eight_bits: whether they are whole numbers from 0 to 255. batch: how many images it takes, 0 for any number.
    """

    source: str
    output: str
    turned: bool = False
    eight_bits: bool = False
    batch: int = 0


@dataclass(frozen=True)
class _Step:
    """A node with what computes it. done: the values that no later node takes. seen: whether hooks see it."""

    node: Node
    known: Operator
    compute: Compute
    done: tuple[str, ...]
    seen: bool = False

    def run(self, given: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
        """What computes the node gives: the outputs, as they come out of a layer."""
        if self.known.spreads:
            room_for(given)
        call = self.compute.forward if isinstance(self.compute, nn.Module) and not self.seen else self.compute
        found = call(*given)
        return found if isinstance(found, tuple) else (found,)

    def onnx(self, found: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What it gave, as ONNX has it."""
        return self.compute.as_onnx(found) if isinstance(self.compute, Recurrent) else found


@dataclass
class Survey:
    """What one run of a graph found: the shape of every value, which of them are floats, and the shape of what each
    node's layer gives; largest is in numbers of one image."""

    shapes: dict[str, Shape] = field(default_factory=dict)
    floats: set[str] = field(default_factory=set)
    layers: list[Shape] = field(default_factory=list)
    largest: int = 0

    def note(self, layer: Tensor, given: Mapping[str, Tensor]) -> None:
        """What a node gave: from its layer, and by its outputs."""
        self.layers.append(tuple(layer.shape))
        self.shapes.update((name, tuple(one.shape)) for name, one in given.items())
        self.floats |= {name for name, one in given.items() if one.is_floating_point()}


class OperatorGraph(nn.Module):
    """Nodes in an order in which each comes after all that it takes; a value is let go after its last use.

    Args:
        tensors: what the graph holds beside its nodes; the weights' own values are filled in later.
        sides: the shape of an image as it comes in, (C, H, W) or what a prefix has made of it.

    Raises:
        UsageError: a node that is not computed here, takes what no node before it gives, or needs too much memory.
    """

    def __init__(self, nodes: Sequence[Node], tensors: Mapping[str, Held], ends: Ends, sides: Shape) -> None:
        super().__init__()
        self.ends = ends
        self.host: dict[str, Tensor] = {}  # small constants, which stay where the sizes are computed
        self.places: dict[str, tuple[nn.Module, str]] = {}  # which module holds each tensor, by which name
        self._tensors = tensors
        self._sizes: set[str] = set()  # values that depend on sizes alone
        self.steps = self._steps(nodes)
        self.survey = self._surveyed(sides)
        if not ends.batch:
            self.steps = self._shown()

    def _steps(self, nodes: Sequence[Node]) -> list[_Step]:
        last = {name: place for place, node in enumerate(nodes) for name in node.inputs}
        given, counts = {self.ends.source, *self._tensors}, Counter[str]()
        steps = []
        for place, node in enumerate(nodes):
            with told_of(node):
                if node.op == CONSTANT:
                    self.host[_only(node.outputs)] = value_of(node)
                    self._sizes |= set(node.outputs)
                else:
                    counts[node.op] += 1
                    # What nobody takes, or nobody takes again, is let go.
                    done = {name for name in (*node.inputs, *node.outputs) if last.get(name, place) == place}
                    steps.append(self._step(node, f"{snake(node.op)}_{counts[node.op]}", given, done))
                if given & set(node.outputs) - {""}:
                    raise UsageError(t("gives {name!r}, which is there already.", name=cut(node.outputs[0])))
                given |= set(node.outputs)
        if self.ends.output not in given:
            raise UsageError(t("No node gives the output {name!r}.", name=cut(self.ends.output)))
        return steps

    def _step(self, node: Node, title: str, given: set[str], done: set[str]) -> _Step:
        known = operator(node)
        for name in node.inputs:
            if name and name not in given:
                raise UsageError(t("takes {name!r}, which no node before it gives.", name=cut(name)))
        compute = known.make(node)
        read = {node.inputs[place] for place in known.host if place < len(node.inputs)}
        if read - self._sizes - {""}:
            raise UsageError(
                t("takes a size that depends on the picture's values; only sizes that depend on shapes can be "
                  "followed.")
            )  # fmt: skip
        if node.op in ("Shape", "Size") or self._sizes >= set(node.inputs) - {""}:
            self._sizes |= set(node.outputs)
        holder: nn.Module = self
        if isinstance(compute, nn.Module):
            self.add_module(title, compute)
            holder = compute
        for place, name in enumerate(node.inputs):
            if name in self._tensors and name not in self.places:
                self._hold(name, holder, known, place)
        return _Step(node, known, compute, tuple(sorted(done - {"", self.ends.output})))

    def _hold(self, name: str, holder: nn.Module, known: Operator, place: int) -> None:
        """Give a tensor to the first module that takes it; others borrow it from there."""
        held = self._tensors[name]
        values = torch.zeros(held.shape, dtype=DTYPES[held.dtype])
        called = known.name(place) or f"constant_{place}"
        if holder is self:
            called = f"tensor_{len(self.places)}"
        if known.learns(place, held):
            holder.register_parameter(called, nn.Parameter(values, requires_grad=values.is_floating_point()))
        else:
            holder.register_buffer(called, values)
        self.places[name] = (holder, called)

    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over the values of all tensors that the graph holds."""
        with torch.no_grad():
            for name, (module, called) in self.places.items():
                getattr(module, called).copy_(tensors[name])

    def forward(self, x: Tensor) -> Tensor:
        if self.ends.batch in (0, len(x)):
            return self._whole(x)
        parts = [self._filled_up(part) for part in torch.split(x, self.ends.batch)]
        return torch.cat(parts)[: len(x)]

    def _filled_up(self, part: Tensor) -> Tensor:
        """What a batch of fewer images than the graph takes gives; the rest is filled with the last one."""
        lacking = self.ends.batch - len(part)
        return self._whole(torch.cat([part, part[-1:].expand(lacking, *part.shape[1:])]) if lacking else part)

    def _whole(self, x: Tensor) -> Tensor:
        with allowing(MAX_VALUES * len(x)), working(MAX_WORK * len(x)):
            return self._run(self._taken(x))

    def _taken(self, x: Tensor) -> Tensor:
        """Images as the graph takes them."""
        if self.ends.eight_bits:
            x = rounded(x).clamp(0, 255)
        return x.permute(0, 2, 3, 1) if self.ends.turned and x.ndim == _SIDES_OF_MAPS else x

    def _run(self, x: Tensor, survey: Survey | None = None) -> Tensor:
        values: dict[str, Tensor] = {self.ends.source: x}

        def find(name: str) -> Tensor:
            if name in values:
                return values[name]
            if name in self.host:
                return self.host[name]
            if name not in self.places:
                raise UsageError(t("takes {name!r}, which no node before it gives.", name=cut(name)))
            module, called = self.places[name]
            held: Tensor = getattr(module, called)
            return held

        for step in self.steps:
            with told_of(step.node):
                taken = _together(step, [find(name) if name else None for name in step.node.inputs])
                work_on(taken)
                found = step.run(taken)
                given = {name: one for name, one in zip(step.node.outputs, step.onnx(found), strict=False) if name}
                work_on(given.values())
                values |= given
                room(sum(one.numel() for one in values.values()))
            if survey is not None:
                survey.note(found[0], given)
            for name in step.done:
                values.pop(name, None)
        return find(self.ends.output)

    def _surveyed(self, sides: Shape) -> Survey:
        """A run with black images, before the weights are there: of shapes it tells all."""
        many = self.ends.batch or IMAGES
        survey = Survey()
        x = self._taken(torch.zeros(many, *sides))
        survey.shapes[self.ends.source] = tuple(x.shape)
        with torch.inference_mode(), allowing(MAX_VALUES * many), working(MAX_WORK * many):
            room(*x.shape)
            survey.shapes[self.ends.output] = tuple(self._run(x, survey).shape)
        survey.largest = max(numbers_in(shape) for shape in survey.shapes.values()) // many
        return survey

    def _shown(self) -> list[_Step]:
        """The steps, each with whether hooks see it: layers that give one thing an image, and of four-sided things
        feature maps alone, as others would be taken for them."""
        survey = self.survey
        maps: set[str] = set()
        if len(survey.shapes[self.ends.source]) == _SIDES_OF_MAPS and not self.ends.turned:
            maps.add(self.ends.source)
        steps = []
        for step, shape in zip(self.steps, survey.layers, strict=True):
            gets = bool(maps & set(step.node.inputs))
            gives = step.known.maps == Maps.ALWAYS or (step.known.maps == Maps.AS_GIVEN and gets)
            maps |= set(step.node.outputs) if gives else set()
            alone = shape[:1] == (IMAGES,) and bool(survey.floats & set(step.node.outputs))
            seen = alone and (gives or len(shape) != _SIDES_OF_MAPS)
            steps.append(dataclasses.replace(step, seen=seen))
        return steps


def _only(outputs: Sequence[str]) -> str:
    if len(outputs) != 1:
        raise UsageError(t("should have one output, got {n}.", n=len(outputs)))
    return outputs[0]


def _together(step: _Step, given: list[Tensor | None]) -> list[Tensor | None]:
    """The inputs on one device, but those that are read as numbers; sizes are computed on the CPU."""
    devices = {one.device for one in _beside(step, given) if one.device.type != "cpu"}
    if not devices:
        return given
    (device,) = devices
    return [one if one is None or place in step.known.host else one.to(device) for place, one in enumerate(given)]


def _beside(step: _Step, given: list[Tensor | None]) -> Iterator[Tensor]:
    return (one for place, one in enumerate(given) if one is not None and place not in step.known.host)
