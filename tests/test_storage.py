"""Files are whole or absent."""

from pathlib import Path

import pytest

from ropero import storage
from ropero.errors import RunError


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    storage.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        storage.write_json(path, {"a": float("nan")})
    with pytest.raises(FileNotFoundError), storage.atomic_path(path) as temporary:
        temporary.unlink()  # the rename at the end fails
    assert storage.read_json(path) == {"a": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_written_files_have_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    storage.write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("content", ["", "[1]", "{", "[" * 100_000])
def test_json_that_is_no_object_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(RunError, match=r"x\.json"):
        storage.read_json(tmp_path / "x.json")


def test_a_cut_json_line_is_seen_and_swallows_no_other(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert storage.read_json_lines(path) == []
    storage.append_json_line(path, {"n": 1})
    storage.append_json_line(path, {"n": 2, "name": "蓝"})
    path.write_bytes(path.read_bytes() + b'{"n": 3')
    storage.append_json_line(path, {"n": 4})
    assert storage.read_json_lines(path) == [{"n": 1}, {"n": 2, "name": "蓝"}, None, {"n": 4}]
    path.write_text('[1]\n"x"\n')
    assert storage.read_json_lines(path) == [None, None]


def test_human_bytes() -> None:
    assert [storage.human_bytes(n) for n in (0, 999, 1000, 12_345_678)] == ["0 B", "999 B", "1.0 kB", "12.3 MB"]
