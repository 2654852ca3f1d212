"""The face of everything that fills: observed pixels are untouched, whatever fills; a generator behind it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from conftest import synthetic
from numpy.typing import NDArray
from torch import Tensor, nn

from ropero.data.dataset import Dataset
from ropero.errors import DataError, UsageError
from ropero.generation import fillers
from ropero.generation.baselines import BASELINES, baseline
from ropero.generation.config import GeneratorConfig
from ropero.generation.dcgan import Dcgan
from ropero.generation.fillers import Filler, Generated, Pixels
from ropero.generation.learner import Learner
from ropero.generation.masks import Known, parse


class Painter(Learner):
    """A learner that paints its latent value over all of a picture; it notes how many pictures it was given."""

    latent = (1,)

    def __init__(self) -> None:
        super().__init__({"generator": nn.Linear(1, 1)}, {})
        self.asked: list[int] = []

    def step(self, real: Tensor, labels: Tensor, precision: str) -> Mapping[str, Tensor]:
        raise NotImplementedError

    def pictures(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        raise NotImplementedError

    def fill(self, pictures: Tensor, known: Tensor, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        assert known.dtype == torch.bool
        assert known.shape == (len(pictures), 1, *pictures.shape[2:])
        assert not pictures[~known.expand_as(pictures)].any(), "what is missing is not shown"
        self.asked.append(len(pictures))
        return torch.sigmoid(latent)[:, :, None, None].expand_as(pictures) * self.nets["generator"].weight.new_ones(1)


def images(count: int = 6, *, size: int = 12, colour: bool = False) -> tuple[Dataset, Pixels, Known]:
    """(training images, others 0 to 1, what is known of them)"""
    train, other = synthetic(90, size=size), synthetic(count, size=size, seed=3)
    if colour:
        train, other = (
            Dataset(np.stack([one.images, one.images // 2, 255 - one.images], 3), one.labels, one.classes)
            for one in (train, other)
        )
    return train, other.images.astype(np.float32) / np.float32(255), parse("0.1-0.9").known(count, size, size)


def everything(train: Dataset) -> list[Filler]:
    return [
        *(baseline(name, train) for name in BASELINES),
        Generated(Painter(), "painter", train.images.shape[1:]),
    ]


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
@pytest.mark.parametrize("number", range(6))
def test_observed_pixels_come_back_bit_for_bit_and_the_rest_is_in_range(number: int, colour: bool) -> None:
    pytest.importorskip("skimage")
    train, shown, known = images(size=5, colour=colour)
    filler = everything(train)[number]
    shown[0, 0, 0] = np.float32(0.1) + np.float32(1e-7)  # no eighth of a byte
    known[0, 0, 0] = True
    found = filler.fill(shown, known, 3, 5)
    assert found.shape == (3, *shown.shape)
    assert found.dtype == np.float32
    for draw in found:
        np.testing.assert_array_equal(draw[known], shown[known])
    assert found.min() >= 0
    assert found.max() <= 1
    assert (found[0] != found[1]).any() == filler.several
    np.testing.assert_array_equal(found, filler.fill(shown, known, 3, 5))


@pytest.mark.parametrize("number", range(6))
def test_what_lies_in_a_hole_is_not_looked_at(number: int) -> None:
    pytest.importorskip("skimage")
    train, shown, known = images(size=5)
    filler = everything(train)[number]
    other = np.where(known, shown, np.float32(np.nan))
    np.testing.assert_array_equal(filler.fill(shown, known, 2), filler.fill(other, known, 2))


def test_an_image_without_a_hole_is_left_as_it_is() -> None:
    pytest.importorskip("skimage")
    train, shown, known = images(size=5)
    known[2] = True
    for filler in everything(train):
        np.testing.assert_array_equal(filler.fill(shown, known, 1)[0, 2], shown[2])


def test_a_generator_gets_few_at_a_time_and_one_latent_value_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fillers, "_AT_ONCE", 4)
    train, shown, known = images(9)
    painter = Painter()
    filler = Generated(painter, "painter", train.images.shape[1:])
    found = filler.fill(shown, known, 2, 8)
    assert painter.asked == [4, 4, 1] * 2
    values: NDArray[np.float32] = np.array(
        [[one[~mask][0] for one, mask in zip(draw, known, strict=True)] for draw in found]
    )
    assert len(set(values.ravel())) == 18, "each filling is its own"
    np.testing.assert_array_equal(filler.fill(shown, known, 1, 8)[0], found[0])
    assert (filler.fill(shown, known, 1, 9) != found[:1]).any()


def test_a_generator_of_whole_pictures_says_so() -> None:
    _, shown, known = images()
    learner = Dcgan(GeneratorConfig(), (1, 12, 12), 3, torch.device("cpu"))
    with pytest.raises(UsageError, match="whole pictures only"):
        Generated(learner, "gan", (12, 12)).fill(shown, known)


def test_what_does_not_fit_is_one_sentence() -> None:
    train, shown, known = images()
    filler = baseline("mean", train)
    with pytest.raises(UsageError, match="mean fills images of 12 x 12 pixels, got 12 x 12 x 1"):
        filler.fill(shown[..., None], known)
    with pytest.raises(DataError, match="float32"):
        filler.fill(shown.astype(np.float64), known)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="booleans of shape"):
        filler.fill(shown, known[:3])
    with pytest.raises(UsageError, match="draws should be at least 1"):
        filler.fill(shown, known, 0)
    known[4] = False
    with pytest.raises(DataError, match="Nothing is known of image 4"):
        filler.fill(shown, known)
    known[4] = True
    shown[4, 0, 0] = np.nan
    with pytest.raises(DataError, match="no numbers"):
        filler.fill(shown, known)
