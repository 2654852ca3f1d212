"""Scores of likeness: against slow readings of their definitions, and on clouds of points where the answer is clear."""

import numpy as np
import pytest
from sklearn.covariance import shrunk_covariance
from sklearn.neighbors import NearestNeighbors

from ropero.evaluation import unknown
from ropero.evaluation.unknown import METHODS, fit, project
from ropero.metrics.ranking import roc_auc


@pytest.fixture(scope="module")
def clouds() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(M, D) features of three classes, their labels, and (M, K) logits: the nearer a centre, the higher."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 8)) * 4
    labels = rng.integers(0, 3, 600)
    features = (centres[labels] + rng.normal(size=(600, 8))).astype(np.float32)
    return features, labels, (features @ centres.T.astype(np.float32))


def test_softmax_and_energy_by_hand() -> None:
    logits = np.log(np.array([[1.0, 3.0], [2.0, 2.0]], np.float32))
    nothing = np.zeros((2, 4), np.float32)
    assert np.exp(fit("softmax", nothing, np.zeros(2, int)).score(nothing, logits)) == pytest.approx([0.75, 0.5])
    assert fit("energy", nothing, np.zeros(2, int)).score(nothing, logits) == pytest.approx(np.log([4.0, 4.0]))


def test_mahalanobis_is_the_definition(clouds: tuple[np.ndarray, ...]) -> None:
    features, labels, logits = clouds
    found = fit("mahalanobis", features, labels).score(features, logits)
    means = np.stack([features[labels == k].mean(axis=0) for k in range(3)])
    inside = features - means[labels]
    inverse = np.linalg.inv(shrunk_covariance(inside.T @ inside / len(inside), shrinkage=unknown.SHRINKAGE))
    apart = features[:, None] - means
    slow = -np.einsum("nkd,de,nke->nk", apart, inverse, apart).min(axis=1)
    np.testing.assert_allclose(found, slow, rtol=1e-3)


def test_a_class_without_images_has_no_centre(clouds: tuple[np.ndarray, ...]) -> None:
    features, labels, logits = clouds
    some = labels != 1
    found = fit("mahalanobis", features[some], labels[some])
    assert found.arrays["means"].shape == (2, 8)
    assert np.isfinite(found.score(features, logits)).all()


def test_neighbours_are_scikit_learns(clouds: tuple[np.ndarray, ...]) -> None:
    features, labels, logits = clouds
    found = fit("neighbours", features[:500], labels[:500]).score(features[500:], logits[500:])
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances, _ = NearestNeighbors(n_neighbors=unknown.NEIGHBOUR).fit(units[:500]).kneighbors(units[500:])
    np.testing.assert_allclose(found, -(distances[:, -1] ** 2), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_far_away_is_told_apart(method: str, clouds: tuple[np.ndarray, ...]) -> None:
    features, labels, logits = clouds
    known = fit(method, features, labels)
    far = np.random.default_rng(1).normal(size=(300, 8)).astype(np.float32)  # between the centres
    inside, outside = known.score(features, logits), known.score(far, far @ np.zeros((8, 3), np.float32))
    assert roc_auc(np.concatenate([inside, outside]), np.arange(900) < 600) > 0.95


def test_features_that_never_move_divide_by_nothing(clouds: tuple[np.ndarray, ...]) -> None:
    features, labels, logits = clouds
    flat = np.concatenate([features, np.ones((600, 3), np.float32)], axis=1)
    assert np.isfinite(fit("mahalanobis", flat, labels).score(flat, logits)).all()
    still = np.zeros((600, 4), np.float32)
    assert all(np.isfinite(fit(method, still, labels).score(still, logits)).all() for method in METHODS)


def test_wide_features_keep_their_distances() -> None:
    wide = np.random.default_rng(2).normal(size=(50, 3000)).astype(np.float32)
    narrow = project(wide)
    assert narrow.shape == (50, unknown.width(3000)) == (50, 509)
    np.testing.assert_array_equal(narrow, project(wide))
    before = np.linalg.norm(wide[:25] - wide[25:], axis=1)
    np.testing.assert_allclose(np.linalg.norm(narrow[:25] - narrow[25:], axis=1), before, rtol=0.15)
    assert project(wide[:, :100]) is not None
    np.testing.assert_array_equal(project(wide[:, :100]), wide[:, :100])


@pytest.mark.parametrize("wide", [513, 1018, 1568, 36_864])  # 1018 leaves nothing over
def test_every_feature_is_in_one_sum_with_its_sign(wide: int) -> None:
    told = project(np.eye(wide, dtype=np.float32)[:: max(1, wide // 600)])
    assert (np.abs(told).sum(axis=1) == 1).all()
    assert set(np.unique(told)) == {-1, 0, 1}
    np.testing.assert_array_equal(np.abs(told).argmax(axis=1), np.arange(0, wide, max(1, wide // 600)) % 509)


def test_projected_features_are_the_same_for_ever() -> None:
    """Judges are stored, the signs are not."""
    told = project(np.arange(1, 1001, dtype=np.float32)[None])[0, [0, 1, 2, 490, 491, 508]]
    assert told.tolist() == [511, 513, -509, -509, 492, 509]
