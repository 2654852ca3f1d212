"""Batches cover every image once, in an order that depends on nothing but its seed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from conftest import synthetic

from ropero.data.batches import (
    batch_bounds,
    channels_first,
    chunk_size,
    epoch_order,
    in_chunks,
    to_device,
    to_unit,
    unit_batches,
)


@pytest.mark.parametrize(
    ("n", "size", "expected"),
    [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (1, 4, [1]), (3, 2, [3]), (5, 500, [5])],
)
def test_every_image_is_in_one_batch_and_none_stands_alone(n: int, size: int, expected: list[int]) -> None:
    bounds = batch_bounds(n, size)
    assert [end - start for start, end in bounds] == expected
    assert bounds[0][0] == 0
    assert bounds[-1][1] == n
    assert all(one[1] == two[0] for one, two in itertools.pairwise(bounds))


def test_the_order_is_a_permutation_of_its_seed_and_epoch() -> None:
    orders = {(seed, epoch): epoch_order(50, seed, epoch) for seed in (0, 1) for epoch in (0, 1)}
    for order in orders.values():
        assert sorted(order.tolist()) == list(range(50))
    assert len({tuple(order.tolist()) for order in orders.values()}) == 4
    assert torch.equal(epoch_order(50, 1, 1), orders[1, 1])


def test_channels_come_first_and_pixels_go_to_one() -> None:
    grey = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    colour = np.arange(72, dtype=np.uint8).reshape(2, 3, 4, 3)
    assert channels_first(grey).shape == (2, 1, 3, 4)
    np.testing.assert_array_equal(channels_first(colour)[1, 2], colour[1, :, :, 2])
    assert to_unit(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx([0, 0.2, 1])


def test_a_dataset_goes_to_a_device_whole() -> None:
    data = synthetic(7)
    there = to_device(data, torch.device("cpu"))
    np.testing.assert_array_equal(there.pixels[:, 0], data.images)
    np.testing.assert_array_equal(there.labels, data.labels)


def test_chunks_cover_all_and_are_smaller_for_larger_images() -> None:
    assert [chunk_size(values) for values in (16 * 784, 64 * 150**2, 10**9)] == [100, 44, 1]
    assert [chunk_size(values, "cuda") for values in (16 * 784, 64 * 150**2, 10**9)] == [1000, 44, 1]
    assert [i for part in in_chunks(10, 4) for i in range(part.start, part.stop)] == list(range(10))


@pytest.mark.parametrize("shape", [(25, 7, 5), (25, 7, 5, 3)], ids=str)
def test_what_other_programs_get_is_what_torch_gets(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    parts = list(unit_batches(images, 10))
    assert [len(one) for one in parts] == [10, 10, 5]
    assert all(one.flags.c_contiguous for one in parts)
    np.testing.assert_array_equal(np.concatenate(parts), to_unit(channels_first(images)).numpy())
