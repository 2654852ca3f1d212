"""Duplicates against a plain count over all pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ropero.data import duplicates
from ropero.data.dataset import Dataset
from ropero.data.duplicates import Pairs, find_duplicates


def _parts(seed: int = 0, *, colour: bool = False, n: int = 60) -> dict[str, Dataset]:
    """Two parts with planted copies: exact, brighter, noisy, inside and across, some of another label."""
    rng = np.random.default_rng(seed)
    shape = (n, 12, 12, 3) if colour else (n, 12, 12)
    images = {name: rng.integers(20, 200, shape).astype(np.uint8) for name in ("train", "test")}
    train, test = images["train"], images["test"]
    train[1] = train[0]
    train[2] = train[0]
    test[5] = train[0]
    test[6] = test[5]
    train[10] = train[9] + 30
    test[11] = np.clip(train[9] + rng.normal(0, 2, shape[1:]), 0, 255)
    test[12] = train[20]
    train[30] = 0  # one colour: no correlation
    train[31] = 7
    test[30] = 0
    labels = rng.integers(0, 2, n)
    return {name: Dataset(one, labels, ("a", "b"), split=name, rows=np.arange(n) + 100) for name, one in images.items()}


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (one.astype(float).ravel() - one.mean() for one in (a, b))
    return float(a @ b / np.sqrt((a @ a) * (b @ b))) if a.any() and b.any() else 0.0


def _plain(parts: dict[str, Dataset], kind: str, first: str, second: str) -> set[tuple[int, int, bool]]:
    """All pairs, by the definition."""
    pairs: set[tuple[int, int, bool]] = set()
    seen: dict[str, list[int]] = {}
    for name, part in parts.items():
        kept: dict[bytes, int] = {}
        for at, image in enumerate(part.images):
            kept.setdefault(image.tobytes(), at)
        seen[name] = list(kept.values()) if kind == "near" else list(range(len(part)))
    both = itertools.combinations(seen[first], 2) if first == second else itertools.product(seen[first], seen[second])
    for i, j in both:
        a, b = parts[first], parts[second]
        equal = np.array_equal(a.images[i], b.images[j])
        near = not equal and _cosine(a.images[i], b.images[j]) >= duplicates.NEAR_COSINE
        if equal if kind == "exact" else near:
            pairs.add((int(a.rows[i]), int(b.rows[j]), bool(a.labels[i] == b.labels[j])))
    return pairs


def _listed(found: Pairs) -> set[tuple[int, int, bool]]:
    return {(int(i), int(j), bool(same)) for (i, j), same in zip(found.rows, found.same, strict=True)}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("direct", [0, 1 << 20])
def test_all_pairs_and_no_others_are_found(
    monkeypatch: pytest.MonkeyPatch, seed: int, colour: bool, direct: int
) -> None:
    monkeypatch.setattr(duplicates, "_ROWS", 7)
    monkeypatch.setattr(duplicates, "_COLUMNS", 11)
    monkeypatch.setattr(duplicates, "_DIRECT", direct)
    monkeypatch.setattr(duplicates, "_DIMENSIONS", 4)  # a loose bound: many candidates
    parts = _parts(seed, colour=colour)
    found = find_duplicates(parts)
    assert [one.parts for one in found[:3]] == [("train", "train"), ("train", "test"), ("test", "test")]
    total = 0
    for one in found:
        expected = _plain(parts, one.kind, *one.parts)
        assert _listed(one) == expected
        assert one.total == len(expected)
        assert one.same_label == sum(same for *_, same in expected)
        assert one.same_label + one.different_label == one.total
        assert one.complete
        total += one.total
    assert total >= 12


def test_the_list_is_bounded_and_the_totals_are_not() -> None:
    images = np.zeros((300, 8, 8), np.uint8)
    images[:, 0, 0] = 9
    part = Dataset(images, np.arange(300) % 3, ("a", "b", "c"))
    exact, near = find_duplicates({"train": part}, listed=10)
    assert (exact.total, exact.same_label) == (300 * 299 // 2, 3 * 100 * 99 // 2)
    assert exact.rows.shape == (10, 2)
    assert not exact.same.any()  # different labels first
    assert near.total == 0


def test_different_labels_come_first_then_the_most_alike() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(50, 200, (12, 12))
    images = np.stack([base + rng.normal(0, at / 4, base.shape) for at in range(12)]).round().astype(np.uint8)
    part = Dataset(images, np.array([0, 1] * 6), ("a", "b"))
    _, near = find_duplicates({"train": part})
    assert near.total > 20
    assert near.same.tolist() == sorted(near.same.tolist())
    for same in (False, True):
        cosines = near.cosine[near.same == same]
        assert (np.diff(cosines) <= 0).all()
    assert (near.cosine >= duplicates.NEAR_COSINE).all()


def test_counting_is_given_up_on_one_picture_over_and_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_CANDIDATES", 20)
    monkeypatch.setattr(duplicates, "_ROWS", 2)
    base = np.random.default_rng(0).integers(0, 200, (16, 16), np.uint8)
    images = np.stack([base + at for at in range(30)]).astype(np.uint8)
    exact, near = find_duplicates({"train": Dataset(images, np.arange(30) % 2, ("a", "b"))})
    assert exact.complete
    assert not near.complete
    assert near.total <= 20


def test_progress_ends_at_the_total() -> None:
    seen: list[tuple[str, int, int | None, str]] = []
    find_duplicates(_parts(), progress=lambda *told: seen.append(told))
    assert seen[-1][1] == seen[-1][2]
    assert seen[-1][3] == "images"


def test_all_images_equal_or_of_one_colour() -> None:
    part = Dataset(np.zeros((5, 4, 4), np.uint8), np.array([0, 1, 0, 1, 0]), ("a", "b"))
    exact, near = find_duplicates({"train": part})
    assert (exact.total, near.total) == (10, 0)
