"""Files that every Keras since 2.0 wrote (scripts/keras_fixtures.py): each is read with the predictions of the Keras
that wrote it, whatever today's Keras makes of it, or refused with a reason."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("h5py")

from ropero.errors import DataError
from ropero.export import reader
from ropero.models.layers import Layer, Reshape

FOLDER = Path(__file__).parent.parent / "fixtures" / "keras"
FILES: list[dict[str, Any]] = json.loads((FOLDER / "index.json").read_text("utf-8"))["files"]
READ = [one for one in FILES if "npz" in one and (not one["refused"] or one["either"])]
REFUSED = [one for one in FILES if one["refused"] and not one["either"]]


def unpacked(file: str, folder: Path) -> Path:
    path = folder / Path(file).name
    path.write_bytes(gzip.decompress((FOLDER / f"{file}.gz").read_bytes()))
    return path


def answers(path: Path, pixels: np.ndarray[Any, np.dtype[np.float64]], classes: int) -> torch.Tensor:
    """Logits for pixels as the model itself wants them, whatever their shape."""
    found = reader.read(path)
    shape = pixels.shape[1:]
    prefix: list[Layer] = [] if len(shape) == 3 else [Reshape(target_shape=shape)]
    images = pixels.reshape(len(pixels), *shape, *[1] * (3 - len(shape)))
    assert found.outputs(shape) == classes
    model = found.build(prefix, (images.shape[3], *images.shape[1:3]), classes)
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.from_numpy(images.astype(np.float32).transpose(0, 3, 1, 2).copy()))
    return logits


@pytest.mark.parametrize("one", READ, ids=lambda one: str(one["file"]))
def test_a_file_of_any_keras_predicts_what_its_keras_did(one: dict[str, Any], tmp_path: Path) -> None:
    stored = np.load(FOLDER / one["npz"])
    pixels = (stored["pixels"].astype(np.float64) - one["pixels"]["subtract"]) / one["pixels"]["divide"]
    expected = stored["predictions"]
    logits = answers(unpacked(one["file"], tmp_path), pixels, expected.shape[1])
    found = {"probabilities": logits.softmax(1), "logits": logits, "sigmoids": logits.exp()}[one["ends_in"]]
    np.testing.assert_allclose(found.numpy(), expected, atol=one["tolerance"])


@pytest.mark.parametrize("one", REFUSED, ids=lambda one: str(one["file"]))
def test_what_is_not_read_is_refused_with_one_sentence(one: dict[str, Any], tmp_path: Path) -> None:
    path = unpacked(one["file"], tmp_path)

    def classes() -> int:
        found = reader.read(path)
        gives = found.outputs(tuple(side or 28 for side in found.wants[0]))
        if gives < 2:  # what `pixels.find` says of it
            raise DataError(f"tells {gives} classes apart")
        return gives

    with pytest.raises(DataError) as caught:
        classes()
    assert len(str(caught.value)) < 700
    assert "Traceback" not in str(caught.value)


def test_ropero_says_which_keras_wrote_each_file(tmp_path: Path) -> None:
    for one in READ:
        if one["says"].get("keras_version"):
            assert reader.read(unpacked(one["file"], tmp_path)).written_by.startswith(
                f"Keras {one['says']['keras_version']}"
            ), one["file"]


def test_what_keras_no_longer_reads_is_among_them() -> None:
    """The figures of docs/import.md."""
    lost = [one for one in READ if re.match("refuses", one["keras_3_15"])]
    assert len(READ) > 160
    assert len(lost) > 40
    assert {one["dialect"] for one in lost} >= {"2.1.6", "tf1.13", "tf2.0"}
