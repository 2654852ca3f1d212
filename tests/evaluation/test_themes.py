"""Themes of mistakes: planted groups are found, noise is left whole, every mistake is in one theme."""

from __future__ import annotations

import numpy as np

from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.themes import themes


def evaluation(labels: np.ndarray, predicted: np.ndarray, sure: float = 0.8) -> Evaluation:
    probabilities = np.full((len(labels), 4), (1 - sure) / 3, np.float32)
    probabilities[np.arange(len(labels)), predicted] = sure
    return Evaluation(labels, probabilities, np.arange(len(labels)), ("a", "b", "c", "d"), "test")


def test_planted_groups_are_found() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 0, 1, 2], 30)
    predicted = np.concatenate([np.full(30, 1), np.full(30, 2), np.full(30, 3), np.full(30, 2)])  # the last are right
    centres = np.eye(8)[[0, 3, 5]]
    features = (np.repeat(centres, 30, axis=0) + 0.1 * rng.normal(size=(90, 8))).astype(np.float32)
    found = themes(evaluation(labels, predicted), features)
    assert [(theme.true, theme.predicted, len(theme)) for theme in found] == [
        (0, ((1, 30),), 30),
        (0, ((2, 30),), 30),
        (1, ((3, 30),), 30),
    ]
    assert sorted(at for theme in found for at in theme.positions) == list(range(90))
    assert all(abs(theme.confidence - 0.8) < 1e-6 for theme in found)
    assert found == themes(evaluation(labels, predicted), features)


def test_the_most_typical_comes_first() -> None:
    labels, predicted = np.zeros(5, np.int64), np.ones(5, np.int64)
    features = np.array([[1, 1], [1, 0.9], [1, 0.1], [0.9, 1], [1, 1.05]], np.float32)
    (theme,) = themes(evaluation(labels, predicted), features)
    assert theme.positions[-1] == 2


def test_nothing_in_common_stays_together() -> None:
    rng = np.random.default_rng(1)
    labels, predicted = np.zeros(40, np.int64), 1 + np.arange(40) % 3
    (theme,) = themes(evaluation(labels, predicted), rng.normal(size=(40, 200)).astype(np.float32))
    assert len(theme) == 40
    assert theme.predicted[0] == (1, 14)


def test_no_mistakes_no_themes() -> None:
    labels = np.arange(4)
    assert themes(evaluation(labels, labels), np.zeros((0, 8), np.float32)) == []
    still = themes(evaluation(labels, (labels + 1) % 4), np.zeros((4, 8), np.float32))
    assert [len(theme) for theme in still] == [1, 1, 1, 1]
