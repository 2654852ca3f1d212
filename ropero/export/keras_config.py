"""What a Keras config says, whichever Keras since 2.0 wrote it: a tree of layers, whose weights lie together, and the
calls in which they are used, one after the other.

Sequential (as a bare list too, as Keras wrote before 2.2.3), functional, and both in each other. Knows nothing of what
a kind of layer computes (`keras_layers.py`) or of where weights lie (`keras_arrays.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ropero.errors import DataError
from ropero.texts import joined, t

MAX_DEPTH = 20  # models in models
MAX_CALLS = 1000  # as many as a layer list may have layers
SEQUENTIAL, FUNCTIONAL = ("Sequential",), ("Functional", "Model")
INPUT_LAYER = "InputLayer"
OPERATIONS = "keras.ops"  # the package of x / 255 and the like, as Keras 3 calls it
_ALLOWED = {"training", "mask", "name"}  # arguments of a call that change nothing when a network only answers
_NEVER = (
    ArithmeticError,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)  # what walking through a wrong structure raises

Sides = tuple[int | None, ...]
Source = tuple[str, int, int]  # a layer's name, which of its calls, which of its outputs
NONE: Mapping[int, float] = {}


@dataclass(frozen=True, eq=False)
class Leaf:
    """One layer: its Keras class, its name, its config, and the class's package where that is not Keras's own."""

    kind: str
    name: str
    options: Mapping[str, Any]
    trainable: bool
    package: str = ""


@dataclass(frozen=True, eq=False)
class Tree:
    """A model: its layers and models in Keras's order."""

    kind: str
    name: str
    trainable: bool
    children: list[Leaf | Tree] = field(default_factory=list)

    def leaves(self) -> Iterator[Leaf]:
        for child in self.children:
            if isinstance(child, Tree):
                yield from child.leaves()
            else:
                yield child


@dataclass(frozen=True, eq=False)
class Call:
    """A layer at work: numbers of the values it takes, and of the one it makes. place: its name with its models'.
    constants: of an operation, the numbers among what it takes, by their place."""

    leaf: Leaf
    inputs: tuple[int, ...]
    output: int
    place: str
    constants: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Network:
    """The whole: value 0 is the input, `output` the last one's number; input_shape without N, None where it is not
    said, and None in it for a side that is free."""

    tree: Tree
    calls: tuple[Call, ...]
    output: int
    input_shape: Sides | None


def parse(config: Mapping[str, Any]) -> Network:
    """The network of a config: {"class_name": ..., "config": ...}.

    Raises DataError for one that is damaged, has several inputs or outputs, or is a program and no list of layers.
    """
    reading = _Reading()
    try:
        tree = reading.model(config, 0)
        if not isinstance(tree, Tree):
            kind = str(config["class_name"])[:60]
            raise DataError(
                t(
                    "the model is of the class {kind}, a program of its own, which a file does not hold; build it "
                    "from Keras's layers, as Sequential or functional, and save that.",
                    kind=kind,
                )
            )
        (output,) = reading.call_model(tree, [0], tree.name, 0)
        shape = _shape_of(config, 0)
    except DataError:
        raise
    except _NEVER as error:
        raise DataError(
            t("the description of its network is damaged: {reason}", reason=f"{type(error).__name__} {error}"[:200])
        ) from error
    return Network(tree, _needed(reading.calls, output), output, shape)


def _needed(calls: Sequence[Call], output: int) -> tuple[Call, ...]:
    """The calls that the output hangs on, in their order."""
    wanted, kept = {output}, []
    for call in reversed(calls):
        if call.output in wanted:
            wanted |= set(call.inputs)
            kept.append(call)
    return tuple(reversed(kept))


