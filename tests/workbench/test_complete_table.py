"""A table in, a table out: what was there is there byte for byte, the method is chosen and told."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from ropero.errors import DataError, UsageError
from ropero.workbench.complete_table import complete_table, is_table, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """120 rows, of which one column is the sum of two others; every fifth of the sums is missing."""
    rng = np.random.default_rng(0)
    lines = ["id,kind,length,width,sum"]
    for row in range(120):
        a, b = rng.integers(10, 99, 2)
        lines.append(f"{row},{'shirt' if row % 2 else '?'},{a},{b},{'' if row % 5 == 0 else f'{a + b}.0'}")
    path = tmp_path / "sizes.csv"
    path.write_text("\r\n".join(lines), "utf-8", newline="")
    return path


def test_the_best_method_is_found_and_the_rest_stays_byte_for_byte(path: Path, tmp_path: Path) -> None:
    found = complete_table(path)
    assert found.method == "iterative" == found.tried[0].method
    assert len(found.places) == 24
    (made,) = write(found, tmp_path / "filled.csv")
    before, after = path.read_bytes().split(b"\r\n"), made.read_bytes().split(b"\r\n")
    assert len(before) == len(after)
    low, high = (edge(found.table.columns[3].values) for edge in (np.nanmin, np.nanmax))
    for old, new in zip(before, after, strict=True):
        if not old.endswith(b","):
            assert new == old
            continue
        a, b, total = new.split(b",")[2:]
        assert new.startswith(old)
        assert abs(np.clip(float(a) + float(b), low, high) - float(total)) < 1
        assert total.split(b".")[1] in b"0123456789"
    assert found.to_json()["columns"] == {"sum": 24}
    assert found.to_json()["left_empty"] == 60


def test_draws_lie_beside_in_a_table_of_their_own(path: Path, tmp_path: Path) -> None:
    found = complete_table(path, "knn", draws=4, seed=3)
    assert found.tried == ()
    made, beside = write(found, tmp_path / "filled.csv")
    rows = list(csv.reader(beside.read_text("utf-8").splitlines()))
    assert rows[0] == ["line", "column", "filled", "spread", "draw_1", "draw_2", "draw_3", "draw_4"]
    assert len(rows) == 25
    lines = made.read_text("utf-8").split("\n")
    for line, column, filled, spread, *draws in rows[1:]:
        assert column == "sum"
        assert float(lines[int(line) - 1].split(",")[4]) == pytest.approx(float(filled), abs=0.06)
        assert float(spread) == pytest.approx(np.std([float(one) for one in draws]), abs=1e-3)
    assert any(float(row[3]) > 0 for row in rows[1:])


def test_a_method_of_one_filling_has_no_draws(path: Path, tmp_path: Path) -> None:
    found = complete_table(path, "mean", draws=4)
    assert len(found.draws) == 1
    assert write(found, tmp_path / "filled.csv") == [tmp_path / "filled.csv"]


def test_the_table_itself_is_never_overwritten(path: Path) -> None:
    content = path.read_bytes()
    with pytest.raises(UsageError, match="is the table itself"):
        write(complete_table(path, "mean"), path.parent / "." / "sizes.csv")
    assert path.read_bytes() == content


def test_nothing_to_fill_is_one_sentence(tmp_path: Path) -> None:
    for content in ("a,b\n1,2\n3,4\n", "a,b\nx,\ny,z\n"):
        (tmp_path / "t.csv").write_text(content, "utf-8")
        with pytest.raises(DataError, match="there is nothing to fill"):
            complete_table(tmp_path / "t.csv")
    with pytest.raises(DataError, match="Cannot read"):
        complete_table(tmp_path / "absent.csv")
    with pytest.raises(UsageError, match="draws should be at least 1"):
        complete_table(tmp_path / "t.csv", draws=0)


def test_a_table_too_small_for_trials_is_filled_by_medians(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,\n5,9\n", "utf-8")
    found = complete_table(tmp_path / "t.csv")
    assert (found.method, found.tried) == ("median", ())
    assert found.table.filled(found.filled) == b"a,b\n1,2\n3,6\n5,9\n"


def test_tables_are_told_by_their_names() -> None:
    assert all(map(is_table, ["a.csv", "A.CSV", "b.csv.gz", "c.tsv"]))
    assert not any(map(is_table, ["a.png", "csv", "a.npy", "-"]))
