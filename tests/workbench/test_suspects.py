"""The verb suspects: labels made wrong are found, every image is judged by a network that did not learn from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic

from ropero.data.dataset import Dataset, Splits
from ropero.errors import UsageError
from ropero.runs import RunStore
from ropero.training.config import TrainConfig
from ropero.workbench import suspects as verb
from ropero.workbench import train as train_verb
from ropero.workbench.suspects import suspects

CONFIG = TrainConfig(network="softmax", epochs=6, batch_size=32, learning_rate=0.01, erase=0.0, flip="none")
WRONG = [5, 17, 40, 77]


@pytest.fixture
def splits() -> Splits:
    part = synthetic(240)
    labels = part.labels.copy()
    labels[WRONG] = (labels[WRONG] + 1) % 3
    images = part.images.copy()
    images[100] = images[101] - (images[101] > 0)  # the same garment a little darker, labelled otherwise
    return Splits(replace(part, images=images, labels=labels))


def test_wrong_labels_are_found(splits: Splits, tmp_path: Path) -> None:
    found = suspects(splits, CONFIG, RunStore(tmp_path), folds=3)
    assert set(WRONG) <= set(found.part.rows[found.suspects.position[:6]].tolist())
    assert all((found.rank(row) or 99) <= 6 for row in WRONG)
    assert found.rank(0) is None
    assert found.accuracy > 0.9
    assert [sorted(pair) for pair in found.twins] == [[100, 101]]
    told = json.loads((found.folder / "suspects.json").read_text("utf-8"))
    assert told == found.to_json()
    assert told["suspects"][0]["row"] in WRONG


def test_each_image_is_judged_by_strangers(splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[set[int], set[int]]] = []
    real = train_verb.train

    def spy(both: Splits, *args: object, **kwargs: object) -> train_verb.Training:
        assert both.validation is not None
        seen.append((set(both.train.rows.tolist()), set(both.validation.rows.tolist())))
        return real(both, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(verb.train_verb, "train", spy)
    suspects(splits, CONFIG.replace(epochs=1), RunStore(tmp_path), folds=4)
    assert len(seen) == 4
    assert all(not train & held and len(train | held) == 240 for train, held in seen)
    assert sorted(row for _, held in seen for row in held) == list(range(240))


def test_repeated_goes_on_and_then_shows_what_is_there(
    splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = train_verb.train, 0

    def killed(*args: object, **kwargs: object) -> train_verb.Training:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(verb.train_verb, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        suspects(splits, CONFIG, RunStore(tmp_path), folds=3)
    how: list[str] = []

    def noted(*args: object, **kwargs: object) -> train_verb.Training:
        done = real(*args, **kwargs)  # type: ignore[arg-type]
        how.append(done.how)
        return done

    monkeypatch.setattr(verb.train_verb, "train", noted)
    first = suspects(splits, CONFIG, RunStore(tmp_path), folds=3)
    assert how == ["already trained", "already trained", "new"]
    again = suspects(splits, CONFIG, RunStore(tmp_path), folds=3)
    assert len(how) == 3
    assert again.to_json() == first.to_json()
    assert not (first.folder / "folds").exists()


def test_rows_may_be_any(tmp_path: Path, splits: Splits) -> None:
    chosen = np.random.default_rng(0).permutation(240)[:90]
    part: Dataset = splits.train.take(chosen)
    found = suspects(Splits(part), CONFIG.replace(epochs=2), RunStore(tmp_path), folds=2)
    assert found.probabilities.shape == (90, 3)
    np.testing.assert_array_equal(found.part.rows, chosen)


@pytest.mark.parametrize(
    ("config", "folds", "message"),
    [
        (CONFIG, 1, "at least 2"),
        (CONFIG.replace(validation=0.1), 3, "hold out"),
        (CONFIG.replace(keep="best"), 3, "hold out"),
    ],
)
def test_what_it_cannot_do(config: TrainConfig, folds: int, message: str, splits: Splits, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        suspects(splits, config, RunStore(tmp_path), folds=folds)


def test_the_page_shows_look_alikes_beside_each_other(splits: Splits, tmp_path: Path) -> None:
    found = suspects(splits, CONFIG, RunStore(tmp_path), folds=3)
    doubts = verb._doubts(found)
    twins = {found.part.rows[one.position]: found.part.rows[one.twin] for one in doubts if one.twin is not None}
    assert twins == {100: 101, 101: 100}
    assert len({one.position for one in doubts}) == len(doubts)
    page = verb.write_review(found, "es").read_text("utf-8")
    assert "parecidas con otra etiqueta" in page


def test_images_that_a_training_holds_out_as_test_are_left_alone(splits: Splits, tmp_path: Path) -> None:
    config = CONFIG.replace(epochs=1, test=0.25)
    held = train_verb.cut(config, splits).test
    assert held is not None
    found = suspects(splits, config, RunStore(tmp_path), folds=2)
    assert len(found.part) == 180
    assert not set(found.part.rows) & set(held.rows)
