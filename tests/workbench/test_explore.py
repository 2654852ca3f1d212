"""The verb explore: numbers always, pictures and page where the report extra is."""

from __future__ import annotations

import importlib
import json
import sys
import tracemalloc
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ropero.data.dataset import Dataset, Splits
from ropero.data.explore import explore
from ropero.errors import MissingExtra
from ropero.workbench import explore as verb


@pytest.fixture
def without_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report extra is not installed."""
    for name in [name for name in sys.modules if name.startswith("ropero.reports")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(importlib.import_module("ropero"), "reports", raising=False)
    find = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *_: None if name == "matplotlib" else find(name))


def _numbers(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def test_everything_is_written_and_the_page_comes_last(splits: Splits, tmp_path: Path) -> None:
    found = explore(splits)
    paths = verb.save(found, splits, tmp_path)
    assert sorted(paths) == sorted(tmp_path.iterdir())
    assert paths[-1] == tmp_path / "explore.html"
    assert {"classes.png", "pixels.png", "mean-garments.png", "explore.json"} <= {path.name for path in paths}
    assert _numbers(tmp_path / "explore.json") == json.loads(json.dumps(found.to_json()))


@pytest.mark.usefixtures("without_reports")
def test_the_numbers_need_no_pictures(splits: Splits, tmp_path: Path) -> None:
    found = explore(splits)
    with pytest.raises(MissingExtra, match=r"ropero\[report\]"):
        verb.save(found, splits, tmp_path)
    assert _numbers(tmp_path / "explore.json")["classes"] == list(splits.classes)
    assert [path.name for path in tmp_path.iterdir()] == ["explore.json"]
    assert verb.save_numbers(found, tmp_path / "other") == tmp_path / "other" / "explore.json"
    assert (tmp_path / "other" / "explore.json").exists()


def test_the_pictures_take_little_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40_000, 28, 28), np.uint8)  # 250 MB as int64
    splits = Splits(Dataset(images, np.arange(len(images)) % 2, ("a", "b")))
    found = explore(Splits(splits.train.take(range(50))))
    verb._figures(found, splits)  # fonts and the like, once
    tracemalloc.start()
    verb._figures(found, splits)
    assert tracemalloc.get_traced_memory()[1] < 120e6  # the figures themselves take 70 MB
    tracemalloc.stop()
