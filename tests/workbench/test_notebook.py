"""The Python face: what it adds to the verbs."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import CLASSES

import ropero as rp
from ropero.data.dataset import Splits
from ropero.errors import UsageError

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


def test_lr_find_answers_as_the_command_does_and_draws_where_it_is_asked(splits: Splits, tmp_path: Path) -> None:
    options = {"batch_size": 32, "precision": "fp32", "device": "cpu", "validation": 30}
    found = rp.lr_find(splits, "softmax", out=tmp_path / "plot.svg", **options)
    assert found.suggestion is not None
    assert 1e-5 < found.suggestion.steepest < 0.1
    assert (tmp_path / "plot.svg").read_text("utf-8").startswith("<?xml")
    # Held-out images are not learned from.
    assert found != rp.lr_find(splits, "softmax", **{**options, "validation": 0})
    assert not (tmp_path / "runs").exists()


def test_an_explanation_shows_itself(splits: Splits) -> None:
    trained = rp.train(splits, "softmax", **SMALL)
    (one,) = trained.explain(test=3, method="occlusion")
    assert set(one.maps) == {"occlusion"}
    png = one._repr_png_()
    assert png is not None
    assert png.startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="Did you mean 'occlusion'"):
        trained.explain(test=3, method="oclusion")


def test_suspects_have_a_page(splits: Splits, tmp_path: Path) -> None:
    found = rp.suspects(splits, "softmax", folds=2, epochs=1, runs=tmp_path)
    assert found.page.exists()
    assert found.probabilities.shape == (len(splits.train), len(splits.classes))


def test_test_images_as_an_array_are_noted(splits: Splits) -> None:
    trained = rp.train(splits, "softmax", **SMALL)
    assert splits.test is not None
    trained.predict(splits.train.images[:5])
    assert trained.run.ledger.openings() == []
    trained.predict(splits.test.images[:7])
    trained.predict(splits.test.images[:2, ..., None])
    assert [one.images for one in trained.run.ledger.openings()] == [7, 2]
