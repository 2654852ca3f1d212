"""The experiment with generated garments: nothing leaks, both sides differ by the pictures alone, gains are paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import synthetic
from scipy.stats import t as student
from torch import Tensor, nn

from ropero.data.dataset import Dataset, Images, Labels
from ropero.errors import UsageError
from ropero.generation import loop
from ropero.generation.config import GeneratorConfig
from ropero.generation.learner import Learner
from ropero.training.config import TrainConfig
from ropero.workbench.augment_generated import Outcome, Setup, augment, gain, gains

SETUP = Setup(
    images=9,
    times=(2, 20),
    seed=1,
    generator=GeneratorConfig(batch_size=9, device="cpu", precision="fp32"),
    classifier=TrainConfig(
        network="softmax",
        batch_size=9,
        learning_rate=0.005,
        erase=0.0,
        flip="none",
        label_smoothing=0.0,
        device="cpu",
        precision="fp32",
    ),
    generator_steps=4,
    steps=60,
)


class Stub(Learner):
    """Learns nothing, and notes what it was shown."""

    latent = (1,)
    seen: Tensor
    steps = 0

    def __init__(
        self, config: GeneratorConfig, shape: tuple[int, int, int], classes: int, device: torch.device
    ) -> None:
        self.classes = classes
        super().__init__({"generator": nn.Linear(1, 1)}, {})
        Stub.steps = 0

    def step(self, real: Tensor, labels: Tensor, precision: str) -> Mapping[str, Tensor]:
        Stub.seen = real
        Stub.steps += 1
        return {"generator": torch.zeros(())}

    def pictures(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        return torch.rand(len(latent), 1, 28, 28)


class Unasked(Stub):
    def __init__(
        self, config: GeneratorConfig, shape: tuple[int, int, int], classes: int, device: torch.device
    ) -> None:
        super().__init__(config, shape, classes, device)
        self.classes = 0


@pytest.fixture
def train() -> Dataset:
    return noisy(90, 0)


def noisy(count: int, seed: int) -> Dataset:
    """Garments that a classifier cannot learn well from nine of."""
    clean = synthetic(count, seed=seed)
    noise = np.random.default_rng(seed).integers(0, 256, clean.images.shape)
    return replace(clean, images=(clean.images * 0.18 + noise * 0.82).astype(np.uint8))


def perfect(learner: Learner, seeds: Sequence[int], classes: Labels | None) -> Images:
    """Real garments as they would come from nowhere."""
    drawn = noisy(3 * len(seeds), 1000)
    wanted = np.arange(len(seeds)) % 3 if classes is None else classes
    return drawn.images[3 * np.arange(len(seeds)) + wanted]


def test_good_garments_help_and_the_generator_sees_the_few_alone(
    train: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "learner", Stub)
    held = noisy(600, 5)
    found = augment(train, held, SETUP, perfect)
    assert [(one.images, one.times, one.added, one.held) for one in found] == [(9, 2, 18, 600), (9, 20, 180, 600)]
    assert all(one.asked and one.agreement is not None and one.agreement > 0.5 for one in found)
    assert found[0].without == found[1].without, "the classifier without is the same one"
    many = found[1]
    assert many.with_them - many.without == many.only_with - many.only_without > 30
    assert many.difference == pytest.approx((many.with_them - many.without) / 600)
    assert many.interval[0] > 0
    assert Stub.steps == 4
    assert len(Stub.seen) == 9
    shown = ((Stub.seen + 1) * 127.5).round().to(torch.uint8).numpy().reshape(9, -1)
    assert {row.tobytes() for row in shown} <= {image.tobytes() for image in train.images}
    again = augment(train, held, SETUP, perfect)
    assert [replace(one, generator_seconds=0) for one in again] == [replace(one, generator_seconds=0) for one in found]


def easy(learner: Learner, seeds: Sequence[int], classes: Labels | None) -> Images:
    assert classes is None
    return synthetic(len(seeds), seed=1000).images


def test_garments_without_a_class_are_labelled_where_that_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "learner", Unasked)
    train, held = synthetic(90), synthetic(60, seed=5)
    learns = replace(SETUP, times=(10,), classifier=SETUP.classifier.replace(learning_rate=0.02))
    (found,) = augment(train, held, learns, easy)
    assert not found.asked
    assert found.agreement is None
    assert 0 < found.added <= 90
    unsure = replace(learns, classifier=SETUP.classifier.replace(learning_rate=1e-6))
    (none,) = augment(train, held, unsure, easy)
    assert none.added == 0
    assert none.difference == 0


def outcome(seed: int, only_without: int, only_with: int, images: int = 500) -> Outcome:
    return Outcome(
        images=images, times=1, seed=seed, added=images, asked=True, agreement=0.9, held=1000, without=800,
        with_them=800 + only_with - only_without, only_without=only_without, only_with=only_with, generator_seconds=1.0,
    )  # fmt: skip


def test_gains_are_paired_over_seeds() -> None:
    better = [outcome(0, 10, 40), outcome(1, 20, 40), outcome(2, 5, 30)]
    found = gain(better)
    differences = [0.03, 0.02, 0.025]
    assert found.difference == pytest.approx(0.025)
    assert (found.without, found.with_them) == pytest.approx((0.8, 0.825))
    expected = student.interval(0.95, 2, 0.025, np.std(differences, ddof=1) / 3**0.5)
    assert found.interval == pytest.approx(expected, rel=1e-4)
    assert found.helps is True
    assert gain([outcome(0, 10, 40), outcome(1, 40, 20)]).helps is None
    assert gain([outcome(0, 40, 10), outcome(1, 40, 11)]).helps is False
    assert gain(better[:1]).interval is None
    assert gain(better[:1]).helps is None


def test_only_like_measurements_are_summarised() -> None:
    with pytest.raises(UsageError, match="each with a seed of its own"):
        gain([outcome(0, 1, 2), outcome(0, 2, 3)])
    with pytest.raises(UsageError, match="one number of images"):
        gain([outcome(0, 1, 2), outcome(1, 2, 3, images=1000)])
    assert set(gains([outcome(0, 1, 2), outcome(1, 2, 3, images=1000)])) == {(500, 1), (1000, 1)}
