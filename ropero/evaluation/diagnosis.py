"""What learning curves say: still learning, converged, underfits, overfits from an epoch on, unstable.

Pure functions on numbers, one an epoch; what is said of it in words is not known here. Losses are in nats, accuracies
in 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]

STEADY = 0.02  # share of everything learned: what moves by less in the last fifth of the epochs stands still
RISEN = 0.05  # by what share the validation loss is above its lowest where a network overfits
JUMP = 0.15  # share of everything learned: a loss that rises by more between two epochs jumps
LITTLE = 0.05  # share of its first loss that a training learned at least, else it learned nothing
LOST = 0.4  # share of everything learned by which the training loss may end above its lowest
ENOUGH = 0.90  # accuracy on the training images below which a network may be too small
AHEAD = 0.02  # by how much training is better than validation where the images are more than remembered


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was found; several may be true at once, and of a short training none.

    Attributes:
        converged: the loss stood still at the end.
        learning: it was still falling: more epochs would help.
        underfits: it stood still, but even the training images are known badly.
        overfits_from: the epoch after which the validation loss rose while the training loss fell.
        jumps: epochs in which the loss jumped up, of those in the second half; unstable where there are several.
        collapsed: the training loss ended far above its lowest: what was learned was lost again.
        gap: accuracy on training images less that on validation images, in the last epoch.
    """

    converged: bool
    learning: bool
    underfits: bool
    overfits_from: int | None
    jumps: tuple[int, ...]
    collapsed: bool
    gap: float | None

    @property
    def unstable(self) -> bool:
        """Whether the loss jumped more than once in the second half of the training, was no number, or collapsed."""
        return self.collapsed or len(self.jumps) > 1


def diagnose(
    train_loss: Sequence[float],
    train_accuracy: Sequence[float],
    validation_loss: Sequence[float | None] = (),
    validation_accuracy: Sequence[float | None] = (),
) -> Diagnosis | None:
    """What the curves say, by validation where there is one; None for fewer than four epochs.

    Training figures are usually of augmented images and of weights that still move, so that they may lie below those of
    validation; rules compare each curve with itself, and only the gap compares the two.
    """
    train = np.asarray(train_loss, np.float64)
    if len(train) < 4:
        return None
    held = _numbers(validation_loss)
    judged = held if held is not None else train
    accuracies = _numbers(validation_accuracy)
    gap = None if accuracies is None else float(train_accuracy[-1] - accuracies[-1])
    overfits_from = None if held is None else _overfits_from(train, held)
    jumps = _jumps(judged)
    moved = _moved(judged)
    collapsed = not _smooth(train)[-1] - np.nanmin(train) < LOST * _learned(train)
    calm = len(jumps) < 2 and not collapsed
    converged = calm and overfits_from is None and abs(moved) < STEADY
    badly = train_accuracy[-1] < ENOUGH and (gap is None or gap < AHEAD)
    return Diagnosis(
        converged=converged,
        learning=calm and overfits_from is None and moved >= STEADY,
        underfits=converged and badly,
        overfits_from=overfits_from,
        jumps=jumps,
        collapsed=collapsed,
        gap=gap,
    )


def _numbers(values: Sequence[float | None]) -> Curve | None:
    if not values or any(one is None for one in values):
        return None
    return np.asarray(values, np.float64)


def _learned(loss: Curve) -> float:
    """By how much the loss fell from the first epoch to its lowest; what is small is small beside this. Where it hardly
    fell, a small part of the loss itself: noise about a flat curve is no event."""
    return max(float(loss[0] - np.nanmin(loss)), LITTLE * abs(float(loss[0])), 1e-12)


def _moved(loss: Curve) -> float:
    """How much the loss fell into the last fifth of the epochs, as a share of everything learned."""
    fifth = max(2, len(loss) // 5)
    return float(loss[-2 * fifth : -fifth].mean() - loss[-fifth:].mean()) / _learned(loss)


def _overfits_from(train: Curve, held: Curve) -> int | None:
    """The epoch of the lowest validation loss, where it rose clearly after that while the training loss fell on."""
    smooth = _smooth(held)
    lowest = int(np.nanargmin(smooth))
    rose = smooth[-1] > smooth[lowest] * (1 + RISEN)
    fell = train[-1] < train[lowest]
    return int(np.nanargmin(held[: lowest + 2])) + 1 if rose and fell else None


def _smooth(loss: Curve) -> Curve:
    """The median of each epoch and its neighbours: one bad epoch is no trend."""
    padded = np.concatenate([loss[:1], loss, loss[-1:]])
    found: Curve = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    return found


def _jumps(loss: Curve) -> tuple[int, ...]:
    """Epochs of the second half in which the loss rose by a jump or became no number, counted from 1.

    A jump falls back by half at least, or is far larger than what the loss usually moves by: to rise and rise is
    overfitting, no jump.
    """
    size, steps = JUMP * _learned(loss), np.diff(loss)
    usual = float(np.nanmedian(np.abs(steps))) if np.isfinite(steps).any() else 0.0
    found = []
    for at in range(max(1, len(loss) // 2), len(loss)):
        rise = steps[at - 1]
        back = at < len(steps) and steps[at] < -rise / 2
        if not math.isfinite(loss[at]) or (rise > size and (back or rise > 3 * usual)):
            found.append(at + 1)
    return tuple(found)
