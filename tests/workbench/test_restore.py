"""The benchmark of fillers: figures that stand, the same images for all, the ledger before any look at test images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ropero.data.dataset import Dataset
from ropero.errors import UsageError
from ropero.generation.baselines import baseline
from ropero.generation.fillers import Filler, Pixels
from ropero.generation.masks import Known, parse
from ropero.models.inference import probabilities
from ropero.runs import Run, RunStore
from ropero.training.config import TrainConfig
from ropero.workbench import data as data_verb
from ropero.workbench import restore as verb
from ropero.workbench.evaluate import part_of
from ropero.workbench.restore import benchmark, write_page
from ropero.workbench.train import train


@pytest.fixture
def run(source: Path, tmp_path: Path) -> Run:
    config = TrainConfig(network="softmax", epochs=3, batch_size=32, learning_rate=0.01, validation=30)
    return train(data_verb.load(str(source)), config, RunStore(tmp_path / "runs")).run


class Oracle(Filler):
    """Knows the truth, or the truth and noise that differs by draw."""

    def __init__(self, truth: Dataset, noise: float = 0.0) -> None:
        super().__init__("oracle", truth.images.shape[1:])
        self.several = noise > 0
        self._truth: Pixels = truth.images.astype(np.float32) / np.float32(255)
        self._noise = noise
        self.asked: list[tuple[int, int]] = []

    def _fill(self, images: Pixels, known: Known, draws: int, seed: int) -> Pixels:
        self.asked.append((draws, len(images)))
        found = np.stack([self._truth[(np.abs(self._truth - one) * mask).sum((1, 2)).argmin()]
                          for one, mask in zip(images, known, strict=True)])  # fmt: skip
        rng = np.random.default_rng(seed)
        noise: NDArray[np.float64] = rng.normal(0, self._noise, (draws, *found.shape))
        return (found + noise).astype(np.float32)


def test_the_truth_is_restored_without_error_and_as_accurate_as_the_whole(run: Run) -> None:
    part = part_of(run, "validation")
    found = benchmark(run, [Oracle(part), baseline("mean", part_of(run, "train"))], [parse("half-left")], device="cpu")
    assert (found.images, found.split) == (30, "validation")
    (hidden,) = found.holes
    truth, mean = hidden.rows
    assert truth.squared_error.value < 1e-12
    assert hidden.share == 0.5
    whole = probabilities(run.model("cpu"), part.images).argmax(1)
    np.testing.assert_array_equal(np.sort(truth.correct), np.sort(whole == part.labels))
    np.testing.assert_array_equal(truth.correct, hidden.whole)
    assert mean.squared_error.value > 0.01
    assert run.ledger.openings() == []
    json.dumps(found.to_json(), allow_nan=False)


def test_several_fillings_are_judged_alone_and_by_their_mean(run: Run) -> None:
    oracle = Oracle(part_of(run, "validation"), noise=0.2)
    found = benchmark(run, [oracle], [parse("rectangle"), parse("0.5")], draws=9, images=20, device="cpu")
    assert oracle.asked == [(1, 20), (9, 20)] * 2
    for hidden in found.holes:
        guess, one, mean = hidden.rows
        assert [row.what for row in hidden.rows] == ["best guess", "one of several", "mean of several"]
        assert mean.squared_error.value < 0.4 * one.squared_error.value, "noise averages out"
        assert guess.spread is None
        assert mean.spread == one.spread
        assert mean.spread is not None
        assert 0.1 < mean.spread < 0.2
    only = benchmark(run, [oracle], [parse("0.5")], draws=1, images=20, device="cpu")
    assert len(only.holes[0].rows) == 1


def test_the_mean_of_several_is_judged_by_mean_probabilities(run: Run) -> None:
    part = part_of(run, "validation")
    oracle = Oracle(part, noise=0.9)
    known = parse("0.9").known(30, 28, 28)
    found = benchmark(run, [oracle], [parse("0.9")], draws=7, device="cpu").holes[0].rows
    truth = part.images.astype(np.float32) / np.float32(255)
    model, said = run.model("cpu"), []
    for filled in oracle.fill(truth, known, 7):
        pixels = np.where(known, part.images, np.rint(filled * 255)).astype(np.uint8)
        said.append(probabilities(model, pixels))
    np.testing.assert_array_equal(found[1].correct, said[0].argmax(1) == part.labels)
    np.testing.assert_array_equal(found[2].correct, np.mean(said, 0).argmax(1) == part.labels)
    assert (found[1].correct != found[2].correct).any()


def test_images_and_holes_are_the_same_for_a_seed_and_all_fillers(run: Run) -> None:
    fillers = [baseline(name, part_of(run, "train")) for name in ("mean", "median")]
    asked = {seed: benchmark(run, fillers, [parse("0.3")], images=12, seed=seed, device="cpu") for seed in (0, 1)}
    first, other = (one.examples[0].part.rows for one in asked.values())
    assert first.tolist() != other.tolist()
    again = benchmark(run, fillers[::-1], [parse("0.3")], images=12, device="cpu")
    by_name = {row.filler: row.squared_error.value for row in again.holes[0].rows}
    assert by_name == {row.filler: row.squared_error.value for row in asked[0].holes[0].rows}


def test_a_look_at_test_images_is_written_down_before_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    fillers = [baseline("mean", part_of(run, "train"))]
    monkeypatch.setattr(verb, "probabilities", killed)
    with pytest.raises(KeyboardInterrupt):
        benchmark(run, fillers, [parse("0.5")], images=7, split="test", device="cpu")
    assert [(one.verb, one.images, one.accuracy) for one in run.ledger.openings()] == [("complete", 7, None)]


def test_a_run_without_images_held_out_says_how(source: Path, tmp_path: Path) -> None:
    config = TrainConfig(network="softmax", epochs=1, batch_size=32)
    bare = train(data_verb.load(str(source)), config, RunStore(tmp_path / "others")).run
    with pytest.raises(UsageError, match="no validation part"):
        benchmark(bare, [], [parse("0.5")])


def test_a_generator_that_saw_the_images_is_named(run: Run, source: Path) -> None:
    splits = data_verb.load(str(source))
    oracle = Oracle(part_of(run, "validation"))
    for learned, split, seen in (
        (splits.train.digest, "validation", ("oracle",)),
        (splits.train.digest, "test", ()),
        ("other", "validation", ()),
    ):
        oracle.learned = learned
        assert benchmark(run, [oracle], [parse("0.5")], images=3, split=split, device="cpu").seen == seen


def test_the_page_holds_figures_and_examples(run: Run, tmp_path: Path) -> None:
    oracle = Oracle(part_of(run, "validation"), noise=0.1)
    fillers = [baseline("knn", part_of(run, "train")), oracle]
    found = benchmark(run, fillers, [parse("half-bottom"), parse("0.2-0.4")], images=10, draws=2, device="cpu")
    assert "May have learned" not in write_page(found, tmp_path / "p.html", "en").read_text("utf-8")
    seen = write_page(replace(found, seen=("flow-1", "flow-2")), tmp_path / "p.html", "en").read_text("utf-8")
    assert "flatters it: flow-1, flow-2." in seen
    for language, says in (("en", "against the best baseline"), ("zh", "knn")):
        text = write_page(found, tmp_path / f"{language}.html", language).read_text("utf-8")
        assert says in text
        assert text.count("<svg") == 2
        assert text.count('class="strip"') == 2 * 8
        assert text.count('class="picture holes"') == 2 * 8
