"""Files as strangers write them: what is read, and the sentence for each that is not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_twin import Array, by_ropero, by_runtime, graph, one_node  # noqa: E402

from ropero.errors import DataError, MissingExtra  # noqa: E402
from ropero.export import onnx_file, onnx_reader  # noqa: E402
from ropero.export.onnx_reader import classifier, read  # noqa: E402
from ropero.export.onnx_tensors import array, words  # noqa: E402
from ropero.models.layers import Flatten  # noqa: E402

ROWS = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
KERNEL = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)


def model(change: Callable[[Any], None] | None = None) -> Any:
    """A matrix, a bias and a softmax, then changed."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"], "product"),
        helper.make_node("Add", ["p", "b"], ["sum"], "bias"),
        helper.make_node("Softmax", ["sum"], ["y"], "end"),
    ]
    tensors = [numpy_helper.from_array(KERNEL, "w"), numpy_helper.from_array(KERNEL[0] * 0, "b")]
    made = onnx.load_model_from_string(graph(nodes, ROWS, ["y"], tensors, opset=13))
    if change is not None:
        change(made)
    return made


def written(made: Any, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path


def test_what_is_read(tmp_path: Path) -> None:
    def change(made: Any) -> None:
        made.producer_name, made.producer_version = "someone", "1.2"
        helper.set_model_props(made, {"names": "a, b, c"})

    file = read(written(model(change), tmp_path))
    assert (file.input, file.input_shape, file.input_dtype) == ("x", (None, 6), "float32")
    assert (file.output, file.values, file.opset) == ("y", None, 13)
    assert (file.producer, file.producer_version, dict(file.metadata)) == ("someone", "1.2", {"names": "a, b, c"})
    assert [node.op for node in file.nodes] == ["MatMul", "Add", "Softmax"]
    np.testing.assert_array_equal(file.tensors["w"], KERNEL)


def external(made: Any) -> None:
    """A tensor that points to a file of the machine's."""
    one = made.graph.initializer[0]
    one.ClearField("raw_data")
    one.data_location = TensorProto.EXTERNAL
    one.external_data.add(key="location", value="/etc/passwd")


def dims(*sides: int) -> Callable[[Any], None]:
    def change(made: Any) -> None:
        made.graph.initializer[0].dims[:] = sides

    return change


def kind(number: int) -> Callable[[Any], None]:
    def change(made: Any) -> None:
        made.graph.initializer[0].data_type = number

    return change


def nodes(*changes: tuple[int, str, Any]) -> Callable[[Any], None]:
    """Fields of nodes set to other values."""

    def change(made: Any) -> None:
        for place, name, value in changes:
            found = getattr(made.graph.node[place], name)
            if isinstance(found, str):
                setattr(made.graph.node[place], name, value)
            else:
                found[:] = value

    return change


def with_input(name: str, elem: int = 1, shape: Any = ("n", 6)) -> Callable[[Any], None]:
    return lambda made: made.graph.input.append(helper.make_tensor_value_info(name, elem, shape))


def retyped(elem: int) -> Callable[[Any], None]:
    def change(made: Any) -> None:
        made.graph.input[0].type.tensor_type.elem_type = elem

    return change


def outputs(*found: tuple[str, int]) -> Callable[[Any], None]:
    def change(made: Any) -> None:
        del made.graph.output[:]
        made.graph.output.extend(helper.make_tensor_value_info(name, elem, ["n", 3]) for name, elem in found)

    return change


def opset(version: int) -> Callable[[Any], None]:
    def change(made: Any) -> None:
        made.opset_import[0].version = version

    return change


def nan(made: Any) -> None:
    made.graph.initializer[0].raw_data = (KERNEL * np.nan).tobytes()


def twice(made: Any) -> None:
    made.graph.initializer.append(made.graph.initializer[0])


def longer(made: Any) -> None:
    made.graph.node[0].name = "n" * 3000


def argmax(made: Any) -> None:
    made.graph.node[2].op_type = "ArgMax"
    made.graph.output[0].type.tensor_type.elem_type = 7


def sparse(made: Any) -> None:
    made.graph.sparse_initializer.add()


def loop(made: Any) -> None:
    made.graph.node[1].op_type = "Loop"
    body = helper.make_attribute("body", helper.make_graph([], "body", [], []))
    made.graph.node[1].attribute.append(body)


REFUSED: list[tuple[Callable[[Any], None] | None, str]] = [
    (external, "the tensor 'w' lies in another file, which is not followed; save the network as one file"),
    (dims(6, 4), "the tensor 'w' should hold 24 numbers, as its shape (6, 4) says, but holds 18"),
    (dims(-6, 3), "the tensor 'w' has the shape (-6, 3), which ropero does not read"),
    (dims(2**40, 2**40), "which ropero does not read"),
    (dims(0, 2**50), "which ropero does not read"),
    (dims(*[1] * 9), "which ropero does not read"),
    (kind(8), "the tensor 'w' is of ONNX's type 8, which ropero does not compute with"),
    (kind(17), "is of ONNX's type 17"),
    (kind(11), "should hold 18 numbers, as its shape (6, 3) says, but holds 9"),
    (nan, "the tensor 'w' holds what is no number"),
    (twice, "holds several tensors of one name"),
    (sparse, "holds sparse tensors"),
    (longer, "has a node with too many inputs or too long a name"),
    (nodes((0, "input", ["x", "v"])), "Node 'product' (MatMul): takes 'v', which nothing in the file gives"),
    (nodes((0, "input", ["sum", "w"])), "Node 'product' (MatMul): takes 'sum', which a later node gives: the nodes go"),
    (nodes((0, "output", ["sum"])), "gives the value 'sum' twice"),
    (nodes((0, "output", ["w"])), "gives the value 'w' twice"),
    (nodes((0, "output", ["x"])), "gives the value 'x' twice"),
    (nodes((1, "domain", "com.microsoft")), "Node 'bias' (Add): is of the domain 'com.microsoft', whose operators"),
    (nodes((1, "domain", "pkg.local")), "after onnx.inliner.inline_local_functions"),
    (nodes((1, "domain", "ai.onnx.ml")), "is none of ArrayFeatureExtractor, LinearClassifier, Normalizer, Scaler"),
    (with_input("z"), "takes 2 inputs (x, z); ropero reads networks that take images alone"),
    (lambda made: made.graph.input.pop(), "takes 0 inputs ()"),
    (retyped(7), "takes something other than numbers of the types float32, float16, float64, uint8"),
    (retyped(8), "takes something other than numbers"),
    (
        outputs(("p", 1), ("sum", 1)),
        "has several outputs (p, sum) and none that alone looks like a value for each class",
    ),
    (outputs(("p", 7)), "gives the number or the name of a class alone"),
    (outputs(), "gives the number or the name of a class alone"),
    (argmax, "gives the number or the name of a class alone, and no value for each; export it with its probabilities"),
    (opset(6), "is of opset 6, older than what ropero reads (7); bring it up to date with onnx.version_converter"),
    (lambda made: made.ClearField("opset_import"), "is no ONNX file, or damaged"),
    (lambda made: made.ClearField("graph"), "is no ONNX file, or damaged"),
]


@pytest.mark.parametrize(("change", "says"), REFUSED, ids=lambda one: one if isinstance(one, str) else "")
def test_what_is_refused(change: Callable[[Any], None], says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(written(model(change), tmp_path))
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'model.onnx'}: ")


BUILT: list[tuple[Callable[[Any], None], str]] = [
    (loop, "Node 'bias' (Loop): runs a part of the graph on a condition or again and again"),
    (nodes((2, "op_type", "Softmaxx")), "Node 'end' (Softmaxx): is none of the 1"),
    (nodes((2, "op_type", "Softmaxx")), "Did you mean 'Softmax'?"),
    (nodes((2, "op_type", "TopK")), "Node 'end' (TopK): gives the number of a class"),
    (nodes((2, "op_type", "NonMaxSuppression")), "tell ropero's authors"),
]


@pytest.mark.parametrize(("change", "says"), BUILT, ids=lambda one: one if isinstance(one, str) else "")
def test_what_is_refused_when_it_is_built(change: Callable[[Any], None], says: str, tmp_path: Path) -> None:
    file = read(written(model(change), tmp_path))
    with pytest.raises(DataError) as caught:
        classifier(file, (1, 2, 3), 3, prefix=[Flatten()])
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'model.onnx'}: ")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 99, b"\x08" * 50, b"{}", b"PK\x03\x04" + b"a" * 80]
)
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ONNX file, or damaged|cut short or damaged"):
        read(written(content, tmp_path))


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    content = model().SerializeToString()
    for length in range(0, len(content), 7):
        with pytest.raises(DataError):
            read(written(content[:length], tmp_path))


