"""What a person sees of a search: a table in a terminal, a line a trial elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

from conftest import synthetic
from rich.console import Console

from ropero import texts
from ropero.data.dataset import Splits
from ropero.models.codes import Encoding
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord
from ropero.training.search import space
from ropero.workbench.study import Trial
from ropero.workbench.tune_progress import TuningProgress, row, shown
from ropero.workbench.tuning import Plan

CONFIG = TrainConfig(epochs=4)
SPACE = space(CONFIG, ["learning_rate,flip"])
DONE = Trial(
    number=1,
    settings={"learning_rate": 0.012, "flip": "none"},
    state="done",
    accuracy=0.9,
    loss=0.3,
    epoch=4,
    seconds=10,
    curve=(0.8, 0.85, 0.88, 0.9),
)
PRUNED = Trial(
    number=2, settings={"learning_rate": 0.1, "flip": "random"}, state="pruned", seconds=5, curve=(0.5, 0.61)
)
EPOCH = EpochRecord(
    epoch=1,
    train_loss=1.0,
    train_accuracy=0.5,
    validation_loss=0.9,
    validation_accuracy=0.7654,
    learning_rate=0.1,
    epoch_seconds=3.0,
    images_per_second=100.0,
)


def plan(trials: int = 3, minutes: float = 0.0) -> Plan:
    return Plan(
        folder=Path("tune/quick-1"),
        config=CONFIG,
        space=SPACE,
        parts=Splits(synthetic(12)),
        trials=trials,
        minutes=minutes,
        auto_validation=True,
        starts_as_is=True,
    )


def watched(*, terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120, color_system=None, _environ={})
    progress = TuningProgress(console)
    progress.on_search_begin(plan(), [DONE], 100.0)
    progress.on_trial_begin(Trial(number=2, settings=PRUNED.settings), 40, 0)
    progress.on_step_end(10)
    progress.on_epoch_end(EPOCH)
    if progress._live:
        progress._live.refresh()
    progress.on_trial_end(PRUNED)
    if progress._live:
        progress._live.refresh()
    progress.on_search_end()
    return file.getvalue()


def test_a_log_gets_a_line_a_trial() -> None:
    assert watched(terminal=False).splitlines() == [
        "Trial 2/3: learning_rate 0.1, flip random; validation (61.00%), epochs: 2, pruned, 5 s; best 90.00% (trial 1)"
    ]


def test_a_terminal_shows_the_table_while_it_grows() -> None:
    shown_there = watched(terminal=True)
    lines = shown_there.splitlines()
    assert any("1*" in line and "0.012" in line and "90.00%" in line and "done" in line for line in lines)
    assert any("0.1" in line and "76.54%" in line and "running" in line for line in lines)
    assert any("0.1" in line and "(61.00%)" in line and "pruned" in line for line in lines)
    assert any("Trial 2/3" in line and "Epoch 2/4" in line and "left; best 90.00% (trial 1)" in line for line in lines)


def test_the_features_of_a_frozen_base_are_told_of(tmp_path: Path) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=120, color_system=None, _environ={})
    progress = TuningProgress(console)
    progress.on_search_begin(plan(), [], 100.0)
    progress.on_encode(Encoding(1500, 60000, tmp_path, 10))
    assert progress._live is not None
    progress._live.refresh()
    assert "features of 1,500 of 60,000 images" in file.getvalue()
    progress.on_encode(Encoding(60000, 60000, tmp_path, 10, over=True))
    progress.on_search_end()
    assert progress._encoding is None


def test_the_time_left_is_the_plans_until_a_trial_has_ended() -> None:
    progress = TuningProgress(Console(file=io.StringIO()))
    progress.on_search_begin(plan(trials=5), [DONE], 1000.0)
    assert 990 < progress.seconds_left() <= 1000
    progress._began -= 20.0
    progress.on_trial_end(PRUNED)
    assert 55 < progress.seconds_left() < 70  # three more of 20 s
    limited = TuningProgress(Console(file=io.StringIO()))
    limited.on_search_begin(plan(trials=500, minutes=1), [DONE], 45.0)
    limited._began -= 20.0
    limited.on_trial_end(PRUNED)
    assert limited.seconds_left() == 45  # a minute but for the 15 s of both


def test_values_are_shown_in_the_readers_language() -> None:
    assert [shown(value) for value in (0.012, 1e-05, 500, True, "adam")] == ["0.012", "1e-05", "500", "true", "adam"]
    texts.use("es")
    assert row(DONE, SPACE)[1] == "0,012"
