"""apt-get and dpkg-deb, played by two scripts of our own: what is asked of them, and what is made of what they say."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from ropero.data import packages
from ropero.data.download import FetchError
from ropero.data.known import Known

CONTENT = b"pixels"
KNOWN = Known("fashion-mnist", ("a", "b"), files={"train": (hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))})


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder first on PATH; `apt-get` and `dpkg-deb` are written into it by the tests."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "train.gz").write_bytes(gzip.compress(CONTENT))
    _write(folder / "dpkg-deb", f'mkdir -p "$3/usr/share" && cp {tmp_path}/train.gz "$3/usr/share/"')
    return folder


def _write(path: Path, script: str) -> None:
    path.write_text(f'#!/bin/sh\necho "$@" >> {path.parent}/asked\n{script}\n')
    path.chmod(0o755)


def _asked(programs: Path) -> list[str]:
    return (programs / "asked").read_text().splitlines()


def test_the_package_is_fetched_unpacked_and_kept(programs: Path, tmp_path: Path) -> None:
    _write(programs / "apt-get", "touch dataset.deb")
    packages.fetch_package(KNOWN, tmp_path / "cache")
    assert gzip.decompress((tmp_path / "cache" / "train.gz").read_bytes()) == CONTENT
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["train.gz"]
    assert _asked(programs)[0].endswith("download dataset-fashion-mnist")


def test_empty_lists_are_updated_into_a_folder_of_our_own(programs: Path, tmp_path: Path) -> None:
    own = "*Dir::State::Lists=*"
    script = f'case "$*" in {own}update) touch updated;; {own}) test -e updated && touch a.deb;; *) exit 100;; esac'
    _write(programs / "apt-get", script)
    packages.fetch_package(KNOWN, tmp_path / "cache")
    asked = _asked(programs)
    assert [line.split()[-1] for line in asked[:3]] == ["dataset-fashion-mnist", "update", "dataset-fashion-mnist"]
    assert f"Dir::State::Lists={tmp_path}/cache/.apt-" in asked[1]


def test_apts_complaint_is_passed_on(programs: Path, tmp_path: Path) -> None:
    _write(programs / "apt-get", "echo 'W: noise' >&2; echo 'E: Unable to locate package' >&2; exit 100")
    with pytest.raises(FetchError, match="E: Unable to locate package"):
        packages.fetch_package(KNOWN, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_apt_that_hangs_is_ended(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "DOWNLOAD_SECONDS", 0.1)
    monkeypatch.setattr(packages, "UPDATE_SECONDS", 0.1)
    _write(programs / "apt-get", "exec sleep 5")
    with pytest.raises(FetchError, match="no answer in"):
        packages.fetch_package(KNOWN, tmp_path / "cache")


def test_a_package_with_other_content_is_refused(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "train.gz").write_bytes(gzip.compress(b"other"))
    _write(programs / "apt-get", "touch a.deb")
    with pytest.raises(FetchError, match="lacks train, or holds another content"):
        packages.fetch_package(KNOWN, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_broken_package_is_told(programs: Path, tmp_path: Path) -> None:
    _write(programs / "apt-get", "touch a.deb")
    _write(programs / "dpkg-deb", "echo 'dpkg-deb: error: not a package' >&2; exit 2")
    with pytest.raises(FetchError, match=r"could not unpack.*not a package"):
        packages.fetch_package(KNOWN, tmp_path / "cache")
