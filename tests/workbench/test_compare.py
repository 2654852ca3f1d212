"""The verb compare: runs of the same images side by side, what was judged before not opened again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic

from ropero.data.dataset import Splits
from ropero.errors import RoperoError, UsageError
from ropero.runs import Run, RunStore
from ropero.training.config import TrainConfig
from ropero.workbench.compare import compare, write_report
from ropero.workbench.data import load
from ropero.workbench.evaluate import evaluate
from ropero.workbench.train import train

CONFIG = TrainConfig(network="softmax", epochs=2, batch_size=32, learning_rate=0.003, erase=0.0, flip="none")


@pytest.fixture
def splits() -> Splits:
    return Splits(synthetic(120), None, synthetic(90, seed=1, split="test"))


@pytest.fixture
def runs(splits: Splits, tmp_path: Path) -> list[Run]:
    store = RunStore(tmp_path / "runs")
    configs = [CONFIG, CONFIG.replace(seed=1), CONFIG.replace(learning_rate=1e-5)]
    return [train(splits, config, store).run for config in configs]


def test_side_by_side(runs: list[Run], splits: Splits) -> None:
    before = evaluate(runs[0], splits=splits)
    found = compare(runs, splits=splits)
    assert [entry.run.name for entry in found.entries] == [run.name for run in runs]
    assert [entry.openings for entry in found.entries] == [1, 1, 1]
    assert before.evaluation.accuracy == found.entries[0].evaluation.accuracy
    assert [entry.family for entry in found.entries] == [1, 1, 2]
    assert len(found.pairs) == 3
    untrained = found.pairs[1]
    assert (untrained.first, untrained.second) == (runs[0].name, runs[2].name)
    assert untrained.significant
    assert untrained.difference > 0.2
    assert all(entry.predict_rate > 0 and entry.parameters == 785 * 3 for entry in found.entries)


def test_seeds_of_one_config_are_one_line(runs: list[Run], splits: Splits) -> None:
    found = compare(runs, splits=splits)
    both = [entry.evaluation.accuracy for entry in found.entries[:2]]
    assert found.spreads()[1]["accuracy"].n == 2
    assert found.spreads()[1]["accuracy"].mean == pytest.approx(sum(both) / 2)
    assert found.spreads()[2]["accuracy"].deviation == 0


def test_everything_in_json(runs: list[Run], splits: Splits) -> None:
    found = compare(runs, splits=splits)
    told = found.to_json()
    assert told["images"] == 90
    assert len(told["runs"]) == 3
    assert {"accuracy", "accuracy_interval_95", "classes", "parameters", "train_seconds"} <= set(told["runs"][0])
    assert len(told["differing"]) == len(found.differing) > 0
    for image in told["differing"]:
        assert len({said["class"] for said in image["predicted"].values()}) > 1


def test_on_validation_nothing_is_opened(splits: Splits, tmp_path: Path) -> None:
    held = replace(splits, validation=synthetic(60, seed=4, split="validation"))
    store = RunStore(tmp_path / "held")
    both = [train(held, CONFIG.replace(seed=seed), store).run for seed in (0, 1)]
    found = compare(both, split="validation", splits=held)
    assert [entry.openings for entry in found.entries] == [0, 0]


def test_what_cannot_be_compared(runs: list[Run], splits: Splits, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two runs or more"):
        compare(runs[:1], splits=splits)
    with pytest.raises(UsageError, match="with itself"):
        compare([runs[0], runs[0]], splits=splits)
    other = Splits(synthetic(120), None, synthetic(90, seed=2, split="test"), source="")
    strange = train(other, CONFIG, RunStore(tmp_path / "strange")).run
    evaluate(strange, splits=other)
    evaluate(runs[0], splits=splits)
    with pytest.raises(RoperoError, match=r"not the one|same images"):
        compare([runs[0], strange], splits=splits)


def test_what_cannot_be_compared_is_not_opened(tmp_path: Path) -> None:
    """Two runs whose data are at hand, but not the same."""
    sources = []
    for seed in (1, 2):
        one, other = synthetic(60, seed=seed), synthetic(30, seed=seed + 5, split="test")
        path = tmp_path / f"{seed}.npz"
        np.savez(path, x_train=one.images, y_train=one.labels, x_test=other.images, y_test=other.labels)
        sources.append(train(load(str(path)), CONFIG, RunStore(tmp_path / "both")).run)
    with pytest.raises(UsageError, match="same images"):
        compare(sources)
    assert [run.ledger.openings() for run in sources] == [[], []]


def test_the_page_shows_all_of_it(runs: list[Run], splits: Splits, tmp_path: Path) -> None:
    found = compare(runs, splits=splits)
    for lang, said in (("en", "is right most often"), ("es", "es la que más acierta"), ("zh", "正确率最高")):
        page = write_report(found, tmp_path / f"{lang}.html", lang, splits=splits).read_text("utf-8")
        assert said in page
        assert (lang != "en") or "seeds of one config" in page
        assert all(run.name in page for run in runs)
        assert page.count("data:image/png") == min(24, len(found.differing))
    assert found.letters() == dict(zip((run.name for run in runs), "ABC", strict=True))


def test_many_runs_are_put_beside_the_best(runs: list[Run], splits: Splits) -> None:
    found = compare(runs, splits=splits)
    assert found.told_pairs(15) == found.pairs
    few = found.told_pairs(2)
    best = max(found.entries, key=lambda one: one.evaluation.accuracy).run.name
    assert len(few) == 2
    assert all(best in (pair.first, pair.second) for pair in few)
    # The best is found by the same images, so that nothing is corrected for fewer tests than all.
    assert all(pair in found.pairs for pair in few)


def test_the_comparison_is_handed_in_as_a_document(runs: list[Run], splits: Splits, tmp_path: Path) -> None:
    found = compare(runs, splits=splits)
    text = write_report(found, tmp_path / "c.md", "es", form="md", author="Ana", splits=splits).read_text("utf-8")
    assert "Ana" in text
    assert all(run.name in text.replace("\\", "") for run in runs)
    assert (tmp_path / "c-figures" / "runs.png").exists()
    cells = json.loads(write_report(found, tmp_path / "c.ipynb", "en", form="ipynb", splits=splits).read_text("utf-8"))
    assert "rp.compare(" in cells["cells"][1]["source"]
    assert write_report(found, tmp_path / "c.pdf", "zh", form="pdf", splits=splits).read_bytes()[:5] == b"%PDF-"
