"""`load`, whole: names, paths, class names, orientation, and that `Splits.source` loads the same again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from writers import csv_text, idx_bytes, pictures_and_labels, write_folder, write_idx

from ropero.data import finder, sources
from ropero.data.dataset import Splits
from ropero.data.known import FASHION_FILES, KNOWN
from ropero.errors import DataError, DataNotFound, UsageError

IMAGES, LABELS = pictures_and_labels(20)
GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def _csv(path: Path, labels: np.ndarray = LABELS, images: np.ndarray = IMAGES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(csv_text(images, labels))
    return path


def _again(splits: Splits) -> None:
    other = sources.load(splits.source)
    assert other.source == splits.source
    assert other.name == splits.name
    assert {name: part.digest for name, part in other.parts().items()} == {
        name: part.digest for name, part in splits.parts().items()
    }


def test_the_garments_have_their_names() -> None:
    assert KNOWN["fashion-mnist"].classes == GARMENTS


@pytest.mark.parametrize("name", ["fashion-mnist", "mnist", "kmnist"])
def test_named_data_at_a_path(tmp_path: Path, name: str) -> None:
    splits = sources.load(name, data=write_idx(tmp_path / "here"))
    assert splits.name == name
    assert splits.classes == KNOWN[name].classes
    assert splits.train.split == "train"
    assert splits.test is not None
    assert splits.test.split == "test"
    assert np.array_equal(splits.train.images, IMAGES)
    assert str(tmp_path / "here") in splits.source
    _again(splits)


@pytest.mark.parametrize("kind", ["npz", "csv", "folder"])
def test_named_data_in_other_formats(tmp_path: Path, kind: str) -> None:
    if kind == "npz":
        path = tmp_path / "a.npz"
        np.savez(path, x_train=IMAGES, y_train=LABELS)
    elif kind == "csv":
        path = _csv(tmp_path / "a.csv")
    else:
        path = write_folder(tmp_path / "a", {f"train/{label}": 2 for label in range(10)}, side=28)
    splits = sources.load("fashion-mnist", data=path)
    assert splits.classes == GARMENTS
    _again(splits)


def test_emnist_pictures_stand_upright_and_letters_count_from_nought(tmp_path: Path) -> None:
    images, labels = pictures_and_labels(52, classes=26)
    for part, what, array in (("train", "images", images), ("train", "labels", labels + 1)):
        name = f"emnist-letters-{part}-{what}-idx{array.ndim}-ubyte"
        (tmp_path / name).write_bytes(idx_bytes(array.astype(np.uint8)))
    for splits in (sources.load(tmp_path), sources.load("emnist-letters", data=tmp_path)):
        assert splits.name == "emnist-letters"
        assert splits.classes[0] == "A"
        assert np.array_equal(splits.train.images, images.transpose(0, 2, 1))
        assert np.array_equal(splits.train.labels, labels)
        assert splits.source == str(tmp_path)
        _again(splits)


def test_a_name_says_which_of_kaggles_tables_is_meant(tmp_path: Path) -> None:
    _csv(tmp_path / "emnist-digits-train.csv")
    _csv(tmp_path / "emnist-letters-train.csv", LABELS + 1)
    splits = sources.load("emnist-letters", data=tmp_path)
    assert np.array_equal(splits.train.labels, LABELS)
    assert np.array_equal(splits.train.images, IMAGES.transpose(0, 2, 1))


@pytest.mark.parametrize(("name", "classes"), [("my-fashion.csv", GARMENTS), ("x.csv", tuple("0123456789"))])
def test_unnamed_data_is_recognised_by_its_file_name(tmp_path: Path, name: str, classes: tuple[str, ...]) -> None:
    splits = sources.load(_csv(tmp_path / "d" / name))
    assert splits.classes == classes
    assert splits.test is None
    assert splits.source == str(tmp_path / "d" / name)
    _again(splits)


def test_classes_txt_beside_the_data_names_them(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(f"name {n}" for n in range(10)) + "\n")
    assert sources.load(_csv(tmp_path / "a.csv")).classes[9] == "name 9"
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    with pytest.raises(DataError, match=r"a\.csv: label 3 of image 3 is out of range: expected 0 to 2"):
        sources.load(tmp_path / "a.csv")
    (tmp_path / "classes.txt").write_text("a\na\n")
    with pytest.raises(DataError, match=r"classes\.txt: expected at least two different class names"):
        sources.load(tmp_path / "a.csv")


def test_classes_txt_orders_the_class_folders(tmp_path: Path) -> None:
    write_folder(tmp_path, {"coat": 1, "bag": 2})
    (tmp_path / "classes.txt").write_text("coat\nbag\n")
    splits = sources.load(tmp_path)
    assert splits.classes == ("coat", "bag")
    assert splits.train.counts.tolist() == [1, 2]
    (tmp_path / "classes.txt").write_text("coat\nhat\n")
    with pytest.raises(DataError, match="expected bag, coat, got coat, hat"):
        sources.load(tmp_path)


def test_folders_of_the_ten_garments_take_the_usual_order(tmp_path: Path) -> None:
    names = [name.replace("/", "_").replace(" ", "_").lower() for name in GARMENTS]
    splits = sources.load(write_folder(tmp_path, {name: n + 1 for n, name in enumerate(names)}, side=28))
    assert splits.classes == GARMENTS
    assert splits.train.counts.tolist() == list(range(1, 11))


def test_own_classes_are_not_renamed_by_a_known_name(tmp_path: Path) -> None:
    splits = sources.load("fashion-mnist", data=write_folder(tmp_path / "shop", {"hat": 1, "sock": 1}))
    assert (splits.name, splits.classes) == ("shop", ("hat", "sock"))
    assert splits.source == str(tmp_path / "shop")


def test_labels_out_of_range_name_the_file(tmp_path: Path) -> None:
    labels = LABELS.copy()
    labels[7] = 11
    with pytest.raises(DataError, match=r"a\.csv: label 11 of image 7 is out of range: expected 0 to 9"):
        sources.load("fashion-mnist", data=_csv(tmp_path / "a.csv", labels))
    labels[7] = 200
    with pytest.raises(DataError, match=r"x\.csv: label 200 of image 7 looks wrong"):
        sources.load(_csv(tmp_path / "x.csv", labels))
    _csv(tmp_path / "two" / "train.csv")
    _csv(tmp_path / "two" / "test.csv", labels)
    with pytest.raises(DataError, match=r"test\.csv: label 200 of image 7 is out of range"):
        sources.load(tmp_path / "two")
    labels[7] = 0
    with pytest.raises(DataError, match=r"label 0 of image 0 is out of range: expected 1 to 26"):
        sources.load("emnist-letters", data=_csv(tmp_path / "x.csv", labels))


@pytest.mark.parametrize(
    ("name", "guess"),
    [("fashion-mnits", "fashion-mnist"), ("Fashion-MNIST", "fashion-mnist"), ("emnist-leters", "emnist-letters")],
)
def test_a_typo_is_guessed(name: str, guess: str) -> None:
    with pytest.raises(UsageError, match=f"Did you mean '{guess}'"):
        sources.load(name)
    with pytest.raises(UsageError, match=f"Did you mean '{guess}'"):
        sources.load(name, data=".")


@pytest.mark.parametrize("path", ["./nowhere", "no/where", "nowhere.npz"])
def test_a_path_that_is_not_there(path: str) -> None:
    with pytest.raises(DataNotFound, match="There is no file or folder"):
        sources.load(path)


def test_an_unknown_format_lists_the_known(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"expected \.csv, \.csv\.gz, \.npz, \.parquet"):
        sources.load(tmp_path / "a.txt")


def test_a_file_of_idx_stands_for_its_folder(tmp_path: Path) -> None:
    write_idx(tmp_path)
    assert sources.load(tmp_path / "train-images-idx3-ubyte.gz").test is not None


@pytest.mark.parametrize("inner", ["raw", "FashionMNIST/raw", "data/fashion"])
def test_files_a_little_deeper_are_found(tmp_path: Path, inner: str) -> None:
    write_idx(tmp_path / inner)
    assert len(sources.load(tmp_path).train) == 20


def test_a_table_beside_class_folders_does_not_hide_them(tmp_path: Path) -> None:
    write_folder(tmp_path, {"images/hat": 1, "images/sock": 1})
    (tmp_path / "styles.csv").write_text("id,price\n1,2\n")
    assert sources.load(tmp_path).classes == ("hat", "sock")


def test_image_size_brings_any_source_to_one_size(tmp_path: Path) -> None:
    splits = sources.load("mnist", data=write_idx(tmp_path), image_size=32)
    assert splits.train.input_shape == (1, 32, 32)
    with pytest.raises(UsageError, match="4 to 1024"):
        sources.load("mnist", data=tmp_path, image_size=2)


def test_the_current_folder_has_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "garments", {"coat": 2, "shirt": 2})
    monkeypatch.chdir(folder)
    seen: list[str] = []
    here = sources.load(".", progress=lambda what, *_: seen.append(what))
    assert (here.name, here.source, set(seen)) == ("garments", str(folder), {"garments"})
    monkeypatch.chdir(folder / "coat")
    assert (sources.load("..").name, sources.load("..").source) == ("garments", str(folder))


def test_the_current_folder_is_recognised_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _csv(tmp_path / "kmnist" / "train.csv")
    monkeypatch.chdir(tmp_path / "kmnist")
    assert sources.load(".").classes == KNOWN["kmnist"].classes


def test_a_hidden_folder_has_a_name(tmp_path: Path) -> None:
    assert sources.load(write_folder(tmp_path / ".garments", {"coat": 2, "shirt": 2})).name == "garments"


def test_skipped_files_are_told(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 1, "b": 1})
    (tmp_path / "a" / "notes.txt").write_text("x")
    assert sources.load(tmp_path).skipped == {"not a picture": 1}


@pytest.mark.real
def test_the_real_thing() -> None:
    splits = sources.load("fashion-mnist")
    assert splits.source == splits.name == "fashion-mnist"
    assert splits.test is not None
    assert splits.train.images.shape == (60_000, 28, 28)
    assert splits.test.images.shape == (10_000, 28, 28)
    assert splits.train.counts.tolist() == [6000] * 10
    assert splits.test.counts.tolist() == [1000] * 10
    assert splits.classes == GARMENTS
    # The first labels that the publishers show: ankle boot, T-shirt/top, T-shirt/top, dress.
    assert splits.train.labels[:4].tolist() == [9, 0, 0, 3]


@pytest.mark.real
def test_the_real_files_have_the_known_digests() -> None:
    folder = finder.find(KNOWN["fashion-mnist"])
    for name, (digest, size) in FASHION_FILES.items():
        packed = folder / f"{name}.gz"
        assert finder.is_content(packed if packed.exists() else folder / name, digest, size)


@pytest.mark.real
def test_the_real_thing_is_recognised_in_any_format_and_order(tmp_path: Path) -> None:
    test = sources.load("fashion-mnist").test
    assert test is not None
    order = np.random.default_rng(0).permutation(len(test))
    np.savez(tmp_path / "a.npz", x_train=test.images[order], y_train=test.labels[order])
    splits = sources.load(tmp_path / "a.npz")
    assert (splits.name, splits.classes) == ("fashion-mnist", GARMENTS)
