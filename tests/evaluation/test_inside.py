"""Inside networks of every kind: names as the table has them, maps and filters of the right size, clear refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ropero.errors import UsageError
from ropero.evaluation.inside import feature_maps, filters, with_maps
from ropero.models import zoo
from ropero.models.summary import layers, summarise

IMAGE = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)


@pytest.mark.parametrize(
    "network", ["quick", "santiago-3", "lunzhi-cnn-4", "dense", "monterrey-bilstm", "vgg16-frozen"]
)
def test_names_are_those_of_the_table(network: str) -> None:
    model = zoo.build(network, (1, 28, 28), 10)
    rows = summarise(model).rows
    assert list(layers(model)) == [row.name for row in rows]
    shapes = {row.name: row.output_shape for row in rows}
    for name in with_maps(model)[:4]:
        maps = feature_maps(model, IMAGE, name)
        assert (*maps.shape[1:], maps.shape[0]) == shapes[name]


def test_maps_are_what_the_layer_gives() -> None:
    model = zoo.build("santiago-3", (1, 28, 28), 10).eval()
    name = with_maps(model)[0]
    pixels = torch.from_numpy(IMAGE[None, None] / np.float32(255))
    with torch.no_grad():
        expected = next(model.trunk.children())(pixels)[0].numpy()
    np.testing.assert_array_equal(feature_maps(model, IMAGE, name), expected)
    kernels = filters(model, name)
    assert kernels is not None
    assert kernels.shape == (32, 1, 3, 3)


def test_what_has_no_maps_says_so() -> None:
    model = zoo.build("santiago-3", (1, 28, 28), 10)
    with pytest.raises(UsageError, match="Did you mean 'conv2d'"):
        feature_maps(model, IMAGE, "conv2")
    with pytest.raises(UsageError, match=r"no feature maps\. Layers with feature maps: conv2d"):
        feature_maps(model, IMAGE, "dense")
    assert filters(model, "dense") is None
    assert filters(model, "nothing") is None
    plain = zoo.build("dense", (1, 28, 28), 10)
    assert with_maps(plain) == []
    with pytest.raises(UsageError, match="has none"):
        feature_maps(plain, IMAGE, "dense")


def test_colour() -> None:
    model = zoo.build("quick", (3, 32, 24), 4)
    image = np.random.default_rng(0).integers(0, 256, (32, 24, 3), dtype=np.uint8)
    assert feature_maps(model, image, with_maps(model)[1]).ndim == 3