def test_a_file_that_is_not_there_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="Cannot read"):
        read(tmp_path / "none.onnx")
    with pytest.raises(DataError, match="Cannot read"):
        read(tmp_path)
    monkeypatch.setattr(onnx_file, "LIMIT_BYTES", 100)
    with pytest.raises(DataError, match=r"takes .* ropero reads ONNX files of at most 100 B"):
        read(written(model(), tmp_path))


def test_counts_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_reader, "MAX_NUMBERS", 20)
    with pytest.raises(DataError, match="holds more than 20 numbers"):
        read(written(model(), tmp_path))
    monkeypatch.setattr(onnx_reader, "MAX_NODES", 2)
    with pytest.raises(DataError, match="has 3 nodes and 2 tensors; 2 of each are read at most"):
        read(written(model(), tmp_path))


def test_without_the_package_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(model(), tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"pip install 'ropero\[onnx\]'"):
        read(path)


def test_the_output_with_a_value_for_each_class_is_found(tmp_path: Path) -> None:
    """Logits rather than their softmax, floats rather than labels."""
    assert read(written(model(outputs(("sum", 1), ("y", 1))), tmp_path)).output == "sum"
    assert read(written(model(outputs(("p", 7), ("y", 1))), tmp_path)).output == "y"


def test_what_leads_nowhere_is_not_read(tmp_path: Path) -> None:
    """A branch with an operator and a type that ropero does not know, behind an output that is not chosen."""

    def change(made: Any) -> None:
        made.graph.node.append(helper.make_node("StringSplit", ["words"], ["label"], domain="elsewhere"))
        made.graph.initializer.append(helper.make_tensor("words", TensorProto.STRING, [2], [b"a", b"b"]))
        made.graph.output.append(helper.make_tensor_value_info("label", TensorProto.STRING, [2]))

    assert [node.op for node in read(written(model(change), tmp_path)).nodes] == ["MatMul", "Add", "Softmax"]


