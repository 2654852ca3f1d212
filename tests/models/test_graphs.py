"""A foreign graph on a model card: what is built of it; a stranger's card is checked before memory is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ropero.errors import RunError, UsageError
from ropero.models import checkpoint
from ropero.models.graphs import GraphCard, build_graph
from ropero.models.inference import features, logits
from ropero.models.layers import Flatten, Layer, Rescaling
from ropero.models.merging import Add
from ropero.models.summary import summarise
from ropero.models.zoo import build

SHAPE = (1, 4, 5)


def node(op: str, inputs: list[str], *outputs: str, **attributes: Any) -> dict[str, Any]:
    return {"op": op, "name": "", "inputs": inputs, "outputs": list(outputs), "attributes": attributes}


def entry(**changes: Any) -> dict[str, Any]:
    """Pixels, flat: a hidden layer of four units, ReLU, three classes."""
    return {
        "nodes": [
            node("Gemm", ["x", "w1", "b1"], "h", transB=1),
            node("Relu", ["h"], "r"),
            node("MatMul", ["r", "w2"], "m"),
            node("Add", ["m", "b2"], "y"),
        ],
        "tensors": {
            "w1": {"shape": [4, 20], "dtype": "float32"},
            "b1": {"shape": [4], "dtype": "float32"},
            "w2": {"shape": [4, 3], "dtype": "float32"},
            "b2": {"shape": [3], "dtype": "float32"},
        },
        "source": "x",
        "output": "y",
        "layout": "NCHW",
        "eight_bits": False,
        "batch": 0,
        **changes,
    }


PREFIX: list[Layer] = [Rescaling(scale=2.0), Flatten()]


def built(changed: dict[str, Any], prefix: list[Layer] | None = None) -> Any:
    return build_graph(GraphCard.from_json(changed), PREFIX if prefix is None else prefix, SHAPE, 3)


def test_a_card_says_what_it_was_read_from() -> None:
    assert GraphCard.from_json(json.loads(json.dumps(entry()))).to_json() == entry()


def test_the_last_layer_is_the_head() -> None:
    model = built(entry())
    shapes = {name: tuple(one.shape) for name, one in model.state_dict().items()}
    assert shapes == {
        "mean": (1, 1, 1, 1),
        "std": (1, 1, 1, 1),
        "trunk.graph.gemm_1.weight": (4, 20),
        "trunk.graph.gemm_1.bias": (4,),
        "head.mat_mul_1.right": (4, 3),
        "head.add_1.right": (3,),
    }
    assert model.features(torch.rand(2, *SHAPE)).shape == (2, 4)
    assert [row.kind for row in summarise(model).rows] == ["Rescaling", "Rearrange", "Gemm", "ReLU", "MatMul", "Add"]
    assert summarise(model).total == 4 * 20 + 4 + 4 * 3 + 3
    assert model.peak == 20


def test_features_that_are_taken_twice_leave_no_head() -> None:
    nodes = [*entry()["nodes"][:3], node("ReduceMean", ["r"], "mean", axes=[1]), node("Add", ["m", "mean"], "y")]
    model = built(entry(nodes=nodes))
    assert isinstance(model.head, torch.nn.Identity)
    assert model(torch.rand(2, *SHAPE)).shape == (2, 3)


def test_it_is_stored_and_loaded_without_any_file_of_its_origin(tmp_path: Path) -> None:
    model = built(entry())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    from ropero.models.entries import to_json

    card = checkpoint.save(model, "mine", ("a", "b", "c"), tmp_path, tuple(to_json(PREFIX)),
                           graph=GraphCard.from_json(entry()))  # fmt: skip
    again, read = checkpoint.load(tmp_path)
    assert read == card
    assert (card.format, card.network) == (checkpoint.GRAPH_FORMAT, "mine")
    pixels = torch.rand(5, *SHAPE)
    assert torch.equal(again(pixels), model(pixels))
    assert isinstance(again.trunk[0].scale, float)
    images = (pixels[:, 0] * 255).byte().numpy()
    assert logits(again, images).shape == (5, 3)
    assert features(again, images).shape == (5, 4)


def test_a_card_without_a_graph_stays_as_older_versions_read_it(tmp_path: Path) -> None:
    checkpoint.save(build("softmax", (1, 28, 28), 3), "softmax", ("a", "b", "c"), tmp_path)
    card = json.loads((tmp_path / "model.json").read_text("utf-8"))
    assert card["format"] == 1
    assert "graph" not in card


@pytest.mark.parametrize("graph", ["x", {"nodes": 3}, [1], {"nodes": []}], ids=str)
def test_a_damaged_card_is_refused(graph: object, tmp_path: Path) -> None:
    checkpoint.save(built(entry()), "mine", ("a", "b", "c"), tmp_path, graph=GraphCard.from_json(entry()))
    card = json.loads((tmp_path / "model.json").read_text("utf-8"))
    (tmp_path / "model.json").write_text(json.dumps({**card, "graph": graph}), "utf-8")
    with pytest.raises(RunError):
        checkpoint.load(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    from ropero.models.entries import to_json

    checkpoint.save(built(entry()), "mine", ("a", "b", "c"), tmp_path, tuple(to_json(PREFIX)),
                    graph=GraphCard.from_json(entry()))  # fmt: skip
    card = json.loads((tmp_path / "model.json").read_text("utf-8"))
    card["graph"]["tensors"]["w1"]["shape"] = [5, 20]
    card["graph"]["tensors"]["b1"]["shape"] = [5]
    card["graph"]["tensors"]["w2"]["shape"] = [5, 3]
    (tmp_path / "model.json").write_text(json.dumps(card), "utf-8")
    with pytest.raises(RunError, match="does not fit the network mine"):
        checkpoint.load(tmp_path)


def tensor(**changes: Any) -> dict[str, Any]:
    return entry(tensors={**entry()["tensors"], "w1": {"shape": [4, 20], "dtype": "float32", **changes}})


GEMM = entry()["nodes"][0]
TWICE = node("Constant", [], "b2", "l", dtype="bool", shape=[0], value=[])
REFUSED: list[tuple[dict[str, Any], str]] = [
    (entry(extra=1), "A network's graph should have nodes, tensors, source"),
    (entry(layout="CHWN"), "A network's graph should have nodes, tensors, source"),
    (entry(batch=-1), "A network's graph should have"),
    (entry(batch=True), "batch should be int, got True"),
    (entry(source=None), "source should be str, got None"),
    (entry(nodes={}), "nodes should be list, got {}"),
    (entry(nodes=[1]), "A node should have op, name, inputs, outputs and attributes, got 1"),
    (entry(nodes=[{**GEMM, "more": 1}]), "A node should have op, name"),
    (entry(nodes=[{**GEMM, "op": 3}]), "A node's names should be words of at most 2,000 characters"),
    (entry(nodes=[{**GEMM, "name": "x" * 3000}]), "A node's names should be words"),
    (entry(nodes=[{**GEMM, "inputs": "xwb"}]), "A node's names should be words"),
    (entry(nodes=[{**GEMM, "outputs": []}]), "A node should give something"),
    (entry(nodes=[{**GEMM, "attributes": []}]), "attributes should be { }, got []"),
    (entry(nodes=[GEMM] * 20_001), "should be a list of at most 20,000 nodes"),
    (tensor(shape=[-1, 20]), "The tensor 'w1' should have a shape and one of the types float32"),
    (tensor(shape=[1.5]), "The tensor 'w1' should have a shape"),
    (tensor(shape=[True]), "The tensor 'w1' should have a shape"),
    (tensor(shape=[1] * 9), "The tensor 'w1' should have a shape"),
    (tensor(dtype="object"), "The tensor 'w1' should have a shape"),
    (tensor(dtype=[1]), "The tensor 'w1' should have a shape"),
    (entry(tensors={"w1": 3}), "The tensor 'w1' should have a shape"),
    (tensor(shape=[10**6, 10**6]), "The network has 1,000,000,000,019 parameters; it may have 500,000,000"),
    (tensor(shape=[0, 10**18]), "parameters; it may have 500,000,000"),
    (tensor(shape=[4, 21]), "Node 'h' (Gemm): "),
    (entry(output="z"), "No node gives the output 'z'"),
    (entry(nodes=entry()["nodes"][::-1]), "Node 'y' (Add): takes 'm', which no node before it gives"),
    (entry(nodes=[*entry()["nodes"], GEMM]), "Node 'h' (Gemm): gives 'h', which is there already"),
    (entry(nodes=[TWICE, *entry()["nodes"]]), "should have one output, got 2"),
    (entry(output="h"), "The network gives (3, 4) for 3 images, but there are 3 classes"),
    (entry(nodes=[node("Add", ["y", "b2"], "y")]), "No node gives the output 'y'"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "says"), REFUSED, ids=lambda one: one if isinstance(one, str) else "")
def test_a_strangers_graph_is_checked(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        built(changed)
    assert says in str(caught.value)


def test_what_stands_before_a_graph_is_layers_in_a_row() -> None:
    with pytest.raises(UsageError, match="Only layers in a row may stand before a network"):
        built(entry(), [Flatten(name="a"), Flatten(name="b", inputs=("input",)), Add(inputs=("a", "b"))])
    with pytest.raises(UsageError, match=r"Layer 1 \(Flatten\)"):
        build_graph(GraphCard.from_json(entry()), [Flatten(name="no name")], SHAPE, 3)


def test_colours_come_last_where_the_graph_takes_them_so() -> None:
    nodes = [node("Shape", ["x"], "s", start=1), node("ReduceSum", ["x"], "sum", axes=[1, 2], keepdims=0)]
    changed = entry(nodes=[*nodes, node("Identity", ["sum"], "y")], tensors={}, layout="NHWC")
    x = torch.rand(2, 3, 4, 5)
    model = build_graph(GraphCard.from_json(changed), [], (3, 4, 5), 3)
    torch.testing.assert_close(model(x), x.sum((2, 3)))


def test_pixels_of_eight_bits_are_rounded_and_cut_off() -> None:
    changed = entry(nodes=[node("ReduceSum", ["x"], "y", axes=[2, 3], keepdims=0)], tensors={}, eight_bits=True)
    model = build_graph(GraphCard.from_json(changed), [Rescaling(scale=255.0)], (3, 1, 1), 3)
    x = torch.tensor([0.5, 100.4 / 255, 3.0]).reshape(1, 3, 1, 1).requires_grad_(True)
    found = model(x)
    assert found.tolist() == [[128, 100, 255]]
    found.sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [255, 255, 0]
