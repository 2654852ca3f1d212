"""The flat list of a model in a model comes to its layers by the names of the arrays, else in Keras's own order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

from ropero.errors import DataError  # noqa: E402
from ropero.export.keras_config import Leaf, Tree  # noqa: E402
from ropero.export.keras_nested import Named, dealt  # noqa: E402
from ropero.models.keras_layout import Slot  # noqa: E402


def leaf(name: str, trainable: bool = True) -> Leaf:
    return Leaf("Dense", name, {}, trainable)


def tree(*children: Leaf | Tree, name: str = "block", trainable: bool = True) -> Tree:
    return Tree("Sequential", name, trainable, list(children))


class Places:
    """Kernels and biases of one shape each, so that no shape tells them apart."""

    def __init__(self) -> None:
        self.made: dict[int, list[Slot]] = {}

    def __call__(self, one: Leaf) -> Sequence[Slot]:
        return self.made.setdefault(id(one), [self.slot("kernel", 3, 3), self.slot("bias", 3)])

    @staticmethod
    def slot(name: str, *shape: int) -> Slot:
        return Slot(name, True, (torch.zeros(shape),), lambda x: x, lambda x: (x,))


def arrays(*paths: str) -> list[Named]:
    """A kernel and a bias for each path, which is "" where the file does not name them."""
    return [
        Named(name, np.zeros(shape, np.float32), tuple(path.split("/")) if path else ())
        for path in paths
        for name, shape in (("kernel", (3, 3)), ("bias", (3,)))
    ]


def fits(_: Leaf, slot: Slot, one: Named) -> bool:
    return slot.shape == one.array.shape and slot.name == one.name


def order(model: Tree, given: Sequence[Named], version: str = "") -> list[tuple[str, int]]:
    """(layer, which pair of arrays it got)."""
    found = dealt(model, given, Places(), fits, version)
    names = {id(one): one.name for one in model.leaves()}
    assert all(one.name == name for row in found.values() for one, name in zip(row, ("kernel", "bias"), strict=True))
    return [(names[one], next(at for at, other in enumerate(given) if other is row[0]) // 2)
            for one, row in found.items()]  # fmt: skip


def test_names_tell_whatever_the_order() -> None:
    model = tree(leaf("a"), leaf("b"), leaf("c"))
    assert order(model, arrays("c", "block/a", "block/b/cell")) == [("a", 1), ("b", 2), ("c", 0)]


def test_layers_of_one_name_are_told_apart_by_their_models() -> None:
    left, right = tree(leaf("dense"), name="left"), tree(leaf("dense"), name="right")
    model = tree(left, right)
    found = dealt(model, given := arrays("right/dense", "left/dense"), Places(), fits, "")
    assert [found[id(one)][0] for one in model.leaves()] == [given[2], given[0]]


def test_names_that_do_not_tell_of_all_tell_of_none() -> None:
    """TensorFlow counts names on when a network is built twice: dense_1 may then be what the config calls dense."""
    model = tree(leaf("dense"), leaf("dense_1"), leaf("dense_2"))
    given = arrays("dense_1", "dense_2", "dense_3")
    assert order(model, given, "2.2.4") == [("dense", 0), ("dense_1", 1), ("dense_2", 2)]
    assert order(model, arrays("dense", "dense", "dense_2"), "2.2.4") == [("dense", 0), ("dense_1", 1), ("dense_2", 2)]


def thawed() -> Tree:
    """A frozen model in which one layer is trained after all."""
    return tree(leaf("a", False), leaf("b"), leaf("c", False), trainable=False)


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2.2.4", [("a", 1), ("b", 0), ("c", 2)]), ("2.11.0", [("a", 1), ("b", 0), ("c", 2)]),
     ("3.5.0", [("a", 0), ("b", 1), ("c", 2)])],
)  # fmt: skip
def test_without_names_the_version_decides(version: str, expected: list[tuple[str, int]]) -> None:
    assert order(thawed(), arrays("", "", ""), version) == expected


def test_without_names_and_version_nothing_is_guessed() -> None:
    with pytest.raises(DataError, match="arrays of the model block can belong to its layers in two ways"):
        order(thawed(), arrays("", "", ""))
    assert order(tree(leaf("a"), leaf("b")), arrays("", "")) == [("a", 0), ("b", 1)]  # here there is one way


def test_too_many_arrays_are_refused() -> None:
    with pytest.raises(DataError, match="holds 6 arrays, but its layers need 4"):
        order(tree(leaf("a"), leaf("b")), arrays("", "", ""))


def test_the_order_is_that_of_keras_3() -> None:
    """The oracle: the list that Keras writes, taken without its names, comes to the layers that the names tell."""
    layers = keras.layers
    inner = keras.Sequential([layers.Dense(3, name=name) for name in "abc"])
    model: Any = keras.Sequential([keras.Input((3,)), inner])
    inner.trainable = False
    inner.layers[1].trainable = True
    written = [one.path.split("/")[-2] for one in inner.trainable_weights + inner.non_trainable_weights][::2]
    model_tree = tree(*(leaf(one.name, one.trainable) for one in inner.layers), trainable=inner.trainable)
    found = dict(order(model_tree, arrays("", "", ""), keras.__version__))
    assert len(model.weights) == 6
    assert [written[found[name]] for name in "abc"] == ["a", "b", "c"]
