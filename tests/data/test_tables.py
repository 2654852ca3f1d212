"""CSV: fast where it is regular, forgiving where it is harmless, exact about the bad line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from writers import csv_text, pictures_and_labels

from ropero.data import tables
from ropero.errors import DataError

IMAGES, LABELS = pictures_and_labels(30)


def _read(path: Path, content: str | bytes) -> tuple[np.ndarray, np.ndarray]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    part = tables.read_csv(path)
    return part.images, part.labels


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_table_is_read_back(tmp_path: Path, header: bool, end: str, packed: bool) -> None:
    content = csv_text(IMAGES, LABELS, header=header).replace("\n", end).encode()
    images, labels = _read(tmp_path / "a.csv.gz", gzip.compress(content) if packed else content)
    assert np.array_equal(images, IMAGES)
    assert np.array_equal(labels, LABELS)


def test_blocks_meet_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 1000)  # less than a line
    images, _ = _read(tmp_path / "a.csv", csv_text(IMAGES, LABELS).rstrip("\n"))
    assert np.array_equal(images, IMAGES)


def test_harmless_habits_are_accepted(tmp_path: Path) -> None:
    text = csv_text(IMAGES, LABELS)
    lines = text.splitlines()
    lines[3] = lines[3].replace(",", ", ")
    lines[4] = ",".join(f"{field}.0" for field in lines[4].split(","))
    lines[5] = ",".join(f'"{field}"' for field in lines[5].split(","))
    images, labels = _read(tmp_path / "a.csv", "\ufeff" + "\n\n".join(lines) + "\n\n")
    assert np.array_equal(images, IMAGES)
    assert np.array_equal(labels, LABELS)


def test_pandas_header_of_numbers_is_no_row(tmp_path: Path) -> None:
    header = "label," + ",".join(map(str, range(784))) + "\n"
    images, _ = _read(tmp_path / "a.csv", header + csv_text(IMAGES, LABELS, header=False))
    assert len(images) == 30


def test_a_label_column_at_the_end_is_found_by_its_name(tmp_path: Path) -> None:
    rows = [line.split(",") for line in csv_text(IMAGES, LABELS).splitlines()]
    images, labels = _read(tmp_path / "a.csv", "\n".join(",".join([*row[1:], row[0]]) for row in rows))
    assert np.array_equal(images, IMAGES)
    assert np.array_equal(labels, LABELS)


@pytest.mark.parametrize(
    ("field", "column", "words"),
    [
        ("shirt", 8, "column 9: expected a whole number from 0 to 255, got 'shirt'"),
        ("256", 8, "column 9: expected a whole number from 0 to 255, got '256'"),
        ("-1", 8, "column 9: expected a whole number from 0 to 255, got '-1'"),
        ("1.5", 8, "got '1.5'"),
        ("nan", 8, "got 'nan'"),
        ("", 8, "got ''"),
        ("-1", 0, "column 1: expected a whole number from 0 to 999, got '-1'"),
        ("1000", 0, "column 1: expected a whole number from 0 to 999, got '1000'"),
    ],
)
@pytest.mark.parametrize("header", [True, False])
def test_a_bad_value_is_named_by_line_and_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, column: int, words: str, header: bool
) -> None:
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 5000)
    rows = [line.split(",") for line in csv_text(IMAGES, LABELS, header=header).splitlines()]
    rows[20][column] = field
    with pytest.raises(DataError) as caught:
        _read(tmp_path / "bad.csv", "\n".join(map(",".join, rows)))
    assert f"bad.csv, line 21, column {column + 1}:" in str(caught.value)
    assert words in str(caught.value)


def test_a_short_row_is_named_by_line(tmp_path: Path) -> None:
    lines = csv_text(IMAGES, LABELS).splitlines()
    lines[11] = lines[11].rpartition(",")[0]
    with pytest.raises(DataError, match=r"a\.csv, line 12: expected 785 columns, got 784\."):
        _read(tmp_path / "a.csv", "\n".join(lines))


def test_a_table_without_labels_is_told_so(tmp_path: Path) -> None:
    lines = [line.partition(",")[2] for line in csv_text(IMAGES, LABELS).splitlines()]
    with pytest.raises(DataError, match=r"line 1: 784 columns; .*785\. The label column seems to be missing"):
        _read(tmp_path / "a.csv", "\n".join(lines))


@pytest.mark.parametrize("content", [b"", b"\n\n", csv_text(IMAGES, LABELS).partition("\n")[0].encode() + b"\n"])
def test_a_table_without_rows_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.csv"):
        _read(tmp_path / "a.csv", content)


def test_a_bomb_without_line_ends_is_refused_early(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not CSV"):
        _read(tmp_path / "a.csv.gz", gzip.compress(bytes(64 << 20), 1))


def test_a_folder_tells_its_parts_by_file_name(tmp_path: Path) -> None:
    for name, n in (("fashion-mnist_train.csv", 20), ("fashion-mnist_test.csv", 10)):
        (tmp_path / name).write_text(csv_text(IMAGES[:n], LABELS[:n]))
    raw = tables.read_tables(tmp_path)
    assert {part: len(one.images) for part, one in raw.parts.items()} == {"train": 20, "test": 10}
    (tmp_path / "fashion-mnist_train.csv").rename(tmp_path / "one.csv")
    (tmp_path / "fashion-mnist_test.csv").rename(tmp_path / "two.csv")
    with pytest.raises(DataError, match=r"no telling which file is for training among one\.csv, two\.csv"):
        tables.read_tables(tmp_path)


_fields = st.sampled_from(["0", "7", "255", "256", "-1", "x", "", "1.0", "1e9", "1_0", '"3"', "٣", "nan", "inf"])
_lines = st.lists(st.lists(_fields, min_size=1, max_size=6).map(",".join), max_size=6)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80) | _lines.map(lambda lines: "\n".join(lines).encode()))
def test_any_bytes_give_a_table_or_a_data_error(tmp_path: Path, content: bytes) -> None:
    try:
        images, labels = _read(tmp_path / "any.csv", content)
    except DataError:
        return
    assert images.shape[1] == images.shape[2]
    assert len(images) == len(labels) > 0
    assert labels.min() >= 0


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.tuples(st.integers(0, 999), *[st.integers(0, 255)] * 4), min_size=1, max_size=5))
def test_the_fast_reading_is_pythons_own(tmp_path: Path, values: list[tuple[int, ...]]) -> None:
    images, labels = _read(tmp_path / "a.csv", "\n".join(",".join(map(str, row)) for row in values))
    assert labels.tolist() == [row[0] for row in values]
    assert images.reshape(-1, 4).tolist() == [list(row[1:]) for row in values]
