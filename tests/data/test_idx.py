"""IDX files: what is read, and what is refused with which words."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from writers import idx_bytes, pictures_and_labels, write_idx

from ropero.data import idx
from ropero.errors import DataError
from ropero.texts import language


@pytest.mark.parametrize(
    ("packed", "mark", "prefix", "test"),
    [(True, "-idx", "", "t10k"), (False, ".idx", "", "t10k"), (True, "-idx", "emnist-letters-", "test")],
)
def test_the_usual_names_are_read(tmp_path: Path, packed: bool, mark: str, prefix: str, test: str) -> None:
    raw = idx.read_folder(write_idx(tmp_path, packed=packed, mark=mark, prefix=prefix, test=test))
    for part, n, seed in (("train", 20, 0), ("test", 10, 1)):
        images, labels = pictures_and_labels(n, seed=seed)
        assert np.array_equal(raw.parts[part].images, images)
        assert np.array_equal(raw.parts[part].labels, labels)
    assert raw.known_as == prefix.rstrip("-")


def test_files_in_folders_of_their_own_name_are_found(tmp_path: Path) -> None:
    write_idx(tmp_path / "flat", packed=False)
    for file in (tmp_path / "flat").iterdir():
        (tmp_path / "kaggle" / file.name).mkdir(parents=True)
        file.rename(tmp_path / "kaggle" / file.name / file.name)
    assert len(idx.read_folder(tmp_path / "kaggle").parts["train"].images) == 20


def test_the_prefix_chooses_among_several_sources(tmp_path: Path) -> None:
    write_idx(tmp_path, prefix="emnist-letters-", test="test")
    write_idx(tmp_path, prefix="emnist-digits-", test="test")
    with pytest.raises(DataError, match="more than one source: emnist-digits, emnist-letters") as caught:
        idx.read_folder(tmp_path)
    assert str(caught.value).endswith(f"Say which, as in emnist-digits={tmp_path}.")
    assert idx.read_folder(tmp_path, "emnist-digits-").known_as == "emnist-digits"
    with pytest.raises(DataError, match="does not hold emnist-byclass, but emnist-digits, emnist-letters"):
        idx.read_folder(tmp_path, "emnist-byclass-")


def test_a_train_part_alone_is_enough_but_not_a_test_part(tmp_path: Path) -> None:
    write_idx(tmp_path)
    for file in tmp_path.glob("t10k-*"):
        file.unlink()
    assert list(idx.read_folder(tmp_path).parts) == ["train"]
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"lacks the labels of the train part.*train-labels-idx1-ubyte\.gz"):
        idx.read_folder(tmp_path)


def test_what_is_lacking_is_said_in_the_users_language(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    with language("es"), pytest.raises(DataError, match=r"imágenes.*train-images-idx3-ubyte\.gz"):
        idx.read_folder(tmp_path)


def _refused(path: Path, content: bytes, dimensions: int = 3) -> str:
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        idx.read_idx(path, dimensions)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_broken_files_are_named_with_what_is_wrong(tmp_path: Path) -> None:
    good = idx_bytes(pictures_and_labels(5)[0])
    path = tmp_path / "train-images-idx3-ubyte"
    assert "is empty" in _refused(path, b"")
    assert "expected it to begin with 00 00 08 03, got 00 00 08 01" in _refused(path, b"\0\0\x08\x01" + good[4:])
    assert "got 3c 68 74 6d" in _refused(path, b"<html>")
    assert "inside its header" in _refused(path, good[:9])
    assert "promises 5 x 28 x 28 = 3920 bytes, but 3919 follow" in _refused(path, good[:-1])
    assert "more follows than the 5 x 28 x 28 = 3920 bytes" in _refused(path, good + b"x")
    assert "ends too early" in _refused(path, gzip.compress(good)[:-9])
    damaged = bytearray(gzip.compress(good))
    damaged[-6] ^= 255  # in the checksum
    assert "damaged gzip" in _refused(path, bytes(damaged))
    assert "holds nothing" in _refused(path, struct.pack(">HBB3I", 0, 8, 3, 0, 28, 28))


def test_a_header_of_ten_gigabytes_allocates_nothing(tmp_path: Path) -> None:
    import tracemalloc

    tracemalloc.start()
    header = struct.pack(">HBB3I", 0, 8, 3, 10_000_000, 32, 32)
    assert "more than the 4.3 GB" in _refused(tmp_path / "a", header + bytes(1000))
    header = struct.pack(">HBB3I", 0, 8, 3, 1_000_000, 32, 32)
    assert "but 1000 follow" in _refused(tmp_path / "b", header + bytes(1000))
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.stop()


def test_a_gzip_bomb_is_read_no_further_than_its_header_says(tmp_path: Path) -> None:
    import tracemalloc

    bomb = gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 1, 28, 28) + bytes(64 << 20), 1)
    tracemalloc.start()
    assert "more follows than" in _refused(tmp_path / "bomb.gz", bomb)
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.stop()


def test_different_numbers_of_images_and_labels_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path, packed=False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(19, np.uint8)))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte holds 19 labels, but .* holds 20 images"):
        idx.read_folder(tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=60)
    | st.builds(
        lambda shape, body: struct.pack(">HBB3I", 0, 8, 3, *shape) + body,
        st.tuples(*[st.integers(0, 2**32 - 1) | st.integers(0, 3)] * 3),
        st.binary(max_size=30),
    ),
    packed=st.booleans(),
    cut=st.integers(0, 90),
)
def test_any_bytes_give_an_array_or_a_data_error(tmp_path: Path, content: bytes, packed: bool, cut: int) -> None:
    path = tmp_path / "any"
    path.write_bytes(gzip.compress(content)[:cut] if packed else content)
    try:
        array = idx.read_idx(path, 3)
    except DataError:
        return
    assert array.ndim == 3
    assert array.size
