"""What strangers' files may take: processes end at their bounds, archives are weighed before they are opened."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ropero import bounds
from ropero.errors import DataError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold a process to its memory")


def ended(code: str) -> subprocess.CompletedProcess[str]:
    begin = "import mmap, os, resource, subprocess, sys; from ropero import bounds; "
    return subprocess.run([sys.executable, "-c", begin + code], capture_output=True, text=True, check=False)


@LINUX
def test_a_process_ends_at_its_memory() -> None:
    done = ended("bounds.hold(1 << 30, 60); bytearray(900 << 20); print('some'); bytearray(1100 << 20)")
    assert done.stdout == "some\n"
    assert "MemoryError" in done.stderr


@LINUX
def test_what_is_only_reserved_takes_nothing() -> None:
    """As libraries for graphics cards do: terabytes of addresses that nothing can be written to."""
    done = ended("bounds.hold(1 << 30, 60); mmap.mmap(-1, 1 << 42, flags=0x4022, prot=mmap.PROT_READ); print('whole')")
    assert done.stdout == "whole\n", done.stderr


@LINUX
def test_a_process_ends_at_its_time() -> None:
    done = ended("bounds.hold(1 << 30, 1)\nwhile True: pass")
    assert done.returncode < 0


@LINUX
def test_a_process_may_be_held_twice_and_never_freed() -> None:
    asked = "resource.getrlimit(resource.RLIMIT_DATA)[1], resource.getrlimit(resource.RLIMIT_CPU)[1]"
    done = ended(f"bounds.hold(1 << 30, 60); bounds.hold(2 << 30, 5); print([{asked}])")
    assert done.stdout == f"[{1 << 30}, 5]\n"


def written(path: Path, members: int = 3, how: int = zipfile.ZIP_STORED) -> bytes:
    with zipfile.ZipFile(path, "w", how) as archive:
        for number in range(members):
            archive.writestr(f"{number}.txt", "content" * 9)
    return path.read_bytes()


def names(path: Path) -> list[str]:
    with bounds.archive(path) as archive:
        return archive.namelist()


def _torch(path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, path)


def _large(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive, archive.open("0.txt", "w", force_zip64=True) as file:
        file.write(b"content")


@pytest.mark.parametrize("make", [lambda path: None, _torch, _large])
def test_usual_archives_open(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    written(path)
    make(path)
    with zipfile.ZipFile(path) as archive:
        assert names(path) == archive.namelist()


def test_an_archive_of_more_files_than_16_bits_count_is_refused_by_its_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """zipfile writes a table in 64 bits for it."""
    written(tmp_path / "a.zip", 70_000)
    with pytest.raises(DataError, match="holds 70000 files"):
        names(tmp_path / "a.zip")
    monkeypatch.setattr(bounds, "MAX_MEMBERS", 70_000)
    assert len(names(tmp_path / "a.zip")) == 70_000


def table(entries: int, said: int) -> bytes:
    """An archive that is a table of contents alone, its number of entries as it says."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    size = len(entry) * entries
    start = b"PK\3\4" + bytes(27)
    return start + entry * entries + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, said, said, size, len(start), 0)


@pytest.mark.parametrize("said", [3, 10_000, 65_000])
def test_a_table_of_a_million_entries_takes_no_memory(said: int, tmp_path: Path) -> None:
    """zipfile itself takes a kilobyte for each."""
    (tmp_path / "a.zip").write_bytes(table(1_000_000, said))
    tracemalloc.start()
    with pytest.raises((DataError, zipfile.BadZipFile), match=r"holds 65000 files|contradicts itself"):
        names(tmp_path / "a.zip")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def other(content: bytes) -> bytes:
    """Another archive, whose member has the place of the first one's."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("other.txt", "x")
    return made.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"before" + content,
        lambda content: other(content) + content,  # readers differ in which of the two tables they take
        lambda content: content + b"after",
        lambda content: content[:-1],
        lambda content: content[:-22],
        lambda content: b"",
        lambda content: b"PK\5\6" * 10,
        lambda content: content[:-12] + struct.pack("<H", 2) + content[-10:],
        lambda content: content[:-10] + struct.pack("<L", 10) + content[-6:],
    ],
)
def test_an_archive_that_two_readers_could_take_for_two_is_refused(
    change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(change(written(path)))
    with pytest.raises(zipfile.BadZipFile):
        names(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_named_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("a", "2")
    with pytest.raises(zipfile.BadZipFile, match="contradicts itself"):
        names(tmp_path / "a.zip")


def test_a_remark_is_no_reason_to_refuse_nor_to_be_led_astray(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    written(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"made by hand"
    assert len(names(path)) == 3
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"PK\5\6" + bytes(30)
    with pytest.raises(zipfile.BadZipFile):
        names(path)


def weighed(path: Path) -> None:
    with bounds.archive(path) as archive:
        bounds.stored(path, archive)


def test_packed_members_are_refused_where_they_have_to_be_stored(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    written(path)
    weighed(path)
    written(path, how=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match=r"0\.txt is packed"):
        weighed(path)


def test_members_that_lie_over_one_another_are_refused(tmp_path: Path) -> None:
    """A thousand names for one megabyte."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", bytes(1 << 20))
        one = archive.infolist()[0]
        for number in range(1000):
            again = zipfile.ZipInfo(f"{number}")
            again.file_size = again.compress_size = one.file_size
            again.CRC, again.header_offset, again.compress_type = one.CRC, 0, zipfile.ZIP_STORED
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive._didModify = True  # type: ignore[attr-defined]
    path = tmp_path / "a.zip"
    path.write_bytes(made.getvalue())
    with pytest.raises(DataError, match="lie over one another"):
        weighed(path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_change_of_an_archive_is_seen_or_without_effect(data: st.DataObject) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", b"first")
        archive.writestr("b", b"second")
    content = bytearray(made.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = Path("a.zip")
    try:
        with bounds.archive(path, io.BytesIO(bytes(content))) as archive:
            bounds.stored(path, archive)
            for name in archive.namelist():
                assert len(bounds.member(path, archive, name, 100)) <= 6
    except (DataError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError):
        return
