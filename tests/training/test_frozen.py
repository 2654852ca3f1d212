"""Training on the codes of a frozen base: it learns, resumes to the same bits, and refuses what codes cannot show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import synthetic
from small_vgg import made_up, shrink, weights_file

from ropero.errors import DataNotFound, UsageError
from ropero.models import codes
from ropero.models.classifier import Classifier
from ropero.models.inference import logits
from ropero.training import loop
from ropero.training.callbacks import Callback
from ropero.training.checkpoints import CheckpointStore
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord, History
from ropero.training.loop import estimate_seconds, fit
from ropero.training.presets import plain

FROZEN = ("lunzhi-vgg19", "lunzhi-vgg16", "vgg19-frozen", "vgg16-frozen")


@pytest.fixture(autouse=True)
def few_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    weights = str(weights_file(tmp_path / "w.safetensors"))
    return plain("vgg16-frozen", epochs=4, batch_size=32, weights=weights, device="cpu")


def same(one: Classifier, other: Classifier) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def figures(history: History) -> list[tuple[float, ...]]:
    return [(r.train_loss, r.train_accuracy, r.validation_loss or 0, r.learning_rate) for r in history]


class Listener(Callback):
    """Notes what it is told, and ends the training at a step as a signal would."""

    def __init__(self, kill_at: int = 0) -> None:
        self.kill_at = kill_at
        self.told: list[str] = []

    def on_encode(self, encoding: codes.Encoding) -> None:
        self.told.append(f"{encoding.done}/{encoding.total}")

    def on_set_up(self, *parts: object) -> None:
        self.told.append("set up")

    def on_step_end(self, step: int) -> None:
        if step == self.kill_at:
            raise KeyboardInterrupt

    def on_epoch_end(self, record: EpochRecord) -> None:
        self.told.append("epoch")


def test_it_learns_from_codes_and_forward_agrees(config: TrainConfig) -> None:
    listener = Listener()
    model, history = fit(config.replace(epochs=30), synthetic(150), synthetic(60, seed=1), callbacks=[listener])
    last = history.records[-1]
    assert last.validation_accuracy is not None
    assert last.validation_accuracy > 0.8
    # The network itself, which knows of no cache, makes of the pixels what was measured on codes.
    held_out = synthetic(60, seed=1)
    found = logits(model, held_out.images)
    assert float((found.argmax(1) == held_out.labels).mean()) == pytest.approx(last.validation_accuracy)
    loss = torch.nn.functional.cross_entropy(torch.from_numpy(found), torch.tensor(held_out.labels))
    assert float(loss) == pytest.approx(last.validation_loss, rel=1e-3)
    assert listener.told[:3] == ["0/210", "16/210", "32/210"]
    assert listener.told[-32] == "210/210"
    assert listener.told[-31] == "set up"


def test_the_base_has_the_files_weights_and_keeps_them(config: TrainConfig) -> None:
    model, _ = fit(config, synthetic())
    theirs = made_up().layers.state_dict()
    ours = model.base.layers.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert not any(p.requires_grad for p in model.base.parameters())  # type: ignore[union-attr]


@pytest.mark.parametrize("at", [1, 4, 5, 9])
@pytest.mark.parametrize("kept", [{"ema": 0.9}, {"keep": "best"}], ids=["ema", "best"])
def test_resumes_to_the_same_bits(
    at: int, kept: dict[str, object], config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)  # a checkpoint after every step
    config = config.replace(**kept)
    whole, expected = fit(config, synthetic(), synthetic(60, seed=1))
    store = CheckpointStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(config, synthetic(), synthetic(60, seed=1), callbacks=[Listener(at)], store=store)
    if found := store.load():
        assert not any("/base." in name for name in found[0])
    resumed, history = fit(config, synthetic(), synthetic(60, seed=1), store=CheckpointStore(tmp_path))
    assert same(whole, resumed)
    assert figures(history) == figures(expected)


def test_codes_are_computed_once_for_all_trainings(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    first, expected = fit(config, synthetic(), synthetic(60, seed=1))

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(codes, "_encode", never)
    again, history = fit(config, synthetic(), synthetic(60, seed=1))
    assert same(first, again)
    assert figures(history) == figures(expected)
    other, _ = fit(config.replace(seed=1, precision="bf16"), synthetic(), synthetic(60, seed=1))
    assert not same(first, other)


def test_the_estimate_needs_few_images_and_no_validation(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    encode = codes._encode
    monkeypatch.setattr(codes, "_encode", lambda model, some: (counts.append(len(some)), encode(model, some))[1])
    assert estimate_seconds(config, synthetic(300), synthetic(60, seed=1)) > 0
    assert sum(counts) <= 2 * codes.BATCH
    with monkeypatch.context() as slow:
        slow.setattr(codes, "estimate_seconds", lambda model, parts: 1e4 * sum(map(len, parts)))
        assert estimate_seconds(config, synthetic(300), synthetic(60, seed=1)) > 360e4
    fit(config, synthetic(300))
    counts.clear()
    assert estimate_seconds(config, synthetic(300)) > 0
    assert counts == []


@pytest.mark.parametrize(
    "change",
    [{"flip": "random"}, {"flip": "alternating"}, {"erase": 0.5}, {"rotation": 5.0}, {"zoom": 0.1}, {"shear": 1.0},
     {"width_shift": 0.1}, {"height_shift": 0.1}, {"mixup": 0.2}, {"cutmix": 1.0}, {"vertical_flip": True}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("network", FROZEN)
def test_augmentation_is_refused_by_name(change: dict[str, object], network: str, config: TrainConfig) -> None:
    with pytest.raises(UsageError, match=f"computed once from each image as it is: turn off {next(iter(change))}"):
        loop.check(config.replace(network=network, **change), synthetic(), None)


def test_all_that_is_on_is_named(config: TrainConfig) -> None:
    with pytest.raises(UsageError, match="turn off flip, zoom"):
        loop.check(config.replace(flip="random", zoom=0.1), synthetic(), None)
    loop.check(config.replace(erase=0.5, erase_side=0), synthetic(), None)


def test_weights_for_a_network_without_a_base_are_refused(config: TrainConfig) -> None:
    with pytest.raises(UsageError, match="quick has no pretrained part"):
        fit(config.replace(network="quick"), synthetic())


def test_weights_that_are_gone_are_told(config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="no file of weights"):
        fit(config.replace(weights=str(tmp_path / "none")), synthetic())


def test_colour_images_have_codes_too(config: TrainConfig) -> None:
    grey = synthetic(60)
    colour = type(grey)(np.repeat(grey.images[..., None], 3, 3), grey.labels, grey.classes)
    one, history = fit(config, grey)
    other, second = fit(config, colour)
    assert figures(history) == pytest.approx(np.array(figures(second)), rel=1e-3)
    assert codes.folder(one) != codes.folder(other)
