"""Augmentation moves pixels where it says, and nothing else. Keras is the oracle of the moves."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from ropero.data import augment
from ropero.data.augment import Moves, alternating, draw_moves, flip_halves, flip_where, move, random_erase

FILLS = ["nearest", "constant", "reflect", "wrap"]
ALL = {"rotation": 30.0, "width_shift": 0.3, "height_shift": 0.2, "shear": 20.0, "zoom": 0.4}


@pytest.fixture
def pixels() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, (64, 3, 9, 7), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def keras_generator() -> Any:
    """Keras's ImageDataGenerator. Keras takes its backend from the environment, once, when it is imported."""
    os.environ["KERAS_BACKEND"] = "torch"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("scipy")
        pytest.importorskip("keras")
        return pytest.importorskip("keras.src.legacy.preprocessing.image").ImageDataGenerator


def drawn(count: int, size: tuple[int, int], seed: int = 0, **reach: float) -> Moves:
    torch.manual_seed(seed)
    return draw_moves(count, size, **reach)


def by_keras(
    generator: Any, pixels: torch.Tensor, moves: Moves, fill: str, order: int = 1, **flips: torch.Tensor
) -> torch.Tensor:
    """The same moves by Keras, image by image: (B, C, H, W) float32."""
    keras = generator(fill_mode=fill, cval=0.0, interpolation_order=order)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy's of the name that Keras calls it by
        for place, image in enumerate(pixels.float().permute(0, 2, 3, 1).numpy()):
            asked = {name: float(getattr(moves, name)[place]) for name in ("theta", "tx", "ty", "shear", "zx", "zy")}
            asked |= {name: bool(chosen[place]) for name, chosen in flips.items()}
            found.append(keras.apply_transform(image, asked))
    return torch.tensor(np.stack(found)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 16), (1, 12, 23), (3, 21, 8), (2, 1, 5)], ids=str)
def test_moves_are_those_of_keras(fill: str, shape: tuple[int, int, int], keras_generator: Any) -> None:
    torch.manual_seed(1)
    pixels = torch.randint(0, 256, (40, *shape), dtype=torch.uint8)
    moves = drawn(40, shape[1:], **ALL)
    flips = {"flip_horizontal": augment.coins(40), "flip_vertical": augment.coins(40)}
    found = move(pixels, moves, fill, flips["flip_horizontal"], flips["flip_vertical"])
    expected = by_keras(keras_generator, pixels, moves, fill, **flips)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.01)  # of 255


@pytest.mark.parametrize("fill", FILLS)
def test_the_nearest_pixel_is_the_one_that_keras_takes(fill: str, pixels: torch.Tensor, keras_generator: Any) -> None:
    moves = drawn(64, (9, 7), **ALL)
    found = move(pixels, moves, fill, interpolation="nearest")
    expected = by_keras(keras_generator, pixels, moves, fill, order=0)
    # Where a place lies between two pixels, rounding errors choose.
    assert (found != expected).float().mean() < 0.002
    assert (move(pixels, moves, fill) != expected).float().mean() > 0.5


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", ["rotation", "width_shift", "height_shift", "shear", "zoom"])
def test_each_move_alone_is_that_of_keras(fill: str, name: str, keras_generator: Any) -> None:
    torch.manual_seed(2)
    pixels = torch.randint(0, 256, (30, 1, 11, 14), dtype=torch.uint8)
    moves = drawn(30, (11, 14), **{name: {"rotation": 180.0, "shear": 89.0}.get(name, 0.9)})
    found, expected = move(pixels, moves, fill), by_keras(keras_generator, pixels, moves, fill)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.01)


@pytest.mark.parametrize("fill", FILLS)
def test_no_move_is_the_image_itself(fill: str, pixels: torch.Tensor) -> None:
    found = move(pixels, drawn(64, (9, 7)), fill)
    torch.testing.assert_close(found, pixels.float(), rtol=0, atol=1e-3)
    mirrored = move(pixels, drawn(64, (9, 7)), fill, torch.ones(64, dtype=torch.bool), torch.ones(64, dtype=torch.bool))
    torch.testing.assert_close(mirrored, pixels.flip(2, 3).float(), rtol=0, atol=1e-3)


def test_width_shift_moves_sideways_and_height_shift_up_and_down() -> None:
    rows = torch.arange(8).view(1, 1, 8, 1).expand(20, 1, 8, 8) * 10
    sideways, down = drawn(20, (8, 8), width_shift=0.4), drawn(20, (8, 8), height_shift=0.4)
    torch.testing.assert_close(move(rows, sideways), rows.float(), rtol=0, atol=1e-3)
    torch.testing.assert_close(move(rows.mT, down), rows.mT.float(), rtol=0, atol=1e-3)
    assert ((move(rows, down) - rows).abs().amax((1, 2, 3)) > 0.1).sum() > 15


