"""Change lists: applied, undone by a later line, refused when they belong to other data; any file is a sentence."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic
from hypothesis import given
from hypothesis import strategies as st

from ropero.data.changes import Change, Changes, read
from ropero.data.dataset import Splits
from ropero.errors import DataError


def change(row: int, was: str, action: str, label: str = "", part: str = "train") -> Change:
    return Change(part=part, row=row, was=was, action=action, label=label)


@pytest.fixture
def splits() -> Splits:
    return Splits(synthetic(30), None, synthetic(12, seed=1, split="test"), source="x")


def test_applied(splits: Splits) -> None:
    found = Changes(
        [
            change(0, "stripe", "relabel", "ring"),
            change(4, "block", "drop"),
            change(5, "ring", "accept"),
            change(6, "stripe", "skip"),
        ]
    ).apply(splits)
    assert len(found.train) == 29
    assert 4 not in found.train.rows
    assert found.train.labels[0] == 2
    np.testing.assert_array_equal(found.train.labels[1:], np.delete(splits.train.labels, 4)[1:])
    np.testing.assert_array_equal(found.train.images, np.delete(splits.train.images, 4, axis=0))
    assert found.test is splits.test
    assert splits.train.labels[0] == 0
    assert found.source == "x"
    assert found.train.digest != splits.train.digest


def test_the_last_line_holds(splits: Splits) -> None:
    undone = Changes([change(0, "stripe", "relabel", "ring"), change(0, "stripe", "skip")])
    assert len(undone) == 1
    assert undone.apply(splits).train.digest == splits.train.digest


def test_written_and_read_again(tmp_path: Path, splits: Splits) -> None:
    changes = Changes([change(0, "stripe", "relabel", "ring"), change(3, "stripe", "drop", part="test")])
    path = tmp_path / "changes.jsonl"
    path.write_text(changes.to_lines() + "\n", "utf-8")
    assert list(read(path)) == list(changes)
    assert '"label"' not in path.read_text("utf-8").splitlines()[1]
    applied = read(path).apply(splits)
    assert applied.test is not None
    assert len(applied.test) == 11


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (change(99, "ring", "drop"), "row 99"),
        (change(0, "ring", "drop"), "other data"),
        (change(0, "stripe", "relabel", "rink"), "Did you mean 'ring'"),
        (change(0, "stripe", "drop", part="validation"), "validation part"),
    ],
)
def test_lists_for_other_data_are_refused(one: Change, message: str, splits: Splits) -> None:
    with pytest.raises(DataError, match=message):
        Changes([one]).apply(splits)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nothing", "line 2: expected part"),
        ("[1]", "line 2: expected part"),
        ('{"part": "train", "row": 1, "was": "a"}', "line 2: expected part"),
        ('{"part": "trein", "row": 1, "was": "a", "action": "drop"}', "Did you mean 'train'"),
        ('{"part": "train", "row": 1, "was": "a", "action": "dorp"}', "Did you mean 'drop'"),
        ('{"part": "train", "row": "1", "was": "a", "action": "drop"}', "whole number"),
        ('{"part": "train", "row": 1, "was": "a", "action": "relabel"}', "relabel"),
        ('{"part": "train", "row": 1, "was": "a", "action": "drop", "label": "b"}', "relabel"),
        ('{"part": [], "row": 1, "was": "a", "action": "drop"}', "line 2"),
    ],
)
def test_damaged_lines_are_named(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "changes.jsonl"
    path.write_text('{"part": "train", "row": 1, "was": "a", "action": "skip"}\n' + line + "\n", "utf-8")
    with pytest.raises(DataError, match=message):
        read(path)


@given(content=st.binary(max_size=200))
def test_any_file_is_a_list_or_a_sentence(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "changes.jsonl"
    path.write_bytes(content)
    with suppress(DataError):
        read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Cannot read"):
        read(tmp_path / "none.jsonl")
