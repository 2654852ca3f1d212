"""Recurrent layers: ONNX Runtime is the oracle for the same node, fused or step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_twin import Array, by_reference, by_ropero, by_runtime, graph, library, same, short

from ropero.errors import UsageError

N, T, D, U = 3, 5, 4, 6
RNG = np.random.default_rng(0)
SEQUENCES = RNG.normal(size=(N, T, D)).astype(np.float32)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def weights(op: str, ways: int, *, bias: bool = True, start: bool = False, looks: bool = False) -> list[Array | None]:
    rng = np.random.default_rng(1)
    gates = GATES[op]

    def some(*shape: int) -> Array:
        return (rng.normal(size=shape) * 0.4).astype(np.float32)

    found: list[Array | None] = [some(ways, gates * U, D), some(ways, gates * U, U)]
    found.append(some(ways, 2 * gates * U) if bias else None)
    found += [None, some(ways, 1, U) if start else None]
    if op == "LSTM":
        found += [some(ways, 1, U) if start else None, some(ways, 3 * U) if looks else None]
    while found[-1] is None:
        found.pop()
    return found


def between(op: str, others: list[Array | None], attributes: dict[str, Any], output: int = 0, many: int = N) -> bytes:
    """The node as exporters write it: sequences turned before it, what comes out turned back. A start that is held for
    one sequence is written out for all, as the runtime wants it."""
    helper, numpy_helper = library().helper, library().numpy_helper
    ways = 2 if attributes.get("direction") == "bidirectional" else 1
    names = ["t", *("" if one is None else f"c{place}" for place, one in enumerate(others))]
    outputs = ["Y", "Yh", "Yc"] if op == "LSTM" else ["Y", "Yh"]
    order = [2, 0, 1, 3] if output == 0 else [1, 0, 2]
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node(op, names, outputs, "n", hidden_size=U, **attributes),
        helper.make_node("Transpose", [outputs[output]], ["y"], perm=order),
    ]
    tensors = []
    for place, one in enumerate(others):
        if one is not None:
            one = np.repeat(one, many, 1) if one.shape == (ways, 1, U) else one
            tensors.append(numpy_helper.from_array(one, f"c{place}"))
    return graph(nodes, SEQUENCES, ["y"], tensors, opset=14)


def held_for_one(
    op: str, others: list[Array | None], attributes: dict[str, Any], folder: Path, output: int = 0
) -> None:
    """ropero with a start for one sequence is the runtime with the start written out."""
    theirs = by_runtime(between(op, others, attributes, output), SEQUENCES)[0]
    ours = by_ropero(between(op, others, attributes, output, 1), SEQUENCES, folder)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("output", [0, 1])
def test_as_exporters_write_them(op: str, direction: str, output: int, tmp_path: Path) -> None:
    ways = 2 if direction == "bidirectional" else 1
    attributes: dict[str, Any] = {"direction": direction}
    if op == "GRU":
        attributes["linear_before_reset"] = 1
    same(between(op, weights(op, ways), attributes, output), SEQUENCES, tmp_path)
    same(between(op, weights(op, ways, bias=False), attributes, output), SEQUENCES, tmp_path)
    held_for_one(op, weights(op, ways, start=True), attributes, tmp_path, output)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_the_reset_gate_before_the_product(direction: str, tmp_path: Path) -> None:
    ways = 2 if direction == "bidirectional" else 1
    attributes = {"direction": direction}
    held_for_one("GRU", weights("GRU", ways, start=True), attributes, tmp_path)
    same(between("GRU", weights("GRU", ways), attributes, 1), SEQUENCES, tmp_path)


def test_the_last_cell(tmp_path: Path) -> None:
    held_for_one("LSTM", weights("LSTM", 2, start=True), {"direction": "bidirectional"}, tmp_path, 2)


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_peepholes(start: bool, direction: str, tmp_path: Path) -> None:
    ways = 2 if direction == "bidirectional" else 1
    held_for_one("LSTM", weights("LSTM", ways, start=start, looks=True), {"direction": direction}, tmp_path)


BENT: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {"activations": ["Relu"]}),
    ("RNN", {"activations": ["Sigmoid", "Tanh"], "direction": "bidirectional"}),
    ("LSTM", {"activations": ["HardSigmoid", "Tanh", "Relu"], "activation_alpha": [0.3], "activation_beta": [0.4]}),
    ("LSTM", {"activations": ["HardSigmoid", "Softsign", "Tanh"]}),
    ("GRU", {"activations": ["HardSigmoid", "Tanh"]}),
    ("GRU", {"activations": ["Sigmoid", "Relu"], "linear_before_reset": 1}),
    ("RNN", {"activations": ["LeakyRelu"], "activation_alpha": [0.2]}),
    ("RNN", {"activations": ["ScaledTanh"], "activation_alpha": [0.8], "activation_beta": [0.6]}),
    ("LSTM", {"clip": 0.4}),
]


@pytest.mark.parametrize(("op", "attributes"), BENT, ids=short)
def test_activations(op: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    ways = 2 if attributes.get("direction") == "bidirectional" else 1
    same(between(op, weights(op, ways), attributes), SEQUENCES, tmp_path)


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("output", [0, 1])
def test_sequences_that_come_first(op: str, output: int, tmp_path: Path) -> None:
    """layout = 1, which the runtime does not know: by ONNX's own reference, in one direction, as it has it."""
    helper, numpy_helper = library().helper, library().numpy_helper
    others = weights(op, 1)
    tensors = [numpy_helper.from_array(one, f"c{place}") for place, one in enumerate(others) if one is not None]
    names = ["x", *("" if one is None else f"c{place}" for place, one in enumerate(others))]
    attributes = {"linear_before_reset": 1} if op == "GRU" else {}
    node = helper.make_node(op, names, ["Y", "Yh"], "n", hidden_size=U, layout=1, **attributes)
    content = graph([node], SEQUENCES, [["Y", "Yh"][output]], tensors, opset=14)
    ours, theirs = by_ropero(content, SEQUENCES, tmp_path), by_reference(content, SEQUENCES)
    turned = by_ropero(between(op, others, attributes, output), SEQUENCES, tmp_path)
    np.testing.assert_allclose(ours, turned, atol=1e-6)
    np.testing.assert_allclose(ours, theirs.reshape(ours.shape) if op != "GRU" else turned, atol=1e-5)


