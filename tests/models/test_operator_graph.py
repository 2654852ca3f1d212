"""A graph as a module: what is let go, what is held once, what hooks see, and on which device sizes are computed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.models.nodes import Held, Node, allowing, room
from ropero.models.operator_graph import IMAGES, Ends, OperatorGraph


def node(op: str, inputs: list[str], *outputs: str, **attributes: Any) -> Node:
    return Node(op, "", tuple(inputs), outputs, attributes)


def whole(name: str, *values: int) -> Node:
    return node("Constant", [], name, dtype="int64", shape=[len(values)], value=list(values))


TENSORS = {"k": Held((3, 2, 3, 3), "float32"), "b": Held((3,), "float32"), "w": Held((36, 4), "float32")}
NODES = [
    whole("first", 0),
    whole("second", 1),
    whole("rest", -1),
    node("Conv", ["x", "k", "b"], "a", pads=[1, 1, 1, 1]),
    node("Relu", ["a"], "r"),
    node("Add", ["r", "a"], "sum"),
    node("Shape", ["sum"], "shape"),
    node("Slice", ["shape", "first", "second"], "n"),
    node("Concat", ["n", "rest"], "flat", axis=0),
    node("Reshape", ["sum", "flat"], "row"),
    node("MatMul", ["row", "w"], "m"),
    node("Add", ["m", "bias"], "y"),
]
BIAS = {"bias": Held((4,), "float32")}


def graph(nodes: list[Node] = NODES, output: str = "y", batch: int = 0, **held: Held) -> OperatorGraph:
    made = OperatorGraph(nodes, {**TENSORS, **BIAS, **held}, Ends("x", output, batch=batch), (2, 3, 4))
    torch.manual_seed(0)
    made.fill({name: torch.randn(one.shape) for name, one in {**TENSORS, **BIAS, **held}.items()})
    return made


def by_hand(made: OperatorGraph, x: Tensor) -> Tensor:
    held = dict(made.named_parameters())
    a = nn.functional.conv2d(x, held["conv_1.weight"], held["conv_1.bias"], padding=1)
    found: Tensor = (a.relu() + a).flatten(1) @ held["mat_mul_1.right"] + held["add_2.right"]
    return found


def test_it_computes_its_nodes() -> None:
    made, x = graph(), torch.rand(5, 2, 3, 4)
    torch.testing.assert_close(made(x), by_hand(made, x))
    assert [name for name, _ in made.named_children()] == [
        "conv_1",
        "relu_1",
        "add_1",
        "concat_1",
        "mat_mul_1",
        "add_2",
    ]


def test_a_value_is_let_go_after_its_last_use() -> None:
    done = {step.node.outputs[0]: step.done for step in graph().steps}
    assert done["a"] == ("b", "k", "x")
    assert (done["r"], done["sum"], done["row"]) == ((), ("a", "r"), ("flat", "sum"))
    assert done["y"] == ("bias", "m")  # and the output stays


def test_hooks_see_layers_and_no_arithmetic_of_shapes() -> None:
    made = graph()
    seen: list[tuple[str, tuple[int, ...]]] = []
    for name, module in made.named_children():
        module.register_forward_hook(lambda _, __, output, name=name: seen.append((name, tuple(output.shape))))
    made(torch.rand(2, 2, 3, 4))
    maps = (2, 3, 3, 4)
    assert seen == [("conv_1", maps), ("relu_1", maps), ("add_1", maps), ("mat_mul_1", (2, 4)), ("add_2", (2, 4))]


def test_a_product_of_four_sides_is_no_feature_map() -> None:
    """(N, heads, T, T), as attention has it; an activation behind it neither, nor one behind a transposition."""
    nodes = [node("Transpose", ["x"], "t", perm=[0, 1, 3, 2]), node("MatMul", ["x", "t"], "p"),
             node("Sigmoid", ["p"], "s"), node("Sigmoid", ["x"], "z"), node("Relu", ["t"], "u"),
             node("ReduceMean", ["s"], "y", axes=[1, 2])]  # fmt: skip
    made = graph(nodes)
    assert {step.node.outputs[0]: step.seen for step in made.steps if isinstance(step.compute, nn.Module)} == {
        "p": False, "s": False, "z": True, "u": False
    }  # fmt: skip


def test_a_tensor_that_is_taken_twice_is_held_once() -> None:
    nodes = [node("Conv", ["x", "k2"], "a", pads=[1] * 4), node("Conv", ["a", "k2"], "y", pads=[1] * 4)]
    made = graph(nodes, k2=Held((2, 2, 3, 3), "float32"))
    assert [name for name, _ in made.named_parameters()] == ["conv_1.weight"]
    weight = made.get_parameter("conv_1.weight")
    x = torch.rand(2, 2, 3, 4)
    expected = nn.functional.conv2d(nn.functional.conv2d(x, weight, padding=1), weight, padding=1)
    torch.testing.assert_close(made(x), expected)


def test_running_figures_are_no_parameters() -> None:
    names = ["scale", "shift", "mean", "var"]
    made = graph([node("BatchNormalization", ["x", *names], "y")], **{name: Held((2,), "float32") for name in names})
    assert [name for name, _ in made.named_parameters()] == [
        "batch_normalization_1.weight",
        "batch_normalization_1.bias",
    ]
    assert [name.rpartition(".")[2] for name, _ in made.named_buffers()] == ["running_mean", "running_var"]


def test_a_copy_is_a_graph_of_its_own() -> None:
    made = graph()
    other, x = copy.deepcopy(made), torch.rand(2, 2, 3, 4)
    before = made(x)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert torch.equal(made(x), before)
    assert not other(x).any()


def test_sizes_stay_where_they_are_computed() -> None:
    """On another device, shapes are still plain numbers: meta stands for one here, on which nothing can be read."""
    made = graph().to("meta")
    assert made(torch.rand(7, 2, 3, 4, device="meta")).shape == (7, 4)
    assert made.host["rest"].device.type == "cpu"


def test_a_batch_of_fixed_size_is_filled_up() -> None:
    nodes = [whole("sides", 3, 24), node("Reshape", ["x", "sides"], "row"), node("MatMul", ["row", "v"], "y")]
    made = graph(nodes, batch=3, v=Held((24, 4), "float32"))
    x = torch.rand(7, 2, 3, 4)
    torch.testing.assert_close(made(x), x.flatten(1) @ made.get_parameter("mat_mul_1.right"))
    assert made(x[:1]).shape == (1, 4)


def test_memory_is_bounded_for_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product of the images with each other grows with the square of the batch."""
    nodes = [node("Flatten", ["x"], "f"), node("Transpose", ["f"], "t"), node("MatMul", ["f", "t"], "y")]
    made = graph(nodes)
    monkeypatch.setattr("ropero.models.operator_graph.MAX_VALUES", 100)
    assert made(torch.rand(20, 2, 3, 4)).shape == (20, 20)
    with pytest.raises(UsageError, match=r"Node 'y' \(MatMul\): would hold 40000 numbers; 20,000 at most"):
        made(torch.rand(200, 2, 3, 4))


