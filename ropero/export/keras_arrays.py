"""Finds the arrays of each layer in a Keras file and puts them into ropero's modules.

Legacy HDF5 keeps one group a layer, a model in the model as one flat list; Keras 3 a tree by counted class names.
Shapes and names are checked, so that no array can land in another's place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.errors import DataError
from ropero.export.keras_config import Leaf, Tree
from ropero.export.keras_container import KerasFile
from ropero.export.keras_nested import Named, dealt
from ropero.export.keras_options import ALIASES
from ropero.models.keras_layout import Slot
from ropero.texts import t

Array = NDArray[Any]
TOP = ("layers", "_layer_checkpoint_dependencies")  # Keras 2.12 and 2.13 wrote the second
CONVOLUTIONS = {"Conv1D", "Conv2D", "Conv2DTranspose"}  # not the depthwise ones, which Keras turned itself


def moments(file: KerasFile, tree: Tree, leaf: Leaf) -> tuple[Array, Array] | None:
    """Mean and variance that a layer which normalises has stored; None where there are none."""
    if _is_counted(file):
        place = next(place for one, place in _places(file.arrays, tree, lambda _: True) if one is leaf)
        found = [one for one in _vars(file.arrays, place) if one.dtype.kind == "f"]
        return (found[-2], found[-1]) if len(found) >= 2 else None
    names = dict(zip(map(id, tree.children), _group_names(file, tree), strict=True))
    named = {one.name: one.array for one in _group(file, names.get(id(leaf), leaf.name))}
    for mean, variance in (("moving_mean", "moving_variance"), ("mean", "variance")):
        if mean in named and variance in named:
            return named[mean], named[variance]
    return None


def _is_counted(file: KerasFile) -> bool:
    """Whether weights lie as in Keras 3, by counted classes, and not by the layers' names."""
    return any(place.split("/")[0] in TOP for place in file.arrays) and "layer_names" not in file.attributes.get("", {})


def fill(
    file: KerasFile, tree: Tree, slots: Mapping[int, Sequence[Slot]], columns: Mapping[int, Sequence[int]] | None = None
) -> None:
    """Put the file's weights into the slots of each leaf, found by id.

    Args:
        columns: which ones of the last dimension are wanted of a leaf, where not all as they are.

    Raises DataError where an array lacks, is one too many, has another shape, or holds what is no finite number.
    """
    taking = _Taking(slots, columns or {}, file.backend == "theano")
    found = dict(_counted(file.arrays, tree, slots)) if _is_counted(file) else dict(_listed(file, tree, taking))
    for leaf in {id(leaf): leaf for leaf in tree.leaves()}.values():
        wanted, given = taking.slots_of(leaf), found.get(id(leaf), [])
        if len(wanted) != len(given):
            raise DataError(
                t("layer {layer} ({kind}) should have {expected} arrays, got {got}.", layer=leaf.name[:100],
                  kind=leaf.kind[:60], expected=len(wanted), got=len(given))
            )  # fmt: skip
        for slot, one in zip(wanted, given, strict=True):
            _put(leaf, slot, taking.laid(leaf, slot, one.array))


@dataclass(frozen=True, eq=False)
class _Taking:
    """What the layers take of a file: the slots of each, and which ones of the last dimension, by the leaf's id;
    whether kernels are Theano's."""

    slots: Mapping[int, Sequence[Slot]]
    columns: Mapping[int, Sequence[int]]
    is_turned: bool

    def slots_of(self, leaf: Leaf) -> Sequence[Slot]:
        return self.slots.get(id(leaf), ())

    def laid(self, leaf: Leaf, slot: Slot, array: Array) -> Array:
        """An array of the file as the slot has it."""
        if gates := _cudnn_gates(leaf):
            array = _of_cudnn(array, slot, gates)
        if array.ndim != len(slot.shape):
            return array  # `_put` has the sentence for it
        columns = list(self.columns.get(id(leaf), ()))
        if columns and array.shape[-1] > max(columns):
            array = array[..., columns]
        turned = self.is_turned and "kernel" in slot.name and ALIASES.get(leaf.kind, leaf.kind) in CONVOLUTIONS
        return _turned(array) if turned else array

    def fits(self, leaf: Leaf, slot: Slot, one: Named) -> bool:
        """Whether an array can be this slot's: its shape, and its name where that tells."""
        same = _bare(self.laid(leaf, slot, one.array).shape) == _bare(slot.shape)
        return same and (slot.name == one.name or one.name not in _TELLING or slot.name not in _TELLING)


