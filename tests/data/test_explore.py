"""The numbers of a source against plain numpy."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ropero.data.dataset import Dataset, Splits
from ropero.data.explore import explore, mean_garments, part_facts
from ropero.data.sources import load


@pytest.mark.parametrize("shape", [(50, 6, 6), (50, 6, 6, 3), (50, 6, 6, 1)])
def test_the_facts_are_plain_numpys(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ropero.data.explore._STEP", 7)
    rng = np.random.default_rng(0)
    images = rng.integers(3, 250, shape, np.uint8)
    images[rng.random(shape[:3]) < 0.3] = 0
    images[rng.random(shape) < 0.1] = 0  # in colour, one channel of nought is not black
    labels = rng.integers(0, 3, 50)
    part = Dataset(images, labels, ("a", "b", "none", "c"))
    facts = part_facts(part)
    assert facts.shape == shape
    assert (facts.dtype, facts.elements, facts.image_bytes, facts.label_bytes) == (
        "uint8",
        images.size,
        images.size,
        400,
    )
    assert (facts.lowest, facts.highest) == (0, images.max())
    assert facts.mean == pytest.approx(images.mean() / 255, rel=1e-12)
    assert facts.deviation == pytest.approx(images.std() / 255, rel=1e-12)
    black = (images.reshape(*shape[:3], -1) == 0).all(axis=-1).mean()
    assert facts.black_share == pytest.approx(black, rel=1e-12)
    assert facts.counts == tuple(np.bincount(labels, minlength=4))
    assert facts.histogram == tuple(np.bincount(images.reshape(-1), minlength=256))
    means = mean_garments(part)
    for label in range(3):
        assert np.allclose(means[label], images[labels == label].mean(axis=0) / 255, atol=1e-6)
    assert (means[3] == 0).all()


def test_an_exploration_holds_every_part_and_is_json(splits: Splits) -> None:
    assert splits.test is not None
    splits.test.images.flags.writeable = False
    found = explore(splits)
    assert set(found.parts) == {"train", "test"}
    assert found.first_images[0] == tuple(np.flatnonzero(splits.train.labels == 0)[:10])
    assert found.mean_garments.shape == (3, 28, 28)
    assert found.pairs("exact", "test", "train").total == 0
    with pytest.raises(KeyError):
        found.pairs("exact", "validation")
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["parts"]["train"]["counts"] == [40, 40, 40]
    assert sum(content["parts"]["test"]["histogram"]) == 60 * 28 * 28
    assert content["classes"] == list(splits.classes)
    assert len(content["duplicates"]) == 6


@pytest.mark.real
def test_the_published_numbers_of_the_real_thing() -> None:
    splits = load("fashion-mnist")
    facts = part_facts(splits.train)
    # 0.2860 and 0.3530, as every tutorial normalises.
    assert (round(facts.mean, 4), round(facts.deviation, 4)) == (0.2860, 0.3530)
    assert (facts.lowest, facts.highest) == (0, 255)
    assert 0.50 < facts.black_share < 0.51


@pytest.mark.real
def test_the_near_duplicates_of_the_real_test_part() -> None:
    test = load("fashion-mnist").test
    assert test is not None
    found = explore(Splits(test))
    assert found.pairs("exact", "train").total == 0
    # Against all 50 million cosines, computed in full.
    flat = test.images.reshape(len(test), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    total = sum(
        int((np.triu(flat[at : at + 1000] @ flat.T, at + 1) >= found.near_cosine).sum())
        for at in range(0, 10_000, 1000)
    )
    assert found.pairs("near", "train").total == total == 2
