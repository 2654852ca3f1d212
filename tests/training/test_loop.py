"""fit learns, is deterministic, resumes to the same bits, and cannot see the test part."""

import inspect
from pathlib import Path

import pytest
import torch
from conftest import Kill, synthetic

from ropero.data.batches import to_device
from ropero.data.dataset import Dataset
from ropero.errors import TrainingDiverged, UsageError
from ropero.models.classifier import Classifier
from ropero.training import loop
from ropero.training.callbacks import Callback
from ropero.training.checkpoints import CheckpointStore
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord, History
from ropero.training.loop import estimate_seconds, fit

SMALL = TrainConfig(network="quick", epochs=3, batch_size=32, erase=0.5, device="cpu", precision="fp32")


def same(one: Classifier, other: Classifier) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def figures(history: History) -> list[tuple[float, ...]]:
    return [(r.train_loss, r.train_accuracy, r.validation_loss or 0, r.learning_rate) for r in history]


def test_the_test_part_is_no_argument() -> None:
    assert list(inspect.signature(fit).parameters) == ["config", "train", "validation", "callbacks", "store"]


@pytest.mark.parametrize("network", ["quick", "dense", "softmax"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_learns_easy_classes(network: str, optimizer: str) -> None:
    rate = 0.005 if optimizer == "adamw" else 0.05
    config = SMALL.replace(network=network, epochs=8, optimizer=optimizer, learning_rate=rate, erase=0.0, flip="none")
    _, history = fit(config, synthetic(150), synthetic(60, seed=1))
    assert history.records[-1].validation_accuracy is not None
    assert history.records[-1].validation_accuracy > 0.9


def test_same_seed_same_bits_other_seed_other_weights() -> None:
    one, first = fit(SMALL, synthetic())
    two, second = fit(SMALL, synthetic())
    three, _ = fit(SMALL.replace(seed=1), synthetic())
    assert same(one, two)
    assert figures(first) == figures(second)
    assert not same(one, three)


@pytest.mark.parametrize("at", [1, 2, 4, 5, 7, 8, 11])
@pytest.mark.parametrize(
    "kept",
    [
        {"ema": 0.9},
        {"keep": "best", "optimizer": "sgd"},
        {"network": "monterrey-cnn", "optimizer": "rmsprop", "batch_size": 30, "precision": "bf16"},
        {"network": "monterrey-rnn", "optimizer": "adam", "clip_norm": 0.1, "batch_size": 30},
    ],
    ids=["ema", "best", "cnn", "rnn"],
)
def test_resumes_to_the_same_bits(
    at: int, kept: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)  # a checkpoint after every step
    config = SMALL.replace(**kept)
    whole, expected = fit(config, synthetic(), synthetic(60, seed=1))
    store = CheckpointStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(config, synthetic(), synthetic(60, seed=1), callbacks=[Kill(at)], store=store)
    resumed, history = fit(config, synthetic(), synthetic(60, seed=1), store=CheckpointStore(tmp_path))
    assert same(whole, resumed)
    assert figures(history) == figures(expected)


def test_early_stopping_stops_and_stays_stopped_after_a_resume(tmp_path: Path) -> None:
    config = SMALL.replace(epochs=40, patience=2, learning_rate=1e-9, schedule="constant")
    store = CheckpointStore(tmp_path)
    _, history = fit(config, synthetic(), synthetic(60, seed=1), store=store)
    assert len(history) < 40
    _, again = fit(config, synthetic(), synthetic(60, seed=1), store=store)
    assert figures(again) == figures(history)


def test_best_weights_are_those_of_the_lowest_validation_loss() -> None:
    config = SMALL.replace(epochs=6, keep="best", learning_rate=0.5, optimizer="sgd", schedule="constant")
    held_out = synthetic(60, seed=1)
    model, history = fit(config, synthetic(), held_out)
    best = history.best_epoch()
    assert best is not None
    loss, _ = loop._validate(model, to_device(held_out, torch.device("cpu")))
    assert loss == pytest.approx(best.validation_loss, rel=1e-5)


def test_choosing_by_validation_needs_validation() -> None:
    with pytest.raises(UsageError, match="hold images out"):
        fit(SMALL.replace(keep="best"), synthetic())


def test_a_loss_that_explodes_is_said() -> None:
    with pytest.raises(TrainingDiverged, match="smaller learning rate"):
        fit(
            SMALL.replace(network="dense", optimizer="sgd", learning_rate=100.0, weight_decay=9.0, epochs=9),
            synthetic(),
        )


def test_weights_that_explode_in_the_last_step_are_said_too() -> None:
    config = SMALL.replace(network="softmax", schedule="constant", epochs=1, batch_size=120)

    class Explode(Callback):
        def on_step_end(self, step: int) -> None:
            next(iter(held[0].parameters())).data.fill_(float("inf"))

    held: list[Classifier] = []
    with pytest.MonkeyPatch.context() as patch:
        began = loop.begin
        patch.setattr(loop, "begin", lambda *words: held.append((state := began(*words)).model) or state)
        with pytest.raises(TrainingDiverged):
            fit(config, synthetic(), callbacks=[Explode()])


def test_the_training_accuracy_counts_every_image_once() -> None:
    seen: list[EpochRecord] = []

    class Look(Callback):
        def on_epoch_end(self, record: EpochRecord) -> None:
            seen.append(record)

    fit(SMALL.replace(batch_size=7), synthetic(64), callbacks=[Look()])  # 64 = 9 * 7 + 1
    assert all(round(record.train_accuracy * 64, 6) == int(round(record.train_accuracy * 64, 6)) for record in seen)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_hooks_are_given_the_networks_their_gradients_and_the_parts(ema: float) -> None:
    told: list[str] = []
    held_out = synthetic(60, seed=1)
    data = synthetic()

    class Watch(Callback):
        def on_set_up(self, model: Classifier, kept: Classifier, train: Dataset, validation: Dataset | None) -> None:
            told.append("set up")
            self.model, self.kept = model, kept
            assert (train, validation) == (data, held_out)
            assert (kept is model) == (ema == 0)

        def on_train_begin(self, *_: object) -> None:
            told.append("begin")

        def gradients(self) -> list[torch.Tensor]:
            return [p.grad.clone() for p in self.model.parameters() if p.grad is not None]

        def on_step_end(self, step: int) -> None:
            self.last = self.gradients()

        def on_epoch_end(self, record: EpochRecord) -> None:
            told.append("epoch")
            # Nothing between the last step and here, validation included, has touched them.
            assert len(self.last) == len(list(self.model.parameters()))
            assert all(map(torch.equal, self.last, self.gradients()))
            assert any(bool(one.any()) for one in self.last)

    watch = Watch()
    kept, _ = fit(SMALL.replace(ema=ema), data, held_out, callbacks=[watch])
    assert told == ["set up", "begin", "epoch", "epoch", "epoch"]
    assert same(kept, watch.kept)


def test_an_epoch_that_was_cut_off_in_its_hooks_is_given_to_them_again(tmp_path: Path) -> None:
    epochs: list[int] = []

    class Cut(Callback):
        def on_epoch_end(self, record: EpochRecord) -> None:
            epochs.append(record.epoch)
            if epochs == [1, 2]:
                raise KeyboardInterrupt

    whole, _ = fit(SMALL, synthetic())
    with pytest.raises(KeyboardInterrupt):
        fit(SMALL, synthetic(), callbacks=[Cut()], store=CheckpointStore(tmp_path))
    resumed, _ = fit(SMALL, synthetic(), callbacks=[Cut()], store=CheckpointStore(tmp_path))
    assert epochs == [1, 2, 2, 3]
    assert same(whole, resumed)


def test_the_estimate_disturbs_nothing() -> None:
    plain, _ = fit(SMALL, synthetic())
    assert estimate_seconds(SMALL, synthetic()) > 0
    after, _ = fit(SMALL, synthetic())
    assert same(plain, after)


def test_bf16_trains_too() -> None:
    _, history = fit(SMALL.replace(precision="bf16", epochs=6), synthetic(150), synthetic(60, seed=1))
    assert history.records[-1].validation_accuracy == 1.0