_TELLING = {"gamma", "beta", "moving_mean", "moving_variance", "kernel", "bias", "recurrent_kernel", "mean", "variance"}


def _cudnn_gates(leaf: Leaf) -> int:
    """How many gates a layer for NVIDIA's cards has, also one inside another layer; 0 of any other."""
    inner = leaf.options.get("layer")
    kind = str(inner.get("class_name")) if isinstance(inner, Mapping) else leaf.kind
    return {"CuDNNLSTM": 4, "CuDNNGRU": 3}.get(kind, 0)


def _of_cudnn(array: Array, slot: Slot, gates: int) -> Array:
    """An array of CuDNNLSTM or CuDNNGRU as LSTM and GRU have it; of another shape, as it is.

    Keras keeps the numbers of a gate as cuDNN wants them, (U, D) row by row, in an array that it calls (D, U), and both
    biases one behind the other; an LSTM has their sum.
    """
    if slot.name == "bias":
        if array.shape != (2 * gates * (slot.shape[-1] // gates),):
            return array
        both = array.reshape(2, -1)
        return both if len(slot.shape) == 2 else both.sum(0)
    if array.shape != slot.shape:
        return array
    return np.hstack([part.reshape(part.shape[::-1]).T for part in np.split(array, gates, axis=1)])


def _turned(kernel: Array) -> Array:
    """A kernel of Theano's, which turns windows by 180 degrees, as everyone else has it."""
    return kernel[::-1, ::-1] if kernel.ndim == 4 else kernel[::-1]


def _put(leaf: Leaf, slot: Slot, array: Array) -> None:
    expected = slot.shape
    if tuple(array.shape) != expected and array.size == np.prod(expected) and _bare(array.shape) == _bare(expected):
        array = array.reshape(expected)  # (1, 1, 3) for (3,): a mean as Keras's Normalization keeps it
    if tuple(array.shape) != expected:
        raise DataError(
            t("layer {layer}: {name} should have the shape {expected}, got {got}.", layer=leaf.name[:100],
              name=slot.name, expected=expected, got=tuple(array.shape))
        )  # fmt: skip
    values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError(t("layer {layer}: {name} holds what is no finite number.", layer=leaf.name[:100],
                          name=slot.name))  # fmt: skip
    slot.write(values)


def _bare(shape: Sequence[int]) -> list[int]:
    return [side for side in shape if side != 1]


# --- legacy HDF5 ---


def _listed(file: KerasFile, tree: Tree, taking: _Taking) -> Iterator[tuple[int, list[Named]]]:
    """By the groups of the outermost layers; the weights of a model in it come as one list."""
    for child, name in zip(tree.children, _group_names(file, tree), strict=True):
        given = [one for one in _group(file, name) if not _is_state(one)]
        if isinstance(child, Leaf):
            yield id(child), given
        else:
            yield from dealt(child, given, taking.slots_of, taking.fits, file.version).items()


def _group_names(file: KerasFile, tree: Tree) -> list[str]:
    """What the file calls the layers: as its config does, else by their place, since a model in a bare list has no name
    in its config. Operations are no layers to the file."""
    names = _names(file.attributes.get("", {}), "layer_names")
    places = [number for number, child in enumerate(tree.children) if child.kind != "InputLayer"]
    found = [child.name for child in tree.children]
    if len(set(found)) == len(found) and set(names) <= set(found):
        return found
    if len(names) == len(places) < len(found) or len(names) == len(found):
        for name, place in zip(names, places if len(names) < len(found) else range(len(found)), strict=True):
            found[place] = name
    return found


def _group(file: KerasFile, name: str) -> list[Named]:
    """A layer's arrays in the order that the file gives; of a layer that the file does not know, none."""
    names = _names(file.attributes.get(name, {}), "weight_names")
    found = []
    for one in names:
        place = f"{name}/{one}"
        if place not in file.arrays:
            raise DataError(t("layer {layer}: the array {name} is missing.", layer=name[:100], name=one[:100]))
        found.append(Named(_last(one), file.arrays[place], tuple(one.split("/")[:-1])))
    return found


def _names(attributes: Mapping[str, Any], name: str) -> list[str]:
    """A list of names, which Keras cuts in pieces (weight_names0, weight_names1 ...) where it is long."""
    whole = attributes.get(name)
    if isinstance(whole, list):
        return whole
    pieces = (attributes.get(f"{name}{number}") for number in range(len(attributes)))
    return list(chain.from_iterable(piece for piece in pieces if isinstance(piece, list)))


def _last(name: str) -> str:
    """kernel, of "conv2d_1/kernel:0"."""
    return re.sub(r"(_\d+)?(:\d+)?$", "", name.rpartition("/")[2])


def _is_state(one: Named) -> bool:
    """A counter or a generator's state, which Keras keeps among a layer's arrays."""
    return one.array.dtype.kind in "iub" or one.name in ("count", "seed_generator_state", "seed_state")


# --- Keras 3 ---


def _counted(
    arrays: Mapping[str, Array], tree: Tree, slots: Mapping[int, Sequence[Slot]]
) -> Iterator[tuple[int, list[Named]]]:
    """By the places of Keras 3: layers/conv2d_1/vars/0, where 1 counts the layers of that class."""
    for leaf, place in _places(arrays, tree, lambda one: bool(slots.get(id(one)))):
        wanted = slots.get(id(leaf), ())
        found: list[Named] = []
        for part in dict.fromkeys(slot.place for slot in wanted):
            inside = [one for one in _vars(arrays, f"{place}/{part}".rstrip("/")) if one.dtype.kind == "f"]
            count = sum(slot.place == part for slot in wanted)
            found += [Named("", one) for one in inside[:count]]
        yield id(leaf), found


def _places(
    arrays: Mapping[str, Array], tree: Tree, has: Callable[[Leaf], bool], prefix: str = ""
) -> Iterator[tuple[Leaf, str]]:
    """Each layer that has weights, and where they are.

    Not the numbers in the names count but their order: Keras 2.12 and 2.13 counted a layer with weights twice.
    """
    top = next((one for one in TOP if any(place.startswith(f"{prefix}{one}/") for place in arrays)), TOP[0])
    before = f"{prefix}{top}/"
    there = {place[len(before) :].split("/")[0] for place, one in arrays.items()
             if place.startswith(before) and one.dtype.kind == "f"}  # fmt: skip
    weighted = [child for child in tree.children if _has(child, has)]
    for stem in dict.fromkeys(snake(child.kind) for child in weighted):
        mine = [child for child in weighted if snake(child.kind) == stem]
        names = sorted((one for one in there if re.fullmatch(rf"{stem}(_\d+)?", one)), key=_number)
        if len(names) != len(mine):
            names = [f"{stem}_{number}" if number else stem for number in range(len(mine))]
        for child, name in zip(mine, names, strict=True):
            place = before + name
            if isinstance(child, Tree):
                yield from _places(arrays, child, has, f"{place}/")
            else:
                yield child, f"{place}/layer" if child.kind == "TimeDistributed" else place


def _has(thing: Tree | Leaf, has: Callable[[Leaf], bool]) -> bool:
    return any(map(has, thing.leaves())) if isinstance(thing, Tree) else has(thing)


def _number(name: str) -> int:
    """1 of conv2d_1, 0 of conv2d."""
    found = re.search(r"_(\d+)$", name)
    return int(found[1]) if found else 0


def snake(kind: str) -> str:
    """As Keras 3 calls a class's place: Conv2D -> conv2d, MaxPooling2D -> max_pooling2d."""
    name = re.sub(r"\W+", "", kind)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _vars(arrays: Mapping[str, Array], place: str) -> list[Array]:
    """The numbered arrays of a place, in order."""
    found: list[Array] = []
    while (name := f"{place}/vars/{len(found)}") in arrays:
        found.append(arrays[name])
    return found
