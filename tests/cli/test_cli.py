"""The command line as a user types it: exit codes, JSON, languages, sentences instead of tracebacks."""

from __future__ import annotations

import io
import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic
from PIL import Image

from ropero.cli.app import run
from ropero.errors import MissingExtra
from ropero.texts import LANGUAGES
from ropero.training.config import TrainConfig

VERBS = ["data", "explore", "networks", "train", "lr-find", "tune", "evaluate", "predict", "runs", "report"]
VERBS += ["reproduce", "export", "verify", "generate", "complete"]
FAST = ["--network=softmax", "--epochs=2", "--batch-size=32", "--learning-rate=0.01", "--precision=fp32"]


def ask(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = run([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("verb", ["", *VERBS, "runs list", "runs show", "runs delete"])
def test_every_verb_has_help_in_every_language(capsys: pytest.CaptureFixture[str], verb: str, language: str) -> None:
    code, out, _ = ask(capsys, *verb.split(), "--help", "--lang", language)
    assert code == 0
    assert {"en": "Usage:", "es": "Uso:", "zh": "用法："}[language] in out
    words = re.findall(r"(?<!-)\b[A-Za-z]{3,}", out.split("\n", 1)[1])  # no flags
    shown_in_english = {"Language", "Folder", "Print", "default", "required", "Show", "class"} & set(words)
    assert bool(shown_in_english) == (language == "en"), shown_in_english


def test_every_option_of_the_config_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = ask(capsys, "train", "--help")
    assert all(f"--{one.name.replace('_', '-')}" in out for one in fields(TrainConfig) if one.metadata["help"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("trian", "Did you mean 'train'"),
        ("train --epoch 3", "Did you mean '--epochs'"),
        ("train --epochs three", "should be a whole number"),
        ("train --epochs 1.5", "should be a whole number"),
        ("train --learning-rate x", "should be a number"),
        ("train --epochs 0", "epochs should be at least 1"),
        ("train --schedule one-cycel", "Did you mean 'one-cycle'"),
        ("train --network quik --data ./not-there.npz", "Did you mean 'quick'"),
        ("train --seed", "missing its value"),
        ("train --lang fr", "one of en, es, zh"),
        ("train --save-weights first", "--save-weights"),
        ("data fashion-mnits", "Did you mean 'fashion-mnist'"),
        ("data ./not-there.npz", "not-there.npz"),
        ("evaluate", "There are no runs"),
        ("report nothing", "There are no runs"),
        ("runs delete", "Say which runs"),
        ("predict last", "Nothing to predict"),
        ("networks quik", "Did you mean 'quick'"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str], words: str, says: str) -> None:
    code, out, err = ask(capsys, *words.split())
    assert code == 2
    assert out == ""
    assert says in err.replace("\n", " ")
    assert "Traceback" not in err


def test_the_whole_way(capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path) -> None:
    code, out, _ = ask(capsys, "data", source, "--json")
    assert code == 0
    assert json.loads(out)["parts"]["test"]["images"] == 60
    code, out, _ = ask(capsys, "train", "--data", source, *FAST, "--json", "--report")
    assert code == 0
    trained = json.loads(out)
    assert trained["status"] == "trained"
    assert trained["test"]["accuracy"] > 0.8
    assert Path(trained["report"]).stat().st_size > 10_000
    code, out, _ = ask(capsys, "evaluate", "last", "--json")
    assert json.loads(out)["fresh"] is False
    code, out, err = ask(capsys, "evaluate", "last")
    assert "macro average" in out
    assert "Openings of the test part by this run: 1" in err
    code, out, _ = ask(capsys, "predict", "last", "--test", "17", "--plot", tmp_path / "p.png", "--json")
    assert json.loads(out)[0]["true"] == "2"
    assert (tmp_path / "p.png").exists()
    code, out, _ = ask(capsys, "runs", "--json")
    assert json.loads(out)[0]["test_openings"] == 1
    code, out, _ = ask(capsys, "runs", "show", "--json")
    assert len(json.loads(out)["history"]) == 2
    code, out, err = ask(capsys, "runs", "delete", "last")
    assert code == 2
    assert "--yes" in err
    code, out, _ = ask(capsys, "runs", "delete", "last", "--yes")
    assert code == 0
    assert json.loads(ask(capsys, "runs", "--json")[1]) == []


def test_a_picture_comes_in_by_a_pipe(
    capsys: pytest.CaptureFixture[str], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(capsys, "train", "--data", source, *FAST)
    stream = io.BytesIO()
    Image.fromarray(synthetic(3).images[1]).save(stream, "PNG")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stream.getvalue())))
    code, out, err = ask(capsys, "predict", "last", "-", "--json")
    assert code == 0, err
    assert json.loads(out)[0]["image"] == "stdin"


def test_the_kept_epoch_is_the_one_that_is_told(capsys: pytest.CaptureFixture[str], source: Path) -> None:
    words = ["--data", source, *FAST[:1], "--epochs=4", "--validation=30", "--keep=best", "--learning-rate=0.05"]
    code, out, _ = ask(capsys, "train", *words)
    assert code == 0
    run_json = json.loads(ask(capsys, "runs", "show", "--json")[1])
    best = min(run_json["history"], key=lambda record: record["validation_loss"])
    assert f"(epoch {best['epoch']}, the best by validation, is kept)" in out
    assert f"validation accuracy {best['validation_accuracy']:.2%}" in out


def test_outputs_are_written_into_the_run_and_told(
    capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["train", "--data", source, *FAST, "--validation=30"]
    code, out, err = ask(capsys, *words, "--save-weights", "best", "--csv", "--tensorboard", "--runs", "my runs")
    assert code == 0, err
    folder = Path(re.findall(r"Run: (.*)", out)[0])
    look = f"tensorboard --logdir '{folder / 'tensorboard'}'"
    assert f"TensorBoard: {look}" in out, "the folder's name has a space"
    assert f"TensorBoard: {look}" in err, "said before the training, when one can watch it"
    assert f"Weights: {folder / 'weights'}" in out
    assert f"Epochs: {folder / 'history.csv'}" in out
    assert (folder / "weights" / "best.safetensors").exists()
    assert "--again" not in err
    code, out, _ = ask(capsys, *words, "--csv", "--tensorboard", "--runs", "my runs", "--json")
    told = json.loads(out)
    assert (told["csv"], told["tensorboard"]) == (str(folder / "history.csv"), str(folder / "tensorboard"))
    assert "weights" not in told
    code, _, err = ask(capsys, *words, "--seed=1", "--save-weights=2", "--runs", "my runs")
    assert [path.name for path in Path("my runs").glob("*/weights/epoch*")] == ["epoch-002.safetensors"]
    code, out, err = ask(capsys, *words, "--seed=1", "--tensorboard", "--runs", "my runs")
    assert "TensorBoard:" not in out
    assert "--again trains it anew" in err


def test_an_extra_that_is_missing_is_said_before_the_training(
    capsys: pytest.CaptureFixture[str], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ropero.training.tensorboard.find_spec", lambda _: None)
    code, _, err = ask(capsys, "train", "--data", source, *FAST, "--tensorboard")
    assert code == 2
    assert "ropero[tensorboard]" in err
    assert json.loads(ask(capsys, "runs", "--json")[1]) == []


def test_lr_find_prints_rates_and_a_command_that_works(
    capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["lr-find", "--data", source, *FAST[:1], "--batch-size=32", "--no-stratified", "--out", tmp_path / "a.png"]
    code, out, err = ask(capsys, *words)
    assert code == 0, err
    rate = re.findall(r"--learning-rate (\S+)", out)[0]
    assert float(rate) == max(float(one) for one in re.findall(r"(?:learning rate|lowest loss:) (\S+)", out))
    command = re.findall(r"ropero (train .*)", out)[0]
    wanted = f"--data {source} --network softmax --batch-size 32 --learning-rate {rate} --no-stratified"
    assert command == f"train {wanted}"
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert sorted(path.name for path in tmp_path.iterdir() if path != source) == ["a.png"], "nothing else is kept"
    assert ask(capsys, *words) == (code, out, err), "the same command, the same answer"
    _, found, _ = ask(capsys, *words, "--json")
    told = json.loads(found)
    assert f"{told['suggestion']:.2g}" == rate
    assert told["careful"] <= told["suggestion"]
    assert told["command"] == f"ropero {command}"
    assert ask(capsys, *command.split(), "--epochs=1")[0] == 0


def test_lr_find_has_none_for_labels_that_nothing_explains(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.zeros((64, 28, 28), np.uint8)
    np.savez(tmp_path / "bare.npz", x_train=images, y_train=np.arange(64) % 2)
    words = ["lr-find", "--data", tmp_path / "bare.npz", *FAST[:1], "--batch-size=32"]
    code, out, _ = ask(capsys, *words)
    assert code == 0
    assert "No learning rate to suggest: between 1e-07 and" in out
    assert "ropero train" not in out
    assert Path("lr-find.png").exists()
    _, out, _ = ask(capsys, *words, "--json")
    told = json.loads(out)
    assert (told["suggestion"], told["careful"], told["command"]) == (None, None, None)


def test_lr_find_does_without_a_plot_where_nothing_can_draw(
    capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MissingExtra("A picture", "report")

    monkeypatch.setattr("ropero.workbench.lr_find.save", refuse)
    code, out, err = ask(capsys, "lr-find", "--data", source, *FAST[:1], "--json")
    assert code == 0
    assert json.loads(out)["plot"] is None
    assert json.loads(out)["suggestion"] > 0
    assert "ropero[report]" in err


def test_data_without_a_test_part_are_told_of_before_the_training(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = synthetic(60)
    np.savez(tmp_path / "bare.npz", x_train=data.images, y_train=data.labels)
    code, _, err = ask(capsys, "train", "--data", tmp_path / "bare.npz", *FAST)
    assert code == 0
    assert "--test 0.1" in err
    assert "only 4 training steps" in err
    assert "Next: ropero evaluate" not in err
    code, _, err = ask(capsys, "train", "--data", tmp_path / "bare.npz", *FAST, "--report")
    assert code == 2
    assert "--test 0.1" in err


def test_a_report_goes_where_one_says(capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path) -> None:
    ask(capsys, "train", "--data", source, *FAST)
    ask(capsys, "evaluate")
    code, _out, _ = ask(capsys, "report", "--out", tmp_path / "here" / "es.html", "--lang", "es")
    assert code == 0
    assert 'lang="es"' in (tmp_path / "here" / "es.html").read_text("utf-8")


def test_explore_saves_pictures_page_and_numbers(
    capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path
) -> None:
    code, out, _ = ask(capsys, "explore", source, "--out", tmp_path / "look")
    assert code == 0
    assert "120 x 28 x 28" in out
    names = {path.name for path in (tmp_path / "look").iterdir()}
    assert {"explore.html", "explore.json", "mean-garments.png", "classes.png", "first-images.png"} <= names


@pytest.mark.parametrize("language", LANGUAGES)
def test_results_speak_the_language_and_json_stays_english(
    capsys: pytest.CaptureFixture[str], source: Path, language: str
) -> None:
    ask(capsys, "train", "--data", source, *FAST)
    _, out, _ = ask(capsys, "evaluate", "--lang", language)
    assert {"en": "precision", "es": "precisión", "zh": "精确率"}[language] in out
    _, out, _ = ask(capsys, "--lang", language, "evaluate", "--json")
    assert "macro_average" in json.loads(out)


def test_completion_is_installed_for_a_shell(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    code, out, _ = ask(capsys, "--install-completion", "--shell", "bash")
    assert code == 0
    written = Path(out.split(" in ", 1)[1].split(". Open")[0])
    assert tmp_path in written.parents
    assert "evaluate" in written.read_text()


def test_version_says_what_a_bug_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "--version")
    assert code == 0
    assert all(word in out for word in ("ropero 0.", "Python", "PyTorch", "NumPy", "cores"))


@pytest.mark.parametrize(("again", "says"), [([], "repeat the command."), (["--again"], "without --again")])
def test_an_interrupt_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, source: Path, again: list[str], says: str
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ropero.workbench.train.train", interrupted)
    code, _, err = ask(capsys, "train", "--data", source, *again)
    assert code == 130
    assert says in err


def test_what_the_system_refuses_is_said(capsys: pytest.CaptureFixture[str], source: Path) -> None:
    code, _, err = ask(capsys, "train", "--data", source, *FAST, "--runs", source)
    assert code == 2
    assert "Cannot use" in err
    assert "Traceback" not in err


def test_names_from_strangers_are_no_markup(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("[bold]coat", "[red] shirt"):
            folder = tmp_path / "shop" / part / name
            folder.mkdir(parents=True)
            Image.new("L", (28, 28), len(name)).save(folder / "a.png")
    code, out, err = ask(capsys, "explore", tmp_path / "shop", "--out", tmp_path / "look")
    assert code == 0, err
    assert "[bold]coat" in out
    assert "[red] shirt" in out
