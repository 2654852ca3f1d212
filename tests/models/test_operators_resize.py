"""Resizing: ONNX Runtime is the oracle for the same node."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_twin import Array, by_ropero, by_runtime, one_node, same, short

from ropero.errors import UsageError

IMAGES = np.random.default_rng(0).normal(size=(2, 3, 6, 5)).astype(np.float32)
LARGER, SMALLER = np.array([1, 1, 2, 1.7], np.float32), np.array([1, 1, 0.5, 0.8], np.float32)
PLACES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"]
ROUNDED = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


@pytest.mark.parametrize(("places", "rounded"), list(itertools.product([*PLACES, "tf_half_pixel_for_nn"], ROUNDED)))
@pytest.mark.parametrize("scales", [LARGER, SMALLER], ids=["larger", "smaller"])
def test_the_nearest_pixel(places: str, rounded: str, scales: Array, tmp_path: Path) -> None:
    attributes = {"mode": "nearest", "coordinate_transformation_mode": places, "nearest_mode": rounded}
    opset = 11 if places.startswith("tf") else 19
    same(one_node("Resize", IMAGES, [np.zeros(0, np.float32), scales], attributes, opset=opset), IMAGES, tmp_path)


@pytest.mark.parametrize(("mode", "places"), list(itertools.product(["linear", "cubic"], PLACES)))
@pytest.mark.parametrize("scales", [LARGER, SMALLER], ids=["larger", "smaller"])
def test_a_blend_of_pixels(mode: str, places: str, scales: Array, tmp_path: Path) -> None:
    attributes = {"mode": mode, "coordinate_transformation_mode": places}
    same(one_node("Resize", IMAGES, [None, scales], attributes, opset=19), IMAGES, tmp_path)


@pytest.mark.parametrize("attributes", [{"cubic_coeff_a": -0.5}, {"exclude_outside": 1}], ids=short)
def test_cubic_options(attributes: dict[str, Any], tmp_path: Path) -> None:
    same(one_node("Resize", IMAGES, [None, LARGER], {"mode": "cubic", **attributes}), IMAGES, tmp_path)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("sides", [(12, 10), (9, 4), (1, 1), (6, 11)], ids=short)
def test_the_sides_that_are_wanted(mode: str, sides: tuple[int, int], tmp_path: Path) -> None:
    content = one_node("Resize", IMAGES, [None, None, np.array([2, 3, *sides])], {"mode": mode}, free=())
    theirs = by_runtime(content, IMAGES)[0]
    ours = by_ropero(
        one_node("Resize", IMAGES, [None, None, np.array(sides)], {"mode": mode, "axes": [2, 3]}), IMAGES, tmp_path
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_the_sides_keep_their_ratio(policy: str, tmp_path: Path) -> None:
    attributes = {"mode": "linear", "axes": [2, 3], "keep_aspect_ratio_policy": policy}
    same(one_node("Resize", IMAGES, [None, None, np.array([9, 12])], attributes), IMAGES, tmp_path)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scales", [LARGER, SMALLER], ids=["larger", "smaller"])
def test_the_first_resize_counts_from_the_corner(mode: str, scales: Array, tmp_path: Path) -> None:
    same(one_node("Resize", IMAGES, [scales], {"mode": mode}, opset=10), IMAGES, tmp_path)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_upsampling(mode: str, tmp_path: Path) -> None:
    doubled = [1.0, 1.0, 2.0, 3.0]
    same(one_node("Upsample", IMAGES, (), {"mode": mode, "scales": doubled}, opset=7), IMAGES, tmp_path)
    same(one_node("Upsample", IMAGES, [np.array(doubled, np.float32)], {"mode": mode}, opset=9), IMAGES, tmp_path)


@pytest.mark.parametrize(
    ("others", "attributes", "says"),
    [
        ([None, LARGER], {"antialias": 1, "mode": "linear"}, "antialias = 1 is not supported"),
        ([None, LARGER], {"coordinate_transformation_mode": "tf_crop_and_resize"}, "should be half_pixel / "),
        ([None, LARGER[:2]], {}, "needs a scale above 0 for each of 4 axes"),
        ([None, -LARGER], {}, "needs a scale above 0 for each of 4 axes"),
        ([None, LARGER * np.array([1, 1, 1e4, 1e4], np.float32)], {}, "would hold 2 x 3 x 120000 x 85000 numbers"),
        ([None, LARGER * np.float32(np.nan)], {}, "needs a scale above 0"),
    ],
    ids=short,
)
def test_what_no_image_has_is_refused(
    others: list[Array | None], attributes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    x = IMAGES
    if any(one is not None and np.isnan(one).any() for one in others):
        from ropero.errors import DataError

        with pytest.raises(DataError, match="holds what is no number"):
            by_ropero(one_node("Resize", x, others, attributes), x, tmp_path)
        return
    with pytest.raises(UsageError) as caught:
        by_ropero(one_node("Resize", x, others, attributes), x, tmp_path)
    assert says in str(caught.value)
