"""The evaluator is the published one, and its distances grow with what is wrong with pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ropero.data import sources
from ropero.errors import RunError, UsageError
from ropero.generation import evaluator
from ropero.generation.evaluator import FOLDER, SHA256, features
from ropero.metrics.frechet import coverage, frechet_distance
from ropero.storage import sha256_file


def test_it_is_the_published_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sha256_file(FOLDER / "model.safetensors") == SHA256
    told = json.loads((FOLDER / "training.json").read_text("utf-8"))
    assert told["validation_accuracy"] > 0.9
    for file in FOLDER.iterdir():
        shutil.copy(file, tmp_path)
    card = json.loads((tmp_path / "model.json").read_text("utf-8"))
    monkeypatch.setattr(evaluator, "FOLDER", tmp_path)
    monkeypatch.setattr(evaluator, "SHA256", "0" * 64)
    evaluator.evaluator.cache_clear()
    with pytest.raises(RunError, match="SHA-256"):
        features(np.zeros((2, 28, 28), np.uint8))
    assert card["weights_sha256"] == SHA256
    evaluator.evaluator.cache_clear()


def test_pictures_of_other_shapes_are_a_sentence() -> None:
    for shape in ((3, 32, 32), (3, 28, 28, 3)):
        with pytest.raises(UsageError, match="28 x 28"):
            features(np.zeros(shape, np.uint8))


def test_features_are_the_same_in_any_company() -> None:
    images = np.random.default_rng(0).integers(0, 256, (120, 28, 28), dtype=np.uint8)
    found = features(images)
    assert found.shape == (120, 96)
    np.testing.assert_allclose(features(images[5:9]), found[5:9], atol=1e-4)


@pytest.mark.real
def test_distances_grow_with_what_is_wrong() -> None:
    parts = sources.load("fashion-mnist")
    rows = np.random.default_rng(0).permutation(len(parts.train))
    real, other = (parts.train.images[rows[start : start + 1000]] for start in (0, 1000))
    labels = parts.train.labels[rows[1000:2000]]
    told = features(real)
    floor = frechet_distance(told, features(other))
    draws = np.random.default_rng(1)
    noisy = [np.clip(other + draws.normal(0, sigma, other.shape), 0, 255).astype(np.uint8) for sigma in (8, 24, 64)]
    distances = [frechet_distance(told, features(one)) for one in noisy]
    assert floor < distances[0] < distances[1] < distances[2]
    without = other[labels != 8]
    assert frechet_distance(told, features(without)) > 2 * floor, "a class that is missing"
    one = np.repeat(other[:10], 100, 0)
    assert frechet_distance(told, features(one)) > 10 * floor, "ten pictures alone"
    found = coverage(told, features(one))
    assert found.recall < 0.3 < 0.6 < coverage(told, features(other)).recall
