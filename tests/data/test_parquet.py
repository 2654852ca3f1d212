"""Parquet as Hugging Face writes it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from writers import pictures_and_labels

from ropero.data import parquet
from ropero.errors import DataError, MissingExtra

IMAGES, LABELS = pictures_and_labels(12, classes=3)
NAMES = ["coat", "shirt", "bag"]


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _write(path: Path, images: Any, labels: Any, names: list[str] | None = None) -> Path:
    table = pa.table({"image": images, "label": labels})
    if names:
        features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def _structs(images: np.ndarray = IMAGES) -> list[dict[str, object]]:
    return [{"bytes": _png(image), "path": None} for image in images]


def test_structs_with_names_from_the_metadata(tmp_path: Path) -> None:
    raw = parquet.read_parquet(_write(tmp_path / "train.parquet", _structs(), LABELS, NAMES))
    assert np.array_equal(raw.parts["train"].images, IMAGES)
    assert np.array_equal(raw.parts["train"].labels, LABELS)
    assert raw.classes == tuple(NAMES)


def test_a_folder_of_shards(tmp_path: Path) -> None:
    _write(tmp_path / "train-00001-of-00002.parquet", _structs(IMAGES[6:]), LABELS[6:])
    _write(tmp_path / "train-00000-of-00002.parquet", _structs(IMAGES[:6]), LABELS[:6])
    _write(tmp_path / "test-00000-of-00001.parquet", _structs(IMAGES[:3]), LABELS[:3])
    _write(tmp_path / "validation-00000-of-00001.parquet", _structs(IMAGES[3:5]), LABELS[3:5])
    raw = parquet.read_parquet(tmp_path)
    assert np.array_equal(raw.parts["train"].images, IMAGES)
    assert np.array_equal(raw.parts["test"].images, IMAGES[:3])
    assert np.array_equal(raw.parts["validation"].labels, LABELS[3:5])
    assert raw.classes is None


def test_bytes_alone_and_labels_in_words(tmp_path: Path) -> None:
    words = [NAMES[label] for label in LABELS]
    raw = parquet.read_parquet(_write(tmp_path / "a.parquet", [_png(one) for one in IMAGES], words))
    assert raw.classes == ("bag", "coat", "shirt")
    assert raw.parts["train"].labels[:3].tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        ([{"bytes": None, "path": "a.png"}], [0], "row 0: expected the bytes of a picture"),
        ([b"no picture"], [0], "row 0 is not a picture"),
        ([_png(IMAGES[0]), _png(IMAGES[0])], [0, None], "row 1: expected a label"),
        ([_png(IMAGES[0])], [-1], "row 0: expected a label"),
        ([_png(IMAGES[0])], [0.5], "row 0: expected a label"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, images: list[object], labels: list[object], words: str) -> None:
    with pytest.raises(DataError) as caught:
        parquet.read_parquet(_write(tmp_path / "bad.parquet", images, labels))
    assert words in str(caught.value)
    assert "bad.parquet" in str(caught.value)


def test_a_bad_row_is_numbered_within_its_own_file(tmp_path: Path) -> None:
    _write(tmp_path / "train-0.parquet", _structs(IMAGES[:5]), LABELS[:5])
    _write(tmp_path / "train-1.parquet", _structs(IMAGES[5:8]), [0, -1, 2])
    with pytest.raises(DataError, match=r"train-1\.parquet, row 1: expected a label"):
        parquet.read_parquet(tmp_path)
    _write(tmp_path / "train-1.parquet", [_png(IMAGES[5]), b"no picture"], [0, 1])
    _write(tmp_path / "train-0.parquet", [_png(one) for one in IMAGES[:5]], LABELS[:5])
    with pytest.raises(DataError, match=r"train-1\.parquet, row 1 is not a picture"):
        parquet.read_parquet(tmp_path)


@pytest.mark.parametrize("kept_as_dictionary", [False, True])
def test_one_large_picture_in_many_rows_is_unpacked_no_further_than_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_as_dictionary: bool
) -> None:
    import tracemalloc

    monkeypatch.setattr(parquet, "LIMIT_BYTES", 4 << 20)
    large = _png(IMAGES[0]) + bytes(200_000)
    column = pa.array([large] * 1000, pa.binary())
    path = _write(tmp_path / "a.parquet", column.dictionary_encode() if kept_as_dictionary else column, [0] * 1000)
    assert path.stat().st_size < 300_000
    tracemalloc.start()
    with pytest.raises(DataError, match=r"a\.parquet unpacks to more than the 4\.2 MB"):
        parquet.read_parquet(path)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_the_bound_is_for_all_files_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(len(_png(image)) for image in IMAGES)
    for part in ("train-0", "train-1", "test"):
        _write(tmp_path / f"{part}.parquet", _structs(), LABELS)
    monkeypatch.setattr(parquet, "LIMIT_BYTES", 3 * size)
    monkeypatch.setattr(parquet.pictures, "gather", lambda sources, **_: np.zeros((len(sources), 2, 2), np.uint8))
    assert len(parquet.read_parquet(tmp_path).parts["train"].images) == 24
    monkeypatch.setattr(parquet, "LIMIT_BYTES", 3 * size - 1)
    with pytest.raises(DataError, match="more than the"):
        parquet.read_parquet(tmp_path)


def test_other_columns_are_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "label": [0]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="a column 'image' and a column 'label', got text, label"):
        parquet.read_parquet(tmp_path / "a.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1" + bytes(40) + b"PAR1", b"no"])
def test_what_is_not_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.parquet is not whole Parquet"):
        parquet.read_parquet(tmp_path / "a.parquet")


def test_a_cut_file_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", _structs(), LABELS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.parquet is not whole Parquet"):
        parquet.read_parquet(path)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(tmp_path / "a.parquet", _structs(), LABELS)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra, match=r"ropero\[tables\]"):
        parquet.read_parquet(path)
