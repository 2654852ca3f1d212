"""A node of a foreign network's graph as it is written down, and what is known of an operator. Its names, inputs and
attributes are ONNX's; whoever wrote them may be a stranger, so each is checked when it is read.

Knows nothing of what any operator computes (`operators.py`), nor of files (`export/`).
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch
from torch import Tensor

from ropero.errors import UsageError
from ropero.models.designs import MAX_VALUES
from ropero.models.entries import cut
from ropero.texts import t
from ropero.texts.numbers import whole

# What a graph may hold, whoever wrote it.
MAX_NODES = 20_000
MAX_LINKS = 2_000  # inputs or outputs of a node
MAX_NAME = 2_000  # characters
MAX_LISTED = 100_000  # numbers in an attribute
MAX_WORK = 300_000_000_000  # multiplications for an image: twenty times what VGG16 takes for one of 224 pixels

# The types of tensors that are kept.
DTYPES = {one: getattr(torch, one) for one in ("float32", "int64", "int32", "int16", "uint16", "int8", "uint8", "bool")}

Compute = Callable[..., Any]  # inputs in ONNX's order, None where one is left out -> a tensor, or a tuple of them


class Maps(enum.Enum):
    """Whether an operator gives feature maps (N, C, H, W): never, whenever it gives four sides, or if it gets some."""

    NEVER = enum.auto()
    ALWAYS = enum.auto()
    AS_GIVEN = enum.auto()


@dataclass(frozen=True)
class Operator:
    """What is known of an operator.

    make: from a node to what computes it; a torch module where it counts as a layer. host: the inputs that are read as
    plain numbers, such as a shape. names: by input, what a constant one is called in the module that holds it; those
    with a name other than running_... are parameters. whole: whether whole numbers are parameters too. spreads: whether
    inputs are spread over one another, value by value.
    """

    make: Callable[[Node], Compute]
    host: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    maps: Maps = Maps.NEVER
    whole: bool = False
    spreads: bool = False

    def name(self, place: int) -> str:
        """What the constant at an input is called, "" when it has no name of its own."""
        return self.names[place] if place < len(self.names) else ""

    def keeps(self, place: int, held: Held) -> bool:
        """Whether the constant at an input belongs to the layer, and is no mere number."""
        return bool(self.name(place)) and held.shape != () and (self.whole or held.dtype == "float32")

    def learns(self, place: int, held: Held) -> bool:
        """Whether the constant at an input is a parameter."""
        return self.keeps(place, held) and not self.name(place).startswith("running_")


@dataclass(frozen=True)
class Held:
    """A tensor that a graph holds beside its nodes; dtype is one of DTYPES."""

    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, values: Tensor) -> Held:
        return cls(tuple(values.shape), str(values.dtype).removeprefix("torch."))


@dataclass(frozen=True)
class Node:
    """One step of a graph; a name in inputs is "" where an optional one is left out."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def whole(self, key: str, default: int) -> int:
        """A whole number. Raises UsageError for something else; so do all below."""
        value = self.attributes.get(key, default)
        return int(value) if is_whole(value) else self._wrong(key, t("a whole number"))

    def number(self, key: str, default: float) -> float:
        """A number, which JSON may hold as "inf"."""
        value = self.attributes.get(key, default)
        return float(value) if is_number(value) else self._wrong(key, t("a number"))

    def word(self, key: str, default: str, known: Sequence[str]) -> str:
        """One of the known words."""
        value = self.attributes.get(key, default)
        return str(value) if value in known else self._wrong(key, " / ".join(known))

    def wholes(self, key: str) -> tuple[int, ...] | None:
        """A list of whole numbers, None when it is left out."""
        return self._list(key, is_whole, t("a list of whole numbers"))

    def numbers(self, key: str) -> tuple[float, ...] | None:
        """A list of numbers, None when it is left out."""
        found = self._list(key, is_number, t("a list of numbers"))
        return None if found is None else tuple(map(float, found))

    def words(self, key: str) -> tuple[str, ...] | None:
        """A list of words, None when it is left out."""
        return self._list(key, lambda one: isinstance(one, str), t("a list of words"))

    def refuse(self, key: str, *, allowed: Iterable[Any] = ()) -> None:
        """Raises UsageError for an attribute that ropero does not follow, unless its value changes nothing."""
        value = self.attributes.get(key)
        if value is not None and value not in allowed:
            raise UsageError(t("{name} = {value} is not supported.", name=key, value=cut(value)))

    def _list(self, key: str, fits: Callable[[Any], bool], kind: str) -> tuple[Any, ...] | None:
        values = self.attributes.get(key)
        if values is None:
            return None
        good = isinstance(values, list | tuple) and len(values) <= MAX_LISTED and all(map(fits, values))
        return tuple(values) if good else self._wrong(key, kind)

    def _wrong(self, key: str, kind: str) -> NoReturn:
        value = self.attributes.get(key)
        raise UsageError(t("{name} should be {kind}, got {value}.", name=key, kind=kind, value=cut(value)))


