"""The DCGAN is the tutorial's: Keras's own layers with the same weights give the same, and so do two plain tapes."""

from __future__ import annotations

import copy
import os
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ropero.generation import dcgan
from ropero.generation.dcgan import LATENT, Discriminator, Generator, Turned, step

SHAPE = (1, 28, 28)
os.environ.setdefault("KERAS_BACKEND", "torch")


@pytest.fixture(scope="module")
def keras() -> Any:
    return pytest.importorskip("keras")


def tutorial(keras: Any) -> tuple[Any, Any]:
    """The networks as TensorFlow's tutorial writes them."""
    layers = keras.layers
    generator = keras.Sequential(
        [
            keras.Input((LATENT,)),
            layers.Dense(7 * 7 * 256, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Reshape((7, 7, 256)),
            layers.Conv2DTranspose(128, (5, 5), strides=(1, 1), padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Conv2DTranspose(64, (5, 5), strides=(2, 2), padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Conv2DTranspose(1, (5, 5), strides=(2, 2), padding="same", use_bias=False, activation="tanh"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(64, (5, 5), strides=(2, 2), padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Conv2D(128, (5, 5), strides=(2, 2), padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    return generator, discriminator


def array(tensor: Tensor | nn.Module) -> Any:
    assert isinstance(tensor, Tensor)
    return tensor.detach().numpy()


def filled(theirs: Any, ours: Generator | Discriminator) -> None:
    """Keras's layers get our weights, and running figures that are not 0 and 1."""
    weights: list[Any] = []
    if isinstance(ours, Generator):
        weights.append(array(ours.dense.weight).T)
        for norm, turned in zip(ours.norms, ours.turned, strict=True):
            assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            weights += [array(one) for one in (norm.weight, norm.bias, norm.running_mean, norm.running_var)]
            weights.append(np.transpose(array(turned.weight), (2, 3, 1, 0)))
    else:
        for convolution in ours.convolutions:
            weights += [np.transpose(array(convolution.weight), (2, 3, 1, 0)), array(convolution.bias)]
        weights += [array(ours.dense.weight).T, array(ours.dense.bias)]
    theirs.set_weights(weights)


@pytest.mark.parametrize("training", [False, True], ids=["judging", "training"])
def test_the_generator_is_the_tutorials(keras: Any, training: bool) -> None:
    torch.manual_seed(3)
    ours, (theirs, _) = Generator(SHAPE), tutorial(keras)
    filled(theirs, ours)
    latent = torch.randn(6, LATENT)
    ours.train(training)
    expected = theirs(latent, training=training)
    found = ours(latent)
    torch.testing.assert_close(found, torch.as_tensor(expected).permute(0, 3, 1, 2), atol=2e-5, rtol=1e-4)
    assert found.std() > 0.1
    assert sum(p.numel() for p in ours.parameters()) == sum(int(np.prod(p.shape)) for p in theirs.trainable_weights)


def test_the_discriminator_is_the_tutorials(keras: Any) -> None:
    torch.manual_seed(4)
    ours, (_, theirs) = Discriminator(SHAPE).eval(), tutorial(keras)
    filled(theirs, ours)
    pictures = torch.rand(6, *SHAPE) * 2 - 1
    expected = torch.as_tensor(theirs(pictures.permute(0, 2, 3, 1), training=False))
    torch.testing.assert_close(ours(pictures), expected, atol=2e-5, rtol=1e-4)
    assert sum(p.numel() for p in ours.parameters()) == theirs.count_params()


def test_both_begin_with_weights_of_keras_spread(keras: Any) -> None:
    torch.manual_seed(5)
    generator, discriminator = tutorial(keras)
    for theirs, ours in ((generator, Generator(SHAPE)), (discriminator, Discriminator(SHAPE))):
        kernels = [np.asarray(w.value.detach()) for w in theirs.trainable_weights if w.name == "kernel"]
        mine = [array(p) for name, p in ours.named_parameters() if p.ndim > 1 and "norms" not in name]
        for one, other in zip(kernels, mine, strict=True):
            assert other.std() == pytest.approx(one.std(), rel=0.1)
            assert abs(other).max() == pytest.approx(abs(one).max(), rel=0.1)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_turned_convolution_has_the_gradients_of_torchs_own(stride: int) -> None:
    torch.manual_seed(6)
    ours = Turned(3, 4, stride)
    pixels = torch.randn(2, 3, 6, 5, requires_grad=True)
    goal = torch.randn(2, 4, 6 * stride, 5 * stride)
    found = ours(pixels)
    whole = functional.conv_transpose2d(pixels, ours.weight, stride=stride)
    before = 2 if stride == 1 else 1  # what Keras cuts off above and on the left
    expected = whole[:, :, before : before + 6 * stride, before : before + 5 * stride]
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad((found * goal).sum(), [pixels, ours.weight]),
        torch.autograd.grad((expected * goal).sum(), [pixels, ours.weight]),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_one_way_back_gives_the_gradients_of_two_tapes() -> None:
    torch.manual_seed(7)
    generator, discriminator = (
        Generator(SHAPE),
        Discriminator(SHAPE).eval(),
    )  # without dropout, whose draws would differ
    with torch.no_grad():
        discriminator.dense.bias.fill_(0.7)
    real, latent = torch.rand(8, *SHAPE) * 2 - 1, torch.randn(8, LATENT)
    plain, judge = copy.deepcopy(generator), copy.deepcopy(discriminator)
    losses = step(generator, discriminator, real, latent)
    pictures = plain(latent)
    of_real, of_made = judge(real), judge(pictures)
    loss = functional.binary_cross_entropy_with_logits
    ones, zeros = torch.ones_like(of_made), torch.zeros_like(of_made)
    expected = loss(of_made, ones), loss(of_real, ones) + loss(of_made, zeros)
    for mine, theirs in zip(losses, expected, strict=True):
        torch.testing.assert_close(mine, theirs)
    for net, other, one in zip((generator, discriminator), (plain, judge), expected, strict=True):
        gradients = torch.autograd.grad(one, list(other.parameters()), retain_graph=True)
        for (name, parameter), gradient in zip(net.named_parameters(), gradients, strict=True):
            assert parameter.grad is not None
            gap = (parameter.grad - gradient).abs().max() / gradient.abs().max().clamp_min(1e-9)
            assert gap < 1e-4, name


def test_a_picture_that_is_surely_seen_through_still_teaches() -> None:
    """With a logit of -80 the discriminator's own gradient is 0 in float32's eyes, the generator's is not."""
    torch.manual_seed(8)
    generator, discriminator = Generator(SHAPE), Discriminator(SHAPE).eval()
    with torch.no_grad():
        discriminator.dense.bias.fill_(-80)
    step(generator, discriminator, torch.zeros(4, *SHAPE), torch.randn(4, LATENT))
    gradient = generator.dense.weight.grad
    assert gradient is not None
    assert bool(gradient.isfinite().all())
    assert gradient.abs().max() > 1e-7


@pytest.mark.parametrize("shape", [(3, 31, 30), (1, 27, 28)], ids=str)
def test_pictures_of_other_sizes(shape: tuple[int, int, int]) -> None:
    pictures = Generator(shape)(torch.randn(3, LATENT))
    assert pictures.shape == (3, *shape)
    assert Discriminator(shape)(pictures).shape == (3, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_keeps_seven_of_ten_wherever_they_lie(dtype: torch.dtype) -> None:
    values = torch.ones(50, 30, 7, 7, dtype=dtype).contiguous(memory_format=torch.channels_last)
    torch.manual_seed(0)
    kept = dcgan._kept(values)
    assert kept.dtype == dtype
    assert kept.stride() == values.stride()
    assert set(kept.unique().tolist()) == {0.0, torch.tensor(1 / 0.7, dtype=dtype).item()}
    rows = (kept > 0).float()
    assert rows.mean() == pytest.approx(0.7, abs=4 * (0.21 / rows.numel()) ** 0.5)
    for places in (0, 1, (2, 3)):
        others = [one for one in range(4) if one not in (places if isinstance(places, tuple) else (places,))]
        shares = rows.mean(others)
        assert (shares - 0.7).abs().max() < 5 * (0.21 * shares.numel() / rows.numel()) ** 0.5
    flat = rows.permute(0, 2, 3, 1).flatten()
    for apart in (1, 2, 3, 4):  # draws of one number, and of the next
        both = (flat[apart:] * flat[:-apart]).mean()
        assert both == pytest.approx(0.49, abs=0.01)
    assert not torch.equal(dcgan._kept(values), kept)
    net = Discriminator(SHAPE)
    pictures = torch.rand(3, *SHAPE)
    assert not torch.equal(net(pictures), net(pictures))
    assert torch.equal(net.eval()(pictures), net(pictures))
