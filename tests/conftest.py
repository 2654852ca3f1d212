"""Shared by all tests: fixed seeds, a small synthetic Dataset, no user folders touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ropero import texts
from ropero.data import finder
from ropero.data.dataset import Dataset, Splits
from ropero.data.known import KNOWN
from ropero.errors import DataNotFound
from ropero.training.callbacks import Callback

torch.set_num_threads(1)  # tiny tensors: a second thread only waits

CLASSES = ("stripe", "block", "ring")


def synthetic(n: int = 120, *, size: int = 28, seed: int = 0, split: str = "train") -> Dataset:
    """Three easy classes of `size` x `size` grey pictures: a stripe, a block, a ring, with noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(CLASSES)
    y, x = np.mgrid[:size, :size] / (size - 1) - 0.5
    shapes = np.stack([np.abs(x) < 0.12, np.maximum(abs(x), abs(y)) < 0.3, abs(np.hypot(x, y) - 0.35) < 0.09])
    pixels = shapes[labels] * 180.0 + rng.normal(30, 20, (n, size, size))
    return Dataset(np.clip(pixels, 0, 255).astype(np.uint8), labels, CLASSES, "synthetic", split)


class Kill(Callback):
    """Ends the training at a step as a signal would: from within."""

    def __init__(self, at: int) -> None:
        self.at = at

    def on_step_end(self, step: int) -> None:
        if step == self.at:
            raise KeyboardInterrupt


@pytest.fixture
def splits() -> Splits:
    return Splits(synthetic(120), None, synthetic(60, seed=1, split="test"), source="synthetic")


@pytest.fixture(scope="session")
def real_folder() -> Path:
    """Where the real Fashion-MNIST lies, found before the tests turn away from the user's folders."""
    try:
        return finder.find(KNOWN["fashion-mnist"])
    except DataNotFound as error:
        if os.environ.get("ROPERO_REQUIRE_REAL_DATA"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """English, and neither the user's cache, runs nor environment; tests marked `real` get the real data."""
    real = request.getfixturevalue("real_folder") if request.node.get_closest_marker("real") else None
    monkeypatch.setenv("ROPERO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ROPERO_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("ROPERO_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("ROPERO_LANG", "en")
    monkeypatch.delenv("ROPERO_DATA", raising=False)
    if real:
        monkeypatch.setenv("ROPERO_DATA", str(real))
    texts.use(None)
    yield
    texts.use(None)


@pytest.fixture
def source(tmp_path: Path, splits: Splits) -> Path:
    """The synthetic data as a file that `load` reads: 120 training and 60 test images of three classes."""
    path = tmp_path / "synthetic.npz"
    assert splits.test is not None
    parts = {"x_train": splits.train.images, "y_train": splits.train.labels}
    np.savez(path, **parts, x_test=splits.test.images, y_test=splits.test.labels)
    return path
