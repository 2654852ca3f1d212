"""What every kind of generator keeps: one battery over all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import synthetic
from torch import Tensor

from ropero.data.dataset import Dataset
from ropero.generation.config import GeneratorConfig
from ropero.generation.kinds import LEARNERS, learner
from ropero.generation.learner import Learner
from ropero.generation.loop import GeneratorEpoch, Hook, fit
from ropero.training.checkpoints import CheckpointStore


class Kill(Hook):
    """Ends the process, as it were, within the second epoch."""

    def on_step_end(self, step: int) -> None:
        if step == 4:
            raise KeyboardInterrupt


def config(kind: str) -> GeneratorConfig:
    return GeneratorConfig(generator=kind, epochs=2, batch_size=20, device="cpu", precision="fp32")  # type: ignore[arg-type]


def few() -> Dataset:
    whole = synthetic(60)
    return replace(whole, images=np.ascontiguousarray(whole.images[:, 8:20, 8:20]))


def weights(found: Learner) -> Tensor:
    return torch.cat([one.flatten().float() for net in found.nets.values() for one in net.state_dict().values()])


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_killed_training_goes_on_to_the_same_weights(kind: str, tmp_path: Path) -> None:
    train = few()
    whole, history = fit(config(kind), train)
    assert [one.epoch for one in history] == [1, 2]
    store = CheckpointStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(config(kind), train, hooks=[Kill()], store=store)
    assert torch.equal(weights(fit(config(kind), train, store=store)[0]), weights(whole))


@pytest.mark.parametrize("kind", LEARNERS)
@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 11, 18)])
def test_pictures_are_of_their_shape_and_the_same_again(kind: str, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    made = learner(config(kind), shape, 4, torch.device("cpu"))
    real = torch.rand(6, *shape) * 2 - 1
    before = weights(made)
    losses = made.step(real, torch.arange(6) % 4, "fp32")
    assert all(one.isfinite() and not one.requires_grad for one in losses.values())
    assert not torch.equal(weights(made), before)
    latent = made.draw(5, torch.Generator().manual_seed(1))
    assert latent.shape == (5, *made.latent)
    assert torch.equal(latent, made.draw(5, torch.Generator().manual_seed(1)))
    for classes in (None, torch.tensor([0, 1, 2, 3, 0])) if made.classes else (None,):
        pictures = made.pictures(latent, classes)
        assert pictures.shape == (5, *shape)
        assert bool(((pictures >= 0) & (pictures <= 1)).all())
        assert torch.equal(pictures, made.pictures(latent, classes))
    assert made.maker in made.nets


@pytest.mark.parametrize("kind", LEARNERS)
def test_what_is_kept_makes_the_same_pictures(kind: str) -> None:
    torch.manual_seed(0)
    made, other = (learner(config(kind), (1, 12, 12), 3, torch.device("cpu")) for _ in range(2))
    for _ in range(2):
        made.step(torch.rand(6, 1, 12, 12), torch.arange(6) % 3, "fp32")
    other.nets[other.maker].load_state_dict(made.nets[made.maker].state_dict())
    latent = made.draw(4, torch.Generator().manual_seed(1))
    assert torch.equal(made.pictures(latent), other.pictures(latent))


def test_bf16_says_nearly_the_same() -> None:
    for kind in LEARNERS:
        found = []
        for precision in ("fp32", "bf16"):
            torch.manual_seed(0)
            made = learner(config(kind), (1, 28, 28), 4, torch.device("cpu"))
            torch.manual_seed(1)
            found.append(made.step(torch.rand(8, 1, 28, 28) * 2 - 1, torch.arange(8) % 4, precision))
        for name, loss in found[0].items():
            assert float(found[1][name]) == pytest.approx(float(loss), rel=0.03, abs=0.01)


def test_an_epoch_is_told_with_the_losses_of_all_nets_that_learn() -> None:
    told: list[GeneratorEpoch] = []

    class Told(Hook):
        def on_epoch_end(self, record: GeneratorEpoch, learner: Learner) -> bool:
            told.append(record)
            return len(told) == 2

    found, _ = fit(config("gan"), few(), hooks=[Told()])
    assert set(told[1].losses) == set(found.optimizers)