@pytest.mark.parametrize(
    ("attributes", "places", "says"),
    [
        ({"direction": "sideways"}, {}, "direction should be forward / reverse / bidirectional, got sideways"),
        ({"activations": ["Tanh"]}, {}, "needs 3 activations, got 1"),
        ({"activations": ["Tanh", "Tanh", "Tan"]}, {}, "Unknown activation 'tan'. Did you mean 'tanh'?"),
        ({"input_forget": 1}, {}, "input_forget = 1 is not supported"),
        ({}, {3: np.array([5, 4, 5], np.int32)}, "reads sequences of several lengths"),
        ({}, {0: np.zeros((1, 24, 9), np.float32)}, "weights of the shape (1, 24, 9); (1, 24, 4) is expected"),
        ({}, {1: np.zeros((1, 20, 6), np.float32)}, "weights of the shape (1, 20, 6); (1, 24, 6) is expected"),
        ({}, {2: np.zeros((1, 24), np.float32)}, "weights of the shape (1, 24); (1, 48) is expected"),
        ({"direction": "bidirectional"}, {}, "weights of the shape (1, 24, 4); (2, 24, 4) is expected"),
        ({}, {4: np.zeros((1, 2, 6), np.float32)}, "weights of the shape (1, 2, 6); (1, 3, 6) is expected"),
        ({}, {5: np.zeros((1, 3, 5), np.float32)}, "weights of the shape (1, 3, 5); (1, 3, 6) is expected"),
    ],
    ids=short,
)
def test_what_is_not_read_is_refused(
    attributes: dict[str, Any], places: dict[int, Array], says: str, tmp_path: Path
) -> None:
    others = [*weights("LSTM", 1), None, None, None]
    for place, one in places.items():
        others[place] = one
    with pytest.raises(UsageError) as caught:
        by_ropero(between("LSTM", others, attributes), SEQUENCES, tmp_path)
    assert says in str(caught.value)


def test_lengths_that_are_all_the_same_change_nothing(tmp_path: Path) -> None:
    others = [*weights("LSTM", 1), np.full(N, T, np.int32)]
    same(between("LSTM", others, {}), SEQUENCES, tmp_path)


def test_one_node_takes_any_number_of_sequences(tmp_path: Path) -> None:
    content = between("LSTM", weights("LSTM", 1), {})
    whole = by_ropero(content, SEQUENCES, tmp_path)
    np.testing.assert_allclose(by_ropero(content, SEQUENCES[1:2], tmp_path), whole[1:2], atol=1e-6)
