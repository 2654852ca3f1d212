"""The real data: a few seconds of training must clear what a broken pipeline cannot, a whole one the bar of `quick`."""

from __future__ import annotations

from pathlib import Path

import pytest

import ropero as rp
from ropero.data.dataset import Splits


@pytest.fixture(scope="module")
def data(real_folder: Path) -> Splits:
    return rp.load(real_folder)


@pytest.mark.real
def test_two_epochs_of_a_fifth_of_the_images_are_far_above_chance(data: Splits, tmp_path: Path) -> None:
    few = Splits(data.train.take(range(12_000)), data.train.take(range(50_000, 60_000)), None, "")
    run = rp.train(few, epochs=2, batch_size=128, runs=tmp_path, seed=1)
    assert run.evaluate("validation").accuracy > 0.8


@pytest.mark.real
@pytest.mark.slow
def test_quick_clears_its_bar_on_images_it_did_not_see(data: Splits, tmp_path: Path) -> None:
    """The whole recipe on 50,000 images; the other 10,000 of the training part judge it, the test part stays shut."""
    run = rp.train(data, "quick", validation=10_000, seed=3, runs=tmp_path)
    assert run.evaluate("validation").accuracy > 0.928
    assert run.run.ledger.openings() == []


@pytest.mark.gpu
@pytest.mark.real
def test_a_gpu_learns_the_same(data: Splits, tmp_path: Path) -> None:
    run = rp.train(data, "quick", validation=10_000, device="cuda", runs=tmp_path)
    assert run.config.device == "cuda"
    assert run.evaluate("validation").accuracy > 0.928
