"""The verb tune: what is tried, what wins; interrupted, killed for real and repeated it is the same search."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import synthetic
from small_vgg import shrink, weights_file
from torch import nn

from ropero.data.dataset import Splits
from ropero.errors import MissingExtra, RunError, TrainingDiverged, UsageError
from ropero.models.codes import Encoding
from ropero.runs import RunStore
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord
from ropero.training.presets import plain
from ropero.workbench import study as study_room
from ropero.workbench import tune as verb
from ropero.workbench.study import Study, Trial
from ropero.workbench.train import train
from ropero.workbench.tune import tune
from ropero.workbench.tuning import Plan, Watch, best_of, save_figures

CONFIG = TrainConfig(network="softmax", epochs=3, batch_size=32, learning_rate=1e-3, device="cpu", precision="fp32")
SPACE = ["learning_rate=1e-6..1e-2,batch_size=16,32,64"]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def noisy() -> Splits:
    """Images whose labels are partly wrong, so that not every trial gets all of them right."""
    data = synthetic(120)
    labels = data.labels.copy()
    labels[::5] = (labels[::5] + 1) % 3
    train = type(data)(data.images, labels, data.classes, "noisy", "train")
    return Splits(train, None, synthetic(60, seed=1, split="test"), source="noisy")


class Stop(Watch):
    """Interrupts a search in its n-th epoch from here."""

    def __init__(self, epoch: int) -> None:
        self.left = epoch

    def on_epoch_end(self, record: EpochRecord) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


class Ear(Watch):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.over: list[Trial] = []
        self.estimate = 0.0
        self.began: list[tuple[int, int]] = []
        self.ended: list[Trial] = []

    def on_search_begin(self, plan: Plan, over: Any, estimate_seconds: float) -> None:
        self.plan, self.over, self.estimate = plan, list(over), estimate_seconds

    def on_trial_begin(self, trial: Trial, steps: int, done: int) -> None:
        self.began.append((trial.number, done))

    def on_trial_end(self, trial: Trial) -> None:
        self.ended.append(trial)


def without_seconds(trials: Any) -> list[dict[str, Any]]:
    return [{**one.to_json(), "seconds": 0} for one in trials]


def test_the_first_trial_is_the_recipe_and_the_winner_is_no_worse(store: RunStore, noisy: Splits) -> None:
    ear = Ear()
    found = tune(noisy, CONFIG, store, search=SPACE, trials=4, watch=ear)
    assert [one.number for one in found.trials] == [1, 2, 3, 4]
    assert found.trials[0].settings == {"learning_rate": 1e-3, "batch_size": 32}
    assert len({json.dumps(one.settings) for one in found.trials}) == 4
    best, first = found.best, found.trials[0]
    assert best.accuracy is not None
    assert first.accuracy is not None
    assert best.accuracy >= first.accuracy
    assert all(best.rank <= one.rank for one in found.trials if one.state == "done")
    assert without_seconds(ear.ended) == without_seconds(found.trials)
    assert ear.estimate > 0
    assert {path.name for path in found.folder.iterdir()} == {"study.json", "study.db", "best.json"}
    assert found.importance is None


def test_the_best_config_trained_gives_the_very_figures_of_its_trial(store: RunStore, noisy: Splits) -> None:
    found = tune(noisy, CONFIG, store, search=SPACE, trials=3)
    kept = json.loads((found.folder / "best.json").read_text("utf-8"))
    config = TrainConfig.from_json(kept["config"])
    assert config == found.best_config
    last = train(noisy, config, store).run.history.records[-1]
    assert (last.validation_accuracy, last.validation_loss) == (found.best.accuracy, found.best.loss)
    assert kept["accuracy"] == found.best.accuracy


def test_validation_is_held_out_and_the_test_part_is_not_looked_at(store: RunStore, noisy: Splits) -> None:
    ear = Ear()
    tune(noisy, CONFIG, store, search=SPACE, trials=1, watch=ear)
    assert ear.plan is not None
    assert ear.plan.auto_validation
    parts = ear.plan.parts
    assert parts.validation is not None
    assert (len(parts.train), len(parts.validation)) == (100, 20)
    bare = Splits(noisy.train, None, None, "noisy")
    other = tune(bare, CONFIG, RunStore(store.folder / "bare"), search=SPACE, trials=1)
    mine = tune(noisy, CONFIG, store, search=SPACE, trials=1)
    assert mine.trials[0].curve == other.trials[0].curve
    own = Splits(noisy.train, noisy.train.take(range(30)), None, "own")
    assert verb.with_validation(CONFIG, own) == (CONFIG, False)
    assert verb.with_validation(CONFIG.replace(validation=0.5), noisy) == (CONFIG.replace(validation=0.5), False)


def test_the_same_again_trains_nothing_and_more_trials_go_on(store: RunStore, noisy: Splits) -> None:
    first = tune(noisy, CONFIG, store, search=SPACE, trials=2)
    ear = Ear()
    again = tune(noisy, CONFIG, store, search=SPACE, trials=2, watch=ear)
    assert ear.began == []
    assert again.trials == first.trials
    assert ear.estimate == 0
    more = tune(noisy, CONFIG, store, search=SPACE, trials=4, watch=ear)
    assert [number for number, _ in ear.began] == [3, 4]
    assert list(more.trials[:2]) == list(first.trials)
    whole = tune(noisy, CONFIG, RunStore(store.folder / "other"), search=SPACE, trials=4)
    assert without_seconds(more.trials) == without_seconds(whole.trials)


def test_an_interrupted_search_goes_on_to_the_same_trials(store: RunStore, noisy: Splits) -> None:
    whole = tune(noisy, CONFIG, RunStore(store.folder / "whole"), search=SPACE, trials=4)
    for stop in (1, 4, 0):  # within the first trial, within the second after it, then at once
        with pytest.raises(KeyboardInterrupt):
            tune(noisy, CONFIG, store, search=SPACE, trials=4, watch=Stop(stop))
    ear = Ear()
    found = tune(noisy, CONFIG, store, search=SPACE, trials=4, watch=ear)
    assert ear.began[0][1] > 0, "the trial that was interrupted went on from its checkpoint"
    assert without_seconds(found.trials) == without_seconds(whole.trials)
    assert not (found.folder / "trials").exists()


def test_a_trial_goes_on_with_its_own_settings_even_if_others_would_be_proposed_now(
    store: RunStore, noisy: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tune(noisy, CONFIG, RunStore(store.folder / "whole"), search=SPACE, trials=2)
    with pytest.raises(KeyboardInterrupt):
        tune(noisy, CONFIG, store, search=SPACE, trials=2, watch=Stop(4))
    monkeypatch.setattr(study_room, "mix_seed", lambda *_: 12345)  # as another Optuna might
    found = tune(noisy, CONFIG, store, search=SPACE, trials=2)
    assert without_seconds(found.trials) == without_seconds(whole.trials)
    other = tune(noisy, CONFIG, RunStore(store.folder / "other"), search=SPACE, trials=2)
    assert other.trials[1].settings != whole.trials[1].settings


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_killed_for_real_and_repeated_gives_the_same_trials(tmp_path: Path, source: Path) -> None:
    def ask(runs: str) -> list[str]:
        words = f"tune --data {source} --network dense --epochs 16 --batch-size 2 --learning-rate 0.0001 --trials 2"
        fixed = ["--search", "erase,ema", "--precision", "fp32", "--json", "--runs", str(tmp_path / runs)]
        return [sys.executable, "-m", "ropero", *words.split(), *fixed]

    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole = subprocess.run(ask("whole"), check=True, capture_output=True, env=quiet)
    for trial in ("001", "002"):
        killed = subprocess.Popen(ask("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet)
        while not list(tmp_path.glob(f"killed/tune/*/trials/{trial}/checkpoint.safetensors")) and killed.poll() is None:
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert list(tmp_path.glob("killed/tune/*/trials/*"))
    repeated = subprocess.run(ask("killed"), check=True, capture_output=True, env=quiet)
    both = [json.loads(done.stdout)["trials"] for done in (whole, repeated)]
    assert [{**one, "seconds": 0} for one in both[0]] == [{**one, "seconds": 0} for one in both[1]]


def test_other_data_space_settings_or_code_are_another_search(
    store: RunStore, noisy: Splits, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {tune(noisy, CONFIG, store, search=SPACE, trials=1).folder}
    folders.add(tune(splits, CONFIG, store, search=SPACE, trials=1).folder)
    folders.add(tune(noisy, CONFIG, store, search=["erase,ema"], trials=1).folder)
    folders.add(tune(noisy, CONFIG.replace(seed=1), store, search=SPACE, trials=1).folder)
    ear = Ear()
    monkeypatch.setattr("ropero.runtime.code_digest", lambda: "other code")
    folders.add(tune(noisy, CONFIG, store, search=SPACE, trials=1, watch=ear).folder)
    assert len(folders) == 5
    assert ear.plan is not None
    assert ear.plan.older is not None
    assert store.runs() == []


def test_a_bad_trial_is_pruned_after_half_of_its_epochs(store: RunStore, noisy: Splits) -> None:
    config = CONFIG.replace(epochs=4)
    found = tune(noisy, config, store, search=SPACE, trials=10)
    pruned = [one for one in found.trials if one.state == "pruned"]
    assert pruned
    for one in pruned:
        assert one.number > study_room.JUDGED_TRIALS
        assert 2 <= len(one.curve) < 4
        assert one.accuracy is None
    assert found.best.state == "done"
    kept = tune(noisy, config, store, search=SPACE, trials=10, prune=False)
    assert {one.state for one in kept.trials} == {"done"}


def test_a_trial_that_diverges_is_noted_and_the_search_goes_on(
    store: RunStore, noisy: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = verb.fit

    def fit(config: TrainConfig, *words: Any, **options: Any) -> Any:
        if config.batch_size == 16:
            raise TrainingDiverged("as if")
        return honest(config, *words, **options)

    monkeypatch.setattr(verb, "fit", fit)
    found = tune(noisy, CONFIG, store, search=["batch_size=16,32"], trials=5)
    assert sorted(one.state for one in found.trials) == ["diverged", "done"]
    assert found.best.settings == {"batch_size": 32}
    assert found.ended == "all combinations"
    again = tune(noisy, CONFIG, store, search=["batch_size=16,32"], trials=5)
    assert again.trials == found.trials
    save_figures(again)


def test_every_combination_is_tried_once(store: RunStore, noisy: Splits) -> None:
    found = tune(noisy, CONFIG.replace(epochs=1), store, search=["batch_size=16,32,vertical_flip"], trials=9)
    assert found.ended == "all combinations"
    assert len({json.dumps(one.settings) for one in found.trials}) == len(found.trials) == 4


def test_the_time_of_a_search_counts_and_a_trial_waits_for_more(
    store: RunStore, noisy: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(verb._Judge):
        def on_epoch_end(self, record: EpochRecord) -> bool:
            return super().on_epoch_end(EpochRecord(**{**record.to_json(), "epoch_seconds": 60.0}))

    monkeypatch.setattr(verb, "_Judge", Slow)
    found = tune(noisy, CONFIG, store, search=SPACE, trials=3, minutes=4)  # a trial takes three
    assert found.ended == "time"
    assert len(found.trials) == 1
    assert (found.folder / "trials" / "002" / "checkpoint.safetensors").exists()
    more = tune(noisy, CONFIG, store, search=SPACE, trials=3, minutes=100)
    assert (more.ended, len(more.trials)) == ("all trials", 3)
    with pytest.raises(RunError, match="No trial was trained to its end"):
        tune(noisy, CONFIG, RunStore(store.folder / "short"), search=SPACE, trials=3, minutes=1)


def test_a_search_belongs_to_one_process(store: RunStore, noisy: Splits) -> None:
    class Second(Watch):
        def on_trial_begin(self, trial: Trial, steps: int, done: int) -> None:
            tune(noisy, CONFIG, store, search=SPACE, trials=2)

    with pytest.raises(RunError, match="in use by another process"):
        tune(noisy, CONFIG, store, search=SPACE, trials=2, watch=Second())


@pytest.mark.parametrize("name", ["study.json", "study.db"])
def test_damaged_files_are_told_of(store: RunStore, noisy: Splits, name: str) -> None:
    found = tune(noisy, CONFIG, store, search=SPACE, trials=1)
    (found.folder / name).write_bytes(b'{"format": 1}' if name.endswith("json") else b"no database" * 400)
    with pytest.raises(RunError, match=rf"{name} is damaged"):
        tune(noisy, CONFIG, store, search=SPACE, trials=2)


@pytest.mark.parametrize(
    ("changes", "search", "error"),
    [
        ({"network": "quik"}, (), "Did you mean 'quick'"),
        ({}, ["erase_side=4..40,erase"], "erase_side should be at most 28"),
        ({}, ["nothing"], "Unknown setting 'nothing'"),
        ({"validation": 120}, (), "leaves nothing to learn from"),
    ],
)
def test_what_cannot_be_searched_leaves_no_folder(
    store: RunStore, splits: Splits, changes: dict[str, Any], search: list[str], error: str
) -> None:
    with pytest.raises(UsageError, match=error):
        tune(splits, CONFIG.replace(**changes), store, search=search)
    assert not store.folder.exists()


def test_without_optuna_a_sentence_says_what_to_install(
    store: RunStore, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    for missing in ("optuna", "sklearn"):
        monkeypatch.setattr(study_room, "find_spec", lambda name, missing=missing: None if name == missing else name)
        with pytest.raises(MissingExtra, match=r"ropero\[tune\]"):
            tune(splits, CONFIG, store)


def test_a_frozen_base_is_searched_without_augmentation_and_its_features_are_made_once(
    store: RunStore, splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Encodings(Ear):
        told = 0

        def on_encode(self, encoding: Encoding) -> None:
            self.told += encoding.over

    shrink(monkeypatch)
    config = plain("vgg16-frozen", epochs=1, batch_size=32, weights=str(weights_file(tmp_path / "w.safetensors")))
    ear = Encodings()
    found = tune(splits, config.replace(device="cpu"), store, trials=2, watch=ear)
    assert set(found.space) == {"learning_rate", "weight_decay", "batch_size", "label_smoothing"}
    assert 0 < ear.told <= 2  # at most one a part, not one a trial
    with pytest.raises(UsageError, match="turn off erase"):
        tune(splits, config.replace(device="cpu"), store, search=["erase,ema"])


def test_the_best_is_chosen_by_accuracy_then_loss_then_order() -> None:
    def one(number: int, accuracy: float | None, loss: float | None, state: Any = "done") -> Trial:
        return Trial(number=number, settings={}, accuracy=accuracy, loss=loss, state=state)

    trials = [one(1, 0.8, 0.3), one(2, 0.9, 0.5), one(3, 0.9, 0.4), one(4, 0.9, 0.4), one(5, None, None, "pruned")]
    assert best_of(trials).number == 3
    with pytest.raises(RunError):
        best_of(trials[4:])


def test_kept_weights_decide_which_epoch_counts(store: RunStore, noisy: Splits) -> None:
    config = CONFIG.replace(keep="best", learning_rate=0.5, epochs=5, validation=30)
    trial = tune(noisy, config, store, search=SPACE, trials=1).trials[0]
    history = train(noisy, config.replace(**trial.settings), store).run.history
    best = history.best_epoch()
    assert best is not None
    assert (trial.epoch, trial.accuracy, trial.loss) == (best.epoch, best.validation_accuracy, best.validation_loss)


def test_the_command_learns_from_what_was_held_out_unasked(store: RunStore, noisy: Splits) -> None:
    assert "--validation" not in tune(noisy, CONFIG, store, search=SPACE, trials=1).command
    asked = CONFIG.replace(validation=30)
    assert "--validation 30" in tune(noisy, asked, store, search=SPACE, trials=1).command
    chosen = CONFIG.replace(keep="best")
    assert "--validation 20" in tune(noisy, chosen, store, search=SPACE, trials=1).command


def test_trials_within_the_noise_of_the_best_are_told(store: RunStore, noisy: Splits) -> None:
    found = tune(noisy, CONFIG, store, search=SPACE, trials=3)
    share = found.best.accuracy or 0.0
    assert found.standard_error == pytest.approx(math.sqrt(share * (1 - share) / 20))
    for one in found.trials:
        near = one.accuracy is not None and one.accuracy >= share - found.standard_error
        assert (one in found.as_good) == (near and one is not found.best)


def fill(study: Study, n: int) -> None:
    """Trials of which the learning rate alone decides, some pruned, one diverged."""
    for _ in range(n):
        running = study.begin()
        assert running is not None
        rate = running.settings["learning_rate"]
        accuracy = 0.9 - 0.05 * math.log10(rate / 2e-3) ** 2
        curve = (accuracy - 0.1, accuracy)
        note = Trial(number=running.number, settings=running.settings, state="done", seconds=1.0, curve=curve)
        state: dict[str, Any] = {"accuracy": accuracy, "loss": 1 - accuracy, "epoch": 2}
        if running.number == 4:
            state = {"state": "diverged", "curve": ()}
        elif running.report(1, curve[0]):
            state = {"state": "pruned", "curve": curve[:1]}
        running.end(Trial(**{**note.to_json(), "curve": curve, **state}))


def test_importance_finds_the_setting_that_decides_and_says_when_it_cannot(tmp_path: Path) -> None:
    from ropero.training.search import space

    searched = space(CONFIG, ["learning_rate=1e-4..1e-1,weight_decay,label_smoothing,flip"])
    first = {"learning_rate": 1e-3, "weight_decay": 0.05, "label_smoothing": 0.1, "flip": "alternating"}
    with Study(tmp_path, searched, first, seed=0, warm_epochs=1) as study:
        fill(study, study_room.IMPORTANCE_TRIALS - 1)
        assert study.importance() is None
        fill(study, 3)
        found = study.importance()
        assert {one.state for one in study.trials()} == {"done", "pruned", "diverged"}
    assert found is not None
    assert next(iter(found)) == "learning_rate"
    assert found["learning_rate"] > 0.5
    assert sum(found.values()) == pytest.approx(1)
    assert set(found) == set(searched)


def test_trials_that_are_all_alike_have_no_importances(tmp_path: Path) -> None:
    from ropero.training.search import space

    first = {"learning_rate": 1e-3, "batch_size": 32}
    with Study(tmp_path, space(CONFIG, SPACE), first, seed=0, warm_epochs=0) as study:
        for _ in range(study_room.IMPORTANCE_TRIALS + 1):
            running = study.begin()
            assert running is not None
            over = Trial(number=running.number, settings=running.settings, state="done", seconds=1.0, curve=(1.0,))
            running.end(replace(over, accuracy=1.0, loss=0.0, epoch=1))
        assert study.importance() is None


def test_optunas_own_settings_are_put_back(tmp_path: Path, store: RunStore, noisy: Splits) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tune(noisy, CONFIG, store, search=SPACE, trials=1)
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING


def test_a_module_is_searched_and_what_is_told_is_a_call(noisy: Splits) -> None:
    import ropero as rp

    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    found = rp.tune(noisy, network, search="learning_rate", trials=2, epochs=1, device="cpu")
    assert found.command.startswith("rp.train(data, Sequential, epochs=1, ")
    assert "code=" not in found.command
    assert rp.tune(noisy, network, search="learning_rate", trials=2, epochs=1, device="cpu").trials == found.trials


def test_in_python_the_words_may_be_one_text(noisy: Splits, capsys: pytest.CaptureFixture[str]) -> None:
    import ropero as rp

    found = rp.tune(noisy, "softmax", search=SPACE[0], trials=2, epochs=2, erase=0.2, device="cpu")
    assert set(found.space) == {"learning_rate", "batch_size"}
    assert found.best_config.erase == 0.2
    assert "Trial 2/2" in capsys.readouterr().err
    assert (found.folder / "trials.png").exists()
    best = found.best
    assert repr(found).startswith(f"Tuning({found.folder.name}: trial {best.number} of 2, {best.accuracy:.2%}: ")
    trained = rp.train(noisy, "softmax", epochs=2, erase=0.2, device="cpu", **best.settings)
    assert trained.config.learning_rate == best.settings["learning_rate"]
