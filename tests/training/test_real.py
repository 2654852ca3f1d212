"""The real data, briefly: a few seconds of training must clear the bar that a broken pipeline cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

import ropero as rp
from ropero.data.dataset import Splits


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory: pytest.TempPathFactory, real_folder: Path) -> rp.Trained:
    splits = rp.load(real_folder)
    few = Splits(splits.train.take(range(12_000)), None, splits.train.take(range(50_000, 60_000), "test"), "few")
    return rp.train(few, epochs=2, batch_size=128, runs=tmp_path_factory.mktemp("runs"), seed=1)


@pytest.mark.real
def test_two_epochs_of_a_fifth_of_the_images_is_far_above_softmax_regression_at_its_start(
    two_epochs: rp.Trained,
) -> None:
    assert two_epochs.evaluate().accuracy > 0.8