def is_whole(value: Any) -> bool:
    """Whether this is a whole number of 64 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def is_number(value: Any) -> bool:
    """Whether this is a number, or one of the three that JSON has to write as words."""
    return isinstance(value, float) or is_whole(value) or value in ("inf", "-inf", "nan")


def as_json(value: float) -> float | str:
    """A number as JSON can hold it."""
    return value if math.isfinite(value) else str(float(value))


def from_json(entries: object) -> tuple[Node, ...]:
    """The nodes that JSON holds. Raises UsageError for something else."""
    if not isinstance(entries, list | tuple) or len(entries) > MAX_NODES:
        raise UsageError(t("A network's graph should be a list of at most {n} nodes.", n=whole(MAX_NODES)))
    return tuple(_node(entry) for entry in entries)


def to_json(nodes: Iterable[Node]) -> list[dict[str, Any]]:
    """The nodes as JSON objects."""
    return [
        {
            "op": node.op,
            "name": node.name,
            "inputs": list(node.inputs),
            "outputs": list(node.outputs),
            "attributes": dict(node.attributes),
        }
        for node in nodes
    ]


def _node(entry: object) -> Node:
    if not isinstance(entry, Mapping) or set(entry) != {"op", "name", "inputs", "outputs", "attributes"}:
        raise UsageError(
            t("A node should have op, name, inputs, outputs and attributes, got {entry}.", entry=cut(entry))
        )
    links = (entry["inputs"], entry["outputs"])
    whole_lists = all(isinstance(names, list | tuple) and len(names) <= MAX_LINKS for names in links)
    names = [entry["op"], entry["name"], *(name for one in links for name in one)] if whole_lists else [None]
    if not all(isinstance(name, str) and len(name) <= MAX_NAME for name in names):
        raise UsageError(t("A node's names should be words of at most {n} characters, got {entry}.",
                           n=whole(MAX_NAME), entry=cut(entry)))  # fmt: skip
    if not any(entry["outputs"]):
        raise UsageError(t("A node should give something, got {entry}.", entry=cut(entry)))
    if not isinstance(entry["attributes"], Mapping):
        raise UsageError(t("{name} should be {kind}, got {value}.",
                           name="attributes", kind="{ }", value=cut(entry["attributes"])))  # fmt: skip
    inputs, outputs = map(tuple, links)
    return Node(entry["op"], entry["name"], inputs, outputs, entry["attributes"])


@contextmanager
def told_of(node: Node) -> Iterator[None]:
    """Whatever is wrong inside is said of this node. Raises UsageError."""
    try:
        yield
    except UsageError as error:
        raise UsageError(_sentence(node, str(error))) from None
    except (TypeError, AttributeError):  # Python's own words are about functions
        reason = t("does not fit the {n} inputs that it is given.", n=len(node.inputs))
        raise UsageError(_sentence(node, reason)) from None
    except (RuntimeError, ValueError, LookupError, ArithmeticError, NotImplementedError) as error:
        reason = (str(error).strip().split("\n")[0] or type(error).__name__)[:200]  # torch's own words
        raise UsageError(_sentence(node, reason)) from None


def _sentence(node: Node, reason: str) -> str:
    name = node.name or next(iter(node.outputs), "")
    return t("Node {name!r} ({op}): {reason}", name=cut(name), op=cut(node.op), reason=reason)


def wholes_of(values: Tensor) -> list[int]:
    """An input that holds whole numbers, read."""
    return [int(value) for value in values.reshape(-1).tolist()]


def numbers_of(values: Tensor) -> list[float]:
    """An input that holds numbers, read."""
    return [float(value) for value in values.reshape(-1).tolist()]


def numbers_in(shape: Iterable[int]) -> int:
    """How many numbers a tensor of this shape holds; a side of 0 counts as 1, so that it hides none of the others."""
    return math.prod(max(1, side) for side in shape)


class TooLargeError(UsageError):
    """A tensor that is larger than what is allowed; nothing has been taken for it."""


_most: ContextVar[int] = ContextVar("ropero_most_numbers", default=MAX_VALUES)


@contextmanager
def allowing(numbers: int) -> Iterator[None]:
    """No tensor inside may hold more numbers than these."""
    before = _most.set(numbers)
    try:
        yield
    finally:
        _most.reset(before)


def room(*sides: int) -> None:
    """Raises TooLargeError for a tensor that is larger than what is allowed, before it takes memory."""
    if any(side < 0 for side in sides) or numbers_in(sides) > _most.get():
        raise TooLargeError(
            t("would hold {shape} numbers; {limit} at most are allowed.",
              shape=cut(" x ".join(map(str, sides))), limit=whole(_most.get()))
        )  # fmt: skip


def room_for(given: Iterable[Tensor | None]) -> None:
    """Raises TooLargeError for tensors that are spread over one another, value by value, beyond what is allowed."""
    shapes = [tuple(one.shape)[::-1] for one in given if one is not None]
    room(*(max(sides) for sides in itertools.zip_longest(*shapes, fillvalue=1)))


_MOVED = 100  # multiplications that a value counts for which is read or written
_left: ContextVar[list[int] | None] = ContextVar("ropero_work_left", default=None)


@contextmanager
def working(multiplications: int) -> Iterator[None]:
    """What is inside may take so many multiplications together."""
    before = _left.set([multiplications])
    try:
        yield
    finally:
        _left.reset(before)


def work(*sides: int) -> None:
    """Raises UsageError for multiplications, so many by so many, beyond what is left of them, before they are done."""
    left = _left.get()
    if left is not None:
        left[0] -= numbers_in(sides)
        if left[0] < 0:
            raise UsageError(
                t("is where the network has taken more than {limit} multiplications for an image; ropero runs none "
                  "that takes so long.", limit=whole(MAX_WORK))
            )  # fmt: skip


def work_on(given: Iterable[Tensor | None]) -> None:
    """The same for values that are read or written."""
    work(_MOVED, sum(one.numel() for one in given if one is not None))
