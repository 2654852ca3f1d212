"""`ropero generate --label`, `--score` and `--page`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_generator import named_source, small

from ropero.cli.app import run
from ropero.generators import GeneratorStore

__all__ = ["named_source", "small"]

FAST = ["--epochs", "1", "--batch-size", "30", "--precision", "fp32"]


def ask(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = run([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def classifier(small: None, capsys: pytest.CaptureFixture[str], named_source: Path) -> str:
    trained = ["generate", "--train", "dcgan", "--data", named_source, "--images", "60", *FAST]
    assert ask(capsys, *trained)[0] == 0
    words = ["--network=softmax", "--epochs=2", "--batch-size=32", "--precision=fp32", "--json"]
    code, out, _ = ask(capsys, "train", "--data", named_source, *words)
    assert code == 0
    return str(json.loads(out)["run"])


def test_labels_score_and_page(capsys: pytest.CaptureFixture[str], classifier: str) -> None:
    folder = GeneratorStore().find("last").folder
    code, out, _ = ask(capsys, "generate", "--label", classifier, "-n", "30")
    assert code == 0
    assert "What a classifier sees" in out
    assert "Of 30 pictures, each asked for by its class" in out.replace("\n", " ")
    assert (folder / "labels.json").exists()
    assert str(folder / "report.html") in out.replace("\n", "")
    page = (folder / "report.html").read_text("utf-8")
    code, out, _ = ask(capsys, "generate", "--score", "--features", classifier, "-n", "20", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["score"]["split"] == "validation"
    assert told["score"]["figures"]["frechet"]["draws"][0] > 0
    assert classifier in told["score"]["features"]
    assert (folder / "report.html").read_text("utf-8") != page
    code, out, _ = ask(capsys, "generate", "--score", "--features", classifier, "-n", "20", "--split", "test")
    assert code == 0
    assert "Fréchet distance" in out
    assert "Real images in their place" in out
    assert len((folder / "test-ledger.jsonl").read_text("utf-8").splitlines()) == 1
    assert ask(capsys, "generate", "--page", "--lang", "zh")[0] == 0
    assert 'lang="zh-Hans"' in (folder / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--split", "test"], "--split goes with --score"),
        (["--features", "last"], "--features goes with --score"),
        (["--score", "--walk"], "--walk does not go with --score"),
        (["--page", "--class", "ring"], "--class does not go with --page"),
        (["--score", "--features", "nowhere.pth"], "holds no Inception weights"),
        (["--label", "nothing"], "No run"),
        (["--score", "--train", "dcgan"], "--score belongs to a generator that is trained"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_mistakes_are_sentences(
    capsys: pytest.CaptureFixture[str], classifier: str, words: list[str], says: str
) -> None:
    code, _, err = ask(capsys, "generate", *words)
    assert code == 2
    assert says in err.replace("\n", " ")
