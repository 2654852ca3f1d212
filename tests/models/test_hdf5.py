"""HDF5 files are read in a process of their own: what is wished of them, and never more than is allowed."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

import ropero  # noqa: E402
from ropero.errors import DataError  # noqa: E402
from ropero.models import hdf5  # noqa: E402
from ropero.models.hdf5 import Wish, read, read_content  # noqa: E402

KERNEL = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.attrs["kind"] = "text"
        file["dense/kernel"] = KERNEL
        file["dense/names"] = np.array([b"a", b"b"])
        file["other/kernel"] = KERNEL + 1
        file["optimizer_weights/kernel"] = KERNEL + 2
        file["dense"].attrs["weight_names"] = [b"kernel", b"names"]
    return tmp_path / "model.h5"


def changed(path: Path) -> Any:
    return h5py.File(path, "a")


def test_texts_and_numbers_by_their_places(path: Path) -> None:
    found = read(path)
    assert found.attributes[""] == {"kind": "text"}
    assert found.attributes["dense"] == {"weight_names": ["kernel", "names"]}
    assert sorted(found.arrays) == ["dense/kernel", "other/kernel"]
    np.testing.assert_array_equal(found.arrays["other/kernel"], KERNEL + 1)
    assert sorted(read_content(path.read_bytes(), "model.h5").arrays) == ["dense/kernel", "other/kernel"]


def test_what_is_not_wished_for_is_left(path: Path) -> None:
    with changed(path) as file:
        file["other"].create_dataset("packed", data=KERNEL, compression="gzip")
    assert list(read(path, Wish(only=r"dense/k.+", plain=True)).arrays) == ["dense/kernel"]
    assert list(read(path, Wish(only=r"other/p.+")).arrays) == ["other/packed"]


@pytest.mark.parametrize("spoil", ["packed", "text", "claimed"])
def test_plain_numbers_are_numbers_that_lie_in_the_file(spoil: str, path: Path) -> None:
    with changed(path) as file:
        del file["dense/names"]
    assert len(read(path, Wish(plain=True)).arrays) == 3  # the optimizer's too: nothing is passed over
    with changed(path) as file:
        if spoil == "packed":
            file.create_dataset("thing", data=KERNEL, compression="gzip")
        elif spoil == "text":
            file["thing"] = np.array([b"a"])
        else:
            file.create_dataset("thing", (1000, 1000), np.float32)
    with pytest.raises(DataError, match=r"model\.h5: thing is packed"):
        read(path, Wish(plain=True))


def test_an_array_of_many_names_counts_each_time(path: Path) -> None:
    with changed(path) as file:
        file["large"] = np.zeros(1 << 18, np.float32)
        for number in range(100):
            file[f"large{number}"] = file["large"]
    with pytest.raises(DataError, match="reads at most"):
        read(path)


def test_a_text_of_many_names_counts_each_time(path: Path) -> None:
    """A group of a thousand names with a text of a megabyte: a gigabyte of JSON."""
    with changed(path) as file:
        file["dense"].attrs["text"] = "x" * (1 << 20)
        file["filling"] = np.zeros(1 << 22, np.float32)
        for number in range(1000):
            file[f"dense{number}"] = file["dense"]
    with pytest.raises(DataError, match="is larger than"):
        read(path, Wish(only="dense/kernel"))


def test_a_long_name_is_shown_shortly(path: Path) -> None:
    with changed(path) as file:
        file["x" * 50_000] = h5py.SoftLink("/dense")
    with pytest.raises(DataError, match="xxx… leads out of the file") as caught:
        read(path)
    assert len(str(caught.value)) < 400


def test_a_child_that_takes_too_long_is_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "SECONDS", 0.05)
    with pytest.raises(DataError, match="takes too long"):
        read(path)


def test_a_process_that_finds_ropero_by_its_own_path_alone_reads_too(path: Path, tmp_path: Path) -> None:
    """A notebook in a checkout: a Python that has all other libraries, and ropero where sys.path was told to look."""
    venv.create(tmp_path / "venv", symlinks=os.name != "nt")
    here = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    others = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    Path(sysconfig.get_path("purelib", "venv", here), "others.pth").write_text("\n".join(others))
    (tmp_path / "work").mkdir()
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "ropero").symlink_to(Path(ropero.__file__).parent)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from ropero.models import hdf5;"
        "print(sorted(hdf5.read(Path(sys.argv[2])).arrays))"
    )
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    done = subprocess.run(
        [python, "-c", code, tmp_path / "checkout", path],
        cwd=tmp_path / "work",
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "['dense/kernel', 'other/kernel']\n", done.stderr
