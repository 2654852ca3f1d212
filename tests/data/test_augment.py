"""Augmentation moves pixels where it says, and nothing else."""

from __future__ import annotations

import pytest
import torch

from ropero.data.augment import alternating_flip, flip_halves, random_erase, random_flip, random_shift


@pytest.fixture
def pixels() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, (64, 3, 9, 7), dtype=torch.uint8, generator=generator)


def test_flips_mirror_left_to_right_about_half(pixels: torch.Tensor) -> None:
    torch.manual_seed(0)
    found = random_flip(pixels)
    mirrored = [bool((one == before.flip(2)).all()) for one, before in zip(found, pixels, strict=True)]
    kept = [bool((one == before).all()) for one, before in zip(found, pixels, strict=True)]
    assert all(m != k for m, k in zip(mirrored, kept, strict=True))
    assert 20 < sum(mirrored) < 44


def test_two_epochs_of_alternating_flips_show_every_image_both_ways(pixels: torch.Tensor) -> None:
    half = flip_halves(64, seed=3)
    even, odd = alternating_flip(pixels, half, 0), alternating_flip(pixels, half, 1)
    assert torch.equal(even, odd.flip(3))
    assert torch.equal(even, alternating_flip(pixels, half, 2))
    assert 20 < int(half.sum()) < 44
    assert torch.equal(half, flip_halves(64, seed=3))
    assert not torch.equal(half, flip_halves(64, seed=4))


def test_shifts_move_whole_images_and_bring_in_black(pixels: torch.Tensor) -> None:
    torch.manual_seed(0)
    found = random_shift(pixels, 2)
    padded = torch.nn.functional.pad(pixels, (2, 2, 2, 2))
    offsets = set()
    for one, before in zip(found, padded, strict=True):
        fits = [(y, x) for y in range(5) for x in range(5) if torch.equal(one, before[:, y : y + 9, x : x + 7])]
        assert len(fits) == 1
        offsets.add(fits[0])
    assert len(offsets) > 15
    assert random_shift(pixels, 0) is pixels


def test_erasing_blackens_one_square_of_the_chosen_share(pixels: torch.Tensor) -> None:
    torch.manual_seed(0)
    found = random_erase(pixels, 0.5, 4)
    black = (found == 0).all(1)  # the fixture holds no zeros
    touched = black.flatten(1).any(1)
    assert 18 < int(touched.sum()) < 46
    for mask in black[touched]:
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        height, width = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
        assert int(mask.sum()) == height * width
        assert 1 <= height <= 4
        assert 1 <= width <= 4
    assert torch.equal(found[~black.unsqueeze(1).expand_as(found)], pixels[~black.unsqueeze(1).expand_as(found)])
    assert random_erase(pixels, 0.0, 4) is pixels


def test_the_same_seed_gives_the_same_batch(pixels: torch.Tensor) -> None:
    batches = []
    for _ in range(2):
        torch.manual_seed(7)
        batches.append(random_erase(random_shift(random_flip(pixels), 1), 0.5, 3))
    assert torch.equal(*batches)
