"""Convolutions and poolings: ONNX Runtime is the oracle for the same node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_twin import Array, by_reference, by_ropero, by_runtime, one_node, same, short

from ropero.errors import UsageError

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 4, 9, 8)).astype(np.float32)
ROWS = RNG.normal(size=(2, 4, 11)).astype(np.float32)
VOLUMES = RNG.normal(size=(2, 4, 6, 5, 7)).astype(np.float32)


def weights(*shape: int) -> Array:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


CONVOLUTIONS: list[tuple[Array, list[Array], dict[str, Any]]] = [
    (IMAGES, [weights(5, 4, 3, 3), weights(5)], {}),
    (IMAGES, [weights(5, 4, 3, 2)], {"strides": [2, 1], "pads": [1, 0, 1, 0]}),
    (IMAGES, [weights(5, 4, 3, 3)], {"pads": [0, 1, 2, 1]}),
    (IMAGES, [weights(6, 2, 3, 3), weights(6)], {"group": 2, "pads": [1, 1, 1, 1]}),
    (IMAGES, [weights(8, 1, 3, 3)], {"group": 4, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    (IMAGES, [weights(5, 4, 2, 3)], {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    (IMAGES, [weights(5, 4, 2, 2)], {"auto_pad": "SAME_UPPER"}),
    (IMAGES, [weights(5, 4, 3, 3)], {"auto_pad": "VALID", "dilations": [2, 3]}),
    (IMAGES, [weights(5, 4, 3, 3)], {"dilations": [2, 2], "pads": [2, 2, 2, 2], "kernel_shape": [3, 3]}),
    (IMAGES, [weights(5, 4, 9, 8)], {}),
    (ROWS, [weights(5, 4, 3), weights(5)], {"pads": [1, 2], "strides": [2]}),
    (ROWS, [weights(5, 4, 3)], {"auto_pad": "SAME_UPPER", "strides": [3]}),
    (VOLUMES, [weights(3, 4, 2, 2, 3), weights(3)], {"strides": [1, 2, 1], "pads": [1, 0, 1, 0, 0, 1]}),
]


@pytest.mark.parametrize(("x", "others", "attributes"), CONVOLUTIONS, ids=short)
@pytest.mark.parametrize("opset", [7, 18])
def test_convolutions(x: Array, others: list[Array], attributes: dict[str, Any], opset: int, tmp_path: Path) -> None:
    same(one_node("Conv", x, others, attributes, opset=opset), x, tmp_path)


TURNED: list[tuple[Array, list[Array], dict[str, Any]]] = [
    (IMAGES, [weights(4, 5, 3, 3), weights(5)], {}),
    (IMAGES, [weights(4, 5, 3, 3)], {"strides": [2, 2]}),
    (IMAGES, [weights(4, 5, 3, 3), weights(5)], {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
    (IMAGES, [weights(4, 5, 3, 2)], {"strides": [2, 3], "pads": [0, 1, 1, 0], "dilations": [2, 1]}),
    (IMAGES, [weights(4, 3, 3, 3)], {"group": 2, "strides": [2, 2]}),
    (IMAGES, [weights(4, 5, 4, 4)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    (IMAGES, [weights(4, 5, 3, 3)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    (IMAGES, [weights(4, 5, 3, 3)], {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    (IMAGES, [weights(4, 5, 3, 3)], {"auto_pad": "VALID", "strides": [2, 2]}),
    (IMAGES, [weights(4, 5, 3, 3)], {"output_shape": [18, 16], "strides": [2, 2]}),
    (IMAGES, [weights(4, 5, 3, 3)], {"output_shape": [18, 16], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    (IMAGES, [weights(4, 5, 3, 3), weights(5)], {"output_shape": [28, 18], "strides": [3, 2]}),
    (IMAGES, [weights(4, 5, 2, 2), weights(5)], {"auto_pad": "SAME_UPPER", "strides": [3, 3]}),
    (IMAGES, [weights(4, 5, 1, 1)], {"auto_pad": "SAME_LOWER", "strides": [2, 3]}),
    (ROWS, [weights(4, 2, 5)], {"strides": [3], "pads": [1, 2]}),
    (VOLUMES, [weights(4, 2, 2, 2, 2)], {"strides": [2, 2, 2]}),
]


@pytest.mark.parametrize(("x", "others", "attributes"), TURNED, ids=short)
def test_transposed_convolutions(x: Array, others: list[Array], attributes: dict[str, Any], tmp_path: Path) -> None:
    same(one_node("ConvTranspose", x, others, attributes, opset=11), x, tmp_path)


POOLS: list[tuple[Array, dict[str, Any]]] = [
    (IMAGES, {"kernel_shape": [2, 2]}),
    (IMAGES, {"kernel_shape": [2, 2], "strides": [2, 2]}),
    (IMAGES, {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 1, 1, 0]}),
    (IMAGES, {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    (IMAGES, {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    (IMAGES, {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "VALID"}),
    (IMAGES, {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    (IMAGES, {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]}),
    (IMAGES, {"kernel_shape": [2, 3], "strides": [3, 3], "ceil_mode": 1, "pads": [0, 1, 0, 1]}),
    (IMAGES, {"kernel_shape": [1, 1], "strides": [2, 2], "ceil_mode": 1}),
    (IMAGES, {"kernel_shape": [9, 8]}),
    (ROWS, {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}),
    (VOLUMES, {"kernel_shape": [2, 2, 2], "strides": [2, 2, 2]}),
]
MORE = {
    "MaxPool": [{"dilations": [2, 2], "kernel_shape": [2, 2]},
                {"dilations": [2, 3], "kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}],
    "AveragePool": [{"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1},
                    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1,
                     "ceil_mode": 1},
                    {"dilations": [2, 2], "kernel_shape": [2, 2]},
                    {"dilations": [2, 2], "kernel_shape": [2, 3], "pads": [1, 1, 1, 1]}],
    "LpPool": [{"kernel_shape": [2, 2], "p": 1}, {"kernel_shape": [3, 2], "p": 3, "strides": [2, 2]}],
}  # fmt: skip


@pytest.mark.parametrize("op", MORE)
@pytest.mark.parametrize(("x", "attributes"), POOLS, ids=short)
def test_poolings(op: str, x: Array, attributes: dict[str, Any], tmp_path: Path) -> None:
    same(one_node(op, x, (), attributes, opset=19 if op == "AveragePool" else 18), x, tmp_path)


@pytest.mark.parametrize(("op", "attributes"), [(op, one) for op, some in MORE.items() for one in some], ids=short)
def test_what_only_some_poolings_have(op: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    same(one_node(op, IMAGES, (), attributes, opset=19 if op == "AveragePool" else 18), IMAGES, tmp_path)


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
@pytest.mark.parametrize("x", [IMAGES, ROWS, VOLUMES], ids=short)
def test_global_poolings(op: str, x: Array, tmp_path: Path) -> None:
    same(one_node(op, x), x, tmp_path)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_normalisation_among_channels(size: int, tmp_path: Path) -> None:
    """Of an even size by ONNX's own reference, which the runtime does not know; it goes through as many channels as
    there are images."""
    x = np.concatenate([IMAGES, -IMAGES])
    content = one_node("LRN", x, (), {"size": size, "alpha": 0.3, "beta": 0.6, "bias": 1.5})
    expected = by_runtime(content, x)[0] if size % 2 else by_reference(content, x)
    np.testing.assert_allclose(by_ropero(content, x, tmp_path), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("op", "others", "attributes", "says"),
    [
        ("Conv", [weights(5, 4, 3, 3)], {"strides": [0, 1]}, "a window's numbers should be 1 to 100,000, got (0, 1)"),
        ("Conv", [weights(5, 4, 3, 3)], {"pads": [100000] * 4}, "Node 'n' (Conv): would hold 2 x 4 x 200009 x 200008"),
        ("Conv", [weights(5, 4, 3, 3)], {"strides": [1]}, "has a window of 1 sides, but the images have 2."),
        ("Conv", [weights(5, 4, 3, 3)], {"auto_pad": "SAME"}, "auto_pad should be NOTSET / SAME_UPPER"),
        ("Conv", [weights(5, 3, 3, 3)], {}, "Node 'n' (Conv): "),
        (
            "ConvTranspose",
            [weights(4, 5, 3, 3)],
            {"strides": [90000, 90000]},
            "would hold 2 x 5 x 720003 x 630003 numbers",
        ),
        ("MaxPool", [], {"kernel_shape": [10, 2]}, "has a window larger than the image."),
        ("MaxPool", [], {}, "has no kernel_shape."),
        ("MaxPool", [], {"kernel_shape": [2, 2], "storage_order": 1}, "storage_order = 1 is not supported."),
        ("AveragePool", [], {"kernel_shape": [2, 2], "pads": [1]}, "needs two margins for each axis, got 1 for 2"),
    ],
    ids=short,
)
def test_windows_that_no_image_has_are_refused(
    op: str, others: list[Array], attributes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        by_ropero(one_node(op, IMAGES, others, attributes), IMAGES, tmp_path)
    assert says in str(caught.value)
