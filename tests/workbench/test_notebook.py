"""The Python face: what it adds to the verbs."""

from __future__ import annotations

from pathlib import Path

from conftest import CLASSES

import ropero as rp
from ropero.data.dataset import Splits

SMALL = {"epochs": 2, "batch_size": 32, "learning_rate": 0.01, "precision": "fp32", "device": "cpu"}


def test_train_writes_what_it_is_asked_for_and_calls_hooks_of_ones_own(splits: Splits) -> None:
    told: list[str] = []

    class Tell(rp.Callback):
        def on_set_up(self, model: object, kept: object, train: object, validation: object) -> None:
            told.append(f"{train is splits.train}")

        def on_epoch_end(self, record: object) -> None:
            told.append("epoch")

    trained = rp.train(splits, "softmax", save_weights=2, csv=True, tensorboard=True, callbacks=[Tell()], **SMALL)
    assert told == ["True", "epoch", "epoch"]
    written = {str(path.relative_to(trained.folder)) for path in trained.folder.rglob("*") if path.is_file()}
    assert {str(Path("weights") / "epoch-002.safetensors"), "history.csv"} <= written
    assert (trained.folder / "tensorboard" / "train").is_dir()
    assert trained.run.card.classes == CLASSES
