"""The verb complete: fillings stored, their mean and spread; fillers by name, generators among them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import synthetic
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ropero.data.dataset import Dataset
from ropero.errors import RunError, UsageError
from ropero.generation.baselines import baseline
from ropero.generation.config import GeneratorConfig
from ropero.generation.dcgan import Dcgan
from ropero.generation.masks import parse
from ropero.workbench.complete import complete, filler_of, write, write_page
from ropero.workbench.holes import Holed


class Flow(Dcgan):
    """A learner that fills, as the flow kind does: with noise of its latent values."""

    def fill(self, pictures: Tensor, known: Tensor, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        return latent[:, :1, None, None].sigmoid().expand_as(pictures)


@pytest.fixture
def train() -> Dataset:
    return synthetic(60)


@pytest.fixture
def generators(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Stands in for the store of generators: one is there, "flow"; what was asked of it."""
    asked: list[tuple[object, ...]] = []

    class Store:
        def __init__(self, folder: Path | None = None) -> None:
            asked.append(("store", folder))

        def find(self, name: str) -> object:
            if name != "flow":
                raise RunError("There is no generator of that name.")
            data = SimpleNamespace(input_shape=(1, 28, 28), digests={"train": "abc"})
            return SimpleNamespace(name="flow-1", data=data, learner=self.learner)

        def learner(self, device: str) -> Flow:
            asked.append(("learner", device))
            return Flow(GeneratorConfig(), (1, 28, 28), 3, torch.device("cpu"))

    module = ModuleType("ropero.generators")
    module.GeneratorStore = Store  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ropero.generators", module)
    return asked


def pictures(count: int = 3, share: str = "half-bottom") -> list[Holed]:
    known = parse(share).known(count, 28, 28)
    images = synthetic(count, seed=5).images
    return [Holed(f"{at}.png", image, mask) for at, (image, mask) in enumerate(zip(images, known, strict=True))]


def test_observed_bytes_are_untouched_in_every_file(train: Dataset, tmp_path: Path) -> None:
    given = pictures()
    found = complete(given, baseline("knn", train), draws=3, seed=1)
    paths = write(found, tmp_path / "out")
    assert [path.name for path in paths[:5]] == [f"000-0-{part}.png" for part in ("1", "2", "3", "mean", "spread")]
    assert len(paths) == 15
    for number, one in enumerate(given):
        for part in ("1", "2", "3", "mean"):
            with Image.open(tmp_path / "out" / f"00{number}-{number}-{part}.png") as file:
                pixels = np.asarray(file)
            assert pixels.dtype == np.uint8
            np.testing.assert_array_equal(pixels[one.known], one.given[one.known])
        with Image.open(tmp_path / "out" / f"00{number}-{number}-spread.png") as file:
            assert not np.asarray(file)[one.known].any()


def test_mean_and_spread_are_those_of_the_fillings(train: Dataset) -> None:
    (one,) = complete(pictures(1), baseline("knn", train), draws=6)
    shown = one.fillings.astype(np.float64) / 255
    np.testing.assert_allclose(one.spread, shown.std(0), atol=2e-6)
    np.testing.assert_allclose(one.mean / 255, shown.mean(0), atol=0.5 / 255 + 1e-9)
    assert one.to_json()["spread"] == pytest.approx(shown.std(0)[14:].mean(), abs=1e-5)
    assert one.to_json()["missing_pixels"] == 392


def test_one_filling_is_one_file_and_an_array_keeps_its_numbers(train: Dataset, tmp_path: Path) -> None:
    (grey,) = pictures(1)
    values: NDArray[np.float64] = np.where(grey.known, grey.given / 255 + 1e-9, np.nan)
    array = Holed("a.npy", np.clip(values, 0, 1), grey.known, from_array=True)
    paths = write(complete([array, grey], baseline("mean", train)), tmp_path)
    assert [path.name for path in paths] == ["000-a.png", "000-a.npy", "001-0.png"]
    stored = np.load(tmp_path / "000-a.npy")
    assert stored.shape == (28, 28)
    np.testing.assert_array_equal(stored[grey.known], array.given[grey.known])
    assert not np.isnan(stored).any()


def test_fillers_are_baselines_or_generators(
    generators: list[tuple[object, ...]], train: Dataset, tmp_path: Path
) -> None:
    def never() -> Dataset:
        raise AssertionError("a generator needs no training images")

    assert filler_of("median", lambda: train).name == "median"
    assert generators == []
    flow = filler_of("flow", never, tmp_path, device="cpu")
    assert generators == [("store", tmp_path), ("learner", "cpu")]
    assert (flow.name, flow.shape, flow.several, flow.learned) == ("flow-1", (28, 28), True, "abc")
    first, _ = complete(pictures(2), flow, draws=2)
    assert (first.fillings[0] != first.fillings[1]).any()
    np.testing.assert_array_equal(first.fillings[:, :14], np.broadcast_to(first.holed.given[:14], (2, 14, 28)))
    with pytest.raises(UsageError, match=r"no generator of that name.*Did you mean 'median'"):
        filler_of("medain", never)


def test_the_page_shows_holes_fillings_mean_and_spread(train: Dataset, tmp_path: Path) -> None:
    given = [*pictures(2), Holed("<b>x</b>", synthetic(1, seed=9).images[0], parse("0.5").known(1, 28, 28)[0])]
    path = write_page(complete(given, baseline("knn", train), draws=2), "knn", tmp_path / "p.html", "es")
    text = path.read_text("utf-8")
    assert text.count("data:image/png;base64,") == 3 * (1 + 2 + 2)
    assert "&lt;b&gt;x&lt;/b&gt;" in text
    assert "<b>x</b>" not in text
