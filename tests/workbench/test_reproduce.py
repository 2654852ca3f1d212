"""The verb reproduce: trains by either protocol, writes what came out, and draws the page of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ropero.data.dataset import Splits
from ropero.experiments import evidence
from ropero.experiments.claims import Experiment, Time
from ropero.experiments.evidence import Reason
from ropero.runs import RunStore
from ropero.training.presets import plain
from ropero.workbench.reproduce import found, reproduce, summary, write_page

SHORT = {"epochs": 3, "batch_size": 32, "device": "cpu"}
EXPERIMENT = Experiment(
    report="nowhere-2000",
    model="softmax",
    protocol=plain("softmax", validation=30, **SHORT),
    sound=plain("softmax", **SHORT),
    claimed={"test_accuracy": 0.5, "macro_f1": 0.4, "train_accuracy": 0.6},
    classes=((0.5, 0.5, 0.5, 20),) * 3,
    before=(plain("softmax", **{**SHORT, "epochs": 1, "validation": 30}), {"test_accuracy": 0.3}),
    time=Time(low=100, high=100, whole=True),
    unsaid=("Not said: <b>this</b>.",),
    why=(Reason("Because of that: {fault}.", {"fault": "a:b"}),),
)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_evidence", lambda: {"a:b": 0.1234})


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_two_seeds_are_trained_judged_and_written(store: RunStore, splits: Splits, tmp_path: Path) -> None:
    done = reproduce(EXPERIMENT, splits, store, tmp_path, seeds=(0, 1))
    content = json.loads(done.path.read_text("utf-8"))
    assert content == json.loads(json.dumps(done.content))
    assert content["n"] == len(content["runs"]) == 2
    assert content["parameters"] == {"total": 2355, "trainable": 2355}
    one, other = (run["figures"]["test_accuracy"] for run in content["runs"])
    assert content["measured"]["test_accuracy"]["mean"] == pytest.approx((one + other) / 2)
    assert len(content["before"]["runs"][0]["curve"]) == 1
    assert all({"commit", "torch", "cpu", "threads"} <= set(run["environment"]) for run in content["runs"])
    # Four runs: two seeds, before and after; each opened the test part once.
    assert len(store.runs()) == 4
    assert [run.ledger.judgements() for run in store.runs()] == [1, 1, 1, 1]


def test_repeating_it_trains_and_opens_nothing_again(store: RunStore, splits: Splits, tmp_path: Path) -> None:
    first = reproduce(EXPERIMENT, splits, store, tmp_path)
    again = reproduce(EXPERIMENT, splits, store, tmp_path)
    assert first.content == again.content
    assert [run.ledger.judgements() for run in store.runs()] == [1, 1]


def test_the_protocols_have_a_file_each(store: RunStore, splits: Splits, tmp_path: Path) -> None:
    for protocol in ("report", "ropero"):
        reproduce(EXPERIMENT, splits, store, tmp_path, protocol=protocol)  # type: ignore[arg-type]
    files = found(EXPERIMENT, tmp_path)
    assert set(files) == {"report", "ropero"}
    assert "validation" in files["report"]["runs"][0]["judged"]
    assert "validation" not in files["ropero"]["runs"][0]["judged"]
    assert "before" not in files["ropero"]


def test_a_time_limit_ends_a_training_and_is_told(store: RunStore, splits: Splits, tmp_path: Path) -> None:
    done = reproduce(EXPERIMENT, splits, store, tmp_path, minutes=1e-9)
    assert done.content["measured"]["epochs"]["mean"] == 1
    page = write_page([EXPERIMENT], tmp_path, "en").read_text("utf-8")
    assert "1 of at most 3 epochs" in page
    assert "time limit ended it" in page


@pytest.mark.parametrize("lang", ["en", "es", "zh"])
def test_the_page_shows_claims_beside_figures_and_escapes(
    store: RunStore, splits: Splits, tmp_path: Path, lang: str
) -> None:
    reproduce(EXPERIMENT, splits, store, tmp_path)
    unrun = replace(EXPERIMENT, model="never")
    page = write_page([EXPERIMENT, unrun], tmp_path, lang).read_text("utf-8")
    assert "nowhere-2000/softmax" in page
    assert "nowhere-2000/never" in page
    assert "&lt;b&gt;this" in page
    assert page.count("<svg") == 2
    assert {"en": ">50%<", "es": ">50\xa0%<", "zh": ">50%<"}[lang] in page
    assert page.count({"en": "Because of that: 12.3%.", "es": "Because of that: 12,3", "zh": "12.3%"}[lang]) == 4


def test_the_summary_of_one_has_no_spread() -> None:
    assert summary([{"a": 1.0}]) == {"a": {"mean": 1.0, "sd": 0.0}}
    assert summary([{"a": 1.0, "b": 5.0}, {"a": 3.0}]) == {"a": {"mean": 2.0, "sd": pytest.approx(2**0.5)}}
