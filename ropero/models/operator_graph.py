"""A foreign network's graph as a torch module: runs its nodes one after the other.

What counts as a layer is a child, so that hooks see it as they see a layer of ropero's own networks. Sizes are not
trusted: a graph is walked through without memory for each new size of a batch before it runs.
Legend: N images.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.models.designs import MAX_VALUES, snake
from ropero.models.entries import cut
from ropero.models.nodes import DTYPES, Compute, Held, Maps, Node, Operator, told_of
from ropero.models.operators import CONSTANT, operator
from ropero.models.operators_quantised import rounded
from ropero.models.operators_recurrent import Recurrent
from ropero.models.operators_shape import value_of
from ropero.texts import t
from ropero.texts.numbers import whole

Shape = tuple[int, ...]
_MAX_HOST = 1_000_000  # numbers of a tensor that is computed while the graph is walked through
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

    def run(self, given: Sequence[Tensor | None], visibly: bool = False) -> tuple[Tensor, ...]:
        """What the node gives, by its outputs."""
        module = self.compute if isinstance(self.compute, nn.Module) else None
        call = module.forward if module is not None and not (visibly and self.seen) else self.compute
        found = call(*given)
        if isinstance(module, Recurrent):
            return module.as_onnx(found)
        return found if isinstance(found, tuple) else (found,)


@dataclass
class Survey:
    """What a walk through a graph found: the shape and kind of every value, and of what each node's module gives."""

    shapes: dict[str, Shape] = dataclasses.field(default_factory=dict)
    floats: set[str] = dataclasses.field(default_factory=set)
    layers: list[Shape] = dataclasses.field(default_factory=list)
    largest: int = 0


