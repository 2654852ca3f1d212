"""Layer lists: what is understood, and the sentence for every mistake."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from ropero.errors import UsageError
from ropero.models.designs import build, parts, table
from ropero.models.entries import LAYERS, MAX_LAYERS, from_json, read_toml, to_json
from ropero.models.summary import summarise
from ropero.models.zoo import NETWORKS
from ropero.models.zoo import build as build_from_zoo

SHAPE = (1, 28, 28)
DENSE: dict[str, Any] = {"type": "Dense"}
FLATTEN: dict[str, Any] = {"type": "Flatten"}
SOFTMAX: dict[str, Any] = {"type": "Activation", "activation": "softmax"}


def conv(**options: Any) -> dict[str, Any]:
    return {"type": "Conv2D", **options}


def test_a_list_becomes_a_network_and_comes_back() -> None:
    entries = [
        conv(filters=8, kernel_size=[5, 3], activation="relu"),
        {"type": "MaxPooling2D"},
        {"type": "Reshape", "target_shape": [12, -1]},
        {"type": "Bidirectional", "layer": {"type": "GRU", "units": 6}},
        {"type": "Dropout", "rate": 0.25},
        {"type": "Dense", "activation": "softmax"},
    ]
    design = from_json(entries)
    model = build(design, SHAPE, 10)
    assert [(name, shape) for name, _, shape in table(model.design, SHAPE)] == [
        ("conv2d", (24, 26, 8)),
        ("max_pooling2d", (12, 13, 8)),
        ("reshape", (12, 104)),
        ("bidirectional", (12,)),
        ("dropout", (12,)),
        ("dense", (10,)),
    ]
    assert model(torch.rand(2, *SHAPE)).shape == (2, 10)
    written = json.loads(json.dumps(to_json(design)))
    assert written == [{k: v for k, v in one.items() if v not in (0.5,)} for one in entries]
    assert from_json(written) == design


DROPOUT = {"type": "Dropout", "rate": 0.5}
NORM = {"type": "BatchNormalization"}
LINEAR = {"type": "Activation", "activation": "linear"}
LOG_SIGMOID = {"type": "Activation", "activation": "log_sigmoid"}
LOG_SOFTMAX = {"type": "Activation", "activation": "log_softmax"}
SHARES = {"type": "Softmax"}
POOL = {"type": "GlobalAveragePooling2D"}


@pytest.mark.parametrize(
    ("entries", "kept", "head"),
    [
        ([FLATTEN, {"type": "Dense", "activation": "softmax"}], 2, 1),
        ([FLATTEN, DENSE, SOFTMAX], 2, 1),
        ([FLATTEN, DENSE, LINEAR, SHARES, LINEAR], 2, 1),
        ([FLATTEN, DENSE, LOG_SOFTMAX], 2, 1),
        ([FLATTEN, {"type": "Dense", "activation": "log_softmax"}], 2, 1),
        ([FLATTEN, {"type": "Dense", "activation": "relu"}], 2, 1),
        ([FLATTEN, {"type": "Dense", "units": 9}, SHARES, DENSE], 4, 1),
        ([FLATTEN, DENSE, SOFTMAX, SOFTMAX], 3, 2),  # the logits of two are what the first gives
        ([FLATTEN, DENSE, LOG_SIGMOID], 3, 2),
        ([FLATTEN, DENSE, DROPOUT], 3, 2),
        ([FLATTEN, DENSE, NORM, SOFTMAX], 3, 2),
        ([conv(filters=10, kernel_size=1), POOL, SOFTMAX], 2, 0),
        ([{"type": "Rows"}, DENSE, {"type": "GlobalMaxPooling1D"}], 3, 0),
        ([FLATTEN, {"type": "Dense", "activation": "softmax"}, {"type": "ActivityRegularization"}, LINEAR], 3, 2),
        ([FLATTEN, {**DENSE, "name": "a"}, {**SHARES, "name": "b"}, {"type": "Add", "inputs": ["a", "b"]}], 4, 0),
    ],
    ids=str,
)
def test_a_list_ends_in_anything_that_gives_one_value_a_class(
    entries: list[dict[str, Any]], kept: int, head: int
) -> None:
    """kept: the layers up to the logits; head: those of them from the last Dense on."""
    torch.manual_seed(0)
    model = build(from_json(entries), SHAPE, 10).eval()
    pixels = torch.rand(2, *SHAPE)
    with torch.inference_mode():
        logits = model(pixels)
        x = features = model.features(pixels)
        for _, _, module in parts(model)[kept - head :]:
            x = module(x)
    assert logits.shape == (2, 10)
    assert torch.equal(x, logits)
    assert (features.shape == (2, 10)) == (head == 0)
    assert [type(layer).__name__ for _, layer, _ in parts(model)] == [one["type"] for one in entries[:kept]]
    assert [name for name, _, _ in parts(model)] == [row.name for row in summarise(model).rows]
    assert sum(row.parameters for row in summarise(model).rows) == summarise(model).total


@pytest.mark.parametrize(
    "entries",
    [
        [conv(filters=10, kernel_size=28, activation="softmax"), FLATTEN],
        [conv(filters=10, kernel_size=28, name="wide"), {**SHARES, "inputs": ["wide"]}, POOL, LINEAR, FLATTEN],
        [conv(filters=10, kernel_size=28), {**SHARES, "name": "s"}, {"type": "Reshape", "inputs": ["s"]}],
        [FLATTEN, {"type": "Dense"}, {"type": "Reshape", "target_shape": [1, 10]}, SHARES, FLATTEN],
    ],
    ids=str,
)
def test_a_softmax_is_found_where_its_values_are_only_laid_otherwise(entries: list[dict[str, Any]]) -> None:
    kept = [one for one in entries if one["type"] not in ("Softmax", "Activation")]
    bare = [{k: v for k, v in one.items() if k not in ("activation", "inputs")} for one in kept]
    model, plain = (build(from_json(some), SHAPE, 10).eval() for some in (entries, bare))
    plain.load_state_dict(model.state_dict())
    pixels = torch.rand(2, *SHAPE)
    with torch.inference_mode():
        assert torch.equal(model(pixels), plain(pixels))
    assert [row.kind for row in summarise(model).rows] == [one["type"] for one in bare]


@pytest.mark.parametrize(
    "entries",
    [
        [conv(filters=10), SHARES, POOL],  # a mean of softmaxes is none
        [conv(filters=10, kernel_size=28), {**SHARES, "axis": 1}, FLATTEN],  # along a side of one value
        [{"type": "Rows"}, {"type": "Dense", "units": 1}, {"type": "Cropping1D", "cropping": 9}, SHARES, FLATTEN],
    ],
    ids=str,
)
def test_any_other_softmax_stays(entries: list[dict[str, Any]]) -> None:
    assert "Softmax" in [row.kind for row in summarise(build(from_json(entries), SHAPE, 10)).rows]


def test_names_of_weights_stay_those_of_stored_runs() -> None:
    assert parts(build_from_zoo("quick", SHAPE, 10)) == []  # which is no layer list
    entries = [conv(activation="relu"), NORM, FLATTEN, {"type": "Dense", "units": 5, "activation": "relu"}, DENSE]
    found = [name for name in build(from_json(entries), SHAPE, 10).state_dict() if not name.endswith("tracked")]
    assert found == [
        *("mean", "std", "trunk.conv2d.0.weight", "trunk.conv2d.0.bias"),
        *(f"trunk.batch_normalization.{name}" for name in ("weight", "bias", "running_mean", "running_var")),
        *("trunk.dense.0.weight", "trunk.dense.0.bias", "head.weight", "head.bias"),
    ]


@pytest.mark.parametrize("name", [name for name in NETWORKS if build_from_zoo(name, SHAPE, 10).design])
def test_a_zoo_network_survives_json(name: str) -> None:
    design = build_from_zoo(name, SHAPE, 10).design
    assert from_json(json.loads(json.dumps(to_json(design)))) == list(design)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([], "no layers"),
        ([FLATTEN], "one value for each of the 10 classes, but Flatten gives 784; add Dense with activation softmax."),
        ([conv()], "Layer 1 (Conv2D): would give (26, 26, 32), not one value a class; put GlobalAveragePooling2D"),
        (
            [{"type": "Rows"}, {"type": "GRU", "return_sequences": True}],
            "Layer 2 (GRU): would give (28, 128), not one value a class; put Flatten, Dense behind it.",
        ),
        (
            [conv(filters=9), {"type": "GlobalMaxPooling2D"}, SOFTMAX],
            "one value for each of the 10 classes, but GlobalMaxPooling2D gives 9; add Dense",
        ),
        ([FLATTEN, {"type": "Dense", "units": 5}, {"type": "Dropout"}], "The last layer gives 5 values, but the data"),
        ([FLATTEN, {"type": "Dense", "units": 9}, SOFTMAX, DENSE], "Layer 3 (Activation): softmax is for the last"),
        ([FLATTEN, {"type": "Dense", "activation": "softmax"}, SOFTMAX], "softmax is for the last layer alone"),
        ([FLATTEN, {"type": "Dense", "activation": "softmax"}, {"type": "Dropout"}], "softmax is for the last layer"),
        ([FLATTEN, DENSE, {"type": "Dense", "units": 10}], "Layer 2 (Dense): needs units"),
        ([DENSE], "Layer 1 (Dense): would give (28, 28, 10), not one value a class; put Flatten before it."),
        ([{"type": "RepeatVector"}, DENSE], "Layer 1 (RepeatVector): takes vectors (D,), but gets (28, 28, 1); put Fl"),
        ([FLATTEN, conv(), DENSE], "Layer 2 (Conv2D): takes images (H, W, C), but gets (784,); put it before Flatten"),
        ([{"type": "LSTM"}, DENSE], "Layer 1 (LSTM): takes sequences (T, D), but gets (28, 28, 1); put Rows before it"),
        (
            [{"type": "Rows"}, {"type": "GRU"}, {"type": "GRU"}, DENSE],
            "Layer 3 (GRU): takes sequences (T, D), but gets (128,); put return_sequences = true into the layer before",
        ),
        (
            [{"type": "Rows"}, {"type": "GRU", "return_sequences": True}, DENSE],
            "Layer 3 (Dense): would give (28, 10), not one value a class; put Flatten",
        ),
        ([FLATTEN, {"type": "Dense", "units": 5}], "gives 5 values, but the data have 10 classes"),
        ([FLATTEN, {"type": "Dense"}, DENSE], "Layer 2 (Dense): needs units, such as units = 128"),
        ([FLATTEN, {"type": "Dense", "units": 0}, DENSE], "Layer 2 (Dense): units should be more than 0, got 0"),
        (
            [FLATTEN, {"type": "Dense", "units": 9, "activation": "softmax"}, DENSE],
            "Layer 2 (Dense): softmax is for the last layer alone",
        ),
        (
            [FLATTEN, {"type": "Dense", "units": 9, "activation": "Relu"}, DENSE],
            "Layer 2 (Dense): Unknown activation 'Relu'. Did you mean 'relu'?",
        ),
        (
            [FLATTEN, {"type": "Dense", "units": 9, "kernel_initializer": "he_norm"}, DENSE],
            "Layer 2 (Dense): Unknown initializer 'he_norm'. Did you mean 'he_normal'?",
        ),
        (
            [conv(), {"type": "MaxPooling2D", "pool_size": 8}, conv(kernel_size=5), FLATTEN, DENSE],
            "Layer 3 (Conv2D): a window of 5 x 5 does not fit into a picture of 3 x 3",
        ),
        ([conv(padding="SAME"), FLATTEN, DENSE], "padding should be one of valid, same, got 'SAME'. Did you mean"),
        ([conv(kernel_size=60, padding="same"), FLATTEN, DENSE], "a window of 60 x 60 does not fit"),
        ([conv(groups=3), FLATTEN, DENSE], "Layer 1 (Conv2D): groups=3 should divide"),
        ([{"type": "Dropout", "rate": 1.0}, FLATTEN, DENSE], "Layer 1 (Dropout): rate should be at least 0 and below"),
        ([{"type": "Reshape", "target_shape": [7] * 100_000}, DENSE], "should have 1 to 3 sides, got 100000."),
        ([{"type": "BatchNormalization", "momentum": 5}, FLATTEN, DENSE], "momentum should be at least 0 and below 1"),
        ([{"type": "BatchNormalization", "epsilon": -1}, FLATTEN, DENSE], "epsilon should be more than 0, got -1"),
        ([{"type": "LayerNormalization", "epsilon": 0}, FLATTEN, DENSE], "epsilon should be more than 0, got 0"),
        ([{"type": "ZeroPadding2D", "padding": [0, -1]}, FLATTEN, DENSE], "padding should be 0 or more, got -1"),
        (
            [{"type": "Reshape", "target_shape": [5, -1]}, DENSE],
            "Layer 1 (Reshape): cannot bring the 784 values of (28, 28, 1) into",
        ),
        (
            [{"type": "Rows"}, {"type": "Bidirectional", "layer": {"type": "Dense", "units": 3}}, DENSE],
            "Layer 2 (Bidirectional): its layer should be SimpleRNN, LSTM or GRU",
        ),
        ([{"type": "Rows"}, {"type": "LSTM", "activation": "rel"}, DENSE], "Unknown activation 'rel'. Did you mean"),
    ],
    ids=str,
)
def test_a_list_that_fits_nothing_is_told_of(entries: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(from_json(entries), SHAPE, 10)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"type": "Conv2d"}, "Unknown layer 'Conv2d'. Did you mean 'Conv2D'?"),
        ({"type": "MaxPool2D"}, "Did you mean 'MaxPooling2D'?"),
        ({"type": "Linear"}, "Did you mean 'Dense'?"),
        ({"type": "BatchNorm2d"}, "Did you mean 'BatchNormalization'?"),
        ({"type": "conv_2d"}, "Did you mean 'Conv2D'?"),
        ({"type": "Dens"}, "Did you mean 'Dense'?"),
        ({"type": "Sigmoid"}, 'Did you mean type = "Activation", activation = "sigmoid"?'),
        ({"type": "InputLayer"}, "Leave it out"),
        ({"type": "Transformer" * 1000}, "TransformerTransformer"),
        (conv(kernel=3), "Conv2D has no option 'kernel'. Did you mean 'kernel_size'?"),
        (conv(stride=2), "Did you mean 'strides'?"),
        (conv(units=2), "Did you mean 'filters'?"),
        (conv(in_channels=2), "Leave it out: it is known"),
        ({"type": "MaxPooling2D", "kernel_size": 2}, "Did you mean 'pool_size'?"),
        ({"type": "Dropout", "p": 0.5}, "Did you mean 'rate'?"),
        ({"type": "Dense", "activaton": "relu"}, "Did you mean 'activation'?"),
        ({"type": "Flatten", "x": 1}, "Known: name, inputs."),
        (
            conv(kernel_size="3"),
            "kernel_size should be a whole number up to 1,000,000 or two of them as in [2, 3], got",
        ),
        (conv(kernel_size=[1, 2, 3]), "or two of them"),
        (conv(filters=2.5), "filters should be a whole number"),
        (conv(filters=True), "filters should be a whole number"),
        (conv(filters=10**5000), "filters should be a whole number up to 1,000,000, got …."),
        (conv(use_bias="no"), "use_bias should be true or false, got 'no'."),
        ({"type": "Rescaling", "scale": float("nan")}, "scale should be a number"),
        ({"type": "Bidirectional", "units": 64}, "It belongs to the layer inside, as in layer = {"),
        ({"type": "Bidirectional", "layer": "LSTM"}, 'needs its type, such as type = "Dense"'),
        ({"type": "Bidirectional", "layer": {"type": "Lstm"}}, "Unknown layer 'Lstm'. Did you mean 'LSTM'?"),
        ({"type": "Bidirectional", "layer": {"type": "Bidirectional", "layer": {"type": "LSTM"}}}, "layer should be a"),
        ({"layer": "Dense"}, 'needs its type, such as type = "Dense"'),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, str) else "",
)
def test_a_mistaken_entry_is_told_of(entry: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_json([FLATTEN, entry])
    assert str(caught.value).startswith("Layer 2")
    assert says in str(caught.value)
    assert len(str(caught.value)) < 1300


@pytest.mark.parametrize(
    "entries",
    [
        [FLATTEN, {"type": "Dense", "units": 1_000_000}, DENSE],
        [conv(filters=1_000_000, padding="same"), FLATTEN, DENSE],
        [{"type": "Resizing", "height": 1_000_000, "width": 1_000_000}, FLATTEN, DENSE],
        [{"type": "ZeroPadding2D", "padding": 1_000_000}, FLATTEN, DENSE],
        [{"type": "Rows"}, {"type": "LSTM", "units": 1_000_000}, DENSE],
        [{"type": "Rows"}, {"type": "AttentionPooling", "units": 1_000_000_0}, DENSE],
        [{"type": "SeparableConv2D", "filters": 1, "depth_multiplier": 1_000_000}, FLATTEN, DENSE],
        [FLATTEN, *[{"type": "Dense", "units": 20_000}] * 5, DENSE],
        [FLATTEN] * (MAX_LAYERS + 1),
    ],
    ids=lambda entries: str(entries)[:70],
)
def test_a_giant_is_refused_before_it_is_built(entries: list[dict[str, Any]]) -> None:
    started = time.perf_counter()
    with pytest.raises(UsageError):
        build(from_json(entries), SHAPE, 10)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "should hold a list of layers, each as [[layers]]"),
        ('[layers]\ntype = "Dense"', "each as [[layers]]"),
        ('[[layers]]\ntype = "Dense"\n[[layer]]\ntype = "Dense"', "Unknown option 'layer'. Did you mean 'layers'?"),
        ('[[layers]]\ntype = "Conv2D"\nactivation = relu', "(at line 3, column 14). In TOML, text stands in quotes"),
        ('[[layers]]\ntype = "LSTM"\nreturn_sequences = True', "(at line 3, column 20)"),
        ("[[layers]]\nunits = 128", 'Layer 1: a layer needs its type, such as type = "Dense"'),
        ("a = " + "[" * 50_000, "Cannot read"),
        ("a = " + "9" * 10_000, "Cannot read"),
        ("#" * 300_000, "A list of layers should have at most 200.0 kB, but "),
    ],
    ids=lambda text: text[:30],
)
def test_a_file_that_is_no_list_is_told_of(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "my_net.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_toml(path)
    assert says in str(caught.value)


def test_a_file_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="Is a directory"):
        read_toml(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="Cannot read"):
        read_toml(tmp_path / "binary.toml")


NAMES = sorted({option for kind in LAYERS.values() for option in kind.__dataclass_fields__})  # type: ignore[attr-defined]
SMALL = some.integers(-2, 70) | some.sampled_from([0, 1, 2, 3, 8, 10, 1_000_000, 10**30])
WORDS = some.sampled_from(["relu", "softmax", "linear", "tanh", "same", "valid", "LSTM", "he_normal", ""])
LEAF = SMALL | some.floats() | some.booleans() | WORDS | some.none() | some.lists(SMALL, max_size=3)


def entries_of(values: some.SearchStrategy[Any]) -> some.SearchStrategy[dict[str, Any]]:
    """Layers of every kind, with options that are mostly known and mostly wrong."""
    options = some.dictionaries(some.sampled_from(NAMES) | some.text(max_size=4), values, max_size=3)
    return some.builds(lambda kind, rest: {**rest, "type": kind}, some.sampled_from([*LAYERS, "Linear"]), options)


SINGLE = entries_of(LEAF)
LISTS = some.lists(some.sampled_from([FLATTEN, DENSE, {"type": "Rows"}]) | entries_of(LEAF | SINGLE), max_size=5)
ANYTHING = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.sampled_from(["type", "layer", "units"]), inner),
    max_leaves=8,
)
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FUZZ
@given(LISTS, some.booleans())
def test_nothing_but_a_sentence_escapes(entries: list[dict[str, Any]], ends: bool) -> None:
    """What is accepted gives one value a class; its JSON is the same list again."""
    try:
        design = from_json(entries)
        model = build([*design, *from_json([DENSE] if ends else [])], SHAPE, 3).eval()
    except UsageError:
        return
    if model.peak < 1_000_000:
        with torch.inference_mode():
            assert model(torch.zeros(1, *SHAPE)).shape == (1, 3)
        assert len(parts(model)) == len(model.design)
    assert from_json(json.loads(json.dumps(to_json(design)))) == design


@FUZZ
@given(some.lists(ANYTHING, max_size=3))
def test_nothing_but_a_sentence_escapes_of_any_json(entries: list[Any]) -> None:
    try:
        build(from_json(entries), SHAPE, 3)
    except UsageError:
        return


@FUZZ
@given(some.text(max_size=80) | some.binary(max_size=80))
def test_nothing_but_a_sentence_escapes_of_any_file(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError):
        read_toml(path)
