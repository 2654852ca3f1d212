"""Samples: pictures that are the same everywhere, and what a network says to them, written down and read again."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from exporting import network

from ropero.errors import RunError
from ropero.models import checkpoint, samples
from ropero.models.samples import Samples, difference, pictures
from ropero.storage import read_json, write_json

SHAPE = (3, 9, 40)


def test_pictures_are_the_same_every_time_and_differ_from_each_other() -> None:
    found = pictures(8, SHAPE)
    assert found.shape == (8, 9, 40, 3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, pictures(8, SHAPE))
    assert len({one.tobytes() for one in found}) == 8
    assert not np.array_equal(found, pictures(8, SHAPE, seed=1))


def test_every_other_picture_stands_on_black() -> None:
    found = pictures(8, (1, 28, 28))
    corners = found[:, [0, 0, -1, -1], [0, -1, 0, -1]].max(axis=(1, 2))
    assert (corners[1::2] == 0).all()
    assert (corners[::2] > 0).all()
    assert found[1::2].max() > 200


def test_what_is_written_is_read_again_to_the_last_bit() -> None:
    model = network("softmax", SHAPE, 4)
    made = samples.of(model)
    read = Samples.from_json(json.loads(json.dumps(made.to_json())), SHAPE, 4)
    np.testing.assert_array_equal(read.images, made.images)
    np.testing.assert_array_equal(read.logits, made.logits)


def test_anyone_can_unpack_the_images_with_base64_and_zlib() -> None:
    made = samples.of(network("softmax", SHAPE, 4))
    said = made.to_json()
    images = np.frombuffer(zlib.decompress(base64.b64decode(said["images"])), said["type"]).reshape(said["shape"])
    np.testing.assert_array_equal(images, made.images)


@pytest.mark.parametrize(
    "change",
    [
        {"logits": [[1.0, 2.0]]},
        {"logits": "text"},
        {"logits": [[1.0, 2.0, 3.0, float("nan")]] * 8},
        {"images": "!"},
        {"images": base64.b64encode(b"not packed").decode()},
        {"images": base64.b64encode(zlib.compress(bytes(10))).decode()},
        {"images": base64.b64encode(zlib.compress(bytes(50_000_000))).decode()},  # a bomb for its size
        {"images": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_no_sample_is_refused(change: dict[str, object]) -> None:
    said = samples.of(network("softmax", SHAPE, 4)).to_json() | change
    with pytest.raises(ValueError, match="samples"):
        Samples.from_json(said, SHAPE, 4)


def test_differences_are_allowed_by_the_size_of_the_logits() -> None:
    said = np.array([[1.0, -20.0]], np.float32)
    assert difference(said, said + np.float32(0.001)) == pytest.approx((0.001, 0.002), abs=1e-5)
    assert difference(said / 100, said / 100)[1] == pytest.approx(1e-4)
    assert difference(said, said[:, :1])[0] == np.inf
    assert difference(said, said * np.nan)[0] == np.inf


def test_a_stored_model_remembers_what_it_said(tmp_path: Path) -> None:
    model = network("quick")
    checkpoint.save(model, "quick", tuple("abcdefghij"), tmp_path)
    found = checkpoint.read_samples(tmp_path)
    assert found is not None
    np.testing.assert_array_equal(found.logits, samples.of(checkpoint.load(tmp_path)[0]).logits)


def test_samples_of_other_weights_are_told(tmp_path: Path) -> None:
    model = network("softmax")
    checkpoint.save(model, "softmax", tuple("abcdefghij"), tmp_path)
    (tmp_path / "other").mkdir()
    torch.nn.init.zeros_(model.head.weight)  # type: ignore[arg-type]
    checkpoint.save(model, "softmax", tuple("abcdefghij"), tmp_path / "other")
    write_json(tmp_path / "samples.json", read_json(tmp_path / "other" / "samples.json"))
    with pytest.raises(RunError, match="is damaged"):
        checkpoint.read_samples(tmp_path)


def test_a_model_of_an_older_ropero_has_none(tmp_path: Path) -> None:
    checkpoint.save(network("softmax"), "softmax", tuple("abcdefghij"), tmp_path)
    (tmp_path / "samples.json").unlink()
    assert checkpoint.read_samples(tmp_path) is None
