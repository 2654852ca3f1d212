"""A generator's training: what it gives, that it goes on to the same weights, and what happens when it breaks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import synthetic
from torch import Tensor, nn

from ropero.data.dataset import Dataset
from ropero.errors import TrainingDiverged
from ropero.generation import loop
from ropero.generation.config import GeneratorConfig
from ropero.generation.dcgan import Dcgan
from ropero.generation.learner import Learner
from ropero.generation.loop import GeneratorEpoch, Hook, fit
from ropero.training.checkpoints import CheckpointStore

CONFIG = GeneratorConfig(epochs=2, batch_size=20, precision="fp32", device="cpu")


class Small(Learner):
    """A generator that is quick to train: one layer that learns the mean picture, and some noise around it."""

    latent = (3,)

    def __init__(
        self, config: GeneratorConfig, shape: tuple[int, int, int], classes: int, device: torch.device
    ) -> None:
        self.shape = shape
        self.net, self.mean = nn.Linear(3, 28 * 28), nn.Linear(3, 28 * 28)
        self.steps = 0
        rate = config.learning_rate or 0.05
        super().__init__(
            {"generator": self.net, "average": self.mean}, {"generator": torch.optim.Adam(self.net.parameters(), rate)}
        )

    def step(self, real: Tensor, labels: Tensor, precision: str) -> Mapping[str, Tensor]:
        self.steps += 1
        assert len(labels) == len(real)
        made = self.net(torch.randn(len(real), *self.latent))
        loss = (made - real.flatten(1)).square().mean()
        self.net.zero_grad()
        loss.backward()
        self.optimizers["generator"].step()
        for kept, new in zip(self.mean.parameters(), self.net.parameters(), strict=True):
            kept.data.lerp_(new.detach(), 0.1)
        return {"generator": loss.detach()}

    def pictures(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        found: Tensor = (self.net(latent).detach().view(-1, *self.shape) + 1) / 2
        return found


@pytest.fixture
def train() -> Dataset:
    return synthetic(60)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> type[Small]:
    monkeypatch.setattr(loop, "learner", Small)
    return Small


class Told(Hook):
    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.steps: list[int] = []
        self.broken: list[tuple[int, str]] = []
        self.ended = 0

    def on_step_end(self, step: int) -> None:
        self.steps.append(step)

    def on_epoch_end(self, record: GeneratorEpoch, learner: Learner) -> bool | None:
        self.epochs.append(record.epoch)
        return None

    def on_broken(self, epoch: int, reason: str) -> None:
        self.broken.append((epoch, reason))

    def on_train_end(self) -> None:
        self.ended += 1


def weights(learner: Learner) -> Tensor:
    return torch.cat([value.flatten().float() for net in learner.nets.values() for value in net.state_dict().values()])


def test_the_reports_gan_learns_and_repeats_itself(train: Dataset) -> None:
    told = Told()
    learner, history = fit(CONFIG, train, hooks=[told])
    assert isinstance(learner, Dcgan)
    assert told.epochs == [0, 1, 2], "the untrained generator is shown too"
    assert told.steps == list(range(1, 7))
    assert [sorted(one.losses) for one in history] == [["discriminator", "generator"]] * 2
    assert history[1].losses["discriminator"] < history[0].losses["discriminator"]
    pictures = learner.pictures(learner.draw(5, torch.Generator().manual_seed(1)))
    assert pictures.shape == (5, 1, 28, 28)
    assert 0 <= float(pictures.min()) < float(pictures.max()) <= 1
    again, _ = fit(CONFIG, train)
    assert torch.equal(weights(again), weights(learner))
    other, _ = fit(CONFIG.replace(seed=1), train)
    assert not torch.equal(weights(other), weights(learner))


class Killed(Hook):
    def __init__(self, after: int) -> None:
        self.after = after

    def on_step_end(self, step: int) -> None:
        if step == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [2, 3, 5])
def test_a_killed_training_goes_on_to_the_same_weights(
    after: int, small: Any, train: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    whole, expected = fit(CONFIG, train)
    store = CheckpointStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(CONFIG, train, hooks=[Killed(after)], store=store)
    told = Told()
    learner, history = fit(CONFIG, train, hooks=[told], store=store)
    assert told.steps[0] > 1, "what was done is not done again"
    assert torch.equal(weights(learner), weights(whole))
    assert [one.losses for one in history] == [one.losses for one in expected]
    assert told.ended == 1


def test_a_number_that_is_none_sends_it_back_to_the_last_good_epoch(
    small: Any, train: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Small.step

    def step(self: Small, pixels: Tensor, labels: Tensor, precision: str) -> Mapping[str, Tensor]:
        losses = real(self, pixels, labels, precision)
        if self.steps == 5:  # in the second epoch, once
            with torch.no_grad():
                self.net.weight.fill_(float("nan"))
        return losses

    monkeypatch.setattr(Small, "step", step)
    told = Told()
    learner, history = fit(CONFIG, train, hooks=[told])
    assert [epoch for epoch, _ in told.broken] == [2]
    assert "infinite or none" in told.broken[0][1]
    assert bool(weights(learner).isfinite().all())
    assert [(one.epoch, one.again) for one in history] == [(1, 0), (2, 1)]


def test_pictures_that_become_one_are_noticed_and_the_training_is_given_up_in_the_end(
    small: Any, train: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Small.pictures

    def pictures(self: Small, latent: Tensor) -> Tensor:
        return real(self, latent) if self.steps < 4 else torch.full((len(latent), *self.shape), 0.3)

    monkeypatch.setattr(Small, "pictures", pictures)
    told = Told()
    with pytest.raises(TrainingDiverged, match=r"Epoch 2 broke 4 times \(all pictures became nearly the same\)"):
        fit(CONFIG, train, hooks=[told])
    assert len(told.broken) == loop.TRIES
    assert told.ended == 1


def test_spread_is_that_of_pictures() -> None:
    assert loop._spread(torch.zeros(5, 1, 2, 2)) == 0
    halves = torch.cat([torch.zeros(5, 1, 2, 2), torch.ones(5, 1, 2, 2)])
    assert loop._spread(halves) == pytest.approx(0.5)


def test_it_ends_when_the_minutes_are_over(small: Any, train: Dataset) -> None:
    _, history = fit(CONFIG.replace(epochs=50, minutes=1e-9), train)
    assert len(history) == 1
