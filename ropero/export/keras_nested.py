"""Deals out the arrays of a model in a model, which legacy HDF5 keeps as one flat list, to the layers in it.

The names of the arrays tell which layer each belongs to. Where they do not, the order does, which is Keras's: what is
trained first. No array lands in a layer by guess. Knows nothing of files (`keras_arrays.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ropero.errors import DataError
from ropero.export.keras_config import Leaf, Tree
from ropero.models.keras_layout import Slot
from ropero.texts import t


@dataclass(frozen=True, eq=False)
class Named:
    """An array with the last part of its name, "" where the file only numbers it, and with the parts before it."""

    name: str
    array: NDArray[Any]
    parts: tuple[str, ...] = ()


Slots = Callable[[Leaf], Sequence[Slot]]
Fits = Callable[[Leaf, Slot, Named], bool]  # whether an array can be a slot's
Dealt = dict[int, list[Named]]  # by the leaf's id, in the order of its slots


def dealt(tree: Tree, given: Sequence[Named], slots: Slots, fits: Fits, version: str) -> Dealt:
    """The arrays of each layer in a model.

    Args:
        version: of the Keras that wrote the file, "" where it does not say.

    Raises DataError where they cannot be dealt out, or in two ways.
    """
    return _by_name(tree, given, slots, fits) or _by_order(tree, given, slots, fits, version)


def _by_name(tree: Tree, given: Sequence[Named], slots: Slots, fits: Fits) -> Dealt | None:
    """Each array to the layer whose name stands in its path; None unless that tells of all of them."""
    chains: dict[str, list[tuple[Leaf, frozenset[str]]]] = {}
    for leaf, chain in _chains(tree):
        chains.setdefault(leaf.name, []).append((leaf, chain))
    found: Dealt = {id(leaf): [] for leaf in tree.leaves()}
    for one in given:
        parts = set(one.parts)
        mine = {id(leaf): chain for part in parts for leaf, chain in chains.get(part, ())}
        if len(mine) > 1:  # layers of one name in several models: those of their models tell
            mine = {leaf: chain for leaf, chain in mine.items() if chain <= parts}
        if len(mine) != 1:
            return None
        found[next(iter(mine))].append(one)
    for leaf in tree.leaves():
        arrays, wanted = found[id(leaf)], slots(leaf)
        if len(arrays) != len(wanted) or not all(
            fits(leaf, slot, one) for slot, one in zip(wanted, arrays, strict=True)
        ):
            return None
    return found


def _chains(tree: Tree, above: frozenset[str] = frozenset()) -> Iterator[tuple[Leaf, frozenset[str]]]:
    """Each layer in a model with its name and those of the models around it, but for the outermost one's."""
    for child in tree.children:
        chain = above | {child.name}
        if isinstance(child, Tree):
            yield from _chains(child, chain)
        else:
            yield child, chain


def _by_order(tree: Tree, given: Sequence[Named], slots: Slots, fits: Fits, version: str) -> Dealt:
    """As Keras lists them. Keras 2 puts first what is trained, in a frozen model too; Keras 3 layer by layer there."""
    ways = {major: _in_order(_whole(tree, major == "3"), tree, given, slots, fits) for major in ("2", "3")}
    found = [one for one in ways.values() if one is not None]
    if not found:
        raise DataError(
            t("the model {name} holds {got} arrays, but its layers need {expected}.", got=len(given),
              name=tree.name[:100], expected=sum(len(slots(leaf)) for leaf in _unique(tree)))
        )  # fmt: skip
    if all(one == found[0] for one in found):
        return found[0]
    if (mine := ways.get(version[:1])) is not None:
        return mine
    raise DataError(
        t("the arrays of the model {name} can belong to its layers in two ways, and the file does not say which Keras "
          "wrote it; load it where it was made and save it whole: model.save('model.keras').", name=tree.name[:100])
    )  # fmt: skip


Order = list[tuple[Leaf, bool | None]]  # a leaf's trained weights (True), its others (False), or all (None)


def _in_order(order: Order, tree: Tree, given: Sequence[Named], slots: Slots, fits: Fits) -> Dealt | None:
    """One array after the other; None where one does not fit."""
    places = [(leaf, slot) for leaf, trainable in order for slot in slots(leaf)
              if trainable is None or slot.trainable == trainable]  # fmt: skip
    if len(places) != len(given) or not all(
        fits(leaf, slot, one) for (leaf, slot), one in zip(places, given, strict=True)
    ):
        return None
    by_slot = {id(slot): one for (_, slot), one in zip(places, given, strict=True)}
    return {id(leaf): [by_slot[id(slot)] for slot in slots(leaf)] for leaf in _unique(tree)}


def _unique(tree: Tree) -> list[Leaf]:
    return list({id(leaf): leaf for leaf in tree.leaves()}.values())


def _whole(thing: Tree | Leaf, strict: bool) -> Order:
    return _trained(thing) + _others(thing, strict)


def _trained(thing: Tree | Leaf) -> Order:
    if not thing.trainable:
        return []
    if isinstance(thing, Leaf):
        return [(thing, True)]
    return [one for child in thing.children for one in _trained(child)]


def _others(thing: Tree | Leaf, strict: bool) -> Order:
    if isinstance(thing, Leaf):
        return [(thing, False if thing.trainable else None)]
    if not thing.trainable and strict:
        return [(leaf, None) for leaf in thing.leaves()]
    first = [] if thing.trainable else [one for child in thing.children for one in _trained(child)]
    return first + [one for child in thing.children for one in _others(child, strict)]
