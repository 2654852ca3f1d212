"""Dataset and Splits hold together, are frozen, and say what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import synthetic

from ropero.data.dataset import Dataset, Splits
from ropero.errors import DataError, UsageError

IMAGES = np.zeros((4, 5, 6), np.uint8)
LABELS = np.array([0, 1, 1, 0])


@pytest.mark.parametrize(
    ("images", "labels", "classes", "says"),
    [
        (IMAGES.astype(float), LABELS, ("a", "b"), "uint8"),
        (IMAGES[0], LABELS, ("a", "b"), r"\(N, H, W\)"),
        (IMAGES[..., None].repeat(2, 3), LABELS, ("a", "b"), r"\(N, H, W, 3\)"),
        (IMAGES[:0], LABELS[:0], ("a", "b"), "at least one image"),
        (IMAGES, LABELS[:3], ("a", "b"), "4 integer labels"),
        (IMAGES, LABELS.astype(float), ("a", "b"), "integer labels"),
        (IMAGES, LABELS + 1, ("a", "b"), "Label 2 of image 1 is out of range: expected 0 to 1"),
        (IMAGES, LABELS - 1, ("a", "b"), "Label -1 of image 0"),
        (IMAGES, LABELS, ("a", "a"), "different class names"),
    ],
)
def test_what_does_not_fit_is_said(images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], says: str) -> None:
    with pytest.raises(DataError, match=says):
        Dataset(images, labels, classes)


def test_arrays_are_frozen_and_the_callers_are_not() -> None:
    mine = IMAGES.copy()
    data = Dataset(mine, LABELS, ("a", "b"))
    with pytest.raises(ValueError, match="read-only"):
        data.images[0, 0, 0] = 1
    mine[0, 0, 0] = 1


def test_take_keeps_rows_of_origin() -> None:
    data = synthetic(12)
    twice = data.take([5, 3, 8]).take([2, 0], "validation")
    assert twice.rows.tolist() == [8, 5]
    assert twice.split == "validation"
    np.testing.assert_array_equal(twice.images, data.images[[8, 5]])


def test_the_digest_tells_data_apart_and_not_their_names() -> None:
    data = synthetic(12)
    assert data.digest == synthetic(12, split="test").digest
    others = [
        data.take(range(11)),
        Dataset(data.images, (data.labels + 1) % 3, data.classes),
        Dataset(data.images, data.labels, ("x", "y", "z")),
        Dataset(data.images.reshape(12, 14, 56), data.labels, data.classes),
    ]
    assert len({data.digest, *(other.digest for other in others)}) == 5


def test_counts_and_shapes() -> None:
    data = synthetic(7)
    assert data.counts.tolist() == [3, 2, 2]
    assert data.input_shape == (1, 28, 28)
    assert repr(data) == "Dataset(synthetic/train: 7 images 28x28, 3 classes)"


def test_splits_name_their_parts_and_want_them_alike() -> None:
    splits = Splits(synthetic(9, split="all"), None, synthetic(6, split="all"))
    assert [part.split for part in splits.parts().values()] == ["train", "test"]
    with pytest.raises(UsageError, match="no validation part, only train, test; --validation"):
        splits.part("validation")
    with pytest.raises(DataError, match="does not fit the train part"):
        Splits(synthetic(9), None, synthetic(6, size=14))
