"""Comparisons by hand: who is right where, how sure that is, and which images tell models apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from ropero.errors import UsageError
from ropero.evaluation.compare import check, differing, majority, pairs, spread
from ropero.evaluation.evaluate import Evaluation

LABELS = np.arange(100) % 4


def model(wrong: list[int], sure: float = 0.7, labels: np.ndarray = LABELS, split: str = "test") -> Evaluation:
    """Right but for some positions, where it says the next class."""
    said = labels.copy()
    said[wrong] = (said[wrong] + 1) % 4
    probabilities = np.full((len(labels), 4), (1 - sure) / 3, np.float32)
    probabilities[np.arange(len(labels)), said] = sure
    return Evaluation(labels, probabilities, np.arange(len(labels)), ("a", "b", "c", "d"), split)


def test_pairs_by_hand() -> None:
    (pair,) = pairs({"one": model([0, 1]), "other": model([1, 2, 3, 4, 5, 6, 7, 8, 9])})
    assert (pair.only_first, pair.only_second) == (8, 1)
    assert pair.difference == pytest.approx(0.07)
    assert pair.interval[0] < 0.07 < pair.interval[1]
    assert pair.p == pytest.approx(binomtest(1, 9).pvalue)
    assert pair.corrected == pair.p
    assert pair.significant


def test_many_pairs_are_corrected() -> None:
    found = pairs({"a": model([0]), "b": model(list(range(1, 8))), "c": model(list(range(1, 7))), "d": model([0])})
    assert [(one.first, one.second) for one in found] == [
        ("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d"),
    ]  # fmt: skip
    assert all(one.corrected >= one.p for one in found)
    assert found[0].p < 0.08 < found[0].corrected
    assert found[2].corrected == 1.0


def test_images_that_tell_models_apart() -> None:
    three = {"a": model([3, 5]), "b": model([5, 7], sure=0.9), "c": model([5, 9, 7])}
    assert sorted(differing(three).tolist()) == [3, 7, 9]  # at 5 all are wrong alike
    many = {"a": model([1], sure=0.9), "b": model([], sure=0.9), "c": model([1, 2], sure=0.9), "d": model([], sure=0.9)}
    assert differing(many).tolist() == [1, 2]  # two against two comes first


def test_together() -> None:
    two = {"a": model([0], sure=0.6), "b": model([], sure=0.9)}
    together = majority(two)
    assert together.shape == (100, 4)
    assert together[0].argmax() == LABELS[0]
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-5)


def test_what_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match="two runs"):
        check({"a": model([])})
    for other in (model([], labels=LABELS[:50]), model([], labels=(LABELS + 1) % 4), model([], split="validation")):
        with pytest.raises(UsageError, match="same images"):
            check({"a": model([]), "b": other})
    check({"a": model([]), "b": model([1])})


def test_spread() -> None:
    assert spread([0.9]).deviation == 0
    found = spread([0.9, 0.92])
    assert (found.mean, found.deviation, found.n) == pytest.approx((0.91, 0.01414, 2), abs=1e-4)
