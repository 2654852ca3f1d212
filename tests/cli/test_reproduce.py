"""`ropero reproduce` as a user types it, on a table of small experiments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Kill, synthetic

from ropero.cli.app import run
from ropero.data.dataset import Splits
from ropero.errors import MissingExtra
from ropero.experiments import table
from ropero.experiments.claims import Experiment
from ropero.training.presets import plain
from ropero.workbench import progress

SHORT = plain("softmax", epochs=2, batch_size=32, device="cpu", precision="fp32")


BURST = {"network": "dense", "optimizer": "sgd", "learning_rate": 100.0, "weight_decay": 9.0, "epochs": 9}


def experiment(model: str, **changes: Any) -> Experiment:
    config = SHORT.replace(**changes)
    return Experiment(report="nowhere-2000", model=model, protocol=config, sound=config, claimed={"test_accuracy": 0.5})


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours = [experiment("a"), experiment("burst", **BURST), experiment("b", learning_rate=0.02)]
    monkeypatch.setattr(table, "EXPERIMENTS", {one.name: one for one in ours})
    monkeypatch.setattr(table, "REPORTS", ("nowhere-2000",))
    splits = Splits(synthetic(120), None, synthetic(60, seed=1, split="test"), source="synthetic")
    monkeypatch.setattr("ropero.workbench.data.load", lambda *_, **__: splits)
    monkeypatch.chdir(tmp_path)


def ask(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = run(["reproduce", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_one_is_listed_run_and_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = ask(capsys)
    assert code == 0
    assert "nowhere-2000/b" in out
    assert "Page:" not in out
    assert not (tmp_path / "runs").exists(), "a list writes nothing"
    code, out, err = ask(capsys, "nowhere-2000/a", "--seeds", "2")
    assert code == 0, err
    assert "softmax: at most 2 epochs, about" in err
    assert "50.00%" in out
    assert "±" in out
    page = tmp_path / "runs" / "reproduce" / "index.html"
    assert str(Path("runs") / "reproduce" / "index.html") in out.replace("\n", "")
    assert "nowhere-2000/a" in page.read_text("utf-8")
    code, out, _ = ask(capsys)
    assert "Page:" in out
    listed = json.loads(ask(capsys, "--json")[1])
    assert [one["experiment"] for one in listed] == ["nowhere-2000/a", "nowhere-2000/burst", "nowhere-2000/b"]
    assert listed[0]["found"]["report"]["n"] == 2
    assert listed[2]["found"] == {}


def test_json_is_what_the_files_hold(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = ask(capsys, "nowhere-2000/a", "--protocol", "ropero", "--out", tmp_path / "out", "--json")
    assert code == 0
    (told,) = json.loads(out)
    path = tmp_path / "out" / "nowhere-2000-a-ropero.json"
    assert json.loads(path.read_text("utf-8")) == told
    assert not (tmp_path / "out" / "index.html").exists()


def test_in_a_checkout_results_go_to_its_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "benchmarks" / "results" / "reproduce").mkdir(parents=True)
    assert ask(capsys, "nowhere-2000/a")[0] == 0
    assert (tmp_path / "benchmarks" / "results" / "reproduce" / "nowhere-2000-a-report.json").exists()


def test_one_that_fails_does_not_stop_the_others(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = ask(capsys, "all")
    assert code == 2
    assert "1 of 3 experiments could not be run, for the reasons above: nowhere-2000/burst." in err.replace("\n", " ")
    assert "The loss became infinite" in err
    assert "Page:" in out
    found = {path.name for path in (tmp_path / "runs" / "reproduce").iterdir()}
    assert found == {"nowhere-2000-a-report.json", "nowhere-2000-b-report.json", "index.html"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("nowhere-2000/c", "Did you mean"),
        ("nowhere-2000/a --seeds 0", "at least one training, --seeds 1 or more"),
        ("nowhere-2000/a --seeds 1.5", "1.5"),
        ("nowhere-2000/a --minutes -1", "minutes should be"),
        ("nowhere-2000/burst", "The loss became infinite"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str], words: str, says: str) -> None:
    code, _, err = ask(capsys, *words.split())
    assert code == 2
    assert says in err
    assert "Traceback" not in err


def test_what_cannot_draw_says_so_before_it_trains(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(_: str) -> None:
        raise MissingExtra("A report or picture", "report")

    monkeypatch.setattr("ropero.cli.reproduce.import_module", refuse)
    code, _, err = ask(capsys, "nowhere-2000/a")
    assert code == 2
    assert "ropero[report]" in err
    assert not (tmp_path / "runs").exists()
    assert ask(capsys, "nowhere-2000/a", "--json")[0] == 0


def test_an_interrupt_says_how_to_go_on(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "TrainingProgress", lambda _: Kill(3))
    code, _, err = ask(capsys, "nowhere-2000/a")
    assert code == 130
    assert "repeat the command" in err
