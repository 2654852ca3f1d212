"""The learning-rate range test: a few steps with an ever larger rate show where a network learns and where it breaks.

After Leslie Smith, "Cyclical Learning Rates for Training Neural Networks" (2015, arXiv 1506.01186), with fastai's
exponential growth, smoothing and end. Knows nothing of run folders; what is trained here is thrown away.
Legend: S steps that were taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ropero.data.batches import epoch_order
from ropero.data.dataset import Dataset
from ropero.models.codes import Told
from ropero.training.config import TrainConfig
from ropero.training.frozen import feed
from ropero.training.loop import EpochRunner, check, set_up
from ropero.training.state import begin

LOWEST_RATE, HIGHEST_RATE, STEPS = 1e-7, 10.0, 200
MEMORY = 0.9  # of the smoothed loss for the steps before
DIVERGED = 4.0  # times the best smoothed loss: nothing is to be learned beyond
STRETCH = 0.25  # decades to either side that the slope at a rate is taken over
LEAST_FALL = 0.1  # of the loss: what falls less has not learned
LEAST_STEPS = 10  # that a smoothed loss is trusted from

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Suggestion:
    """Two learning rates. `steepest`: where the smoothed loss falls fastest over the logarithm of the rate;
    `tenth`: a tenth of the rate of the lowest smoothed loss, past which it rises again.

    Both are well below the breakdown. The steepest one is far too small for a network that learns much within a few
    steps, as those with batch-norm do: the loss has fallen already when the good rates come.
    """

    steepest: float
    tenth: float

    @property
    def rate(self) -> float:
        """The larger of the two: the one to train with."""
        return max(self.steepest, self.tenth)

    @property
    def careful(self) -> float:
        """The smaller of the two."""
        return min(self.steepest, self.tenth)


@dataclass(frozen=True)
class RateTest:
    """What the range test measured: learning rates (S,) and the losses (S,) in nats of the steps taken with them."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    diverged: bool

    @property
    def suggestion(self) -> Suggestion | None:
        return suggest(self.rates, self.losses)

    def smoothed(self) -> tuple[Floats, Floats]:
        """Rates and losses (S,) of the smoothed curve."""
        return smooth(self.rates, self.losses)

    def to_json(self) -> dict[str, Any]:
        found = self.suggestion
        rates, losses = self.smoothed()
        return {
            "suggestion": None if found is None else found.rate,
            "careful": None if found is None else found.careful,
            "steepest": None if found is None else found.steepest,
            "tenth_of_lowest": None if found is None else found.tenth,
            "diverged": self.diverged,
            "learning_rate": list(self.rates),
            "loss": list(self.losses),
            "smoothed_learning_rate": rates.tolist(),
            "smoothed_loss": losses.tolist(),
        }


def range_test(
    config: TrainConfig,
    train: Dataset,
    *,
    steps: int = STEPS,
    told: Callable[[int, int], None] | None = None,
    told_encoding: Told | None = None,
) -> RateTest:
    """Train a throw-away network for some steps while the learning rate grows from 1e-7 to 10.

    Optimizer, batches and augmentation are the config's; the same config gives the same answer. Ends early when the
    smoothed loss exceeds four times its best, or is no number.

    Args:
        told: is told after each step how many were taken, and of how many.
        told_encoding: is told of the codes of a frozen base, which come first.

    Raises:
        UsageError: the config cannot train on these data.
        DataError, MissingExtra: pretrained weights are not there or cannot be read.
    """
    config = config.replace(ema=0.0, keep="last", patience=0)
    check(config, train, None)
    device = set_up(config)
    state = begin(config, train, device)
    runner = EpochRunner(config, feed(state.model, [train], device, told_encoding)[0], None)
    rates = np.geomspace(LOWEST_RATE, HIGHEST_RATE, steps).tolist()
    losses: list[float] = []
    average, best, diverged = 0.0, math.inf, False
    state.epoch = config.augment_from - 1  # with the augmentation that most of a training has
    for number, rate in enumerate(rates, 1):
        if state.step == 0:
            order = epoch_order(len(train), config.seed, state.epoch)
        start, end = runner.bounds[state.step]
        loss = float(runner.step(state, order[start:end], rate, number - 1).loss)
        if not math.isfinite(loss):
            diverged = True
            break
        losses.append(loss)
        average = MEMORY * average + (1 - MEMORY) * loss
        corrected = average / (1 - MEMORY**number)
        best = min(best, corrected)
        if told:
            told(number, steps)
        if corrected > DIVERGED * best:
            diverged = True
            break
        state.step += 1
        if state.step == runner.steps:
            state.epoch, state.step = state.epoch + 1, 0
    return RateTest(tuple(rates[: len(losses)]), tuple(losses), diverged)


def smooth(rates: ArrayLike, losses: ArrayLike) -> tuple[Floats, Floats]:
    """The exponential average of the losses (S,), corrected for its start as Adam does, and the rates they belong to.

    The logarithms of the rates are averaged with the same weights: the losses of the last ten steps belong to the rate
    of the last ten steps. Left out, the curve would lag behind by ten steps, half a decade.
    """
    pairs = np.stack([np.log(np.asarray(rates, np.float64)), np.asarray(losses, np.float64)])
    found = np.empty_like(pairs)
    average = np.zeros(2)
    for place in range(pairs.shape[1]):
        average = MEMORY * average + (1 - MEMORY) * pairs[:, place]
        found[:, place] = average / (1 - MEMORY ** (place + 1))
    return np.exp(found[0]), found[1]


def suggest(rates: ArrayLike, losses: ArrayLike) -> Suggestion | None:
    """The rates to train with, from those tried (S,), growing, and their losses (S,).

    The slope at a rate is that of the straight line between the smoothed losses a quarter of a decade to either side;
    the steepest one left of the lowest point is taken. None where the loss does not fall: by less than a tenth, or by
    less than twice the deviation of the single losses from the smoothed ones. The first ten smoothed losses are left
    out: they are averages of too few.
    """
    raw = np.asarray(losses, np.float64)
    if len(raw) < 2 * LEAST_STEPS:
        return None
    tried = np.log10(np.asarray(rates, np.float64))
    smoothed_rates, curve = (values[LEAST_STEPS:] for values in smooth(rates, losses))
    places = np.log10(smoothed_rates)
    lowest = int(curve.argmin())
    highest = float(curve[: lowest + 1].max())
    noise = float(np.std(raw - np.interp(tried, places, curve), where=tried <= places[lowest]))
    if highest - curve[lowest] < max(LEAST_FALL * highest, 2 * noise):
        return None
    middle = places[: lowest + 1]
    rise = np.interp(middle + STRETCH, places, curve) - np.interp(middle - STRETCH, places, curve)
    return Suggestion(float(10 ** middle[rise.argmin()]), float(smoothed_rates[lowest] / 10))
