"""A run folder holds everything, collides with none, and refuses what it cannot read."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ropero.data.dataset import Splits
from ropero.data.note import DataNote
from ropero.errors import RunError
from ropero.runs import TRAINED, Run, RunStore
from ropero.training.config import TrainConfig


def make(store: RunStore, splits: Splits, **changes: object) -> Run:
    config = TrainConfig(network="softmax").replace(**changes)
    return store.create(config, DataNote.of(splits), {"ropero": "0.1.0", "commit": None})


class Stopped(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_a_run_comes_back_as_it_was_written(store: RunStore, splits: Splits) -> None:
    run = Run(make(store, splits, seed=7).folder)
    assert run.config.seed == 7
    assert run.data == DataNote.of(splits)
    assert run.status == "training"
    assert len(run.history) == 0


def test_many_at_once_never_collide(store: RunStore, splits: Splits) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: make(store, splits).name, range(40)))
    assert len(names) == 40
    assert len(store.runs()) == 40


def test_a_name_that_is_taken_is_not_taken_again(
    store: RunStore, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = iter(["aaaa", "aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr("ropero.shelf.secrets.token_hex", lambda _: next(tokens))
    monkeypatch.setattr("ropero.shelf.datetime", Stopped)
    one, two = make(store, splits), make(store, splits)
    assert (one.name[-4:], two.name[-4:]) == ("aaaa", "bbbb")


def test_names_come_from_the_network_and_not_from_paths(store: RunStore, splits: Splits) -> None:
    run = make(store, splits, network="../../evil net.toml")
    assert run.folder.parent == store.folder
    assert "evil-net-toml" in run.name


def test_find_by_name_part_path_and_last(store: RunStore, splits: Splits) -> None:
    one, two = make(store, splits), make(store, splits)
    assert store.find(one.name).name == one.name
    assert store.find(str(one.folder)).name == one.name
    assert store.find(two.name[-4:]).name == two.name
    assert store.find("last").name == store.runs()[-1].name
    with pytest.raises(RunError, match="fits several"):
        store.find("softmax")
    with pytest.raises(RunError, match="ropero runs"):
        store.find("nothing-like-it")


def test_no_runs_at_all_is_said(store: RunStore) -> None:
    assert store.runs() == []
    with pytest.raises(RunError, match="ropero train"):
        store.find("last")


def test_a_run_of_the_future_and_a_broken_one_are_refused(store: RunStore, splits: Splits) -> None:
    run = make(store, splits)
    path = run.folder / "run.json"
    path.write_text(json.dumps({**run.notes, "format": 99}))
    with pytest.raises(RunError, match="newer ropero"):
        Run(run.folder)
    path.write_text("{")
    with pytest.raises(RunError, match=r"run\.json"):
        Run(run.folder)


def test_a_broken_run_hides_no_other(store: RunStore, splits: Splits) -> None:
    good, bad = make(store, splits), make(store, splits)
    (bad.folder / "run.json").write_text("{")
    assert [run.name for run in store.runs()] == [good.name]
    assert [bad.name in str(error) for error in store.unreadable()] == [True]


@pytest.mark.parametrize("name", ["config.json", "data.json", "history.jsonl"])
@pytest.mark.parametrize("content", ["{}", "[]", '{"a": 1}', "\x00", '{"epochs": "x", "classes": 3}'])
def test_a_damaged_file_is_said_not_thrown(store: RunStore, splits: Splits, name: str, content: str) -> None:
    run = make(store, splits)
    run.note(status=TRAINED)
    (run.folder / name).write_text(content)
    if (name, content) == ("config.json", "{}"):
        return  # a config of nothing but defaults
    reads = {"config.json": lambda: run.config, "data.json": lambda: run.data, "history.jsonl": lambda: run.history}
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        reads[name]()


@pytest.mark.parametrize("content", ["{}", '{"format": "1"}', '{"format": 1}', '{"format": 1, "status": "?"}'])
def test_a_run_json_that_is_none_is_passed_over(store: RunStore, splits: Splits, content: str) -> None:
    run = make(store, splits)
    (run.folder / "run.json").write_text(content)
    assert store.runs() == []
    assert len(store.unreadable()) == 1


def test_last_is_the_last_of_many_in_a_second(store: RunStore, splits: Splits) -> None:
    names = [make(store, splits).name for _ in range(10)]
    assert [run.name for run in store.runs()] == names
    assert store.find("last").name == names[-1]


def test_a_run_may_be_given_as_the_folder_one_stands_in(
    store: RunStore, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(store, splits)
    monkeypatch.chdir(run.folder)
    assert store.find(".").name == run.name


def test_a_cut_ledger_line_stays_a_look_and_hides_no_other(store: RunStore, splits: Splits) -> None:
    ledger = make(store, splits).ledger
    ledger.record("evaluate", "abc", 60, 0.5)
    with ledger.path.open("a") as file:
        file.write('{"when": "2026", "ver')
    ledger.record("evaluate", "abc", 60, 0.6)
    assert [opening.verb for opening in ledger.openings()] == ["evaluate", "?", "evaluate"]


def test_an_untrained_run_has_no_model(store: RunStore, splits: Splits) -> None:
    with pytest.raises(RunError, match="repeat its command"):
        make(store, splits).model()


def test_delete_removes_all_and_respects_a_lock(store: RunStore, splits: Splits) -> None:
    run = make(store, splits)
    with run.lock(), pytest.raises(RunError, match="in use"):
        store.delete(run)
    store.delete(run)
    assert list(store.folder.iterdir()) == []


def test_other_data_are_noticed(store: RunStore, splits: Splits) -> None:
    run = make(store, splits)
    run.check_data(splits.train)
    with pytest.raises(RunError, match="not the one"):
        run.check_data(splits.train.take(range(60)))


def test_the_ledger_only_grows(store: RunStore, splits: Splits) -> None:
    ledger = make(store, splits).ledger
    assert ledger.openings() == []
    ledger.record("evaluate", "abc", 60, 0.5)
    ledger.record("predict", "abc", 1, None)
    assert ledger.judgements() == 1
    assert [(o.verb, o.images, o.accuracy) for o in ledger.openings()] == [("evaluate", 60, 0.5), ("predict", 1, None)]


def test_looks_of_fellows_are_counted(store: RunStore, splits: Splits) -> None:
    one, same, other = make(store, splits), make(store, splits, seed=3), make(store, splits, epochs=2)
    strange = make(store, Splits(splits.train, None, splits.train))
    for run, times in ((one, 1), (same, 2), (other, 3), (strange, 9)):
        for _ in range(times):
            run.ledger.record("evaluate", "x", 60, 0.9)
    one.ledger.record("predict", "x", 1, None)  # a look at a single image judges nothing
    looks = store.looks(one)
    assert (looks.family_runs, looks.family, looks.all_runs, looks.everyone) == (2, 3, 3, 6)
    assert store.looks(other).family_runs == 1
    (other.folder / "config.json").write_text("{}", "utf-8")
    (other.folder / "data.json").write_text("{}", "utf-8")
    assert store.looks(one).all_runs == 2


@pytest.mark.parametrize("damage", [[], 3, "x", {}, {"pixels": {}}, {"sha256": 3, "pixels": None}])
def test_a_damaged_note_of_an_import_is_said_not_thrown(store: RunStore, splits: Splits, damage: object) -> None:
    run = make(store, splits)
    run.note(status=TRAINED, imported=damage)
    for read in (lambda: run.origin, lambda: run.history):
        with pytest.raises(RunError, match=r"run\.json is damaged: its note of the import"):
            read()
    assert [one.name for one in store.runs()] == [run.name]
