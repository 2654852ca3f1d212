"""Schedules at their landmarks; decay only where it belongs; our quick step is torch's."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from ropero.models.zoo import build
from ropero.training.config import TrainConfig
from ropero.training.optim import advance, make_optimizer, rate_at, set_rate


def rates(schedule: str, **more: float) -> list[float]:
    config = TrainConfig(schedule=schedule, learning_rate=1.0, warmup=0.25, **more)  # type: ignore[arg-type]
    return [rate_at(config, step, 1000) for step in range(1000)]


def test_one_cycle_rises_then_falls_to_zero() -> None:
    found = rates("one-cycle")
    assert found[0] == pytest.approx(0.1)
    assert max(found) == pytest.approx(1.0, abs=0.01)
    assert found.index(max(found)) == 250
    assert found[-1] == pytest.approx(0, abs=0.002)
    assert found[625] == pytest.approx(0.5)


def test_cosine_is_halfway_in_the_middle_of_its_fall() -> None:
    found = rates("cosine")
    assert found[250] == pytest.approx(1.0)
    assert found[625] == pytest.approx(0.5)
    assert found[-1] < 1e-5


def test_step_and_constant() -> None:
    assert [rates("step")[i] for i in (0, 499, 500, 749, 750)] == [1.0, 1.0, 0.1, 0.1, 0.01]
    assert set(rates("constant")) == {1.0}


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "rmsprop"])
def test_vectors_are_not_decayed(optimizer: str) -> None:
    model = build("quick", (1, 28, 28), 10)
    groups = make_optimizer(TrainConfig(optimizer=optimizer, weight_decay=0.5), model).param_groups  # type: ignore[arg-type]
    assert [group["weight_decay"] for group in groups] == [0.5, 0.0]
    assert all(p.ndim > 1 for p in groups[0]["params"])
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_advance_is_torchs_own_step_to_the_last_bit(optimizer: str, decay: float) -> None:
    config = TrainConfig(optimizer=optimizer, weight_decay=decay)

    def trained(step: Callable[[torch.optim.Optimizer], object]) -> list[torch.Tensor]:
        torch.manual_seed(3)
        model = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3))
        made = make_optimizer(config, model)
        for count in range(12):
            set_rate(config, made, 0.01 * (count + 1), count)
            made.zero_grad()
            if count % 3 == 2:
                model[2](torch.rand(5, 8)).square().sum().backward()  # the first layer gets no gradient
            else:
                model(torch.rand(5, 20)).square().sum().backward()
            step(made)
        state = [value for one in made.state.values() for value in one.values() if isinstance(value, torch.Tensor)]
        return [*(p.detach() for p in model.parameters()), *state]

    for ours, theirs in zip(trained(advance), trained(lambda made: made.step()), strict=True):
        assert torch.equal(ours, theirs)
