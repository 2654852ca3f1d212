"""The suggestion on curves that are made up, the test on a real network, and that it ends where it should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import synthetic

from ropero.errors import UsageError
from ropero.training import lr_find
from ropero.training.config import TrainConfig
from ropero.training.loop import Answers, fit
from ropero.training.lr_find import range_test, smooth, suggest

RATES = np.geomspace(1e-7, 10, 200)
SMALL = TrainConfig(network="softmax", batch_size=40, erase=0.0, device="cpu", precision="fp32")


def valley(steepest: float, lowest: float) -> np.ndarray:
    """A loss that stays at 2.3, falls by a half-cosine, fastest at `steepest`, until `lowest`, and breaks down then."""
    x, middle, end = np.log10(RATES), np.log10(steepest), np.log10(lowest)
    way = np.clip((x - middle) / (end - middle), -1, 1)
    fallen = 2.3 - 0.9 * (1 + np.sin(way * np.pi / 2))
    return fallen + np.clip(x - end, 0, None) ** 2 * 4


@pytest.mark.parametrize("steepest", [1e-5, 1e-3, 0.05])
def test_a_clean_valley(steepest: float) -> None:
    found = suggest(RATES, valley(steepest, 20 * steepest))
    assert found is not None
    # A third of a decade: what smoothing and the stretch of the slope may move.
    assert np.log10(found.steepest) == pytest.approx(np.log10(steepest), abs=1 / 3)
    assert np.log10(found.tenth) == pytest.approx(np.log10(2 * steepest), abs=1 / 3)
    assert (found.careful, found.rate) == tuple(sorted((found.steepest, found.tenth)))


@pytest.mark.parametrize("seed", range(8))
def test_a_noisy_valley(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.15, len(RATES))
    found = suggest(RATES, valley(1e-3, 2e-2) + noise)
    assert found is not None
    assert 1e-3 / 5 < found.steepest < 1e-3 * 5
    assert found.tenth < 1e-2


def test_the_slope_after_the_lowest_point_does_not_count() -> None:
    # A second, deeper-looking drop from a height that was never a beginning.
    curve = valley(1e-3, 2e-2)
    curve[-20:] = np.linspace(9.0, 4.0, 20)
    found = suggest(RATES, curve)
    assert found is not None
    assert found.steepest < 1e-2


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("noise", [0.0, 0.02, 0.3])
def test_a_flat_curve_has_none(seed: int, noise: float) -> None:
    assert suggest(RATES, 2.3 + np.random.default_rng(seed).normal(0, noise, len(RATES))) is None


@pytest.mark.parametrize("count", [0, 1, 9, 19, 20, 60])
def test_what_diverges_at_once_has_none(count: int) -> None:
    assert suggest(RATES[:count], np.geomspace(2.3, 10, count) if count else []) is None


def test_a_small_fall_is_none_and_a_larger_one_is_one() -> None:
    flat = np.full(len(RATES), 2.0)
    assert suggest(RATES, np.where(RATES > 1e-3, 1.9, flat)) is None
    assert suggest(RATES, np.where(RATES > 1e-3, 1.7, flat)) is not None


def test_smoothing_keeps_a_straight_line_in_place_and_a_constant_from_the_start() -> None:
    rates, losses = smooth(RATES, 3 - np.log10(RATES))
    assert losses == pytest.approx(3 - np.log10(rates))
    assert smooth(RATES, np.full(200, 2.3))[1] == pytest.approx(2.3)
    assert rates[0] == pytest.approx(RATES[0])
    assert (np.diff(rates) > 0).all()


def test_smoothing_is_the_average_that_the_formula_says() -> None:
    _, losses = smooth([1e-3, 1e-2, 1e-1], [1.0, 2.0, 4.0])
    assert losses == pytest.approx([1, (0.9 * 1 + 2) / 1.9, (0.81 * 1 + 0.9 * 2 + 4) / 2.71])


def test_the_test_finds_a_rate_that_trains_and_says_the_same_again() -> None:
    found = range_test(SMALL, synthetic())
    assert found == range_test(SMALL, synthetic())
    assert found != range_test(SMALL.replace(seed=1), synthetic())
    assert found.rates == pytest.approx(RATES[: len(found.rates)])
    assert found.diverged
    assert 50 < len(found.rates) < 200
    suggestion = found.suggestion
    assert suggestion is not None
    assert 1e-5 < suggestion.careful <= suggestion.rate < 0.1
    assert found.to_json()["suggestion"] == suggestion.rate
    assert found.to_json()["careful"] == suggestion.careful
    _, history = fit(SMALL.replace(learning_rate=suggestion.rate, epochs=5), synthetic(), synthetic(60, seed=1))
    assert (history.records[-1].validation_accuracy or 0) > 0.95


def test_the_optimizer_is_the_configs_own() -> None:
    adam, sgd = (range_test(SMALL.replace(optimizer=name), synthetic()).suggestion for name in ("adamw", "sgd"))
    assert adam is not None
    assert sgd is not None
    assert sgd.tenth > 2 * adam.tenth  # Adam's steps are as long as the rate, whatever the gradient


def test_the_schedule_and_the_rate_of_the_config_do_not_matter() -> None:
    plain = range_test(SMALL, synthetic())
    assert plain == range_test(SMALL.replace(learning_rate=0.5, schedule="step", epochs=1, ema=0.9), synthetic())


def test_augmentation_is_that_of_the_epochs_that_have_it() -> None:
    early, late = (SMALL.replace(erase=1.0, augment_from=start) for start in (1, 5))
    plain = range_test(SMALL, synthetic(), steps=12)
    assert plain.losses != range_test(early, synthetic(), steps=12).losses
    assert plain.losses != range_test(late, synthetic(), steps=12).losses


def test_steps_go_round_the_images_and_are_told() -> None:
    told: list[tuple[int, int]] = []
    found = range_test(SMALL.replace(batch_size=50), synthetic(), steps=11, told=lambda *words: told.append(words))
    assert len(found.losses) == 11  # 120 images: three steps an epoch
    assert told == [(number, 11) for number in range(1, 12)]
    assert not found.diverged


@pytest.mark.parametrize("spoilt", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_it(monkeypatch: pytest.MonkeyPatch, spoilt: float) -> None:
    steps = iter([2.3, 2.2, spoilt])
    monkeypatch.setattr(
        lr_find.EpochRunner,
        "step",
        lambda *_: Answers(torch.tensor(next(steps), dtype=torch.float64), torch.zeros(1, 3), torch.zeros(1)),
    )
    found = range_test(SMALL, synthetic())
    assert found.losses == (2.3, 2.2)
    assert found.diverged
    assert found.suggestion is None


def test_four_times_the_best_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = iter([2.0, 1.0, *[20.0] * 198])
    monkeypatch.setattr(
        lr_find.EpochRunner,
        "step",
        lambda *_: Answers(torch.tensor(next(steps), dtype=torch.float64), torch.zeros(1, 3), torch.zeros(1)),
    )
    found = range_test(SMALL, synthetic())
    # Smoothed: 2, 1.47, then 8.3 > 4 * 1.47.
    assert found.losses == (2.0, 1.0, 20.0)
    assert found.diverged


def test_no_choice_by_validation_is_asked_for() -> None:
    assert range_test(SMALL.replace(keep="best", patience=3), synthetic(), steps=3).losses


def test_images_that_are_too_small_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot take images"):
        range_test(SMALL.replace(network="quick"), synthetic(30, size=4))
