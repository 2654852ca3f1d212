"""The files that Keras wrote for the tests are whole, small, and such that a wrong reader is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras_files
import numpy as np
import pytest

HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"


def named(entry: dict[str, Any]) -> str:
    return str(entry["file"])


def test_the_index_names_what_lies_there_and_nothing_else() -> None:
    named = {f"{entry['file']}.gz" for entry in keras_files.ENTRIES}
    named |= {entry["npz"] for entry in keras_files.ENTRIES if "npz" in entry}
    assert {file.name for file in keras_files.FOLDER.iterdir()} == named | {"index.json"}


def test_they_take_little_room() -> None:
    assert sum(file.stat().st_size for file in keras_files.FOLDER.iterdir()) < 2.5e6


def test_every_dialect_is_told_of() -> None:
    told = json.loads((keras_files.FOLDER / "index.json").read_text("utf-8"))["dialects"]
    assert {entry["dialect"] for entry in keras_files.ENTRIES} == set(told)


@pytest.mark.parametrize("entry", keras_files.ENTRIES, ids=named)
def test_a_file_is_of_the_kind_its_name_says(entry: dict[str, Any], tmp_path: Path) -> None:
    head = keras_files.unpacked(entry, tmp_path).read_bytes()[:8]
    if entry["file"].endswith((".h5", ".hdf5.keras")):
        assert head == HDF5
    elif entry["file"].endswith((".keras", ".zip")):
        assert head.startswith(ZIP)
    assert (tmp_path / entry["file"]).stat().st_size < 120_000


@pytest.mark.parametrize("entry", [*keras_files.READ, *keras_files.EITHER], ids=named)
def test_its_predictions_tell_the_images_apart(entry: dict[str, Any]) -> None:
    images, predictions = keras_files.pixels(entry), keras_files.predictions(entry)
    assert images.dtype == np.uint8
    assert [side or 28 for side in entry["input_shape"]] == list(images.shape[1:])
    assert predictions.shape == (len(images), 10)
    assert predictions.dtype == np.float32
    assert predictions.std(0).mean() > 100 * entry["tolerance"] or entry["tolerance"] > 1e-3
    assert predictions.std(0).mean() > 0.01
    if entry["ends_in"] == "probabilities":
        np.testing.assert_allclose(predictions.sum(1), 1, atol=5e-3)


@pytest.mark.parametrize("entry", keras_files.REFUSED, ids=named)
def test_one_to_be_refused_says_why(entry: dict[str, Any]) -> None:
    assert len(entry["refused"]) > 10