class _Reading:
    """One pass over a config. Wires are kept for each functional model until it is called."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.values = 0
        self.wires: dict[int, Mapping[str, Any]] = {}  # of a functional model's tree, by id
        self.things = 0

    def model(self, entry: Mapping[str, Any], depth: int, name: str = "") -> Tree | Leaf:
        """The tree of a model, or the leaf of a layer."""
        self.things += 1
        if depth > MAX_DEPTH or self.things > 4 * MAX_CALLS:
            raise DataError(t("it holds more models, or more deeply nested ones, than ropero reads."))
        kind, config = str(entry["class_name"]), entry["config"]
        if kind not in SEQUENTIAL + FUNCTIONAL or not _is_keras(entry):
            return _leaf(kind, entry, name)
        listed = config if isinstance(config, list) else config["layers"]
        called = "sequential" if isinstance(config, list) else str(config.get("name") or name or kind.lower())
        trainable = True if isinstance(config, list) else config.get("trainable", True) is not False
        children = [self.model(one, depth + 1, str(one.get("name", ""))) for one in listed]
        tree = Tree(kind, called, trainable, children)
        if kind in FUNCTIONAL:
            self.wires[id(tree)] = config
        return tree

    def call(
        self, thing: Leaf | Tree, inputs: list[int], place: str, depth: int, constants: Mapping[int, float] = NONE
    ) -> list[int]:
        """The values that a layer or a model makes of others."""
        if isinstance(thing, Tree):
            return self.call_model(thing, inputs, place, depth + 1)
        if thing.kind == INPUT_LAYER:
            return inputs
        self.values += 1
        self.calls.append(Call(thing, tuple(inputs), self.values, place, constants))
        if len(self.calls) > MAX_CALLS:
            raise DataError(t("A network may have {n} layers at most.", n=MAX_CALLS))
        return [self.values]

    def call_model(self, tree: Tree, inputs: list[int], place: str, depth: int) -> list[int]:
        self.things += 1
        if depth > MAX_DEPTH or self.things > 4 * MAX_CALLS:
            raise DataError(t("it holds more models, or more deeply nested ones, than ropero reads."))
        prefix = f"{place}/" if depth else ""
        if tree.kind in FUNCTIONAL:
            return self._functional(tree, inputs, prefix, depth)
        values = inputs
        for child in tree.children:
            values = self.call(child, values, prefix + child.name, depth)
        return values

    def _functional(self, tree: Tree, inputs: list[int], prefix: str, depth: int) -> list[int]:
        config = self.wires[id(tree)]
        by_name = {child.name: child for child in tree.children}
        starts, ends = _ends(config["input_layers"]), _ends(config["output_layers"])
        if len(starts) != len(inputs):
            raise DataError(
                t("the network takes {n} inputs ({names}); ropero shows it one, the picture.", n=len(starts),
                  names=joined(name for name, _, _ in starts)[:100])
            )  # fmt: skip
        if len(ends) > 1:
            raise DataError(
                t("the network has {n} outputs ({names}); ropero reads networks with one: save a model of that alone, "
                  "keras.Model(model.input, model.get_layer(NAME).output).", n=len(ends),
                  names=joined(name for name, _, _ in ends)[:100])
            )  # fmt: skip
        made: dict[Source, int] = dict(zip(starts, inputs, strict=True))
        begun = {name for name, _, _ in starts}
        open_calls = [
            (str(one["name"]), number, *_operands(str(one["name"]), str(one["class_name"]), node))
            for one in config["layers"]
            if str(one["name"]) not in begun
            for number, node in enumerate(one.get("inbound_nodes") or [])
        ]
        if len(open_calls) > MAX_CALLS:
            raise DataError(t("A network may have {n} layers at most.", n=MAX_CALLS))
        taken = {*ends, *(source for _, _, sources, _ in open_calls for source in sources)}
        first = {name: _first_call(name, taken, child) for name, child in by_name.items()}
        # Keras lists layers by depth, old ones not always in an order in which each comes after what it takes.
        while open_calls:
            waiting = []
            for name, number, sources, constants in open_calls:
                if all(source in made for source in sources):
                    given = [made[one] for one in sources]
                    values = self.call(by_name[name], given, prefix + name, depth, constants)
                    made |= {(name, number + first[name], tensor): value for tensor, value in enumerate(values)}
                else:
                    waiting.append((name, number, sources, constants))
            if len(waiting) == len(open_calls):
                # Calls that were made outside this model have no sources in it: a layer that is shared with another.
                if all(end in made for end in ends):
                    break
                raise DataError(t("layer {name} takes what no layer gives.", name=waiting[0][0][:100]))
            open_calls = waiting
        return [made[end] for end in ends]


def _first_call(name: str, taken: set[Source], thing: Leaf | Tree) -> int:
    """The number that a layer's first call has: 1 of a model, since its own making counts, where the file does so."""
    return int(isinstance(thing, Tree) and min((call for one, call, _ in taken if one == name), default=0) > 0)


def _leaf(kind: str, entry: Mapping[str, Any], name: str) -> Leaf:
    config = entry["config"] if isinstance(entry["config"], Mapping) else {}
    called = str(config.get("name") or entry.get("name") or name or kind.lower())
    if ".ops." in f"{entry.get('module')}." and str(entry.get("module")).startswith("keras."):
        return Leaf(kind, str(entry.get("name") or name or kind.lower()), config, False, OPERATIONS)
    package = "" if _is_keras(entry) else str(entry.get("registered_name") or entry.get("module") or kind)
    return Leaf(kind.rpartition(">")[2], called, config, config.get("trainable", True) is not False, package[:100])


