"""Robustness of two models that are easily understood: one that sees light, one that sees nothing."""

from __future__ import annotations

import numpy as np
import pytest

from ropero.data.dataset import Dataset
from ropero.errors import RunError
from ropero.evaluation.corruptions import CORRUPTIONS
from ropero.evaluation.robustness import Robustness, measure

LABELS = np.arange(60) % 2
IMAGES = np.zeros((60, 20, 20), np.uint8)
IMAGES[LABELS == 1, 6:14, 6:14] = 220
PART = Dataset(IMAGES, LABELS, ("dark", "light"), split="test")


def light(images: np.ndarray) -> np.ndarray:
    return (images.mean(axis=(1, 2)) > 18).astype(np.int64)


def test_a_model_of_light_fails_in_the_light() -> None:
    told: list[tuple[int, int]] = []
    found = measure(light, PART, lambda done, total: told.append((done, total)))
    assert found.clean == 1.0
    assert set(found.accuracies) == set(CORRUPTIONS)
    assert found.accuracies["brightness"][-1] == 0.5
    assert found.accuracies["shift"] == (1.0,) * 5
    assert found.accuracies["rotation"] == (1.0,) * 5
    assert found.accuracies["inversion"][-1] == 0.5
    assert 0.5 < found.mean < 1
    assert found.worst in ("brightness", "light from a side", "inversion")
    assert told[-1] == (85, 85)
    assert [done for done, _ in told] == list(range(1, 86))


def test_a_model_that_sees_nothing_loses_nothing() -> None:
    found = measure(lambda images: np.zeros(len(images), np.int64), PART)
    assert (found.clean, found.mean) == (0.5, 0.5)
    assert found.mean_interval == pytest.approx((0.377, 0.623), abs=0.02)  # of 30 of 60 images, in whatever corruption
    assert found.kind_intervals["blur"] == found.mean_interval


def test_stored_and_read_again() -> None:
    found = measure(light, PART)
    assert Robustness.from_json(found.to_json()) == found
    for damaged in ({}, {**found.to_json(), "accuracies": {"blur": [0.5]}}, {**found.to_json(), "accuracies": None}):
        with pytest.raises(RunError, match="damaged"):
            Robustness.from_json(damaged)
