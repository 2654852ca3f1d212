"""Makes a foreign graph smaller before it is built: what leads nowhere goes, what is known already is computed once.

Tensors are by name. What a graph takes as plain numbers, or as a few of them, becomes a node of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ropero.models.designs import MAX_PARAMETERS
from ropero.models.nodes import (
    DTYPES,
    MAX_WORK,
    Held,
    Node,
    TooLargeError,
    allowing,
    room,
    room_for,
    told_of,
    work_on,
    working,
)
from ropero.models.operators import CONSTANT, operator
from ropero.models.operators_recurrent import Recurrent
from ropero.models.operators_shape import constant, value_of

Tensors = dict[str, Tensor]
_FEW = 64  # numbers that stand in the graph itself
_GROWN = 65_536  # numbers that a constant may have beyond those it was made of
_INERT = ("Identity", "Dropout")


def simplify(nodes: Sequence[Node], tensors: Mapping[str, Tensor], output: str) -> tuple[list[Node], Tensors, str]:
    """(nodes, tensors, output) that give the same.

    Raises UsageError for a node that is not computed here.
    """
    nodes, output = _without_inert(needed(nodes, output), output)
    with working(MAX_WORK):
        kept, known = _folded(nodes, tensors)
    kept = needed(_without_blanks(kept, known), output)
    numbers, held = _placed(kept, known, output)
    return [*numbers, *kept], held, output


def needed(nodes: Sequence[Node], output: str) -> list[Node]:
    """The nodes that lead to the output, in their order."""
    wanted, found = {output}, []
    for node in reversed(nodes):
        if wanted & set(node.outputs):
            found.append(node)
            wanted |= set(node.inputs) - {""}
    return found[::-1]


def renamed(nodes: Iterable[Node], names: Mapping[str, str]) -> Iterator[Node]:
    """The nodes, with some of what they take called otherwise; names may be added on the way."""
    for node in nodes:
        yield replace(node, inputs=tuple(names.get(name, name) for name in node.inputs))


def _without_inert(nodes: Sequence[Node], output: str) -> tuple[list[Node], str]:
    """Without nodes that give what they get."""
    names: dict[str, str] = {}
    kept = []
    for node in renamed(nodes, names):
        if node.op in _INERT and all((*node.inputs[:1], *node.outputs[:1])) and node.inputs:
            names[node.outputs[0]] = node.inputs[0]
        else:
            kept.append(node)
    return kept, names.get(output, output)


def _folded(nodes: Sequence[Node], tensors: Mapping[str, Tensor]) -> tuple[list[Node], Tensors]:
    """The nodes that depend on the images, and all tensors that do not."""
    known = dict(tensors)
    kept = []
    left = MAX_PARAMETERS  # numbers that are computed and kept, all together
    for node in nodes:
        taken = [name for name in node.inputs if name]
        with told_of(node):
            if node.op == CONSTANT:
                known[node.outputs[0]] = value_of(node)
            elif all(name in known for name in taken) and (found := _computed(node, known, left)) is not None:
                known.update(zip(node.outputs, found, strict=False))
                left -= sum(one.numel() for one in found)
            else:
                operator(node)
                kept.append(node)
    return kept, known


def _computed(node: Node, known: Mapping[str, Tensor], left: int) -> tuple[Tensor, ...] | None:
    """What a node of constants gives, None when that is too much to keep: more than is left, or than it was made of."""
    how = operator(node)
    compute = how.make(node)
    given = [known[name] if name else None for name in node.inputs]
    if isinstance(compute, Recurrent):
        return None
    with torch.no_grad():
        try:
            with allowing(min(left, sum(one.numel() for one in given if one is not None) + _GROWN)):
                work_on(given)
                if how.spreads:
                    room_for(given)
                found = _several(compute(*given))
                room(sum(one.numel() for one in found))
                work_on(found)
        except TooLargeError:
            return None
    return tuple(map(_kept, found))


def _several(found: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return found if isinstance(found, tuple) else (found,)


def _kept(values: Tensor) -> Tensor:
    """A result in memory of its own, of a type that is kept."""
    values = values.detach().contiguous().clone()
    return values if values.dtype in DTYPES.values() else values.float()


def _without_blanks(nodes: Sequence[Node], known: Tensors) -> list[Node]:
    """Zeros that are only spread out, such as the states that recurrent layers begin with, as that: no one learned
    them. Adds to what is known."""
    blank = {name for name, values in known.items() if values.ndim and not values.any()}
    blank -= {name for node in nodes for name in node.inputs if node.op != "Expand"}
    found = []
    for node in nodes:
        if node.op == "Expand" and node.inputs[0] in blank:
            shape, zero, spread = (f"{node.outputs[0]} {what}" for what in ("shape", "zero", "blank"))
            values = known[node.inputs[0]]
            known[shape], known[zero] = torch.tensor(values.shape), torch.zeros((), dtype=values.dtype)
            found.append(Node("Expand", node.name, (zero, shape), (spread,)))
            node = replace(node, inputs=(spread, *node.inputs[1:]))
        found.append(node)
    return found


def _placed(nodes: Sequence[Node], known: Mapping[str, Tensor], output: str) -> tuple[list[Node], Tensors]:
    """(Constant nodes, tensors beside the graph) of what the nodes take."""
    beside = set[str]()
    for node in nodes:
        for place, name in enumerate(node.inputs):
            if name in known and operator(node).keeps(place, Held.of(known[name])):
                beside.add(name)
    taken = dict.fromkeys(name for node in nodes for name in node.inputs if name in known)
    if output in known:
        taken[output] = None
    few = [name for name in taken if name not in beside and known[name].numel() <= _FEW]
    numbers = [Node(CONSTANT, "", (), (name,), constant(known[name])) for name in few]
    return numbers, {name: known[name] for name in taken if name not in few}
