"""What a graph may take: multiplications are counted before they are done, by hand here."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from ropero.errors import UsageError
from ropero.models import operator_graph
from ropero.models.folding import simplify
from ropero.models.nodes import Held, Node, work, work_on, working
from ropero.models.operator_graph import Ends, OperatorGraph
from ropero.models.operators import operator


def node(op: str, inputs: list[str], *outputs: str, **attributes: Any) -> Node:
    return Node(op, "", tuple(inputs), outputs, attributes)


WINDOW = {"kernel_shape": [2, 3], "strides": [2, 2]}
COUNTED: dict[str, tuple[str, dict[str, Any], list[tuple[int, ...]], int]] = {
    "convolution": ("Conv", {"strides": [2, 2]}, [(2, 3, 9, 9), (4, 3, 3, 3)], 2 * 4 * 4 * 4 * 3 * 9),
    "groups": ("Conv", {"group": 2}, [(2, 4, 9, 9), (6, 2, 3, 3)], 2 * 6 * 7 * 7 * 2 * 9),
    "turned": ("ConvTranspose", {"strides": [3, 3]}, [(2, 3, 5, 5), (3, 4, 2, 2)], 2 * 3 * 25 * 4 * 4),
    "matrices": ("MatMul", {}, [(2, 5, 6), (6, 7)], 2 * 5 * 6 * 7),
    "vector": ("MatMul", {}, [(6,), (6, 7)], 6 * 7),
    "dense": ("Gemm", {"transB": 1}, [(5, 6), (7, 6), (7,)], 5 * 6 * 7),
    "einsum": ("Einsum", {"equation": "bij,bjk->bk"}, [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5),
    "largest": ("MaxPool", WINDOW, [(2, 3, 8, 9)], 2 * 3 * 4 * 4 * 6),
    "mean": ("AveragePool", WINDOW, [(2, 3, 8, 9)], 2 * 3 * 4 * 4 * 6),
    "neighbours": ("LRN", {"size": 5}, [(2, 8, 3, 3)], 2 * 8 * 9 * 5),
    "small steps": ("GRU", {"linear_before_reset": 1}, [(7, 2, 4), (1, 9, 4), (1, 9, 3)], 7 * 2 * 1_000_000),
    "large steps": ("RNN", {}, [(3, 2, 1500), (1, 700, 1500), (1, 700, 700)], 3 * 2 * 700 * 2200),
}


@pytest.mark.parametrize("name", COUNTED)
def test_multiplications_are_counted(name: str) -> None:
    op, attributes, shapes, expected = COUNTED[name]
    one = node(op, ["x"] * len(shapes), "y", **attributes)
    given = [torch.rand(shape) for shape in shapes]
    with working(expected):
        operator(one).make(one)(*given)
    with working(expected - 1), pytest.raises(UsageError, match="ropero runs none that takes so long"):
        operator(one).make(one)(*given)


def test_values_count_too_and_nothing_outside() -> None:
    with working(100 * 12):
        work_on([torch.rand(3, 4), None])
        with pytest.raises(UsageError, match="more than 300,000,000,000 multiplications for an image"):
            work(1)
    work(10**30)


def test_a_graph_that_takes_long_is_refused_before_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """More multiplications for an image than twenty of VGG16: half a minute, if they were done."""
    held = {"k": Held((600, 600, 7, 7), "float32")}
    nodes = [node("Conv", ["x", "k"], "a", pads=[3] * 4), node("Relu", ["a"], "y")]
    start = time.monotonic()
    with pytest.raises(UsageError, match=r"Node 'a' \(Conv\): is where the network has taken more than"):
        OperatorGraph(nodes, held, Ends("x", "y"), (600, 150, 150))
    assert time.monotonic() - start < 20
    many = [node("Relu", [f"v{place}"], f"v{place + 1}") for place in range(50)]
    OperatorGraph(many, {}, Ends("v0", "v50"), (1, 4, 4))
    monkeypatch.setattr(operator_graph, "MAX_WORK", 50 * 2 * 16 * 100 - 1)
    with pytest.raises(UsageError, match=r"Node 'v50' \(Relu\): is where"):
        OperatorGraph(many, {}, Ends("v0", "v50"), (1, 4, 4))


def test_what_is_known_already_takes_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [node("MatMul", ["w", "w"], "v"), node("MatMul", ["x", "v"], "y")]
    monkeypatch.setattr("ropero.models.folding.MAX_WORK", 300**3)
    with pytest.raises(UsageError, match=r"Node 'v' \(MatMul\): is where"):
        simplify(nodes, {"w": torch.rand(300, 300)}, "y")


def test_constants_that_would_fill_the_memory_together_stay_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [node("Relu", [f"v{place}"], f"v{place + 1}") for place in range(9)]
    nodes.append(node("Sum", ["x", *(f"v{place}" for place in range(1, 10))], "y"))
    monkeypatch.setattr("ropero.models.folding.MAX_PARAMETERS", 4000)
    found, held, _ = simplify(nodes, {"v0": torch.rand(1000)}, "y")
    assert [one.op for one in found] == ["Relu"] * 5 + ["Sum"]
    assert sum(one.numel() for one in held.values()) == 4000
