"""`ropero complete` as a user types it: pictures, tables and the benchmark; a mistake is one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic
from PIL import Image

from ropero.cli.app import run
from ropero.errors import MissingExtra

FAST = ["--network=softmax", "--epochs=2", "--batch-size=32", "--learning-rate=0.01", "--precision=fp32"]


def ask(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = run([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "garment.png"
    Image.fromarray(synthetic(3, seed=7).images[1]).save(path)
    return path


def test_a_picture_is_completed(
    capsys: pytest.CaptureFixture[str], source: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["complete", picture, "--missing", "half-bottom", "--data", source]
    code, out, err = ask(capsys, *asked)
    assert code == 0, err
    assert "Filled by knn" in out
    with Image.open(tmp_path / "completed" / "000-garment.png") as file, Image.open(picture) as given:
        np.testing.assert_array_equal(np.asarray(file)[:14], np.asarray(given)[:14])
    assert (tmp_path / "completed" / "completed.html").stat().st_size > 5000
    code, out, _ = ask(capsys, *asked, "--draws", "3", "--out", tmp_path / "x", "--json")
    told = json.loads(out)
    assert told["pictures"][0]["missing_pixels"] == 392
    assert len(told["files"]) == 5
    assert all(Path(one).exists() for one in (*told["files"], told["page"]))
    code, _, err = ask(capsys, *asked, "--draws", "2", "--generator", "mean")
    assert "its draws are all the same" in err


def test_without_what_draws_pages_the_pictures_are_there_all_the_same(
    capsys: pytest.CaptureFixture[str], source: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ropero.workbench import complete as verb

    def missing(*_: object) -> Path:
        raise MissingExtra("A report or picture", "report")

    monkeypatch.setattr(verb, "write_page", missing)
    code, out, err = ask(capsys, "complete", picture, "--missing", "0.5", "--data", source, "--out", tmp_path / "x")
    assert code == 0
    assert "ropero[report]" in err
    assert "Page" not in out
    assert (tmp_path / "x" / "000-garment.png").exists()


def test_a_table_is_completed_beside_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "sizes.csv"
    lines = [f"{row},{2 * row if row % 4 else ''},{'a' if row % 3 else ''}" for row in range(40)]
    path.write_text("n,double,kind\n" + "\n".join(lines) + "\n", "utf-8")
    code, out, err = ask(capsys, "complete", path)
    assert code == 0, err
    assert "Cells filled by iterative: 10, in these columns: double." in out
    assert "14 empty cells stay empty, in columns that are not of numbers: kind" in err
    filled = (tmp_path / "sizes-completed.csv").read_text("utf-8").split("\n")
    assert filled[5] == "4,8,a"
    code, out, _ = ask(
        capsys, "complete", path, "--generator", "knn", "--draws", "3", "--out", tmp_path / "f.csv", "--json"
    )
    assert json.loads(out)["files"] == [str(tmp_path / "f.csv"), str(tmp_path / "f-draws.csv")]
    code, _, err = ask(capsys, "complete", path, "--out", path)
    assert code == 2
    assert "is the table itself" in err


def test_fillers_are_scored_with_a_run(capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path) -> None:
    ask(capsys, "train", "--data", source, *FAST, "--validation", "0.2")
    asked = ["complete", "--benchmark", "last", "--generator", "mean", "--generator", "knn", "--missing", "half-top"]
    code, out, err = ask(capsys, *asked, "--images", "20", "--out", tmp_path / "b")
    assert code == 0, err
    assert "half-top, 50% of 20 validation images hidden" in out
    assert json.loads((tmp_path / "b" / "restored.json").read_text("utf-8"))["holes"][0]["images"] == 20
    assert (tmp_path / "b" / "restored.html").exists()
    code, out, _ = ask(capsys, *asked, "--images", "5", "--split", "test", "--draws", "1", "--json")
    assert [one["filler"] for one in json.loads(out)["holes"][0]["fillers"]] == ["mean", "knn"]
    assert json.loads(ask(capsys, "runs", "show", "--json")[1])["test_openings"] == 0, "a look judges no network"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("complete", "Nothing to complete"),
        ("complete a.png --benchmark last", "not both"),
        ("complete a.png --missing half-botom", "Did you mean 'half-bottom'"),
        ("complete a.png --missing 0.5 --missing 0.6", "at a time"),
        ("complete a.png --generator mean --generator knn", "at a time"),
        ("complete a.png --draws 1.5", "should be a whole number"),
        ("complete a.csv b.png", "one table alone"),
        ("complete a.csv --missing 0.5", "one table alone"),
        ("complete a.csv --generator knn --generator mean", "at a time"),
        ("complete absent.csv", "absent.csv"),
        ("complete --benchmark nothing", "There are no runs"),
        ("complete --benchmark last --missing 2", "no share"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str], words: str, says: str) -> None:
    code, out, err = ask(capsys, *words.split())
    assert code == 2
    assert out == ""
    assert says in err.replace("\n", " ")
    assert "Traceback" not in err


def test_a_picture_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str], source: Path) -> None:
    code, _, err = ask(capsys, "complete", "absent.png", "--missing", "0.5", "--data", source)
    assert code == 2
    assert "absent.png" in err
