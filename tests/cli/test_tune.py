"""`ropero tune` as a user types it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ropero.cli.app import run

FAST = ["--network", "softmax", "--epochs", "2", "--batch-size", "32", "--learning-rate", "0.01", "--precision", "fp32"]


def ask(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = run([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_whole_way_and_its_command_trains(capsys: pytest.CaptureFixture[str], source: Path) -> None:
    words = ["tune", "--data", source, *FAST, "--search", "learning_rate=1e-5..1e-1,ema", "--trials", "3"]
    code, out, err = ask(capsys, *words)
    assert code == 0
    assert "20 of the training images are held out" in err
    assert "trials: 3, epochs: 2" in err
    assert "Trial 3/3: learning_rate" in err
    assert "Trials, best first" in out
    assert "was picked from 3 trials" in out
    assert "cannot be told from so few trials" in out
    folder = Path(out.split("Search: ")[1].splitlines()[0])
    assert {"trials.png", "values.png", "best.json", "study.db"} <= {path.name for path in folder.iterdir()}
    command = out.split("Train with the best settings: ")[1].strip()
    assert json.loads((folder / "best.json").read_text("utf-8"))["command"] == command
    program, *rest = shlex.split(command)
    assert program == "ropero"
    code, out, _ = ask(capsys, *rest, "--json")
    assert code == 0
    trained = json.loads(out)
    assert trained["images"] == {"train": 120, "test": 60}
    assert trained["test"]["accuracy"] > 0.5
    code, out, err = ask(capsys, *words, "--json")
    assert code == 0
    again = json.loads(out)
    assert "3 of 3 trials are over" in err
    assert [one["number"] for one in again["trials"]] == [1, 2, 3]
    assert again["best"]["accuracy"] == max(one["accuracy"] for one in again["trials"])
    assert again["importance"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--search learning_rat", "Did you mean 'learning_rate'"),
        ("--search optimizer=adam,sgdd", "Did you mean 'sgd'"),
        ("--search erase=0.5..0.1", "should rise"),
        ("--search seed", "seed cannot be searched"),
        ("--search epochs=3..9", "epochs cannot be searched"),
        ("--network quik", "Did you mean 'quick'"),
        ("--trials 1.5", "whole number"),
        ("--trials 0", "at least one trial"),
        ("--trial-minutes=-1", "minutes should be at least 0"),
        ("--minutes=-1", "not negative"),
        ("--trails 3", "Did you mean '--trials'"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], source: Path, words: str, says: str
) -> None:
    code, out, err = ask(capsys, "tune", "--data", source, *words.split())
    assert code == 2
    assert out == ""
    assert says in err.replace("\n", " ")
    assert "Traceback" not in err


def test_an_interrupt_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, source: Path
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ropero.workbench.tune.fit", interrupted)
    code, _, err = ask(capsys, "tune", "--data", source, *FAST)
    assert code == 130
    assert "repeat the command" in err


def test_help_waits_for_neither_torch_nor_optuna() -> None:
    code = (
        "import sys; from ropero.cli.app import run; assert run(['tune', '--help']) == 0;"
        "sys.exit(bool({'torch', 'optuna', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--search" in done.stdout
    assert "--trial-minutes" in done.stdout


def test_without_figures_the_search_is_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, source: Path
) -> None:
    from ropero.errors import MissingExtra

    def missing(*_: object) -> None:
        raise MissingExtra("ropero.reports", "report")

    monkeypatch.setattr("ropero.workbench.tuning.save_figures", missing)
    code, out, err = ask(capsys, "tune", "--data", source, *FAST, "--search", "ema,erase", "--trials", "1", "--json")
    assert code == 0
    assert "ropero[report]" in err
    assert json.loads(out)["figures"] == []
