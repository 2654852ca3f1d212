"""Generators from Python: trained, opened, asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_generator import named_source, small

import ropero as rp
from ropero.data.dataset import Dataset, Splits
from ropero.errors import DataError, RunError, UsageError
from ropero.generation.learner import Learner
from ropero.generation.loop import GeneratorEpoch, Hook

__all__ = ["named_source", "small"]

FAST = {"epochs": 2, "batch_size": 30, "precision": "fp32", "device": "cpu"}


def test_from_data_to_garments(
    small: None, named_source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = rp.train_generator(named_source, runs=tmp_path, **FAST)
    assert "Training dcgan: about" in capsys.readouterr().err
    samples = made.sample(6, classes=["ring", "block"], seed=3)
    assert isinstance(samples.dataset(), Dataset)
    again = rp.open_generator("last", runs=tmp_path, device="cpu")
    assert np.array_equal(again.sample(6, classes=["ring", "block"], seed=3).images, samples.images)
    found = again.nearest(samples)
    assert len(found.rows) == 6, "its data were found again"
    rp.train_generator(named_source, runs=tmp_path, **FAST)
    assert "again=True" in capsys.readouterr().err
    assert [one.epoch for one in made.history] == [1, 2]
    shown = made._repr_html_()
    assert shown is not None
    assert shown.startswith('<img src="data:image/gif;base64,R0lGOD')
    (made.run.samples / "growth.gif").unlink()
    assert made._repr_html_() is None


def test_the_last_is_one_that_is_trained(small: None, splits: Splits, tmp_path: Path) -> None:
    first, second = (rp.train_generator(splits, runs=tmp_path, seed=seed, **FAST) for seed in (1, 2))
    assert rp.open_generator(runs=tmp_path).folder == second.folder
    second.run.note(status="training")
    assert rp.open_generator(runs=tmp_path).folder == first.folder
    with pytest.raises(RunError, match="not trained to the end"):
        rp.open_generator(second.run.name, runs=tmp_path)
    first.run.note(status="training")
    with pytest.raises(RunError, match="not trained to the end"):
        rp.open_generator(runs=tmp_path)


def test_data_at_hand_will_do_and_hooks_are_told(small: None, splits: Splits, tmp_path: Path) -> None:
    epochs: list[int] = []

    class Told(Hook):
        def on_epoch_end(self, record: GeneratorEpoch, learner: Learner) -> None:
            epochs.append(record.epoch)

    made = rp.train_generator(splits.train, runs=tmp_path, hooks=[Told()], **FAST)
    assert epochs == [0, 1, 2]
    assert made.nearest(made.sample(2)).rows.shape == (2,)
    opened = rp.open_generator(made.folder)
    with pytest.raises(DataError, match="made in Python"):
        opened.nearest(made.sample(2))


def test_mistakes_are_sentences(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'dcgan'"):
        rp.train_generator(source, "dcgn", runs=tmp_path)
    with pytest.raises(UsageError, match="Did you mean 'epochs'"):
        rp.train_generator(source, epoch=3, runs=tmp_path)
    with pytest.raises(RunError, match="There are no generators"):
        rp.open_generator(runs=tmp_path)
