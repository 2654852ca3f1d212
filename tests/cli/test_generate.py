"""`ropero generate` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from small_generator import named_source, small

from ropero.cli.app import run
from ropero.generation.config import GeneratorConfig
from ropero.generators import GeneratorStore

__all__ = ["named_source", "small"]

FAST = ["--epochs", "2", "--batch-size", "30", "--precision", "fp32"]


def ask(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = run([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def trained(small: None, capsys: pytest.CaptureFixture[str], named_source: Path) -> str:
    code, out, err = ask(capsys, "generate", "--train", "dcgan", "--data", named_source, *FAST)
    assert code == 0
    assert "dcgan on 120 images, epochs: 2, cpu, fp32; about" in err
    assert "Epoch 2/2  loss: generator" in err
    assert "Trained in" in out
    assert "Pictures:" in out
    return GeneratorStore().find("last").name


def test_the_whole_way(capsys: pytest.CaptureFixture[str], trained: str, source: Path, tmp_path: Path) -> None:
    words = ["generate", "--class", "Ring", "--class", "BLOCK", "-n", "6", "--seed", "7", "--out", tmp_path / "out"]
    code, out, _ = ask(capsys, *words, "--singles")
    assert code == 0
    assert "6 pictures in" in out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"grid.png", "samples.npz", "ring-07.png", "block-12.png"} <= names
    code, out, _ = ask(capsys, *words, "--nearest", "--json")
    told = json.loads(out)
    assert (told["generator"], told["seeds"]) == (trained, [7, 8, 9, 10, 11, 12])
    assert told["classes"] == ["ring", "block"] * 3
    assert {"nearest.json", "nearest.png"} <= set(told["files"])
    assert len(told["nearest"]["distances"]) == 6
    code, out, _ = ask(capsys, "generate", trained[-4:], "--nearest")
    assert "Nearest training image: median distance" in out
    assert "Nearer than all but 1% of the real ones: " in out
    code, out, _ = ask(capsys, "generate", "--between", "3", "9", "--class", "ring")
    assert code == 0
    assert "between.gif" in out
    code, out, _ = ask(capsys, "generate", "--walk", "-n", "1", "--seed", "4")
    assert (code, "walk-4" in out) == (0, True)
    code, out, _ = ask(capsys, "generate", "--class", "RING", "--seed", "5")
    assert (code, "ring-seed-5" in out) == (0, True)
    code, out, _ = ask(capsys, "generate", "--train", "dcgan", "--data", source, *FAST, "--json")
    assert json.loads(out)["how"] == "already trained"
    assert len(json.loads(out)["history"]) == 2


def test_many_singles_are_not_all_named(capsys: pytest.CaptureFixture[str], trained: str, tmp_path: Path) -> None:
    _, out, _ = ask(capsys, "generate", "-n", "30", "--singles", "--out", tmp_path / "out")
    assert out.count("File: ") == 12
    assert f"and 20 more in {tmp_path / 'out'}" in out.replace("\n", "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--train dcgn", "Did you mean 'dcgan'"),
        ("--train dcgan --epochs -1", "epochs should be at least 0"),
        ("--train dcgan --batch-size 1", "batch_size should be at least 2"),
        ("--train dcgan --class shirt", "--class belongs to a generator that is trained"),
        ("--train dcgan -n 5", "-n belongs to a generator that is trained"),
        ("--train dcgan --walk", "--walk belongs to a generator that is trained"),
        ("--train dcgan --data ./not-there.npz", "not-there.npz"),
        ("--epochs 3", "--epochs belongs to a training; give --train too"),
        ("--again", "--again belongs to a training"),
        ("--image-size 28", "--image-size belongs to a training"),
        ("-n 1.5", "whole number"),
        ("--walk --nearest", "Give one of --walk, --nearest"),
        ("--between 1 2 -n 3", "-n does not go with --between"),
        ("--walk --singles", "--singles does not go with --walk"),
        ("--between 1", "--between"),
        ("--between 1.5 2", "whole number"),
        ("-n 3", "There are no generators"),
        ("nothing", "There are no generators"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str], words: str, says: str) -> None:
    code, out, err = ask(capsys, "generate", *words.split())
    assert code == 2
    assert out == ""
    assert says in err.replace("\n", " ")
    assert "Traceback" not in err


def test_mistakes_that_need_a_generator(capsys: pytest.CaptureFixture[str], trained: str) -> None:
    for words, says in (("--class rnig", "Did you mean 'ring'"), ("-n 0", "1 to 100000"), ("nothing", "No run")):
        code, out, err = ask(capsys, "generate", *words.split())
        assert (code, out) == (2, "")
        assert says in err


def test_generators_are_listed(
    small: None, capsys: pytest.CaptureFixture[str], named_source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, err = ask(capsys, "generate", "--list")
    assert (out, "There are no generators" in err) == ("", True)
    for seed in ("1", "2", "3"):
        ask(capsys, "generate", "--train", "dcgan", "--data", named_source, *FAST, "--seed", seed)
    first, second, third = GeneratorStore().runs()
    first.note(status="training")
    (second.folder / "config.json").write_text("{{")
    (third.folder / "run.json").write_text("{{")
    _, out, err = ask(capsys, "generate", "--list")
    lines = {line.split()[0]: line for line in out.splitlines() if "-dcgan-" in line}
    assert list(lines) == [first.name, second.name]
    assert "interrupted" in lines[first.name]
    assert "broken" in lines[second.name]
    assert third.name in err
    _, out, _ = ask(capsys, "generate", "--list", "--json")
    told = json.loads(out)
    assert [(one["run"], one["status"], one["epochs"]) for one in told] == [
        (first.name, "interrupted", 2),
        (second.name, "broken", 0),
    ]
    assert told[0]["bytes"] > 10_000


def test_every_option_of_the_config_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = ask(capsys, "generate", "--help")
    names = {one.name.replace("_", "-") for one in fields(GeneratorConfig)} - {"generator"}
    assert all(f"--{name}" in out for name in names)
    assert "--generator" not in out


def test_without_a_gpu_a_long_training_says_what_can_be_done(
    small: None, capsys: pytest.CaptureFixture[str], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ropero.workbench.generate.estimate_seconds", lambda *_: 7200.0)
    _, _, err = ask(capsys, "generate", "--train", "dcgan", "--data", source, *FAST)
    assert "about 2 h 0 min" in err
    assert "--minutes 20" in err


def test_an_interrupt_says_how_to_go_on_and_the_same_command_does(
    small: None, capsys: pytest.CaptureFixture[str], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ropero.workbench.progress import GeneratorProgress

    def interrupted(self: GeneratorProgress, step: int) -> None:
        if step == 6:
            raise KeyboardInterrupt

    words = ["generate", "--train", "dcgan", "--data", source, *FAST]
    with monkeypatch.context() as patched:
        patched.setattr(GeneratorProgress, "on_step_end", interrupted)
        code, _, err = ask(capsys, *words)
        assert code == 130
        assert "repeat the command." in err
        code, _, err = ask(capsys, *words, "--again")
        assert "without --again" in err
    code, _, err = ask(capsys, *words)
    assert code == 0
    assert "Going on with" in err


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys; from ropero.cli.app import run; assert run(['generate', '--help']) == 0;"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_the_reports_gan_itself(capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path) -> None:
    code, out, _ = ask(
        capsys, "generate", "--train", "dcgan", "--data", source, "--epochs", "1", "--batch-size", "60", "--json"
    )
    assert code == 0
    assert json.loads(out)["garment"]["class"] is None
    code, out, _ = ask(capsys, "generate", "-n", "4", "--out", tmp_path / "out")
    assert code == 0
    with np.load(tmp_path / "out" / "samples.npz", allow_pickle=False) as arrays:
        assert arrays["images"].shape == (4, 28, 28)
        assert arrays["labels"].tolist() == [-1] * 4
    code, _, err = ask(capsys, "generate", "--class", "ring")
    assert (code, "cannot be asked for a class" in err) == (2, True)
