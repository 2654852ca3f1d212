"""What a person sees while ropero works: bytes as bytes, images as images, names as they are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from rich.console import Console
from writers import csv_text, pictures_and_labels, write_folder

from ropero.data import sources
from ropero.data.duplicates import find_duplicates
from ropero.training.config import TrainConfig
from ropero.training.history import History
from ropero.workbench.progress import FileProgress, TrainingProgress


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
    assert shown._progress is not None
    shown._progress.update(shown._task, description="[bold]Epoch")
    shown.on_step_end(np.int64(3).item())
    shown.on_train_end()
    assert "[bold]Epoch" in file.getvalue()
