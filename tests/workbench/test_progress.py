"""What a person sees while ropero works: bytes as bytes, images as images, names as they are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from small_generator import Small, small
from writers import csv_text, pictures_and_labels, write_folder

from ropero.data import sources
from ropero.data.duplicates import find_duplicates
from ropero.generation.config import GeneratorConfig
from ropero.generation.loop import GeneratorEpoch
from ropero.models.codes import Encoding
from ropero.training.config import TrainConfig
from ropero.training.history import History
from ropero.workbench.progress import EncodingProgress, FileProgress, GeneratorProgress, TrainingProgress

__all__ = ["small"]


def _terminal() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=True, width=120, color_system=None, _environ={}), file


def test_bytes_are_shown_as_bytes_and_images_as_images() -> None:
    console, file = _terminal()
    with FileProgress(console) as progress:
        progress("train.csv", 1_000, 70_000)
        progress("garments", 1_000, 70_000, "images")
    shown = [line for line in file.getvalue().splitlines() if "0/70" in line]
    assert any("train.csv" in line and "1.0/70.0 kB" in line for line in shown)
    assert any("garments" in line and "1000/70000" in line for line in shown)
    assert not any("garments" in line and "kB" in line for line in shown)


def test_the_rate_of_images_is_in_images() -> None:
    console, file = _terminal()
    with FileProgress(console) as progress:
        for done in range(1, 6):
            progress("garments", done, 5, "images")
    assert "images/s" in file.getvalue()
    assert "bytes/s" not in file.getvalue()


def test_a_name_is_no_markup() -> None:
    console, file = _terminal()
    with FileProgress(console) as progress:
        progress("[red]coats[/red].csv", 1, 2)
        progress("[/nothing opened].csv", 1, 2)
        progress("{task.x}.csv", 1, 2)
    for name in ("[red]coats[/red].csv", "[/nothing opened].csv", "{task.x}.csv"):
        assert name in file.getvalue()


def test_a_total_that_is_not_known_is_shown() -> None:
    console, file = _terminal()
    with FileProgress(console) as progress:
        progress("package", 0, None)
        progress("garments", 3, None, "images")
    assert "package" in file.getvalue()
    assert "3/?" in file.getvalue()


def test_without_a_terminal_nothing_is_shown() -> None:
    file = io.StringIO()
    with FileProgress(Console(file=file)) as progress:
        progress("train.csv", 1, 2)
    assert file.getvalue() == ""


def test_readers_say_what_they_count(tmp_path: Path) -> None:
    console, file = _terminal()
    images, labels = pictures_and_labels(20)
    (tmp_path / "a.csv").write_text(csv_text(images, labels))
    with FileProgress(console) as progress:
        table = sources.load(tmp_path / "a.csv", progress=progress)
        sources.load(write_folder(tmp_path / "shop", {"coat": 2, "shirt": 2}), progress=progress)
        find_duplicates(table.parts(), progress=progress)
    lines = file.getvalue().splitlines()
    assert any("a.csv" in line and "kB" in line for line in lines)
    assert any("shop" in line and "4/4" in line for line in lines)
    assert any("near duplicates" in line and "20/20" in line for line in lines)


def test_figures_of_a_training_are_no_markup() -> None:
    console, file = _terminal()
    shown = TrainingProgress(console)
    shown.on_train_begin(TrainConfig(epochs=2), 10, 0, History())
    assert shown._epochs._progress is not None
    shown._epochs._progress.update(shown._epochs._task, description="[bold]Epoch")
    shown.on_step_end(np.int64(3).item())
    shown.on_train_end()
    assert "[bold]Epoch" in file.getvalue()


def _encoding(done: int, over: bool = False) -> Encoding:
    return Encoding(done, 2000, Path("cache"), 65_536_000, over)


def test_an_encoding_is_a_bar_in_a_terminal_and_says_where_it_is_kept() -> None:
    console, file = _terminal()
    progress = EncodingProgress(console)
    for done in (500, 516, 532):
        progress(_encoding(done))
    progress(_encoding(2000, over=True))
    shown = file.getvalue()
    assert "The features of 2,000 images are computed once and kept in cache: 65.5 MB" in shown
    assert " 500/2000" in shown
    assert "2000/2000" in shown
    assert shown.count("may be deleted") == 1
    assert shown.endswith("\x1b[2K") or "\x1b[?25h" in shown  # the bar has gone, the cursor is back


def test_an_encoding_is_lines_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("ropero.workbench.progress.time.monotonic", lambda: now[0])
    file = io.StringIO()
    progress = EncodingProgress(Console(file=file, width=80, _environ={}))
    for done in range(500, 2000, 100):
        progress(_encoding(done))
        now[0] += 25.0  # four images a second
    progress(_encoding(2000, over=True))
    lines = file.getvalue().splitlines()
    assert len(lines) == 1 + 5  # a line every three steps, 75 seconds
    assert lines[1] == "Features: 800 of 2,000 images, 4.0 images/s, 5 min 0 s left"
    progress(_encoding(1))
    assert file.getvalue().count("may be deleted") == 2  # another encoding


def test_the_training_shows_its_encoding() -> None:
    file = io.StringIO()
    progress = TrainingProgress(Console(file=file, width=200, _environ={}))
    progress.on_encode(_encoding(500))
    assert "2,000 images" in file.getvalue()


def _epoch(epoch: int) -> GeneratorEpoch:
    losses = {"generator": 0.5, "discriminator": 1.25}
    return GeneratorEpoch(epoch=epoch, losses=losses, spread=0.875, epoch_seconds=61, images_per_second=1)


def test_a_generators_training_shows_the_losses_of_its_nets_and_when_it_goes_back(small: None) -> None:
    config = GeneratorConfig(epochs=2, device="cpu")
    learner = Small(config, (1, 4, 4), 3, torch.device("cpu"))
    for console, file in (_terminal(), (Console(file=(log := io.StringIO()), width=200), log)):
        shown = GeneratorProgress(console)
        shown.on_train_begin(config, 10, 0)
        shown.on_epoch_end(_epoch(0), learner)
        shown.on_step_end(10)
        shown.on_epoch_end(_epoch(1), learner)
        shown.on_broken(2, "a number became infinite")
        shown.on_train_end()
        text = file.getvalue()
        assert "Epoch 1/2  loss: generator 0.500, discriminator 1.250; variety 88%  1 min 1 s" in text
        assert "Epoch 2 broke: a number became infinite. The training goes back" in text
        assert "Epoch 0/2" not in text, "what no one has trained has no losses"
    assert "images/s" not in log.getvalue()
