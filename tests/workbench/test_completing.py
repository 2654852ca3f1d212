"""Completing from Python: arrays and files alike, in the numbers that were given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic
from PIL import Image

import ropero as rp
from ropero.data.dataset import Splits
from ropero.errors import DataError, UsageError
from ropero.generation.baselines import baseline


def test_arrays_and_files_give_the_same(splits: Splits, source: Path, tmp_path: Path) -> None:
    images = synthetic(3, seed=8).images
    Image.fromarray(images[1]).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", images)
    asked = {"missing": "half-right", "invert": "no", "draws": 2}
    many = rp.complete(images, data=splits, **asked)  # type: ignore[arg-type]
    assert len(many) == 3
    for one in (
        rp.complete(images[1], data=splits.train, **asked)[0],  # type: ignore[arg-type]
        rp.complete(tmp_path / "a.png", data=source, **asked)[0],  # type: ignore[arg-type]
        rp.complete([str(tmp_path / "a.npy")], generator=baseline("knn", splits.train), **asked)[1],  # type: ignore[arg-type]
    ):
        np.testing.assert_array_equal(one.fillings, many[1].fillings)
    np.testing.assert_array_equal(many[1].fillings[0][:, :14], images[1][:, :14])


def test_floats_with_nan_come_back_as_floats_with_what_was_known(splits: Splits) -> None:
    values = np.random.default_rng(0).random((28, 28))
    holed = np.where(values < 0.3, np.nan, values)
    (one,) = rp.complete(holed, generator="median", data=splits)
    assert one.fillings.dtype == np.float64
    np.testing.assert_array_equal(one.fillings[0][values >= 0.3], values[values >= 0.3])
    assert not np.isnan(one.fillings).any()


def test_a_mask_is_true_where_pixels_are_missing(splits: Splits) -> None:
    mask = np.zeros((28, 28), bool)
    mask[4:9] = True
    (one,) = rp.complete(splits.train.images[0], missing=mask, data=splits)
    np.testing.assert_array_equal(one.holed.known, ~mask)
    with pytest.raises(UsageError, match="all one"):
        rp.complete(splits.train.images[0], missing=~np.zeros((28, 28), bool), data=splits)
    with pytest.raises(DataError, match="array: expected up to"):
        rp.complete(np.zeros((5, 5), np.uint8), missing=mask, data=splits)


def test_a_table_is_filled_and_written(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,\n5,9\n", "utf-8")
    found = rp.complete_table(tmp_path / "t.csv", tmp_path / "out.csv", method="mean")
    assert found.filled.tolist() == [[1, 2], [3, 5.5], [5, 9]]
    assert (tmp_path / "out.csv").read_text("utf-8") == "a,b\n1,2\n3,6\n5,9\n"
    assert rp.complete_table(str(tmp_path / "t.csv"), method="median").method == "median"
