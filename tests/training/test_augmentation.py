"""What a config's augmentation makes of a batch: when, of which images, and what the loss and the hits are then of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Kill, synthetic
from torch import nn

from ropero.data import augment
from ropero.data.batches import to_device
from ropero.models.classifier import Classifier
from ropero.runtime import mix_seed
from ropero.training import loop
from ropero.training.augmentation import Augmentation, Targets
from ropero.training.checkpoints import CheckpointStore
from ropero.training.config import TrainConfig
from ropero.training.history import History
from ropero.training.loop import EpochRunner, fit
from ropero.training.state import begin

PLAIN = TrainConfig(
    network="softmax", epochs=2, batch_size=32, flip="none", erase=0.0, device="cpu", precision="fp32", schedule="step"
)
EVERYTHING = {
    "flip": "random",
    "vertical_flip": True,
    "rotation": 8.0,
    "width_shift": 0.08,
    "height_shift": 0.08,
    "shear": 0.3,
    "zoom": 0.08,
    "fill": "reflect",
    "erase": 0.5,
    "mixup": 0.4,
    "cutmix": 1.0,
}


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.randint(1, 256, (40, 1, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


LABELS = torch.arange(40) % 10


def stepped(config: TrainConfig, pixels: torch.Tensor, epoch: int = 0, seed: int = 0) -> tuple[torch.Tensor, Targets]:
    torch.manual_seed(seed)
    return Augmentation(config, len(pixels)).of_training(pixels, LABELS, torch.arange(len(pixels)), epoch)


def figures(history: History) -> list[tuple[float, ...]]:
    return [(r.train_loss, r.train_accuracy, r.validation_loss or 0, r.validation_accuracy or 0) for r in history]


def same(one: Classifier, other: Classifier) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_without_augmentation_the_very_batch_goes_on(pixels: torch.Tensor) -> None:
    found, targets = stepped(PLAIN, pixels)
    assert found is pixels
    assert targets.labels is LABELS
    assert targets.heavier is LABELS


@pytest.mark.parametrize(
    "changes",
    [{name: value} for name, value in EVERYTHING.items() if name not in ("fill", "erase")]
    + [{"flip": "alternating"}, {"erase": 0.5, "erase_side": 4}],
    ids=str,
)
def test_every_option_changes_the_images_by_itself(changes: dict[str, object], pixels: torch.Tensor) -> None:
    before = pixels.clone()
    found, _ = stepped(PLAIN.replace(**changes), pixels)
    assert found.shape == pixels.shape
    assert not torch.equal(found.float(), before.float())
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255.001
    assert torch.equal(pixels, before)  # the images on the device stay as they are


@pytest.mark.parametrize("fill", ["nearest", "constant", "reflect", "wrap"])
def test_the_fill_reaches_the_edges(fill: str, pixels: torch.Tensor) -> None:
    config = PLAIN.replace(width_shift=0.5, fill=fill)
    torch.manual_seed(0)
    moves = augment.draw_moves(40, (12, 12), width_shift=0.5)
    assert torch.equal(stepped(config, pixels)[0], augment.move(pixels, moves, fill))


@pytest.mark.parametrize("moved", [{}, {"zoom": 1e-9}], ids=["alone", "with a move"])
def test_flips_are_the_same_with_and_without_a_move(moved: dict[str, float], pixels: torch.Tensor) -> None:
    config = PLAIN.replace(flip="alternating", **moved)
    half = augment.flip_halves(40, 0)
    for epoch in (0, 1):
        found, _ = stepped(config, pixels, epoch)
        expected = augment.flip_where(pixels, half ^ bool(epoch)).float()
        torch.testing.assert_close(found.float(), expected, rtol=0, atol=1e-2)
    upside_down, _ = stepped(PLAIN.replace(vertical_flip=True, **moved), pixels)
    kept = torch.isclose(upside_down.float(), pixels.float(), atol=1e-2).flatten(1).all(1)
    turned = torch.isclose(upside_down.float(), pixels.flip(2).float(), atol=1e-2).flatten(1).all(1)
    assert bool((kept ^ turned).all())
    assert 8 < int(turned.sum()) < 32


def test_augmentation_begins_with_its_epoch(pixels: torch.Tensor) -> None:
    config = PLAIN.replace(augment_from=3, augment_validation=True, **EVERYTHING)
    for epoch in (0, 1):
        found, targets = stepped(config, pixels, epoch)
        assert found is pixels
        assert targets.others is None
        assert Augmentation(config, 40).of_validation(pixels, epoch, 0) is pixels
    assert stepped(config, pixels, 2)[0] is not pixels
    assert Augmentation(config, 40).of_validation(pixels, 2, 0) is not pixels


def test_training_before_the_first_augmented_epoch_is_plain_training() -> None:
    late = PLAIN.replace(augment_from=2, **EVERYTHING)
    _, plain = fit(PLAIN, synthetic())
    _, history = fit(late, synthetic())
    assert figures(history)[0] == figures(plain)[0]
    assert figures(history)[1] != figures(plain)[1]


def test_validation_images_are_left_alone_unless_asked_for(pixels: torch.Tensor) -> None:
    assert Augmentation(PLAIN.replace(**EVERYTHING), 40).of_validation(pixels, 0, 0) is pixels
    for flip in ("random", "alternating"):
        augmentation = Augmentation(PLAIN.replace(augment_validation=True, flip=flip), 5)  # 5 training images
        found = augmentation.of_validation(pixels, 0, 0)
        turned = (found == pixels.flip(3)).flatten(1).all(1)
        assert 8 < int(turned.sum()) < 32


def test_validation_draws_follow_seed_epoch_and_chunk_only(pixels: torch.Tensor) -> None:
    config = PLAIN.replace(augment_validation=True, **EVERYTHING)
    augmentation = Augmentation(config, 40)
    torch.manual_seed(1)
    one = augmentation.of_validation(pixels, 3, 2)
    torch.manual_seed(2)
    assert torch.equal(augmentation.of_validation(pixels, 3, 2), one)
    assert not torch.equal(augmentation.of_validation(pixels, 4, 2), one)
    assert not torch.equal(augmentation.of_validation(pixels, 3, 1), one)
    assert not torch.equal(Augmentation(config.replace(seed=1), 40).of_validation(pixels, 3, 2), one)


def test_the_validation_loss_is_then_that_of_augmented_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "chunk_size", lambda *_: 7)
    held_out, changes = synthetic(60, seed=1), {"rotation": 90.0, "zoom": 0.5}
    _, honest = fit(PLAIN.replace(**changes), synthetic(), held_out)
    model, fault = fit(PLAIN.replace(augment_validation=True, **changes), synthetic(), held_out)
    assert [r.train_loss for r in honest] == [r.train_loss for r in fault]  # training does not notice
    assert all(a.validation_loss != b.validation_loss for a, b in zip(honest, fault, strict=True))
    augmentation = Augmentation(PLAIN.replace(augment_validation=True, **changes), 120)
    images = to_device(held_out, torch.device("cpu"))
    chunks = [augmentation.of_validation(images.pixels[at : at + 7], 1, at // 7) for at in range(0, 60, 7)]
    with torch.inference_mode():
        expected = nn.functional.cross_entropy(model(torch.cat(chunks) / 255), images.labels)
    assert fault.records[-1].validation_loss == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_against_the_smoothed_mixed_target(smoothing: float) -> None:
    torch.manual_seed(0)
    logits, first, second = torch.randn(9, 4), torch.randint(0, 4, (9,)), torch.randint(0, 4, (9,))
    loss = Targets(first, second, 0.3).loss(nn.CrossEntropyLoss(label_smoothing=smoothing), logits)
    eye = np.eye(4)
    target = (1 - smoothing) * (0.3 * eye[first] + 0.7 * eye[second]) + smoothing / 4
    wide = logits.double().numpy()
    log_shares = wide - np.log(np.exp(wide).sum(1, keepdims=True))
    assert float(loss) == pytest.approx(-(target * log_shares).sum(1).mean(), rel=1e-5)


def test_hits_are_counted_against_the_heavier_label() -> None:
    first, second = torch.tensor([0, 1]), torch.tensor([2, 3])
    assert torch.equal(Targets(first, second, 0.6).heavier, first)
    assert torch.equal(Targets(first, second, 0.4).heavier, second)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_labels_are_mixed_as_the_pixels_are(name: str) -> None:
    """Images that all have their label for a value: the mean of each result tells what it was mixed from."""
    plain = (LABELS * 20).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 12, 12).clone()
    weights = set()
    for seed in range(30):
        found, targets = stepped(PLAIN.replace(**{name: 1.0}), plain, seed=seed)
        assert targets.others is not None
        assert torch.equal(targets.labels, LABELS)
        assert not torch.equal(targets.others, LABELS)
        expected = 20.0 * (targets.weight * targets.labels + (1 - targets.weight) * targets.others)
        torch.testing.assert_close(found.float().mean((1, 2, 3)), expected, rtol=0, atol=0.01)
        assert (found.dtype == torch.uint8) == (name == "cutmix")
        weights.add(round(targets.weight, 6))
    assert len(weights) > 15
    assert min(weights) < 0.5  # so that the other label is the heavier one
    assert max(weights) > 0.9


def test_a_fair_coin_chooses_between_mixup_and_cutmix(pixels: torch.Tensor) -> None:
    config = PLAIN.replace(mixup=1.0, cutmix=1.0)
    pasted = [stepped(config, pixels, seed=seed)[0].dtype == torch.uint8 for seed in range(200)]
    assert 70 < sum(pasted) < 130


def test_each_way_of_mixing_has_its_own_parameter(pixels: torch.Tensor) -> None:
    config = PLAIN.replace(mixup=10.0, cutmix=0.01)
    weights: dict[torch.dtype, list[float]] = {torch.float32: [], torch.uint8: []}
    for seed in range(100):
        found, targets = stepped(config, pixels, seed=seed)
        weights[found.dtype].append(targets.weight)
    assert np.median(np.abs(np.array(weights[torch.float32]) - 0.5)) < 0.2
    assert 0.25 < np.mean(np.array(weights[torch.uint8]) == 1) < 0.75  # all of one, or all but what is cut off


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_step_learns_from_the_mixed_labels(name: str) -> None:
    config = PLAIN.replace(batch_size=10, label_smoothing=0.1, **{name: 1.0})
    device, train = torch.device("cpu"), synthetic(120)
    state, runner = begin(config, train, device), EpochRunner(config, to_device(train, device), None)
    lighter = 0
    for state.step in range(12):
        chosen = torch.arange(10) + 10 * state.step
        torch.manual_seed(mix_seed("step", config.seed, 0, state.step))
        pixels, targets = runner.augmentation.of_training(
            runner.images.pixels[chosen], runner.images.labels[chosen], chosen, 0
        )
        with torch.no_grad():
            logits = state.model(pixels / 255)
        expected = targets.loss(nn.CrossEntropyLoss(label_smoothing=0.1), logits)
        answers = runner.step(state, chosen)
        assert float(answers.loss) == pytest.approx(float(expected), rel=1e-5)
        assert torch.equal(answers.labels, targets.heavier)
        torch.testing.assert_close(answers.logits, logits, rtol=1e-4, atol=1e-5)
        lighter += targets.weight < 0.5
    assert lighter  # else the hits would not tell


@pytest.mark.parametrize("at", [1, 4, 6])
def test_a_killed_training_goes_on_to_the_same_bits(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)  # a checkpoint after every step
    config = PLAIN.replace(augment_validation=True, **EVERYTHING)
    held_out = synthetic(60, seed=1)
    whole, expected = fit(config, synthetic(), held_out)
    store = CheckpointStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(config, synthetic(), held_out, callbacks=[Kill(at)], store=store)
    resumed, history = fit(config, synthetic(), held_out, store=CheckpointStore(tmp_path))
    assert same(whole, resumed)
    assert figures(history) == figures(expected)


def test_a_network_learns_from_mixed_and_moved_images() -> None:
    config = PLAIN.replace(epochs=8, learning_rate=0.005, network="quick", **EVERYTHING)
    _, history = fit(config, synthetic(150), synthetic(60, seed=1))
    assert history.records[-1].validation_accuracy is not None
    assert history.records[-1].validation_accuracy > 0.9
