"""The time that a training will take: of all its epochs, within its minutes, and nothing else changed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from conftest import synthetic
from small_generator import CONFIG, Small, small
from torch import Tensor

from ropero.generation import estimate
from ropero.generation.estimate import STEPS, estimate_seconds

__all__ = ["small"]


def test_it_is_of_all_epochs_and_all_images(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: now[0])
    real = Small.step

    def step(self: Small, pixels: Tensor, labels: Tensor, precision: str) -> Mapping[str, Tensor]:
        now[0] += 2.0
        assert (len(pixels), float(pixels.min()) >= -1, float(pixels.max()) <= 1) == (30, True, True)
        return real(self, pixels, labels, precision)

    monkeypatch.setattr(Small, "step", step)
    state = torch.random.get_rng_state()
    seconds = estimate_seconds(CONFIG, synthetic(120))
    assert seconds == pytest.approx(3 * 4 * 2.0)  # three epochs of four steps
    assert now[0] == 2.0 * (STEPS + 1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert estimate_seconds(CONFIG.replace(minutes=0.1), synthetic(120)) == pytest.approx(6)