@pytest.mark.parametrize("fill", FILLS)
def test_a_part_at_a_time_is_the_whole(fill: str, pixels: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    moves, chosen = drawn(64, (9, 7), **ALL), torch.arange(64) % 3 == 0
    whole = move(pixels, moves, fill, chosen)
    monkeypatch.setattr(augment, "_VALUES_AT_ONCE", 5 * 9 * 7 * 8)  # five images
    assert torch.equal(move(pixels, moves, fill, chosen), whole)
    monkeypatch.setattr(augment, "_VALUES_AT_ONCE", 1)
    assert torch.equal(move(pixels, moves, fill, chosen), whole)


def test_drawn_moves_reach_their_ranges_and_no_further() -> None:
    count = 20_000
    moves = drawn(count, (10, 20), **ALL)
    for found, middle, reach in (
        (moves.theta, 0, 30),
        (moves.tx, 0, 0.3 * 20),
        (moves.ty, 0, 0.2 * 10),
        (moves.shear, 0, 20),
        (moves.zx, 1, 0.4),
        (moves.zy, 1, 0.4),
    ):
        unit = (found - middle) / reach
        assert found.shape == (count,)
        assert np.abs(unit).max() <= 1 + 1e-9
        assert unit.min() < -0.99
        assert unit.max() > 0.99
        assert abs(float(unit.mean())) < 4 / (3 * count) ** 0.5  # four standard errors of a uniform draw
        assert float((unit < -0.5).mean()) == pytest.approx(0.25, abs=0.015)
    together = np.corrcoef([moves.theta, moves.tx, moves.ty, moves.shear, moves.zx, moves.zy]) - np.eye(6)
    assert np.abs(together).max() < 0.04


def test_what_is_not_asked_for_is_not_moved() -> None:
    moves = drawn(50, (10, 20), rotation=5.0)
    assert np.abs(moves.theta).max() > 4
    assert not any(value.any() for value in (moves.tx, moves.ty, moves.shear, moves.zx - 1, moves.zy - 1))


def test_moves_follow_the_seed() -> None:
    one, two, three = (drawn(9, (28, 28), seed, **ALL) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.theta, two.theta)
    np.testing.assert_array_equal(one.zy, two.zy)
    assert not np.array_equal(one.theta, three.theta)


@pytest.mark.gpu
@pytest.mark.parametrize("fill", FILLS)
def test_an_accelerator_moves_alike(fill: str, pixels: torch.Tensor) -> None:
    moves, mirrored = drawn(64, (9, 7), **ALL), torch.arange(64) % 2 == 0
    torch.testing.assert_close(
        move(pixels.cuda(), moves, fill, mirrored).cpu(), move(pixels, moves, fill, mirrored), rtol=0, atol=0.01
    )


def test_flips_mirror_left_to_right_or_upside_down(pixels: torch.Tensor) -> None:
    torch.manual_seed(0)
    chosen = augment.coins(64)
    assert 20 < int(chosen.sum()) < 44
    for axis in (3, 2):
        for one, before, flipped in zip(flip_where(pixels, chosen, axis), pixels, chosen, strict=True):
            assert torch.equal(one, before.flip(axis - 1) if flipped else before)


def test_two_epochs_of_alternating_flips_show_every_image_both_ways(pixels: torch.Tensor) -> None:
    half = flip_halves(64, seed=3)
    even, odd = (flip_where(pixels, alternating(half, epoch)) for epoch in (0, 1))
    assert torch.equal(even, odd.flip(3))
    assert torch.equal(alternating(half, 0), alternating(half, 2))
    assert 20 < int(half.sum()) < 44
    assert torch.equal(half, flip_halves(64, seed=3))
    assert not torch.equal(half, flip_halves(64, seed=4))


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


def test_the_same_seed_erases_the_same(pixels: torch.Tensor) -> None:
    batches = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        batches.append(random_erase(pixels, 0.5, 3))
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])


def test_mixup_is_a_weighted_mean(pixels: torch.Tensor) -> None:
    partners = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    before = pixels.clone()
    found = augment.mixup(pixels, partners, 0.3)
    expected = 0.3 * before.double().numpy() + 0.7 * before.double().numpy()[partners.numpy()]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)
    floats = pixels.float()
    assert torch.equal(augment.mixup(floats, partners, 0.3), found)
    assert torch.equal(floats, before.float())  # what came in is left alone


def test_cutmix_pastes_one_box_and_weighs_by_what_is_left(pixels: torch.Tensor) -> None:
    partners = torch.arange(64).roll(1)
    before = pixels.clone()
    found, weight = augment.cutmix(pixels, partners, (2, 5, 1, 7))
    inside = torch.zeros(9, 7, dtype=torch.bool)
    inside[2:5, 1:7] = True
    assert torch.equal(found, torch.where(inside, before[partners], before))
    assert weight == pytest.approx(1 - 18 / 63)
    assert torch.equal(pixels, before)
    same, whole = augment.cutmix(pixels, partners, (4, 4, 2, 2))
    assert torch.equal(same, before)
    assert whole == 1


def test_boxes_have_the_asked_area_unless_cut_off_and_lie_anywhere() -> None:
    torch.manual_seed(0)
    boxes = torch.tensor([augment.draw_box((40, 20), 0.75) for _ in range(500)])
    top, bottom, left, right = boxes.T
    assert int(top.min()) == 0
    assert int(bottom.max()) == 40
    assert int(left.min()) == 0
    assert int(right.max()) == 20
    assert int((bottom - top).max()) == 20  # sqrt(1 - 0.75) of each side
    assert int((right - left).max()) == 10
    whole = ((bottom - top) * (right - left)) == 200
    assert 0.15 < float(whole.float().mean()) < 0.4  # a centre in the middle half of both sides
    assert abs(float((top + bottom).float().mean()) / 2 - 20) < 1.5


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_weights_follow_the_beta_distribution(alpha: float) -> None:
    torch.manual_seed(0)
    weights = np.array([augment.draw_weight(alpha) for _ in range(4000)])
    assert weights.min() >= 0
    assert weights.max() <= 1
    assert weights.mean() == pytest.approx(0.5, abs=0.03)
    assert weights.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)
