"""A generator's folder holds everything, is no run of a classifier, and refuses what it cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_generator import CONFIG, small, trained

from ropero.data.dataset import Splits
from ropero.data.note import DataNote
from ropero.errors import RunError
from ropero.generation import sample
from ropero.generation.loop import GeneratorEpoch
from ropero.generators import GeneratorRun, GeneratorStore
from ropero.runs import Run, RunStore
from ropero.storage import sha256_file

__all__ = ["small"]


@pytest.fixture
def store(tmp_path: Path) -> GeneratorStore:
    return GeneratorStore(tmp_path)


def made(store: GeneratorStore, splits: Splits) -> GeneratorRun:
    return store.create(CONFIG.replace(seed=7), DataNote.of(splits), {"ropero": "0.1.0"})


def test_it_comes_back_as_it_was_written(store: GeneratorStore, splits: Splits) -> None:
    run = GeneratorRun(made(store, splits).folder)
    assert run.folder.parent == store.folder
    assert store.folder.name == "generators"
    assert run.config == CONFIG.replace(seed=7)
    assert run.data == DataNote.of(splits)
    assert (run.status, run.history) == ("training", [])
    epochs = [GeneratorEpoch(epoch=1, losses={"generator": 0.5}, spread=0.9, epoch_seconds=1, images_per_second=2)]
    run.save_history(epochs)
    assert run.history == epochs
    assert "dcgan on synthetic, training" in repr(run)


def test_classifiers_and_generators_do_not_see_each_other(tmp_path: Path, splits: Splits) -> None:
    generators, runs = GeneratorStore(tmp_path), RunStore(tmp_path)
    run = made(generators, splits)
    assert runs.runs() == []
    assert [one.name for one in generators.runs()] == [run.name]
    with pytest.raises(RunError, match="kind generator; expected classifier"):
        runs.find(str(run.folder))
    run.note(kind="classifier")
    with pytest.raises(RunError, match="kind classifier; expected generator"):
        Run(run.folder) and GeneratorRun(run.folder)


def test_find_says_what_there_is(store: GeneratorStore, splits: Splits) -> None:
    with pytest.raises(RunError, match="ropero generate --train dcgan"):
        store.find("last")
    run = made(store, splits)
    assert store.find("dcgan").name == store.find("last").name == run.name
    with pytest.raises(RunError, match=f"No run 'nothing'.*Known: {run.name}"):
        store.find("nothing")
    store.delete(run)
    assert store.runs() == []


def test_what_was_kept_makes_the_same_pictures(small: None, tmp_path: Path) -> None:
    run = trained(tmp_path)
    state = torch.random.get_rng_state()
    one, other = run.learner(), run.learner()
    assert torch.equal(torch.random.get_rng_state(), state), "loading one disturbs no other random choice"
    pictures = sample.seeded(one, range(5), [0, 1, 2, 0, 1])
    assert np.array_equal(pictures, sample.seeded(other, range(5), [0, 1, 2, 0, 1]))
    assert pictures.std(axis=0).mean() > 1
    assert run.card.latent == (2, 3)
    assert run.card.classes == ("stripe", "block", "ring")


def test_an_untrained_one_makes_nothing(store: GeneratorStore, splits: Splits) -> None:
    with pytest.raises(RunError, match="repeat its command"):
        made(store, splits).learner()


def test_other_weights_than_the_cards_are_refused(small: None, tmp_path: Path) -> None:
    run, other = trained(tmp_path), trained(tmp_path, CONFIG.replace(seed=1))
    weights = run.folder / "model.safetensors"
    weights.write_bytes((other.folder / "model.safetensors").read_bytes())
    with pytest.raises(RunError, match="SHA-256 differs"):
        run.learner()
    card = json.loads((run.folder / "model.json").read_text("utf-8"))
    (run.folder / "model.json").write_text(json.dumps({**card, "weights_sha256": sha256_file(weights)}))
    assert run.learner()
    weights.unlink()
    with pytest.raises(RunError, match="missing"):
        run.learner()


LINE = '{"epoch": 1, "losses": {"generator": 1}, "spread": 1, "epoch_seconds": 1, "images_per_second": 1}'


@pytest.mark.parametrize(
    "line",
    ["{}", "\x00", '{"epoch": 1}', LINE.replace('{"generator": 1}', "3"), LINE.replace('"spread": 1', '"spread": "x"')],
)
def test_a_damaged_history_is_said_not_thrown(store: GeneratorStore, splits: Splits, line: str) -> None:
    run = made(store, splits)
    run.history_path.write_text(LINE + "\n")
    assert len(run.history) == 1
    run.history_path.write_text(line + "\n")
    with pytest.raises(RunError, match=r"history\.jsonl"):
        _ = run.history


@pytest.mark.parametrize("content", ["{}", "[]", '{"generator": "dcgn"}', '{"epochs": -1}'])
def test_a_damaged_config_is_said_not_thrown(store: GeneratorStore, splits: Splits, content: str) -> None:
    run = made(store, splits)
    (run.folder / "config.json").write_text(content)
    if content == "{}":
        return  # a config of nothing but defaults
    with pytest.raises(RunError, match=r"config\.json"):
        _ = run.config
