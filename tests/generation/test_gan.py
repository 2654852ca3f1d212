"""The small conditional GAN: its gradients, its classes, and the mean of its weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from ropero.generation import gan
from ropero.generation.config import GeneratorConfig
from ropero.generation.gan import LATENT, Discriminator, Gan, Generator

CONFIG = GeneratorConfig(generator="gan", device="cpu", precision="fp32")


@pytest.fixture
def learner() -> Gan:
    torch.manual_seed(0)
    return Gan(CONFIG, (1, 10, 14), 3, torch.device("cpu"))


def test_one_way_back_gives_the_gradients_of_two(learner: Gan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gan, "PENALTY_EVERY", 1)
    for one in (learner.generator, learner.discriminator):
        for parameter in one.parameters():
            parameter.data.add_(0.02 * torch.randn_like(parameter))
    real, labels = torch.rand(5, 1, 10, 14) * 2 - 1, torch.tensor([0, 1, 2, 0, 1])
    for optimizer in learner.optimizers.values():
        monkeypatch.setattr(optimizer, "step", lambda: None)
    torch.manual_seed(3)
    losses = learner.step(real, labels, "fp32")
    ours = {name: [one.grad.clone() for one in learner.nets[name].parameters()] for name in learner.optimizers}  # type: ignore[union-attr]
    torch.manual_seed(3)
    latent, wanted = torch.randn(5, LATENT), torch.randint(3, (5,))
    made = learner.generator(latent, wanted)
    of_generator = functional.softplus(-learner.discriminator(made, wanted)).mean()
    expected = torch.autograd.grad(of_generator, list(learner.generator.parameters()))
    torch.testing.assert_close(ours["generator"], list(expected), atol=1e-6, rtol=1e-3)
    of_real = functional.softplus(-learner.discriminator(real, labels)).mean()
    of_made = functional.softplus(learner.discriminator(made.detach(), wanted)).mean()
    real.requires_grad_()
    (slope,) = torch.autograd.grad(learner.discriminator(real, labels).sum(), real, create_graph=True)
    penalty = gan.PENALTY / 2 * slope.square().flatten(1).sum(1).mean()
    total = of_real + of_made + penalty
    expected = torch.autograd.grad(total, list(learner.discriminator.parameters()), allow_unused=True)
    for mine, theirs in zip(ours["discriminator"], expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-3)
    assert float(losses["generator"]) == pytest.approx(of_generator.item(), rel=1e-5)
    assert float(losses["discriminator"]) == pytest.approx((of_real + of_made).item(), rel=1e-5)


def test_pictures_come_from_the_mean_of_the_weights(learner: Gan) -> None:
    real, labels = torch.rand(8, 1, 10, 14) * 2 - 1, torch.arange(8) % 3
    for _ in range(5):
        learner.step(real, labels, "fp32")
    latent = learner.draw(6, torch.Generator().manual_seed(0))
    asked = torch.tensor([0, 1, 2, 0, 1, 2])
    pictures = learner.pictures(latent, asked)
    assert pictures.shape == (6, 1, 10, 14)
    assert bool(((pictures >= 0) & (pictures <= 1)).all())
    assert torch.equal(pictures, learner.pictures(latent, asked))
    nn.init.zeros_(learner.generator.dense.weight)
    assert torch.equal(pictures, learner.pictures(latent, asked))
    assert torch.equal(learner.pictures(latent), learner.pictures(latent)), "classes of the latent values' own"


def test_the_mean_is_of_the_last_part_of_the_training(learner: Gan) -> None:
    """After n steps the weights of step i count by i to the power, so those of the first are nearly gone."""
    power, count = gan.MEAN + 1, 40
    shares: list[float] = []
    for place in range(1, count + 1):
        share = 1 - (1 - 1 / place) ** power
        shares = [one * (1 - share) for one in shares] + [share]
    assert sum(shares) == pytest.approx(1)
    middle = sum(place * share for place, share in zip(range(1, count + 1), shares, strict=True)) / count
    spread = sum((place / count - middle) ** 2 * share for place, share in enumerate(shares, 1)) ** 0.5
    assert spread == pytest.approx(0.1, abs=0.01), "the width that the paper calls 0.1"


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 14)])
def test_any_size_and_colours(shape: tuple[int, int, int]) -> None:
    made = Generator(shape, 4)(torch.randn(2, LATENT), torch.tensor([0, 3]))
    assert made.shape == (2, *shape)
    net = Discriminator(shape, 4)
    nn.init.normal_(net.classes.weight)
    assert net(made, torch.tensor([0, 1]))[1] != net(made, torch.tensor([0, 2]))[1]
