"""The verb evaluate: the test part is opened once, by the book."""

from __future__ import annotations

from pathlib import Path

import pytest

from ropero.data.dataset import Dataset, Splits
from ropero.errors import DataError, RunError, UsageError
from ropero.runs import Run, RunStore
from ropero.training.config import TrainConfig
from ropero.workbench import data as data_verb
from ropero.workbench.evaluate import evaluate
from ropero.workbench.train import train

CONFIG = TrainConfig(network="softmax", epochs=3, batch_size=32, learning_rate=0.01, validation=30)


@pytest.fixture
def run(source: Path, tmp_path: Path) -> Run:
    return train(data_verb.load(str(source)), CONFIG, RunStore(tmp_path / "runs")).run


def test_the_first_look_is_recorded_and_the_second_opens_nothing(run: Run) -> None:
    assert run.ledger.openings() == []
    first = evaluate(run)
    assert first.fresh
    assert first.evaluation.accuracy > 0.9
    opening = run.ledger.openings()[0]
    assert (opening.verb, opening.images, opening.accuracy) == ("evaluate", 60, first.evaluation.accuracy)
    assert opening.weights_sha256 == run.card.weights_sha256
    second = evaluate(run)
    assert not second.fresh
    assert second.openings == 1
    assert second.evaluation.to_json() == first.evaluation.to_json()


def test_again_is_allowed_and_counted(run: Run) -> None:
    evaluate(run)
    assert evaluate(run, again=True).openings == 2


def test_validation_and_train_open_no_test_part(run: Run) -> None:
    validation = evaluate(run, split="validation").evaluation
    assert len(validation) == 30
    assert len(evaluate(run, split="train").evaluation) == 90
    assert run.ledger.openings() == []
    last = run.history.records[-1]
    assert validation.accuracy == pytest.approx(last.validation_accuracy)


def test_moved_data_are_asked_for_and_taken_from_where_they_are(run: Run, source: Path, tmp_path: Path) -> None:
    moved = source.rename(tmp_path / "elsewhere.npz")
    with pytest.raises(DataError, match="--data PATH"):
        evaluate(run)
    assert evaluate(run, data=str(moved)).fresh


def test_other_data_are_refused(run: Run, source: Path) -> None:
    splits = data_verb.load(str(source))
    assert splits.test is not None
    other = Splits(splits.train, None, splits.test.take(range(30)), "x")
    with pytest.raises(RunError, match="not the one"):
        evaluate(run, splits=other)
    assert run.ledger.openings() == []


def test_the_test_part_cannot_pass_as_validation(run: Run, source: Path) -> None:
    splits = data_verb.load(str(source))
    assert splits.test is not None
    posing = Splits(splits.train, splits.test.take(range(30)), splits.test, "x")
    with pytest.raises(RunError, match="not the one"):
        evaluate(run, split="validation", splits=posing)


def test_data_made_in_python_are_asked_for_again(tmp_path: Path, splits: Splits) -> None:
    assert splits.test is not None
    made = Splits(Dataset(splits.train.images, splits.train.labels, splits.classes), None, splits.test.take(range(60)))
    run = train(made, CONFIG, RunStore(tmp_path / "runs")).run
    with pytest.raises(DataError, match="made in Python"):
        evaluate(run)
    assert evaluate(run, splits=made).fresh


def test_an_unknown_part_is_refused(run: Run) -> None:
    with pytest.raises(UsageError, match="Did you mean 'test'"):
        evaluate(run, split="tset")


def test_figures_of_other_weights_do_not_count(run: Run) -> None:
    evaluate(run)
    numbers = run.folder / "evaluation" / "test.json"
    numbers.write_text(numbers.read_text().replace(run.card.weights_sha256, "0" * 64))
    assert run.evaluation() is None


def test_two_at_once_open_the_part_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, and shows what that found; one that waits in vain is told so."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(evaluate, Run(run.folder)) for _ in range(2)]
        done = [one.result() for one in both]
    assert sorted(one.fresh for one in done) == [False, True]
    assert run.ledger.judgements() == 1
    monkeypatch.setattr("ropero.workbench.evaluate.PATIENCE", 0.1)
    with run.lock(), pytest.raises(RunError, match="Another process"):
        evaluate(Run(run.folder))