def test_what_is_alive_at_once_is_bounded() -> None:
    nodes = [node("Tile", ["x", "many"], f"t{place}") for place in range(9)]
    many = whole("many", 1, 100, 100, 100)
    with pytest.raises(UsageError, match=r"Node 't4' \(Tile\): would hold 360000072 numbers; 300,000,000"):
        graph([many, *nodes, node("Sum", [f"t{place}" for place in range(9)], "y")])


def test_room_is_asked_for() -> None:
    with allowing(100):
        room(10, 10)
        for sides in ((10, 11), (0, 101), (-1,)):
            with pytest.raises(UsageError, match="would hold"):
                room(*sides)
    room(101)


def test_places_in_the_picture_are_checked_while_it_runs() -> None:
    nodes = [node("ReduceMax", ["x"], "m", axes=[1, 2, 3], keepdims=0), node("Cast", ["m"], "i", to=7),
             node("Gather", ["w", "i"], "y", axis=0)]  # fmt: skip
    made = graph(nodes)
    assert made(torch.full((2, 2, 3, 4), 3.0)).shape == (2, 4)
    with pytest.raises(UsageError, match=r"Node 'y' \(Gather\): "):
        made(torch.full((2, 2, 3, 4), 99.0))


def test_the_run_that_finds_shapes_is_not_mistaken_for_something_else() -> None:
    assert IMAGES == 3
    made = graph()
    assert made.survey.shapes["y"] == (3, 4)
    assert made.survey.largest == 3 * 3 * 4