def _is_keras(entry: Mapping[str, Any]) -> bool:
    """Whether a class is Keras's own: what others registered has their package before it, as in "mine>Layer"."""
    module, registered = entry.get("module"), entry.get("registered_name")
    if module is None and registered is None:
        return ">" not in str(entry["class_name"])
    own = str(module).split(".")[0] in ("keras", "tf_keras", "tensorflow", "None")
    return own and registered in (None, entry["class_name"]) and ".ops." not in f"{module}."


def _ends(listed: Any) -> list[Source]:
    """["input", 0, 0] of one, a list or a dict of them of several."""
    if isinstance(listed, Mapping):
        listed = list(listed.values())
    if len(listed) == 3 and isinstance(listed[0], str) and isinstance(listed[1], int):
        listed = [listed]
    return [(str(name), int(node), int(tensor)) for name, node, tensor, *_ in listed]


def _operands(name: str, kind: str, node: Any) -> tuple[list[Source], dict[int, float]]:
    """What a call takes: [["conv2d", 0, 0, {}], ...] in Keras 2, {"args": [...], "kwargs": {...}} in Keras 3; the
    constants of an operation such as x / 255 by their place among them."""
    found: list[Source] = []
    constants: dict[int, float] = {}
    extra: dict[str, Any] = {}
    if isinstance(node, Mapping):
        for place, argument in enumerate(node.get("args", [])):
            if tensors := list(_tensors(argument)):
                found += tensors
            else:
                extra[str(place)] = argument
        extra |= node.get("kwargs") or {}
    else:
        for one in [node] if node and isinstance(node[0], str) else node:  # a single source may have no list around it
            rest = dict(one[3]) if len(one) > 3 else {}
            if one[0] == "_CONSTANT_VALUE":  # 1 - x: the number stands first, the layer among the options
                extra["0"], other = one[2], rest.pop("y", None)
                found.append((str(other[0]), int(other[1]), int(other[2])))
            else:
                found.append((str(one[0]), int(one[1]), int(one[2])))
                if isinstance(other := rest.get("y"), list) and len(other) == 3:  # two layers, the second an option
                    found.append((str(other[0]), int(other[1]), int(other[2])))
                    del rest["y"]
            extra |= rest
    for option, value in extra.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and option in ("0", "1", "y"):
            constants[0 if option == "0" else 1] = float(value)
        elif option not in _ALLOWED and value is not None:
            raise DataError(
                t(
                    "layer {layer} ({kind}) is called with {value}, which ropero does not read.",
                    layer=name[:60],
                    kind=kind[:60],
                    value=f"{option}={value}"[:60],
                )
            )
    return found, constants


def _tensors(argument: Any, depth: int = 0) -> Iterator[Source]:
    if isinstance(argument, Mapping) and argument.get("class_name") == "__keras_tensor__":
        name, node, tensor = argument["config"]["keras_history"]
        yield str(name), int(node), int(tensor)
    elif isinstance(argument, list | tuple) and depth < 3:
        for one in argument:
            yield from _tensors(one, depth + 1)


def _shape_of(entry: Mapping[str, Any], depth: int) -> Sides | None:
    """The shape of what a model takes, without N; None where the file does not say it."""
    config = entry["config"]
    if depth > MAX_DEPTH:
        return None
    if isinstance(config, Mapping):
        for name in ("batch_shape", "batch_input_shape"):
            if name in config:
                return _sides(config[name])
    kind = str(entry["class_name"])
    if kind in FUNCTIONAL:
        starts = _ends(config["input_layers"])
        named = {str(one.get("name", one["config"].get("name"))): one for one in config["layers"]}
        first = named[starts[0][0]]
        return _shape_of(first, depth + 1)
    if kind in SEQUENTIAL:
        listed: Sequence[Any] = config if isinstance(config, list) else config["layers"]
        found = _shape_of(listed[0], depth + 1) if listed else None
        if found is None and isinstance(config, Mapping) and config.get("build_input_shape"):
            return _sides(config["build_input_shape"])
        return found
    built = entry.get("build_config")
    if isinstance(built, Mapping) and isinstance(built.get("input_shape"), list):
        return _sides(built["input_shape"])
    return None


def _sides(shape: Any) -> Sides | None:
    """Without N; None for what is no shape of one input."""
    if not isinstance(shape, list | tuple) or len(shape) < 2:
        return None
    sides = tuple(shape[1:])
    if not all(one is None or (isinstance(one, int) and not isinstance(one, bool) and one > 0) for one in sides):
        return None
    return sides
