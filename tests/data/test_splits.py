"""Parts: exact, disjoint, in their shares, the same for the same seed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropero.data.dataset import Dataset
from ropero.data.splits import parse, parts, split
from ropero.errors import UsageError


def _dataset(counts: list[int], seed: int = 0) -> Dataset:
    """Images that carry their own row number, in mixed order; rows of origin start at 1000."""
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = np.arange(len(labels))
    images = np.stack([rows // 256, rows % 256], axis=1).astype(np.uint8)[:, None]
    return Dataset(images, labels, tuple(map(str, range(len(counts)))), rows=rows + 1000)


def _check(whole: Dataset, cut: dict[str, Dataset]) -> None:
    rows = np.concatenate([part.rows for part in cut.values()])
    assert len(np.unique(rows)) == len(rows)
    for name, part in cut.items():
        assert part.split == name
        assert np.array_equal(part.labels, whole.labels[part.rows - 1000])
        assert np.array_equal(part.images, whole.images[part.rows - 1000])


def test_the_usual_cut_is_exact_and_balanced() -> None:
    whole = _dataset([600] * 10)
    train, validation = split(whole, 1000)
    assert (len(train), len(validation)) == (5000, 1000)
    assert train.counts.tolist() == [500] * 10
    assert validation.counts.tolist() == [100] * 10
    _check(whole, {"train": train, "validation": validation})


@pytest.mark.parametrize(("size", "expected"), [(0.2, 20), (0.155, 16), (1, 1), (99, 99), (0.004, None), (0.01, 1)])
def test_fractions_and_counts(size: float, expected: int | None) -> None:
    whole = _dataset([50, 50])
    if expected is None:
        with pytest.raises(UsageError, match="would be empty"):
            split(whole, size)
    else:
        train, validation = split(whole, size)
        assert (len(train), len(validation)) == (100 - expected, expected)


@pytest.mark.parametrize("size", [0, -1, 100, 101, 0.0, 1.0, -0.5, 1.5, float("nan"), True, 0.999])
@pytest.mark.parametrize("stratified", [True, False])
def test_impossible_sizes(size: float, stratified: bool) -> None:
    with pytest.raises(UsageError):
        split(_dataset([50, 50]), size, stratified=stratified)


def test_the_order_is_seeded_and_mixed() -> None:
    whole = _dataset([300, 300])
    for stratified in (True, False):
        first, again = (split(whole, 100, seed=3, stratified=stratified) for _ in range(2))
        other = split(whole, 100, seed=4, stratified=stratified)
        for a, b, c in zip(first, again, other, strict=True):
            assert np.array_equal(a.rows, b.rows)
            assert not np.array_equal(a.rows, c.rows)
            # Neither sorted by class nor by row.
            assert 0.3 < (a.labels[1:] != a.labels[:-1]).mean() < 0.7
            assert 0.4 < (np.diff(a.rows) > 0).mean() < 0.6


def test_the_order_is_the_same_on_every_machine() -> None:
    assert split(_dataset([5, 5]), 4, seed=0)[1].rows.tolist() == [1001, 1008, 1000, 1009]


def test_unstratified_parts_are_plain_chance() -> None:
    counts = split(_dataset([500, 500]), 100, seed=1, stratified=False)[1].counts
    assert counts.sum() == 100
    assert counts[0] != 50


def test_any_number_of_named_parts() -> None:
    whole = _dataset([40, 30, 30])
    cut = parts(whole, {"train": 0.7, "validation": 0.1, "test": 0.1, "spare": 0.1})
    assert {name: len(part) for name, part in cut.items()} == {"train": 70, "validation": 10, "test": 10, "spare": 10}
    _check(whole, cut)
    some = parts(whole, {"a": 10, "b": 0.5})
    assert {name: len(part) for name, part in some.items()} == {"a": 10, "b": 50}
    with pytest.raises(UsageError, match=r"a=60, b=0\.5 need 110 images, but there are 100"):
        parts(whole, {"a": 60, "b": 0.5})
    with pytest.raises(UsageError):
        parts(whole, {})


@settings(max_examples=200, deadline=None)
@given(
    counts=st.lists(st.integers(0, 40), min_size=2, max_size=6).filter(lambda counts: sum(counts) > 6),
    shares=st.lists(st.integers(1, 10), min_size=1, max_size=4),
    seed=st.integers(0, 5),
)
def test_every_class_has_its_share(counts: list[int], shares: list[int], seed: int) -> None:
    whole = _dataset(counts, seed)
    sizes = {str(at): max(1, share * len(whole) // (sum(shares) + 1)) for at, share in enumerate(shares)}
    if sum(sizes.values()) > len(whole):
        return
    cut = parts(whole, sizes, seed=seed)
    _check(whole, cut)
    for at, (name, size) in enumerate(sizes.items()):
        assert len(cut[name]) == size
        fair = np.array(counts) * size / len(whole)
        assert (abs(cut[name].counts - fair) < at + 1 + 1e-9).all()


@settings(max_examples=100, deadline=None)
@given(cuts=st.lists(st.integers(1, 99), min_size=1, max_size=4, unique=True), n=st.integers(10, 300))
def test_fractions_that_sum_to_one_use_every_image(cuts: list[int], n: int) -> None:
    edges = [0, *sorted(cuts), 100]
    sizes = {str(at): (b - a) / 100 for at, (a, b) in enumerate(itertools.pairwise(edges))}
    try:
        cut = parts(_dataset([n, n]), sizes)
    except UsageError:
        assert min(sizes.values()) * 2 * n < 1
        return
    assert sum(map(len, cut.values())) == 2 * n


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("50000/10000", {"train": 50000, "validation": 10000}),
        ("80/20", {"train": 0.8, "validation": 0.2}),
        ("80 / 10 / 10", {"train": 0.8, "validation": 0.1, "test": 0.1}),
        ("70%/20%", {"train": 0.7, "validation": 0.2}),
        ("0.8/.2", {"train": 0.8, "validation": 0.2}),
        ("90/20", {"train": 90, "validation": 20}),
        ("train=80/test=20", {"train": 0.8, "test": 0.2}),
        ("a=1/b=2/c=3/d=4", {"a": 1, "b": 2, "c": 3, "d": 4}),
    ],
)
def test_sizes_are_parsed(text: str, sizes: dict[str, float]) -> None:
    found = parse(text)
    assert found == sizes
    assert list(found) == list(sizes)
    assert [type(size) for size in found.values()] == [type(size) for size in sizes.values()]


@pytest.mark.parametrize(
    "text", ["", "5", "a/b", "1/2/3/4", "80/x", "-1/2", "a=1/2", "a=1/a=2", "80%/30", "1e3/5", "/"]
)
def test_senseless_sizes_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)
