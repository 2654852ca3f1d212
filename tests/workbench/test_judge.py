"""Every trained run has a judge, measured on what it held out; every verb's predictions carry its verdicts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic

from ropero.data.dataset import Splits
from ropero.errors import RunError
from ropero.evaluation.judge import WORDS
from ropero.evaluation.outliers import KINDS, made
from ropero.runs import Run, RunStore
from ropero.training.config import TrainConfig
from ropero.workbench import judge as judges
from ropero.workbench.evaluate import evaluate
from ropero.workbench.predict import predict_arrays, predict_dataset, predict_test
from ropero.workbench.train import train

CONFIG = TrainConfig(network="santiago-2", epochs=3, batch_size=32, learning_rate=0.003, erase=0.0)


@pytest.fixture(scope="module")
def splits() -> Splits:
    return Splits(synthetic(400), synthetic(300, seed=3, split="validation"), synthetic(60, seed=1, split="test"))


@pytest.fixture(scope="module")
def run(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(splits, CONFIG, RunStore(tmp_path_factory.mktemp("runs"))).run


def test_measured_on_what_was_held_out(run: Run) -> None:
    judge = run.judge
    assert judge is not None
    assert judge.held_out == 300
    assert {kind for areas in judge.areas.values() for kind in areas} == set(KINDS)
    assert json.loads((run.folder / "judge.json").read_text("utf-8")) == judge.to_json()


def test_evaluations_hold_verdicts_and_keep_them(run: Run, splits: Splits) -> None:
    found = evaluate(run, splits=splits).evaluation
    again = evaluate(run, splits=splits).evaluation
    assert found.judged is not None
    assert again.judged is not None
    np.testing.assert_array_equal(found.judged.verdicts, again.judged.verdicts)
    np.testing.assert_array_equal(found.stated, again.stated)
    rows = found.to_json()["verdicts"]
    assert set(rows) == set(WORDS)
    assert sum(row["images"] for row in rows.values()) == len(found)
    assert found.confidence.tolist() == found.stated.max(axis=1).tolist()
    np.testing.assert_array_equal(found.stated.argmax(axis=1), found.probabilities.argmax(axis=1))


def test_every_prediction_carries_a_verdict(run: Run, splits: Splits) -> None:
    assert splits.test is not None
    by_number = predict_test(run, [0, 1, 2], splits=splits)
    by_array = predict_arrays(run, splits.test.images[:3])
    by_dataset = predict_dataset(run, splits.test)
    for one, other, third in zip(by_number, by_array, by_dataset, strict=False):
        assert one.verdict == other.verdict == third.verdict
        assert one.verdict in WORDS
        assert one.to_json()["verdict"] == one.verdict
        assert one.verdict in repr(one)
    noise = predict_arrays(run, made("noise", splits.test.images))
    garments = [one.verdict for one in by_dataset]
    assert [one.verdict for one in noise].count("not a garment") > 40 > 10 > garments.count("not a garment")


def test_nothing_held_out_goes_by_rule(splits: Splits, tmp_path: Path) -> None:
    assert splits.test is not None
    run = train(replace(splits, validation=None), CONFIG, RunStore(tmp_path)).run
    judge = run.judge
    assert judge is not None
    assert (judge.held_out, judge.temperature, judge.areas) == (0, 1.0, {})
    assert predict_arrays(run, splits.test.images[:1])[0].verdict in WORDS


def test_only_some_images_are_looked_at(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    some = judges._some(splits.train, 90)
    assert len(some) == 90
    assert (some.counts > 15).all()  # of all classes, however the file is sorted
    assert judges._some(splits.train, 400) is splits.train
    np.testing.assert_array_equal(some.rows, judges._some(splits.train, 90).rows)


def test_a_run_without_a_judge_still_predicts(run: Run, splits: Splits, tmp_path: Path) -> None:
    assert splits.test is not None
    kept = (run.folder / "judge.npz").read_bytes()
    try:
        (run.folder / "judge.npz").unlink()
        assert predict_arrays(run, splits.test.images[:1])[0].verdict == ""
        (run.folder / "judge.npz").write_bytes(kept[:100])
        with pytest.raises(RunError, match="judge is damaged"):
            predict_arrays(run, splits.test.images[:1])
    finally:
        (run.folder / "judge.npz").write_bytes(kept)
