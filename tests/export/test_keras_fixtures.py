"""Files that every Keras since 2.0 wrote (scripts/keras_fixtures.py): each is read with the predictions of the Keras
that wrote it, whatever today's Keras makes of it, or refused with a reason."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from keras_files import EITHER, READ, REFUSED, predictions, scaled, unpacked

pytest.importorskip("h5py")

from ropero.errors import DataError
from ropero.export import reader
from ropero.models.layers import Layer, Reshape


def answers(path: Path, given: np.ndarray[Any, np.dtype[np.float32]], classes: int) -> torch.Tensor:
    """Logits for pixels as the model itself wants them, whatever their shape."""
    found = reader.read(path)
    shape = given.shape[1:]
    prefix: list[Layer] = [] if len(shape) == 3 else [Reshape(target_shape=shape)]
    images = given.reshape(len(given), *shape, *[1] * (3 - len(shape)))
    assert found.outputs(shape) == classes
    model = found.build(prefix, (images.shape[3], *images.shape[1:3]), classes).model
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    return logits


def check(one: dict[str, Any], folder: Path) -> None:
    expected = predictions(one)
    logits = answers(unpacked(one, folder), scaled(one), expected.shape[1])
    found = {"probabilities": logits.softmax(1), "logits": logits, "sigmoids": logits.exp()}[one["ends_in"]]
    np.testing.assert_allclose(found.numpy(), expected, atol=one["tolerance"])


def name(one: dict[str, Any]) -> str:
    return str(one["file"])


@pytest.mark.parametrize("one", READ, ids=name)
def test_a_file_of_any_keras_predicts_what_its_keras_did(one: dict[str, Any], tmp_path: Path) -> None:
    check(one, tmp_path)
    if wrote := one["says"].get("keras_version"):
        assert reader.read(tmp_path / one["file"]).written_by.startswith(f"Keras {wrote}")


@pytest.mark.parametrize("one", [one for one in EITHER if one.get("npz")], ids=name)
def test_what_is_odd_is_read_rightly_or_refused(one: dict[str, Any], tmp_path: Path) -> None:
    with suppress(DataError):
        check(one, tmp_path)


@pytest.mark.parametrize("one", REFUSED, ids=name)
def test_what_is_not_read_is_refused_with_one_sentence(one: dict[str, Any], tmp_path: Path) -> None:
    path = unpacked(one, tmp_path)

    def ask() -> None:
        found = reader.read(path)
        if found.outputs(tuple(side or 28 for side in found.wants[0])) < 2:  # what `pixels.find` says of it
            raise DataError("too few classes")

    with pytest.raises(DataError) as caught:
        ask()
    assert len(str(caught.value)) < 700


def test_what_keras_no_longer_reads_is_among_them() -> None:
    """The figures of docs/import.md."""
    lost = [one for one in READ if one["keras_3_15"].startswith("refuses")]
    assert (len(READ), len(lost)) == (164, 76)
    assert {one["dialect"] for one in lost} >= {"2.1.6", "tf1.13", "tf2.0"}
