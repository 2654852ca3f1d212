"""A generator's training as a run: new, resumed, already there; what it leaves to be looked at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import synthetic
from PIL import Image
from small_generator import CONFIG, small

from ropero.data.dataset import Splits
from ropero.errors import MissingExtra, UsageError
from ropero.generation import loop, mosaic, sample
from ropero.generation.learner import Learner
from ropero.generation.loop import GeneratorEpoch, Hook
from ropero.generators import GeneratorStore
from ropero.training.config import TrainConfig
from ropero.workbench import generate as verb
from ropero.workbench import growth
from ropero.workbench.generate import GeneratorPlan, learned_from, train_generator
from ropero.workbench.train import cut

__all__ = ["small"]


class Kill(Hook):
    def __init__(self, at: int) -> None:
        self.at = at

    def on_step_end(self, step: int) -> None:
        if step == self.at:
            raise KeyboardInterrupt


@pytest.fixture
def store(tmp_path: Path) -> GeneratorStore:
    return GeneratorStore(tmp_path)


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path))


def test_a_trained_run_is_whole_and_leaves_no_checkpoint(small: None, store: GeneratorStore, splits: Splits) -> None:
    done = train_generator(splits, CONFIG, store)
    run = done.run
    assert done.how == "new"
    assert all("ropero[video]" in one for one in done.missing), "which may not be installed"
    assert {path.name for path in run.folder.iterdir()} == {
        "run.json",
        "config.json",
        "data.json",
        "environment.json",
        "history.jsonl",
        "model.safetensors",
        "model.json",
        "samples",
        "figures",
    }
    assert run.status == "trained"
    assert [one.epoch for one in run.history] == [1, 2, 3]
    assert sorted(run.history[0].losses) == ["discriminator", "generator"]
    assert run.notes["epochs"] == 3
    assert run.notes["images"] == 120
    assert run.notes["train_digest"] == splits.train.digest
    assert run.notes["weights_sha256"] == run.card.weights_sha256


def test_the_same_four_garments_are_drawn_at_every_epoch(small: None, store: GeneratorStore, splits: Splits) -> None:
    seen: list[Any] = []

    class Look(Hook):
        def on_epoch_end(self, record: GeneratorEpoch, learner: Learner) -> None:
            seen.append(sample.seeded(learner, [0, 1, 2, 3], [0, 0, 1, 2]))

    run = train_generator(splits, CONFIG, store, hooks=[Look()]).run
    paths = growth.watched(run)
    assert list(paths) == [0, 1, 2, 3]
    assert paths[0].name == "epoch-000.png"
    for epoch, path in paths.items():
        assert np.array_equal(pixels(path), mosaic.enlarged(mosaic.mosaic(seen[epoch], 4), 4)), epoch
    assert not np.array_equal(pixels(paths[0]), pixels(paths[1])), "the first is the untrained generator's"
    again = mosaic.mosaic(sample.seeded(run.learner(), range(4), [0, 0, 1, 2]), 4)
    assert np.array_equal(pixels(paths[3])[::4, ::4], again), "the last is the kept generator's"


def test_how_they_grew_is_an_animation(small: None, store: GeneratorStore, splits: Splits) -> None:
    pytest.importorskip("av")
    run = train_generator(splits, CONFIG, store).run
    with Image.open(run.samples / "growth.gif") as found:
        assert getattr(found, "n_frames", 1) == 4
        assert found.size[0] == 4 * (4 * 28 + 3 * 2)
    assert all((run.samples / f"growth.{kind}").stat().st_size > 500 for kind in ("mp4", "webm"))
    assert (run.folder / "figures" / "losses.png").stat().st_size > 5000


def test_the_garment_by_chance_can_be_made_again(small: None, store: GeneratorStore, splits: Splits) -> None:
    run = train_generator(splits, CONFIG, store).run
    note = run.notes["garment"]
    (again,) = sample.seeded(run.learner(), [note["seed"]], [run.data.classes.index(note["class"])])
    assert np.array_equal(pixels(run.samples / "garment.png")[::8, ::8], again)
    other = train_generator(splits, CONFIG.replace(seed=1), store).run
    assert other.notes["garment"]["seed"] != note["seed"]


def test_a_long_training_is_drawn_now_and_then(
    small: None, store: GeneratorStore, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "MOST_PICTURES", 4)
    monkeypatch.setattr(growth, "MOST_FRAMES", 2)
    run = train_generator(splits, CONFIG.replace(epochs=12, learning_rate=0.001), store).run
    assert list(growth.watched(run)) == [0, 3, 6, 9, 12]
    with Image.open(run.samples / "growth.gif") as found:
        assert getattr(found, "n_frames", 1) == 2, "the first and the last"


def test_the_plan_is_announced_before_the_first_step(small: None, store: GeneratorStore, splits: Splits) -> None:
    told: list[object] = []

    class Tell(Hook):
        def on_step_end(self, step: int) -> None:
            told.append(step)

    train_generator(splits, CONFIG, store, hooks=[Tell()], announce=told.append)
    assert isinstance(told[0], GeneratorPlan)
    assert told[0].estimate_seconds > 0
    assert (len(told[0].train), told[0].resumed, told[1]) == (120, False, 1)


def test_the_same_again_trains_nothing_and_again_does(
    small: None, store: GeneratorStore, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train_generator(splits, CONFIG, store)
    second = train_generator(splits, CONFIG, store)
    assert (second.how, second.run.name) == ("already trained", first.run.name)
    third = train_generator(splits, CONFIG, store, again=True)
    assert third.how == "new"
    assert third.run.card.weights_sha256 == first.run.card.weights_sha256
    assert train_generator(splits, CONFIG.replace(seed=1), store).how == "new"
    assert train_generator(Splits(splits.train.take(range(90))), CONFIG, store).how == "new"
    monkeypatch.setattr("ropero.runtime.code_digest", lambda *_: "other code")
    assert train_generator(splits, CONFIG, store).how == "new"


@pytest.mark.parametrize("after", [2, 4, 7, 12])
def test_an_interrupted_run_is_gone_on_with(
    after: int, small: None, store: GeneratorStore, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(verb, "estimate_seconds", lambda *_: 120.0)
    whole = train_generator(splits, CONFIG, GeneratorStore(store.folder / "other")).run
    with pytest.raises(KeyboardInterrupt):
        train_generator(splits, CONFIG, store, hooks=[Kill(after)])
    plans: list[GeneratorPlan] = []
    done = train_generator(splits, CONFIG, store, announce=plans.append)
    assert done.how == "resumed"
    assert plans[0].resumed
    assert plans[0].estimate_seconds == pytest.approx(120 - 10 * (after - 1)), "of twelve steps"
    assert len(store.runs()) == 1
    assert done.run.card.weights_sha256 == whole.card.weights_sha256
    assert [one.losses for one in done.run.history] == [one.losses for one in whole.history]
    assert list(growth.watched(done.run)) == [0, 1, 2, 3]
    for one, other in zip(growth.watched(done.run).values(), growth.watched(whole).values(), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_history_lines_are_written_as_epochs_end(small: None, store: GeneratorStore, splits: Splits) -> None:
    lines: list[int] = []

    class Count(Hook):
        def on_epoch_end(self, record: GeneratorEpoch, learner: Learner) -> None:
            lines.append(len(store.runs()[0].history))

    train_generator(splits, CONFIG, store, hooks=[Count()])
    assert lines == [0, 1, 2, 3]


def test_a_damaged_log_does_not_stop_a_training_that_goes_on(
    small: None, store: GeneratorStore, splits: Splits
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_generator(splits, CONFIG, store, hooks=[Kill(7)])
    store.runs()[0].history_path.write_text("{")
    done = train_generator(splits, CONFIG, store)
    assert (done.how, len(done.run.history)) == ("resumed", 3)


def test_a_run_that_another_process_trains_is_left_alone(small: None, store: GeneratorStore, splits: Splits) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_generator(splits, CONFIG, store, hooks=[Kill(7)])
    with store.runs()[0].lock():
        assert train_generator(splits, CONFIG, store).how == "new"
    assert len(store.runs()) == 2


def test_minutes_that_are_over_stay_over(small: None, store: GeneratorStore, splits: Splits) -> None:
    """Killed after the last epoch and before the run counts as trained, it is not trained further."""
    config = CONFIG.replace(epochs=50, minutes=1e-9)

    class Last(Hook):
        def on_train_end(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_generator(splits, config, store, hooks=[Last()])
    assert store.runs()[0].checkpoints.notes()["epoch"] == 1
    done = train_generator(splits, config, store)
    assert (done.how, len(done.run.history)) == ("resumed", 1)


def test_without_optional_parts_it_is_trained_and_says_what_is_missing(
    small: None, store: GeneratorStore, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise MissingExtra("A picture", "report")

    for name in ("losses_figure", "animation"):
        monkeypatch.setattr(growth, name, missing)
    monkeypatch.setattr("ropero.reports.animation.find_spec", lambda _: None)
    done = train_generator(splits, CONFIG, store)
    assert [one[-16:] for one in done.missing] == ["'ropero[report]'", " 'ropero[video]'"]
    assert done.run.status == "trained"


def test_it_learns_from_the_images_that_a_classifier_with_as_many_would(splits: Splits) -> None:
    mine = learned_from(CONFIG.replace(images=30), splits)
    assert mine.digest == cut(TrainConfig(images=30), splits).train.digest
    assert learned_from(CONFIG, splits) is splits.train
    with pytest.raises(UsageError, match="120"):
        learned_from(CONFIG.replace(images=121), splits)


def test_pictures_that_are_too_large_are_refused_with_a_cure(store: GeneratorStore) -> None:
    with pytest.raises(UsageError, match=r"300 x 300; --image-size 64"):
        train_generator(Splits(synthetic(6, size=300)), CONFIG, store)
    assert store.runs() == []


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_killed_for_real_and_repeated_gives_the_same_weights(tmp_path: Path, source: Path) -> None:
    """The report's GAN, whose steps take long enough to be killed in."""

    def command(runs: str) -> list[str]:
        words = f"generate --train dcgan --data {source} --epochs 4 --batch-size 40 --precision fp32 --json"
        return [sys.executable, "-m", "ropero", *words.split(), "--runs", str(tmp_path / runs)]

    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command("whole"), check=True, capture_output=True, env=quiet)
    killed = subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet)
    while not list(tmp_path.glob("killed/generators/*/checkpoint.safetensors")) and killed.poll() is None:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    again = subprocess.run(command("killed"), check=True, capture_output=True, env=quiet)
    assert json.loads(again.stdout)["how"] == "resumed"
    runs = [GeneratorStore(tmp_path / name).runs() for name in ("whole", "killed")]
    assert [len(one) for one in runs] == [1, 1]
    assert runs[0][0].card.weights_sha256 == runs[1][0].card.weights_sha256