class OperatorGraph(nn.Module):
    """Nodes in an order in which each comes after all that it takes; a value is let go after its last use.

    Args:
        tensors: what the graph holds beside its nodes; the weights' own values are filled in later.
        sides: the shape of an image as it comes in, (C, H, W) or what a prefix has made of it.
        device: "meta" for a graph that is walked through alone.

    Raises:
        UsageError: a node that is not computed here, takes what no node before it gives, or needs too much memory.
    """

    def __init__(
        self, nodes: Sequence[Node], tensors: Mapping[str, Held], ends: Ends, sides: Shape, device: str = "cpu"
    ) -> None:
        super().__init__()
        self.ends, self.sides = ends, sides
        self.host: dict[str, Tensor] = {}  # small constants, which stay where the sizes are computed
        self.places: dict[str, tuple[nn.Module, str]] = {}  # which module holds each tensor, by which name
        self._tensors, self._device = tensors, device
        self.steps = self._steps(nodes)
        self._surveyed: set[Shape] = set()
        self.surveys = [self.survey(many) for many in ((ends.batch,) if ends.batch else (1, 2))]
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
        values = torch.zeros(held.shape, dtype=DTYPES[held.dtype], device=self._device)
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
        if not self.ends.batch:
            return self._whole(x)
        parts = [self._filled_up(part) for part in torch.split(x, self.ends.batch)]
        return torch.cat(parts)[: len(x)]

    def _filled_up(self, part: Tensor) -> Tensor:
        """What a batch of fewer images than the graph takes gives; the rest is filled with the last one."""
        lacking = self.ends.batch - len(part)
        return self._whole(torch.cat([part, part[-1:].expand(lacking, *part.shape[1:])]) if lacking else part)

    def _whole(self, x: Tensor) -> Tensor:
        if tuple(x.shape) not in self._surveyed:
            self.survey(len(x), tuple(x.shape[1:]))
        return self._run(self._taken(x), _computed, self._held)

    def _taken(self, x: Tensor) -> Tensor:
        """Images as the graph takes them."""
        if self.ends.eight_bits:
            x = rounded(x).clamp(0, 255)
        return x.permute(0, 2, 3, 1) if self.ends.turned and x.ndim == _SIDES_OF_MAPS else x

    def _held(self, name: str) -> Tensor:
        module, called = self.places[name]
        found: Tensor = getattr(module, called)
        return found

    def _run(
        self,
        x: Tensor,
        call: Callable[[_Step, list[Tensor | None]], tuple[Tensor, ...]],
        held: Callable[[str], Tensor],
    ) -> Tensor:
        values: dict[str, Tensor] = {self.ends.source: x}

        def find(name: str) -> Tensor | None:
            if not name:
                return None
            if name in values:
                return values[name]
            if name in self.host:
                return self.host[name]
            if name not in self._tensors:
                raise UsageError(t("takes {name!r}, which no node before it gives.", name=cut(name)))
            return held(name)

        for step in self.steps:
            found = call(step, [find(name) for name in step.node.inputs])
            values.update((name, one) for name, one in zip(step.node.outputs, found, strict=False) if name)
            for name in step.done:
                values.pop(name, None)
        found_last = find(self.ends.output)
        assert found_last is not None
        return found_last

    def survey(self, many: int, sides: Shape | None = None) -> Survey:
        """Walk through the graph with a batch of so many images, of shapes alone.

        Raises UsageError for a node that cannot take what it gets, or that needs too much memory.
        """
        shape = (many, *(self.sides if sides is None else sides))
        noted = Survey(largest=_size(shape) // many)
        live = {self.ends.source: _size(shape)}

        def call(step: _Step, given: list[Tensor | None]) -> tuple[Tensor, ...]:
            with told_of(step.node):
                found = _without_memory(step, given)
                noted.layers.append(tuple(found[0].shape))
                for name, one in zip(step.node.outputs, found, strict=False):
                    noted.shapes[name], live[name] = tuple(one.shape), one.numel()
                    noted.floats |= {name} if one.is_floating_point() else set()
                    noted.largest = max(noted.largest, one.numel() // many)
                if sum(live.values()) > MAX_VALUES * many:
                    raise UsageError(
                        t("would need {n} numbers for an image at once; {limit} at most are allowed.",
                          n=whole(sum(live.values()) // many), limit=whole(MAX_VALUES))
                    )  # fmt: skip
            for name in step.done:
                live.pop(name, None)
            return found

        with torch.no_grad():
            x = self._taken(torch.empty(shape, device="meta"))
            noted.shapes[self.ends.source] = tuple(x.shape)
            noted.floats.add(self.ends.source)
            last = self._run(x, call, lambda name: self._held(name).to("meta"))
        noted.shapes[self.ends.output] = tuple(last.shape)
        self._surveyed.add(shape)
        return noted

    def _shown(self) -> list[_Step]:
        """The steps, each with whether hooks see it: layers that give one thing an image, and of four-sided things
        feature maps alone, as others would be taken for them."""
        one, two = self.surveys
        maps: set[str] = set()
        if len(one.shapes[self.ends.source]) == _SIDES_OF_MAPS and not self.ends.turned:
            maps.add(self.ends.source)
        steps = []
        for step, first, second in zip(self.steps, one.layers, two.layers, strict=True):
            gets = bool(maps & set(step.node.inputs))
            gives = step.known.maps == Maps.ALWAYS or (step.known.maps == Maps.AS_GIVEN and gets)
            maps |= set(step.node.outputs) if gives else set()
            alone = first[:1] == (1,) and second[:1] == (2,) and step.node.outputs[0] in one.floats
            seen = alone and (gives or len(first) != _SIDES_OF_MAPS)
            steps.append(dataclasses.replace(step, seen=seen))
        return steps


def _only(outputs: Sequence[str]) -> str:
    if len(outputs) != 1:
        raise UsageError(t("should have one output, got {n}.", n=len(outputs)))
    return outputs[0]


def _size(shape: Shape) -> int:
    return torch.empty(shape, device="meta").numel()


def _without_memory(step: _Step, given: list[Tensor | None]) -> tuple[Tensor, ...]:
    """What a node gives: shapes alone, but what depends on nothing else than sizes is computed."""
    bare = [one if one is None or place in step.known.host else one.to("meta") for place, one in enumerate(given)]
    found = step.run(bare)
    known = all(one is None or not one.is_meta for one in given)
    if known and max((one.numel() for one in found), default=0) <= _MAX_HOST:
        return step.run(given)
    return found


def _computed(step: _Step, given: list[Tensor | None]) -> tuple[Tensor, ...]:
    with told_of(step.node):  # the picture's values may still be places that are not there
        return step.run(_together(step, given), visibly=True)


def _together(step: _Step, given: list[Tensor | None]) -> list[Tensor | None]:
    """The inputs on one device, but those that are read as numbers; sizes are computed on the CPU."""
    devices = {one.device for one in _beside(step, given) if one.device.type != "cpu"}
    if not devices:
        return given
    (device,) = devices
    return [one if one is None or place in step.known.host else one.to(device) for place, one in enumerate(given)]


def _beside(step: _Step, given: list[Tensor | None]) -> Iterator[Tensor]:
    return (one for place, one in enumerate(given) if one is not None and place not in step.known.host)
