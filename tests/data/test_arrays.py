""".npz files: Keras's and MedMNIST's names, and everything that can be wrong with a stranger's file."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from writers import pictures_and_labels

from ropero.data import arrays
from ropero.errors import DataError

IMAGES, LABELS = pictures_and_labels(12)


def _write(path: Path, **named: object) -> Path:
    np.savez_compressed(path, **named)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (IMAGES, LABELS),
        (IMAGES[..., None], LABELS[:, None]),
        (IMAGES.astype(np.float32), LABELS.astype(np.float64)),
        (IMAGES.astype(">i2"), LABELS.astype(np.int64)),
        (np.asfortranarray(IMAGES), LABELS),
    ],
)
def test_keras_arrays_are_read_back(tmp_path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    path = _write(tmp_path / "a.npz", x_train=images, y_train=labels, x_test=images[:5], y_test=labels[:5])
    raw = arrays.read_npz(path)
    assert np.array_equal(raw.parts["train"].images, IMAGES)
    assert np.array_equal(raw.parts["train"].labels, LABELS)
    assert np.array_equal(raw.parts["test"].images, IMAGES[:5])


def test_colour_and_validation_are_read(tmp_path: Path) -> None:
    colour = np.stack([IMAGES] * 3, axis=-1)
    path = _write(
        tmp_path / "a.npz", train_images=colour, train_labels=LABELS, val_images=colour[:4], val_labels=LABELS[:4]
    )
    raw = arrays.read_npz(path)
    assert raw.parts["validation"].images.shape == (4, 28, 28, 3)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"x": IMAGES}, "expected arrays named x_train and y_train, got x"),
        ({"x_train": IMAGES}, "lacks the array 'y_train'"),
        ({"x_train": IMAGES / 255, "y_train": LABELS}, "Multiply pixels from 0 to 1 by 255"),
        ({"x_train": IMAGES.astype(np.int16) - 1, "y_train": LABELS}, "x_train as whole numbers from 0 to 255"),
        ({"x_train": IMAGES * np.float32("nan"), "y_train": LABELS}, "x_train as whole numbers from 0 to 255"),
        ({"x_train": IMAGES[:, None], "y_train": LABELS}, r"got (12, 1, 28, 28)"),
        ({"x_train": IMAGES, "y_train": LABELS[:7]}, "y_train holds 7 labels, but x_train holds 12 images"),
        ({"x_train": IMAGES, "y_train": np.eye(12)}, "y_train of shape (N,) or (N, 1), got (12, 12)"),
        ({"x_train": IMAGES, "y_train": LABELS - 0.5}, "got -0.5 for image 0"),
        ({"x_train": IMAGES, "y_train": np.array([*"abcdefghijkl"])}, "not an array of numbers"),
        ({"x_train": np.array([{}], object), "y_train": LABELS}, "not an array of numbers"),
        ({"x_train": IMAGES[:0], "y_train": LABELS[:0]}, "got (0, 28, 28)"),
    ],
)
def test_wrong_arrays_are_named(tmp_path: Path, named: dict[str, np.ndarray], words: str) -> None:
    path = _write(tmp_path / "bad.npz", **named)
    with pytest.raises(DataError) as caught:
        arrays.read_npz(path)
    assert words in str(caught.value)
    assert "bad.npz" in str(caught.value)


def _npy(header: bytes, body: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body


def _zip(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def test_a_header_that_promises_too_much_allocates_nothing(tmp_path: Path) -> None:
    import tracemalloc

    tracemalloc.start()
    for count, words in ((10_000_000_000, "more than the 4.3 GB"), (3_000_000, "but holds 9")):
        header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 28, 28), }\n" % count
        path = _zip(tmp_path / "a.npz", x_train=_npy(header, b"123456789"), y_train=b"")
        with pytest.raises(DataError, match=words):
            arrays.read_npz(path)
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.stop()


def test_a_bomb_is_unpacked_no_further_than_its_header_says(tmp_path: Path) -> None:
    import tracemalloc

    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 28, 28), }\n"
    path = _zip(tmp_path / "a.npz", x_train=_npy(header, bytes(64 << 20)), y_train=b"")
    tracemalloc.start()
    with pytest.raises(DataError, match=r"a\.npz: x_train\.npy should hold 784 bytes, .* but holds more of them"):
        arrays.read_npz(path)
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.stop()


def _saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("array", [IMAGES, IMAGES[0], IMAGES / 255, np.asfortranarray(IMAGES), IMAGES[:0], LABELS[0]])
def test_an_array_alone_is_what_numpy_reads(array: np.ndarray) -> None:
    found = arrays.read_npy("a.npy", _saved(array))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_a_lone_array_takes_no_more_than_its_bytes() -> None:
    import tracemalloc

    tracemalloc.start()
    for count, words in ((10**13, "a.npy says it holds .* more than the 4.3 GB"), (5_000_000, "a.npy .* but holds 9")):
        header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 28, 28), }\n" % count
        with pytest.raises(DataError, match=words):
            arrays.read_npy("a.npy", _npy(header, b"123456789"))
    with pytest.raises(DataError, match=r"a\.npy should hold 784 bytes, .* holds more of them"):
        arrays.read_npy("a.npy", _saved(IMAGES[0]) + b"1")
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.stop()


def test_dimensions_that_numpy_refuses_are_a_data_error() -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (0, %d, %d), }\n" % (10**17, 10**17)
    with pytest.raises(DataError, match=r"a\.npy is not an array of numbers"):
        arrays.read_npy("a.npy", _npy(header))


@settings(max_examples=200, deadline=None)
@given(
    changes=st.dictionaries(st.integers(0, 200), st.integers(0, 255), max_size=6),
    cut=st.integers(0, 250) | st.just(9999),
)
def test_any_damage_of_a_lone_array_gives_an_array_or_a_data_error(changes: dict[int, int], cut: int) -> None:
    content = bytearray(_saved(IMAGES[:1, :9, :9]))
    for at, value in changes.items():
        content[at] = value
    try:
        array = arrays.read_npy("a.npy", bytes(content[:cut]))
    except DataError:
        return
    assert array.nbytes <= len(content)


def _good() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x_train=IMAGES[:2, :3, :3], y_train=LABELS[:2])
    return buffer.getvalue()


GOOD = _good()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(st.integers(0, len(GOOD) - 1), st.integers(0, 255), max_size=4),
    cut=st.integers(0, len(GOOD)) | st.just(len(GOOD)),
)
def test_any_damage_gives_arrays_or_a_data_error(tmp_path: Path, changes: dict[int, int], cut: int) -> None:
    content = bytearray(GOOD)
    for at, value in changes.items():
        content[at] = value
    path = tmp_path / "any.npz"
    path.write_bytes(content[:cut])
    try:
        raw = arrays.read_npz(path)
    except DataError:
        return
    assert raw.parts["train"].images.dtype == np.uint8


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["|u1", "<f8", ">f2", "|b1", "|O", "<U4", "<i3", "<c8", "<f4"]),
    shape=st.lists(st.integers(0, 3) | st.integers(0, 2**62), max_size=5),
    body=st.binary(max_size=64),
)
def test_any_header_gives_arrays_or_a_data_error(tmp_path: Path, kind: str, shape: list[int], body: bytes) -> None:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {tuple(shape)}, }}\n".encode()
    labels = _npy(b"{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }\n", b"\1")
    try:
        raw = arrays.read_npz(_zip(tmp_path / "any.npz", x_train=_npy(header, body), y_train=labels))
    except DataError:
        return
    assert len(raw.parts["train"].images) == 1
