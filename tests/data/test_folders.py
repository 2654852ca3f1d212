"""Folders of pictures: the usual layouts, what is passed over, and the words for the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from writers import write_folder, write_picture

from ropero.data import folders
from ropero.data.raw import PART_WORDS, part_of
from ropero.errors import DataError


def test_class_folders_directly(tmp_path: Path) -> None:
    raw = folders.read_images(write_folder(tmp_path, {"shirt": 2, "coat": 3}))
    assert raw.classes == ("coat", "shirt")
    assert raw.parts["train"].labels.tolist() == [0, 0, 0, 1, 1]
    assert raw.parts["train"].images.shape == (5, 20, 20)
    assert raw.skipped == {}


@pytest.mark.parametrize(
    "names", [("train", "test", "val"), ("Training", "TEST", "valid"), ("Train", "Testing", "dev")]
)
def test_parts_in_any_case(tmp_path: Path, names: tuple[str, str, str]) -> None:
    sizes = {f"{part}/{name}": n for part, n in zip(names, (3, 2, 1), strict=True) for name in ("a", "b")}
    raw = folders.read_images(write_folder(tmp_path, sizes))
    assert {part: len(one.images) for part, one in raw.parts.items()} == {"train": 6, "test": 4, "validation": 2}


def test_any_word_for_a_part_names_a_folder_and_a_file(tmp_path: Path) -> None:
    for word, part in PART_WORDS.items():
        other = {} if part == "train" else {"train/a": 1, "train/b": 1}
        root = write_folder(tmp_path / f"of-{word}", {f"{word}/a": 1, f"{word}/b": 1, **other})
        assert part in folders.scan(root).files
        assert part_of(f"garments-{word}.csv") == part


def test_pixels_go_to_their_labels(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for value, name in ((10, "a"), (20, "b")):
            write_picture(tmp_path / part / name / "x.png", np.full((9, 9), value + (part == "test"), np.uint8))
    raw = folders.read_images(tmp_path)
    assert raw.parts["train"].images[:, 0, 0].tolist() == [10, 20]
    assert raw.parts["test"].images[:, 0, 0].tolist() == [11, 21]


def test_numbers_are_ordered_by_value(tmp_path: Path) -> None:
    assert folders.scan(write_folder(tmp_path, {"10": 1, "9": 1, "0": 1})).classes == ("0", "9", "10")


def test_a_wrapping_folder_is_seen_through(tmp_path: Path) -> None:
    write_folder(tmp_path / "clothes-main" / "clothes", {"a": 1, "b": 1})
    (tmp_path / "__MACOSX" / "x").mkdir(parents=True)
    listing = folders.scan(tmp_path)
    assert listing.classes == ("a", "b")
    assert listing.root == tmp_path / "clothes-main" / "clothes"


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 1, "b/deeper": 1})
    for name in ("a/.DS_Store", "a/Thumbs.db", "a/notes.txt", "readme.md", "stray.png", ".git/config", "classes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    listing = folders.scan(tmp_path)
    assert listing.skipped == {"hidden file": 3, "not a picture": 2, "outside the class folders": 1}
    assert len(listing.files["train"]) == 2


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 1, "b": 1})
    (tmp_path / "c").mkdir()
    with pytest.raises(DataError, match=r"/c holds no pictures"):
        folders.scan(tmp_path)


@pytest.mark.parametrize(
    "layout",
    [{"": 3}, {"a/train": 1, "a/test": 1, "b/train": 1, "b/test": 1}, {"test/a": 1, "test/b": 1}, {"train": 2}, {}],
)
def test_an_unknown_layout_shows_the_known_ones(tmp_path: Path, layout: dict[str, int]) -> None:
    with pytest.raises(DataError) as caught:
        folders.scan(write_folder(tmp_path, layout))
    message = str(caught.value)
    assert "/train/<class>/<pictures>" in message
    assert "Rename the folders" in message


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the only class folder"):
        folders.scan(write_folder(tmp_path, {"a": 3}))


def test_a_test_class_that_train_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no class 'c'; it has: a, b"):
        folders.scan(write_folder(tmp_path, {"train/a": 1, "train/b": 1, "test/c": 1}))


def test_two_folders_for_one_part_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="more than one folder for the validation part"):
        folders.scan(write_folder(tmp_path, {"train/a": 1, "train/b": 1, "val/a": 1, "valid/a": 1}))


def test_a_ruined_picture_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 1, "b": 1})
    (tmp_path / "b" / "ruin.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much")
    with pytest.raises(DataError, match=r"b/ruin\.jpg"):
        folders.read_images(tmp_path)
