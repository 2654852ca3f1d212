"""What is known before a graph runs is computed once; what leads nowhere goes; what it gives stays the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ropero.errors import UsageError
from ropero.models.folding import needed, simplify
from ropero.models.nodes import Held, Node
from ropero.models.operator_graph import Ends, OperatorGraph


def node(op: str, inputs: list[str], *outputs: str, **attributes: Any) -> Node:
    return Node(op, "", tuple(inputs), outputs, attributes)


def run(nodes: list[Node], tensors: dict[str, Tensor], output: str, x: Tensor) -> Tensor:
    made = OperatorGraph(nodes, {name: Held.of(one) for name, one in tensors.items()}, Ends("x", output), x.shape[1:])
    made.fill(tensors)
    found: Tensor = made(x)
    return found


def test_a_folded_graph_gives_the_same() -> None:
    nodes = [
        node("Identity", ["x"], "same"),
        node("Dropout", ["same", "rate"], "kept", "mask"),
        node("Transpose", ["w"], "t", perm=[1, 0]),
        node("Add", ["t", "one"], "more"),
        node("MatMul", ["kept", "more"], "p"),
        node("Shape", ["more"], "s"),
        node("Reshape", ["p", "sides"], "r"),
        node("Softmax", ["lost"], "lost too"),
        node("Identity", ["r"], "y"),
    ]
    tensors = {
        "w": torch.rand(30, 20),
        "one": torch.ones(()),
        "rate": torch.tensor(0.5),
        "sides": torch.tensor([-1, 30]),
    }
    x = torch.rand(5, 20)
    found, held, output = simplify(nodes, tensors, "y")
    assert [one.op for one in found] == ["Constant", "MatMul", "Reshape"]
    assert (list(held), output) == (["more"], "r")
    torch.testing.assert_close(run(found, held, output, x), x @ (tensors["w"].T + 1))


def test_few_numbers_stand_in_the_graph_and_weights_beside_it() -> None:
    nodes = [node("Gemm", ["x", "w", "b"], "g"), node("Mul", ["g", "scale"], "m"), node("Sub", ["m", "few"], "n"),
             node("Sub", ["n", "many"], "y")]  # fmt: skip
    tensors = {"w": torch.rand(2, 70), "b": torch.rand(70), "scale": torch.tensor(2.0), "few": torch.rand(1),
               "many": torch.rand(70)}  # fmt: skip
    found, held, _ = simplify(nodes, tensors, "y")
    assert [one.outputs[0] for one in found if one.op == "Constant"] == ["scale", "few"]
    assert sorted(held) == ["b", "many", "w"]


def test_what_would_grow_is_computed_each_time() -> None:
    nodes = [node("Tile", ["w", "times"], "t"), node("Add", ["x", "t"], "y")]
    tensors = {"w": torch.rand(1, 10), "times": torch.tensor([1, 100_000])}
    found, held, _ = simplify(nodes, tensors, "y")
    assert [one.op for one in found] == ["Constant", "Constant", "Tile", "Add"]
    assert not held


def test_zeros_that_are_spread_out_are_no_parameter() -> None:
    """The state that a recurrent layer begins with; a class token, which is not zero, is one."""
    nodes = [node("Shape", ["x"], "s", end=1), node("Concat", ["s", "hundred"], "sides", axis=0),
             node("Expand", ["start", "sides"], "e"), node("Add", ["x", "e"], "y")]  # fmt: skip
    for start, held in ((torch.zeros(1, 100), []), (torch.rand(1, 100), ["start"])):
        tensors = {"start": start, "hundred": torch.tensor([100])}
        found, kept, output = simplify(nodes, tensors, "y")
        assert list(kept) == held
        x = torch.rand(4, 100)
        torch.testing.assert_close(run(found, kept, output, x), x + start)


def test_types_that_are_not_kept_become_floats() -> None:
    nodes = [node("Cast", ["n"], "c", to=9), node("Cast", ["c"], "f", to=1), node("Add", ["x", "f"], "y")]
    found, held, output = simplify(nodes, {"n": torch.tensor([0, 2])}, "y")
    assert [one.dtype for one in held.values()] == [torch.float32]
    torch.testing.assert_close(run(found, held, output, torch.zeros(3, 2)), torch.tensor([[0.0, 1]] * 3))


def test_only_what_leads_to_the_output_is_needed() -> None:
    nodes = [node("Relu", ["x"], "a"), node("Relu", ["a"], "b"), node("Split", ["a"], "c", "d")]
    assert needed(nodes, "d") == [nodes[0], nodes[2]]
    assert needed(nodes, "x") == []


def test_an_unknown_operator_is_said_of_its_node() -> None:
    with pytest.raises(UsageError, match=r"Node 'y' \(Conw\): is none of .* Did you mean 'Conv'"):
        simplify([node("Conw", ["x"], "y")], {}, "y")
    with pytest.raises(UsageError, match=r"Node 'k' \(Conw\)"):
        simplify([node("Conw", ["w"], "k"), node("Add", ["x", "k"], "y")], {"w": torch.rand(3)}, "y")
