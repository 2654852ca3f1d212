"""Confident learning against cleanlab, its authors' own library, and on labels that were made wrong on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from ropero.metrics.confident import class_thresholds, margins, suspects


def noisy(seed: int, count: int = 2000, classes: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(labels with 4 % made wrong, probabilities of a good model, which are wrong)."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, count)
    logits = rng.normal(size=(count, classes)) + 3.5 * np.eye(classes)[true]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = rng.random(count) < 0.04
    labels = np.where(wrong, (true + rng.integers(1, classes, count)) % classes, true)
    return labels, probabilities, wrong


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_agrees_with_cleanlab(seed: int) -> None:
    filters = pytest.importorskip("cleanlab.filter")
    count = pytest.importorskip("cleanlab.count")
    rank = pytest.importorskip("cleanlab.rank")
    labels, probabilities, _ = noisy(seed)
    theirs = filters.find_label_issues(
        labels, probabilities, filter_by="confident_learning", return_indices_ranked_by="normalized_margin", n_jobs=1
    )
    ours = suspects(labels, probabilities)
    assert ours.position.tolist() == theirs.tolist()
    np.testing.assert_allclose(
        class_thresholds(labels, probabilities), count.get_confident_thresholds(labels, probabilities), atol=1e-6
    )
    scores = rank.get_normalized_margin_for_each_label(labels, probabilities)
    np.testing.assert_allclose((margins(labels, probabilities) + 1) / 2, scores, atol=1e-6)


def test_wrong_labels_come_first() -> None:
    labels, probabilities, wrong = noisy(7)
    found = suspects(labels, probabilities)
    assert wrong[found.position[:40]].mean() > 0.9
    assert wrong[found.position].sum() > 0.5 * wrong.sum()
    assert (found.guess != labels[found.position]).all()
    assert (np.diff(found.margin) >= 0).all()


def test_a_class_without_images_is_never_a_guess() -> None:
    labels, probabilities, _ = noisy(3)
    some = labels != 2
    found = suspects(labels[some], probabilities[some])
    assert 2 not in found.guess
    assert class_thresholds(labels[some], probabilities[some])[2] == 2


def test_right_labels_are_no_suspects() -> None:
    labels = np.arange(20) % 4
    assert len(suspects(labels, np.eye(4)[labels] * 0.9 + 0.025).position) == 0
