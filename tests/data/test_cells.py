"""Tables with empty cells: what is filled, and that all else stays byte for byte; hostile files are one sentence."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropero.data import cells
from ropero.data.cells import Table, read
from ropero.errors import DataError


def table(folder: Path, content: bytes | str, name: str = "t.csv") -> Table:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(path)


AWKWARD = (
    b'\xef\xbb\xbfname , "height, cm",weight,price,note\r\n'
    b'"Ann ""A"", B",170,  NA ,1.50,"two\r\nlines"\r\n'
    b"\r\n"
    b'Bob,?,71.5,"",\xff\xfe odd bytes\r\n'
    b"'C',  182 ,nan,2.25,\r\n"
    b"D,175,80.0,3.00,x"
)


def test_only_empty_cells_of_columns_of_numbers_change(tmp_path: Path) -> None:
    found = table(tmp_path, AWKWARD)
    assert [(one.name, one.at, one.decimals) for one in found.columns] == [
        ("height, cm", 1, 0),
        ("weight", 2, 1),
        ("price", 3, 2),
    ]
    assert found.left == ("name", "note")
    assert found.empty == 1
    assert found.lines == [2, 5, 6, 7]
    values = found.values
    expected = np.array([[170, np.nan, 1.5], [np.nan, 71.5, np.nan], [182, np.nan, 2.25], [175, 80, 3]])
    np.testing.assert_array_equal(values, expected)
    new = found.filled(np.where(np.isnan(values), 12.3456, values))
    assert new == (
        AWKWARD.replace(b",  NA ,", b",12.3,")
        .replace(b'Bob,?,71.5,"",', b"Bob,12,71.5,12.35,")
        .replace(b"nan,2.25", b"12.3,2.25")
    )


@pytest.mark.parametrize(
    ("content", "names", "expected"),
    [
        ("a,b\n1,\n2,3\n", ["a", "b"], [[1, np.nan], [2, 3]]),
        ("1,\n2,3\n", ["1", "2"], [[1, np.nan], [2, 3]]),
        ("label,0,1\n1,,2\n0,3,4\n", ["label", "0", "1"], [[1, np.nan, 2], [0, 3, 4]]),
        (",x\n0,1\n1,\n", ["1", "x"], [[0, 1], [1, np.nan]]),
        ("a;b\n1,5;2\n;3\n", ["a", "b"], [[1.5, 2], [np.nan, 3]]),
        ("a\tb\n1.5\t2\nNULL\t3", ["a", "b"], [[1.5, 2], [np.nan, 3]]),
        ("x\n1\n?\n3\n", ["x"], [[1], [np.nan], [3]]),
        ("a,b\r1,\r2,3\r", ["a", "b"], [[1, np.nan], [2, 3]]),
        ("a,b\n1e-3,+2.5\n-.5,N/A\n", ["a", "b"], [[0.001, 2.5], [-0.5, np.nan]]),
        ('a,b\n"1","2"\n"",3\n', ["a", "b"], [[1, 2], [np.nan, 3]]),
    ],
)
def test_usual_forms_are_read(tmp_path: Path, content: str, names: list[str], expected: list[list[float]]) -> None:
    found = table(tmp_path, content)
    assert [one.name for one in found.columns] == names
    np.testing.assert_array_equal(found.values, expected)


def test_numbers_are_written_as_their_column_writes_them(tmp_path: Path) -> None:
    found = table(tmp_path, "a;b;c;d\n1;2,50;1e-7;-1\n;;;\n3;4,00;2e-7;0\n")
    assert [one.written(2.0041) for one in found.columns] == ["2", "2,00", "2.0041", "2"]
    assert found.columns[2].written(1.234567891e-7) == "1.23457e-07"
    assert found.columns[1].written(-0.001) == "0,00"
    assert found.filled(np.full((3, 4), 2.5)).split(b"\n")[2] == b"2;2,50;2.5;2"


def test_columns_of_words_are_left_and_counted(tmp_path: Path) -> None:
    found = table(tmp_path, "kind,n,size\nshirt,1,\n,2,5\nbag,,7\n?,4,8\n")
    assert found.left == ("kind",)
    assert found.empty == 2
    assert [one.name for one in found.columns] == ["n", "size"]


def test_a_gzipped_table_is_read(tmp_path: Path) -> None:
    found = table(tmp_path, gzip.compress(b"a,b\n1,\n2,3\n"), "t.csv.gz")
    assert found.filled(np.full((2, 2), 9.0)) == b"a,b\n1,9\n2,3\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n1,2\n3\n", "line 3: expected 2 columns, got 1"),
        ("a,b\n1,2\n\n3,4,5\n", "line 4: expected 2 columns, got 3"),
        ('a,b\n"x\ny",2\n3\n', "line 4: expected 2 columns, got 1"),
        ("a,b\n1,\n2,\n", "column b is all empty"),
        ("a,b\n1,2\nx,3\n4,5\n,6\n", "line 3, column a: expected a number or an empty cell, got 'x'"),
        ("a,b\n1.5,2\n2.5,3\n,4\n1e999,5\n", "line 5, column a: expected a number"),
        ('a,b\n1,"2\n3,4\n', "line 2: a quote in it is not closed"),
        ('a,b\n1,"2"x\n3,4\n', "line 2: a quote in it is not closed"),
        (b"\xff\xfea\0,\0b\0", "not CSV in UTF-8"),
        (b"a,b\n1,\0\n", "not CSV in UTF-8"),
        (b"\x1f\x8b\x08\x00rest", "cut short|damaged"),
    ],
)
def test_what_is_no_table_is_one_sentence(tmp_path: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(DataError, match=f"({says})"):
        table(tmp_path, content)


def test_a_file_may_take_so_much_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "LIMIT_CELLS", 10)
    table(tmp_path, "a,b\n" + "1,2\n" * 4)
    with pytest.raises(DataError, match="more than 10 cells"):
        table(tmp_path, "a,b\n" + "1,2\n" * 5)
    monkeypatch.setattr(cells, "LIMIT_COLUMNS", 3)
    with pytest.raises(DataError, match="more than 3 columns"):
        table(tmp_path, "1,2,3,4\n")
    monkeypatch.setattr(cells, "LIMIT_BYTES", 1 << 20)
    packed = gzip.compress(b"1,2\n" * (1 << 20))  # 4 KB that unpack to 4 MB
    with pytest.raises(DataError, match="larger than 1 MB"):
        table(tmp_path, packed, "bomb.csv.gz")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(alphabet="ab \",;\n\r\t'é", max_size=6), st.sampled_from(["1", "2.5", "-3", "", "NA"])),
        min_size=2,
        max_size=8,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_pythons_csv_writes_is_read_and_keeps_its_bytes(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], separator: str, end: str
) -> None:
    """Python's own reader is the oracle of where the cells are."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["word", "number"])
    for word, number in rows:
        writer.writerow([f"w{word}", float(number) if number not in ("", "NA") else number])
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(text.getvalue().encode())
    expected = list(csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=separator))
    known = [one for one in expected[1:] if one[1] not in ("", "NA")]
    if not known:
        with pytest.raises(DataError, match="all empty"):
            read(path)
        return
    found = read(path)
    assert [found.content[a:b].decode().strip('"') for _, (a, b) in found.cells] == [one[1] for one in expected[1:]]
    filled = found.filled(np.full((len(rows), 1), 7.0)).decode()
    again = list(csv.reader(io.StringIO(filled, newline=""), delimiter=separator))
    assert [one[0] for one in again] == [one[0] for one in expected]
    assert [float(one[1]) for one in again[1:]] == [
        7.0 if one[1] in ("", "NA") else float(one[1]) for one in expected[1:]
    ]


@pytest.mark.parametrize(
    "hostile", [b'1,"' + b'""' * (4 << 20), b"1" * (8 << 20), b'"' * (6 << 20) + b"\n", b'1,"' + b"a" * (8 << 20)]
)
def test_a_hostile_cell_takes_no_more_memory_than_the_file(tmp_path: Path, hostile: bytes) -> None:
    import tracemalloc

    tracemalloc.start()
    with contextlib.suppress(DataError):
        table(tmp_path, b"a,b\n1,\n2,3\n" + hostile)
    assert tracemalloc.get_traced_memory()[1] < 20 * len(hostile)
    tracemalloc.stop()
