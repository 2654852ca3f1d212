"""A picture is its seed, ways begin and end where they should, and a walk comes back to its beginning."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ropero.generation import sample
from ropero.generation.learner import Learner


class Plain(Learner):
    """Its pictures are its latent values, its classes are added."""

    latent = (1, 2, 8)
    classes = 4

    def __init__(self) -> None:
        super().__init__({"generator": nn.Linear(1, 1)}, {})

    def step(self, real: Tensor, labels: Tensor, precision: str) -> Mapping[str, Tensor]:
        raise AssertionError

    def pictures(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        added = torch.zeros(len(latent)) if classes is None else classes / 8
        return latent.sigmoid() / 2 + added.view(-1, 1, 1, 1)


@pytest.fixture
def plain() -> Plain:
    return Plain()


def test_a_seed_is_one_picture_whatever_is_made_beside_it(plain: Plain) -> None:
    many = sample.seeded(plain, range(250))
    assert many.dtype == np.uint8
    assert many.shape == (250, 2, 8)
    assert np.array_equal(many[137], sample.seeded(plain, [137])[0])
    assert len({one.tobytes() for one in many}) == 250
    told: list[tuple[int, int]] = []
    sample.seeded(plain, range(250), told=lambda done, total: told.append((done, total)))
    assert told == [(100, 250), (200, 250), (250, 250)]


def test_latent_values_are_standard_normal(plain: Plain) -> None:
    drawn = sample.latents(plain, range(2000))
    assert drawn.shape == (2000, 1, 2, 8)
    assert float(drawn.mean()) == pytest.approx(0, abs=0.02)
    assert float(drawn.std()) == pytest.approx(1, abs=0.02)


def test_classes_are_those_of_each_picture(plain: Plain) -> None:
    apart = sample.seeded(plain, [5, 5, 5], [0, 2, 3]).astype(int)
    assert np.abs((apart[1] - apart[0]) - 255 * 2 / 8).max() <= 1
    assert np.abs((apart[2] - apart[0]) - 255 * 3 / 8).max() <= 1


def test_colour_comes_last() -> None:
    class Coloured(Plain):
        latent = (3, 2, 8)

    learner = Coloured()
    found = sample.seeded(learner, [1])
    assert found.shape == (1, 2, 8, 3)
    expected = learner.pictures(sample.latents(learner, [1]))[0] * 255
    assert np.array_equal(found[0, :, :, 2], expected[2].round().to(torch.uint8).numpy())


def test_a_way_goes_along_the_sphere_from_one_to_the_other(plain: Plain) -> None:
    way = sample.between(plain, (3, 9), steps=7)
    assert len(way) == 7
    assert np.array_equal(way[[0, -1]], sample.seeded(plain, [3, 9]))
    first, second = sample.latents(plain, [3, 9])
    middle = sample._along(first, second, 0.5)
    expected = (first + second) / (first / first.norm() + second / second.norm()).norm()  # between equal lengths
    equal = sample._along(first / first.norm(), second / second.norm(), 0.5)
    assert float(equal.norm()) == pytest.approx(1, abs=1e-5)
    assert float(middle.norm()) > float(((first + second) / 2).norm()), "not through the sphere"
    assert torch.allclose(middle, expected, atol=1e-5)


def test_two_that_lie_in_one_direction_are_no_division_by_nothing() -> None:
    one = torch.tensor([1.0, 0.0])
    assert torch.equal(sample._along(one, one, 0.3), one)
    assert torch.equal(sample._along(one, 2 * one, 0.5), 1.5 * one)
    assert bool(sample._along(one, -one, 0.5).isfinite().all())


def test_of_two_classes_one_is_faded_into_the_other(plain: Plain) -> None:
    faded = sample.between(plain, (3, 3), (0, 2), steps=5).astype(int)
    steps = (faded[:, 0, 0] - faded[0, 0, 0]) / (255 * 2 / 8)
    assert steps == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=0.02)


def test_a_walk_begins_at_its_seeds_and_comes_back(plain: Plain) -> None:
    moving = sample.walk(plain, range(3), 24, [0, 1, 2])
    assert moving.shape == (24, 3, 2, 8)
    assert np.array_equal(moving[0], sample.seeded(plain, range(3), [0, 1, 2]))
    steps = np.abs(np.diff(moving.astype(float), axis=0, append=moving[:1])).mean((1, 2, 3))
    assert steps[-1] == pytest.approx(np.median(steps), rel=0.5), (
        "the last is as near to the first as to the one before"
    )
    assert steps.min() > 0