def test_inputs_that_are_the_files_own_tensors_do_not_count(tmp_path: Path) -> None:
    """As files before 2019 list them."""
    assert read(written(model(with_input("w")), tmp_path)).input == "x"


KINDS = [np.float32, np.float16, np.float64, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint32,
         np.uint64, np.bool_]  # fmt: skip


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("dtype", KINDS, ids=lambda one: one.__name__)
def test_numbers_of_every_type(dtype: Any, listed: bool) -> None:
    values = np.array([[0, 1, 2], [3, 100, 127]]).astype(dtype)
    number = helper.np_dtype_to_tensor_dtype(values.dtype)
    content = values.reshape(-1).tolist() if listed else values.tobytes()
    found = array(helper.make_tensor("t", number, values.shape, content, raw=not listed))
    np.testing.assert_array_equal(found, values)
    assert found.dtype.kind == ("f" if values.dtype.kind == "f" else found.dtype.kind)
    assert found.dtype in (np.float32, values.dtype, np.int64)


@pytest.mark.parametrize("listed", [False, True])
def test_brain_floats(listed: bool) -> None:
    values = np.array([1.5, -2.0, 3.25], np.float32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    made = TensorProto(name="t", dims=[3], data_type=TensorProto.BFLOAT16)
    if listed:
        made.int32_data.extend(bits.tolist())
    else:
        made.raw_data = bits.tobytes()
    np.testing.assert_array_equal(array(made), values)


def test_a_double_beyond_float32_is_infinite() -> None:
    found = array(numpy_helper.from_array(np.array([1e300, -1e300, 1.0]), "t"))
    np.testing.assert_array_equal(found, np.array([np.inf, -np.inf, 1], np.float32))


def test_words_and_numbers_of_classes() -> None:
    assert words(helper.make_tensor("t", TensorProto.STRING, [2], [b"a", b"\xff"])) == (
        "a",
        "\N{REPLACEMENT CHARACTER}",
    )
    assert words(numpy_helper.from_array(np.array([3, 1]), "t")) == ("3", "1")
    assert words(numpy_helper.from_array(np.array([0.5]), "t")) == ()


LEARNING: list[tuple[str, dict[str, Any]]] = [
    ("Scaler", {"offset": [0.5] * 6, "scale": [2.0, 1.0, 0.5, 0.0, -1.0, 3.0]}),
    ("Scaler", {"offset": [0.5], "scale": [2.0]}),
    ("Normalizer", {"norm": "L1"}),
    ("Normalizer", {"norm": "L2"}),
    ("Normalizer", {"norm": "MAX"}),
]


@pytest.mark.parametrize(("op", "attributes"), LEARNING, ids=str)
def test_what_scikit_learn_prepares_pixels_with(op: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    content = one_node(op, np.abs(ROWS), (), attributes, domain="ai.onnx.ml")
    theirs = by_runtime(content, np.abs(ROWS))[0]
    np.testing.assert_allclose(by_ropero(content, np.abs(ROWS), tmp_path), theirs, atol=1e-6)


def test_some_places_of_the_last_axis(tmp_path: Path) -> None:
    content = one_node("ArrayFeatureExtractor", ROWS, [np.array([[2, 0]])], domain="ai.onnx.ml")
    np.testing.assert_array_equal(by_ropero(content, ROWS, tmp_path), by_runtime(content, ROWS)[0])


def linear(**changes: Any) -> bytes:
    attributes: dict[str, Any] = {
        "coefficients": KERNEL.T.reshape(-1).tolist(),
        "intercepts": [0.1, 0.2, -0.3],
        "classlabels_strings": ["hat", "coat", "shoe"],
        "multi_class": 1,
        **changes,
    }
    node = helper.make_node("LinearClassifier", ["x"], ["label", "scores"], "l", domain="ai.onnx.ml", **attributes)
    return graph([node], ROWS, ["scores"])


@pytest.mark.parametrize("after", ["NONE", "SOFTMAX", "LOGISTIC"])
def test_a_linear_classifier(after: str, tmp_path: Path) -> None:
    content = linear(post_transform=after)
    theirs: Array = by_runtime(content, ROWS)[0]
    np.testing.assert_allclose(by_ropero(content, ROWS, tmp_path), theirs, atol=1e-6)
    file = read(written(content, tmp_path))
    assert file.classes == ("hat", "coat", "shoe")
    built, _ = classifier(file, (1, 2, 3), 3, prefix=[Flatten()])
    with torch.inference_mode():
        shares = built(torch.from_numpy(ROWS).reshape(4, 1, 2, 3)).softmax(1).numpy()
    order = theirs if after == "LOGISTIC" else shares
    np.testing.assert_array_equal(shares.argmax(1), order.argmax(1))
    if after == "SOFTMAX":
        np.testing.assert_allclose(shares, theirs, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"post_transform": "PROBIT"}, "post_transform should be NONE / SOFTMAX / LOGISTIC, got PROBIT"),
        ({"coefficients": [1.0] * 4}, "should have coefficients and an intercept for each of 3 classes"),
        ({"intercepts": [1.0]}, "should have coefficients and an intercept for each of 3 classes"),
        ({"classlabels_strings": ["one"]}, "for each of 1 classes"),
    ],
    ids=str,
)
def test_a_linear_classifier_that_is_none(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    path = written(linear(**changes), tmp_path)
    with pytest.raises(DataError) as caught:
        read(path)
    assert "Node 'l' (LinearClassifier): " in str(caught.value)
    assert says in str(caught.value)


def test_constants_in_every_form(tmp_path: Path) -> None:
    """A tensor, a number, a list: each as a node of its own."""
    made = [
        helper.make_node("Constant", [], ["a"], value=numpy_helper.from_array(ROWS[:1])),
        helper.make_node("Constant", [], ["b"], value_float=0.5),
        helper.make_node("Constant", [], ["c"], value_floats=[1.0, 2, 3, 4, 5, 6]),
        helper.make_node("Constant", [], ["d"], value_int=1),
        helper.make_node("Constant", [], ["e"], value_ints=[-1, 6]),
        helper.make_node("Add", ["x", "a"], ["f"]),
        helper.make_node("Mul", ["f", "b"], ["g"]),
        helper.make_node("Sub", ["g", "c"], ["h"]),
        helper.make_node("Unsqueeze", ["h", "s"], ["i"]),
        helper.make_node("Reshape", ["i", "e"], ["y"]),
        helper.make_node("Reshape", ["d", "one"], ["s"]),
    ]
    ordered = [*made[:8], made[10], *made[8:10]]
    content = graph(ordered, ROWS, ["y"], [numpy_helper.from_array(np.array([1]), "one")])
    np.testing.assert_allclose(by_ropero(content, ROWS, tmp_path), by_runtime(content, ROWS)[0], atol=1e-6)
    bad = [helper.make_node("Constant", [], ["a"], value_string="x"), helper.make_node("Add", ["x", "a"], ["y"])]
    path = written(graph(bad, ROWS, ["y"]), tmp_path)
    with pytest.raises(DataError, match="holds neither numbers nor a tensor"):
        read(path)


def test_a_graph_that_cannot_be_brought_to_logits_is_a_sentence(tmp_path: Path) -> None:
    """A last layer without inputs of its own: found by changing files at random."""
    import onnx

    content = onnx.load(Path(__file__).parent.parent / "fixtures" / "onnx" / "sklearn-mlp.onnx")
    for node in content.graph.node:
        if node.op_type in ("Gemm", "MatMul"):
            node.input[:] = [node.input[-1]] * len(node.input)
    path = tmp_path / "model.onnx"
    path.write_bytes(content.SerializeToString())
    from ropero.export import onnx_foreign
    from ropero.models.layers import Flatten

    def build() -> None:
        onnx_foreign.read(path).build([Flatten()], (1, 28, 28), 10)

    with pytest.raises(DataError):
        build()
