"""A trained generator is labelled, scored and shown on a page; what is found is kept in its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic
from page_reader import read
from small_generator import CONFIG, small

from ropero.data.dataset import Images, Splits
from ropero.errors import UsageError
from ropero.evaluation.ledger import TestLedger
from ropero.generators import GeneratorStore
from ropero.runs import RunStore
from ropero.training.config import TrainConfig
from ropero.workbench import judge_generated
from ropero.workbench.evaluate import evaluate
from ropero.workbench.generate import train_generator
from ropero.workbench.generator import Generator
from ropero.workbench.generator_page import label_generator, score_generator, write_page
from ropero.workbench.train import train

__all__ = ["small"]
LABELLER = TrainConfig(network="softmax", epochs=4, batch_size=32, learning_rate=0.01, erase=0.0, flip="none")


@pytest.fixture
def splits(source: Path) -> Splits:
    return Splits(synthetic(240), None, synthetic(60, seed=1, split="test"), source=str(source))


@pytest.fixture
def generator(small: None, splits: Splits, tmp_path: Path) -> Generator:
    run = train_generator(splits, CONFIG.replace(images=180), GeneratorStore(tmp_path / "runs")).run
    return Generator(run, splits)


def features(images: Images) -> np.ndarray:
    """Means of 7 x 7 pixels."""
    return images.reshape(len(images), 4, 7, 4, 7).mean((2, 4)).reshape(len(images), 16) / 255


def test_a_run_labels_it_and_the_answers_are_kept(generator: Generator, splits: Splits, tmp_path: Path) -> None:
    run = train(splits, LABELLER.replace(validation=60), RunStore(tmp_path / "runs")).run
    evaluate(run, split="validation", splits=splits)
    labels = label_generator(generator, run, n=30, seed=4)
    assert labels.found.wanted is not None
    assert labels.found.wanted.tolist() == [0, 1, 2] * 10
    assert labels.found.real is not None
    assert labels.by == f"softmax ({run.name})"
    kept = judge_generated.kept_labels(generator.folder, generator.run.card.weights_sha256)
    assert kept is not None
    assert (kept.seed, kept.found.to_json()) == (4, labels.found.to_json())


def test_it_is_scored_against_what_it_did_not_learn_from(generator: Generator, splits: Splits) -> None:
    found = score_generator(generator, features, "means", splits=splits, samples=60, draws=2)
    assert (found.split, found.others, found.real, found.rows) == ("validation", "train", 60, 60)
    assert found.figures["frechet"].floor_mean < found.figures["frechet"].mean
    few = score_generator(generator, features, "means", splits=splits, samples=30, draws=2)
    assert (few.others, few.real, few.rows) == ("validation", 30, 30), "there are enough that it never saw"
    ledger = TestLedger(generator.folder / "test-ledger.jsonl")
    assert ledger.openings() == []
    last = score_generator(generator, features, "means", split="test", splits=splits, samples=60, draws=2)
    assert [(one.verb, one.images) for one in ledger.openings()] == [("score", 60)]
    assert last.others == "validation", "which the generator did not learn from either"
    assert judge_generated.kept_score(generator.folder, generator.run.card.weights_sha256) == last


def test_where_nothing_is_left_to_measure_by_that_is_said(small: None, splits: Splits, tmp_path: Path) -> None:
    run = train_generator(splits, CONFIG, GeneratorStore(tmp_path / "runs")).run
    with pytest.raises(UsageError, match="none are left to measure it by"):
        score_generator(Generator(run, splits), features, "means", splits=splits)
    with pytest.raises(UsageError, match="Unknown split 'tests'"):
        score_generator(Generator(run, splits), features, "means", splits=splits, split="tests")


def test_the_page_shows_what_was_found(generator: Generator, splits: Splits, tmp_path: Path) -> None:
    bare = write_page(generator, lang="en", out=tmp_path / "bare.html", nearest=False).read_text("utf-8")
    assert "have not been labelled or scored yet" in bare
    assert set(read(bare).ids).isdisjoint({"labels", "score", "nearest"})
    label_generator(generator, train(splits, LABELLER, RunStore(tmp_path / "runs")).run, n=30)
    score_generator(generator, features, "means of squares", split="test", splits=splits, samples=60, draws=2)
    path = write_page(generator, lang="es")
    assert path == generator.folder / "report.html"
    page = path.read_text("utf-8")
    reader = read(page)
    assert {"labels", "confusion", "score", "nearest", "grown", "curves", "training"} <= set(reader.ids)
    assert "means of squares" in reader.text
    assert page.count('<table class="grown') == 1
    assert "ropero generate --train dcgan" in reader.text
