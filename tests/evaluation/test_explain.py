"""Maps of networks whose right answer is known by construction, and what each method promises."""

import numpy as np
import pytest
import torch
from torch import nn

from ropero.errors import UsageError
from ropero.evaluation import explain
from ropero.evaluation.explain import METHODS
from ropero.models import zoo
from ropero.models.classifier import Classifier


class Corner(nn.Module):
    """Looks at the upper left quarter alone: one feature map that follows the light there."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1, bias=False)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[:, :, 1, 1] = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = self.conv(x)
        return seen[:, :, :8, :8].mean(dim=(2, 3))


@pytest.fixture
def corner() -> Classifier:
    head = nn.Linear(2, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
        head.bias.zero_()
    return Classifier(Corner(), head, (1, 16, 16))


@pytest.mark.parametrize("method", METHODS)
def test_finds_where_the_network_looks(method: str, corner: Classifier) -> None:
    images = np.full((3, 16, 16), 20, np.uint8)
    images[:, :8, :8] = np.array([120, 180, 240], np.uint8)[:, None, None]
    maps = explain.explain(method, corner, images, np.zeros(3, np.int64))
    assert (maps.shape, maps.dtype) == ((3, 16, 16), np.float32)
    if method != explain.GRAD_CAM:  # whose map follows the light everywhere: it knows no places of the gradient
        assert (maps[:, 2:6, 2:6].min(axis=(1, 2)) > 5 * np.abs(maps[:, 12:, 12:]).max(axis=(1, 2))).all()
    assert (maps[:, 2:6, 2:6] > 0).all()
    against = explain.explain(method, corner, images, np.ones(3, np.int64))
    assert (against[:, 2:6, 2:6] <= 0).all()


def test_integrated_gradients_add_up(corner: Classifier) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16), dtype=np.uint8)
    maps = explain.integrated_gradients(corner, images, np.zeros(4, np.int64))
    with torch.no_grad():
        logits = (
            corner(torch.from_numpy(images[:, None] / np.float32(255)))[:, 0] - corner(torch.zeros(1, 1, 16, 16))[0, 0]
        )
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), logits.numpy(), rtol=1e-4)


@pytest.mark.parametrize("network", ["quick", "santiago-3", "lunzhi-cnn-1", "monterrey-rnn", "dense"])
def test_every_kind_of_network(network: str) -> None:
    model = zoo.build(network, (1, 28, 28), 10).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = np.random.default_rng(1).integers(0, 256, (2, 28, 28), dtype=np.uint8)
    maps = explain.explain(explain.possible(model)[0], model, images, np.array([3, 7]))
    assert maps.shape == (2, 28, 28)
    assert np.isfinite(maps).all()
    assert not model.training
    assert all((value == before[name]).all() for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_frozen_base_is_explained_by_its_last_maps() -> None:
    model = zoo.build("vgg16-frozen", (1, 28, 28), 10).eval()
    images = np.random.default_rng(1).integers(0, 256, (1, 28, 28), dtype=np.uint8)
    explain.check(model, explain.GRAD_CAM)
    assert np.isfinite(explain.grad_cam(model, images, np.array([3]))).all()


def test_without_feature_maps_grad_cam_says_what_to_do() -> None:
    model = zoo.build("dense", (1, 28, 28), 10)
    with pytest.raises(UsageError, match="try occlusion"):
        explain.check(model, explain.GRAD_CAM)
    with pytest.raises(UsageError, match="try occlusion"):
        explain.grad_cam(model, np.zeros((1, 28, 28), np.uint8), np.zeros(1, np.int64))


def test_colour() -> None:
    model = zoo.build("quick", (3, 32, 24), 4).eval()
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 24, 3), dtype=np.uint8)
    for method in METHODS:
        assert explain.explain(method, model, images, np.array([0, 3])).shape == (2, 32, 24)
