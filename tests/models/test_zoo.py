"""One battery over every network of the zoo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import synthetic

from ropero.errors import RunError, UsageError
from ropero.models import checkpoint
from ropero.models.inference import features, logits, probabilities
from ropero.models.summary import summarise
from ropero.models.zoo import ABOUT, NETWORKS, build
from ropero.training.presets import PRESETS

SHAPES = [(1, 28, 28), (3, 32, 32)]
ALL = pytest.mark.parametrize("name", NETWORKS)


def test_every_network_has_a_recipe_and_a_line() -> None:
    assert list(NETWORKS) == list(PRESETS) == list(ABOUT)


@ALL
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_and_gradients(name: str, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    model = build(name, shape, 7).train()
    out = model(torch.rand(4, *shape))
    assert out.shape == (4, 7)
    out.square().sum().backward()
    learning = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in learning)
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)
    # A tensor without any gradient is cut off from the answer; ReLUs of a new network may silence a few.
    reached = [p.grad is not None and bool(p.grad.abs().sum() > 0) for p in learning]
    assert all(reached), [name for (name, p), met in zip(model.named_parameters(), reached, strict=False) if not met]


@ALL
def test_eval_is_deterministic_and_counts_no_neighbours(name: str) -> None:
    images = synthetic(4).images
    model = build(name, (1, 28, 28), 3)
    together = logits(model, images)
    np.testing.assert_array_equal(together, logits(model, images))
    alone = np.concatenate([logits(model, images[i : i + 1]) for i in range(4)])
    np.testing.assert_allclose(together, alone, atol=1e-5 * max(1, np.abs(together).max()))


@ALL
def test_save_and_load_is_identity(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build(name, (1, 28, 28), 3)
    model.measure(torch.from_numpy(synthetic().images[:, None].copy()))
    checkpoint.save(model, name, ("a", "b", "c"), tmp_path)
    loaded, card = checkpoint.load(tmp_path)
    assert (card.network, card.classes, card.input_shape) == (name, ("a", "b", "c"), (1, 28, 28))
    np.testing.assert_array_equal(logits(model, synthetic(4).images), logits(loaded, synthetic(4).images))


@ALL
def test_the_summary_adds_up(name: str) -> None:
    model = build(name, (1, 28, 28), 10)
    summary = summarise(model)
    assert sum(row.parameters for row in summary.rows) == summary.total
    assert summary.rows[-1].output_shape == (10,)
    assert summary.trainable == sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_known_totals() -> None:
    assert summarise(build("softmax", (1, 28, 28), 10)).total == 7_850
    assert summarise(build("dense", (1, 28, 28), 10)).total == 101_770


def test_standardisation_is_measured_on_the_images() -> None:
    images = synthetic().images
    model = build("quick", (1, 28, 28), 3)
    model.measure(torch.from_numpy(images[:, None].copy()))
    assert float(model.mean) == pytest.approx(images.mean() / 255, abs=1e-6)
    assert float(model.std) == pytest.approx(images.std() / 255, abs=1e-6)


def test_features_feed_the_head() -> None:
    model = build("quick", (1, 28, 28), 3).eval()
    found = torch.from_numpy(features(model, synthetic(5).images))
    np.testing.assert_allclose(model.head(found).detach(), logits(model, synthetic(5).images), atol=1e-5)


def test_probabilities_sum_to_one_even_for_huge_logits() -> None:
    model = build("softmax", (1, 28, 28), 3)
    with torch.no_grad():
        model.head.weight.mul_(1e4)
    rows = probabilities(model, synthetic(20).images)
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-6)


def test_an_unknown_network_gets_a_guess() -> None:
    with pytest.raises(UsageError, match="Did you mean 'quick'"):
        build("quik", (1, 28, 28), 10)


def test_weights_that_are_not_the_cards_are_refused(tmp_path: Path) -> None:
    checkpoint.save(build("softmax", (1, 28, 28), 3), "softmax", ("a", "b", "c"), tmp_path)
    content = bytearray((tmp_path / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(RunError, match="SHA-256"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("shape", ['["x", 1, 1]', "[1, 28]", "[1, 99999999, 28]", "3"])
def test_a_card_of_nonsense_is_refused(tmp_path: Path, shape: str) -> None:
    checkpoint.save(build("softmax", (1, 28, 28), 3), "softmax", ("a", "b", "c"), tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**card, "input_shape": json.loads(shape)}))
    with pytest.raises(RunError, match="not a model card"):
        checkpoint.load(tmp_path)


def test_a_card_of_endless_classes_is_refused(tmp_path: Path) -> None:
    checkpoint.save(build("softmax", (1, 28, 28), 3), "softmax", ("a", "b", "c"), tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**card, "classes": [""] * (checkpoint.MAX_CLASSES + 1)}))
    with pytest.raises(RunError, match="not a model card: 10001 classes"):
        checkpoint.load(tmp_path)


def test_a_card_of_the_future_is_refused(tmp_path: Path) -> None:
    checkpoint.save(build("softmax", (1, 28, 28), 3), "softmax", ("a", "b", "c"), tmp_path)
    card = (tmp_path / "model.json").read_text().replace('"format": 1', '"format": 99')
    (tmp_path / "model.json").write_text(card)
    with pytest.raises(RunError, match="newer ropero"):
        checkpoint.load(tmp_path)
