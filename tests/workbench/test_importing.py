"""A Keras file as its user meets it: imported once, and in a run's place in every verb."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

from conftest import CLASSES  # noqa: E402

from ropero.cli.app import run  # noqa: E402
from ropero.data.dataset import Splits  # noqa: E402
from ropero.errors import DataError, UsageError  # noqa: E402
from ropero.runs import RunStore  # noqa: E402
from ropero.workbench import importing  # noqa: E402


@pytest.fixture
def model(tmp_path: Path, splits: Splits) -> Path:
    """A network trained by Keras itself on the synthetic garments, 0 to 1, with another network's file beside it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras on torch is not of NumPy 2
        keras.utils.set_random_seed(0)
        layers = keras.layers
        net = keras.Sequential(
            [
                keras.Input((28, 28)),
                layers.Flatten(),
                layers.Dense(16, activation="relu"),
                layers.Dense(len(CLASSES), activation="softmax"),
            ]
        )
        net.compile("adam", "sparse_categorical_crossentropy")
        net.fit(splits.train.images / 255, splits.train.labels, epochs=12, batch_size=16, verbose=0)
        net.save(tmp_path / "fashion.keras")
        expected = np.asarray(net.predict(splits.test.images / 255, verbose=0))  # type: ignore[union-attr]
        np.save(tmp_path / "expected.npy", expected)
    return tmp_path / "fashion.keras"


def say(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Any:
    """A verb's JSON."""
    code = run([*map(str, words), "--json"])
    out = capsys.readouterr()
    assert code == 0, out.err
    return json.loads(out.out)


def test_a_file_becomes_a_run_with_the_probabilities_of_keras(model: Path, splits: Splits) -> None:
    store = RunStore()
    done = importing.import_model(model, splits, store, pixels_are="0-1")
    assert done.fresh
    found = done.run.model()
    from ropero.models.inference import probabilities

    assert splits.test is not None
    expected = np.load(model.with_name("expected.npy"))
    np.testing.assert_allclose(probabilities(found, splits.test.images), expected, atol=1e-5)
    assert done.run.status == "trained"
    assert len(done.run.history) == 0
    assert done.run.origin is not None
    assert done.run.origin["written_by"].startswith("Keras 3")
    assert (done.run.origin["file"], done.run.origin["pixels"]["scale"]) == ("fashion.keras", "0-1")


@pytest.mark.filterwarnings("ignore")  # Keras on torch is not of NumPy 2
def test_a_file_is_imported_once(model: Path, splits: Splits) -> None:
    store = RunStore()
    first = importing.import_model(model, splits, store)
    again = importing.import_model(model, splits, store)
    assert (first.fresh, again.fresh) == (True, False)
    assert first.run.name == again.run.name
    assert importing.import_model(model, splits, store, pixels_are="0-1").fresh  # another wish
    assert importing.import_model(model, splits, store, again=True).fresh
    other = Splits(splits.train.take(range(60)), None, splits.test, source="synthetic")
    assert importing.import_model(model, other, store).fresh  # other data
    keras.models.load_model(model).save(model, overwrite=True)  # another content: another time
    assert importing.import_model(model, splits, store).fresh


def test_an_import_that_fails_leaves_nothing(model: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    store = RunStore()
    monkeypatch.setattr(importing, "judge", fail)
    with pytest.raises(KeyboardInterrupt):
        importing.import_model(model, splits, store)
    assert store.runs() == []
    with pytest.raises(UsageError, match="Did you mean '0-255'"):
        importing.import_model(model, splits, store, pixels_are="0-254")
    with pytest.raises(DataError, match="There is no file"):
        importing.import_model(model.with_name("none.h5"), splits, store)


def test_every_verb_takes_the_file(
    model: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = say(capsys, "evaluate", model, "--data", source)
    expected = np.load(model.with_name("expected.npy"))
    assert figures["accuracy"] > 0.9
    assert figures["images"] == len(expected)
    assert not say(capsys, "evaluate", model, "--data", source)["fresh"]
    predicted = say(capsys, "predict", model, "--data", source, "--test", "3")
    assert predicted[0]["predicted"] == str(int(expected[3].argmax()))
    say(capsys, "explain", model, "--data", source, "--test", "3", "--out", tmp_path / "pictures")
    report = say(capsys, "report", model, "--data", source, "--plain")["report"]
    page = Path(report).read_text("utf-8")
    assert "What was imported" in page
    assert "fashion.keras was written by Keras 3" in page
    assert "How it was trained is not known" in page
    assert "Learning curves" not in page
    assert "All ways that were tried" in page
    assert "its verdicts follow a fixed rule" in page
    assert "Train with --validation" not in page
    assert "ropero import fashion.keras --data" in page
    for form in ("md", "ipynb"):
        assert Path(say(capsys, "report", model, "--data", source, "--format", form, "--plain")["report"]).exists()
    trained = say(capsys, "train", "--data", source, "--network", "softmax", "--epochs", "1")["run"]
    both = say(capsys, "compare", model, trained, "--data", source, "--report", tmp_path / "page.html")
    assert len(both["runs"]) == 2
    assert "imported" in (tmp_path / "page.html").read_text("utf-8")
    lines = say(capsys, "runs")
    assert [line["status"] for line in lines] == ["imported", "trained"]
    assert say(capsys, "runs", "show", lines[0]["run"])["history"] == []


def test_the_verb_says_what_it_found(model: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", str(model), "--data", str(source)]) == 0
    out = capsys.readouterr()
    assert "fashion.keras was written by Keras 3" in out.out
    assert "Tried on 120 training images; the first was taken" in out.out
    assert run(["import", str(model), "--data", str(source), "--pixels", "0-1"]) == 0
    assert "as you wanted" in capsys.readouterr().out
    for language, word in (("es", "píxeles"), ("zh", "像素")):
        assert run(["import", str(model), "--data", str(source), "--lang", language]) == 0
        assert word in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "words"),
    [("none.h5", "There is no file none.h5"), ("note.h5", "is no model that ropero reads")],
)
def test_a_mistake_is_one_sentence(
    name: str,
    words: str,
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("note.h5").write_text("nothing")
    for verb in ("import", "evaluate"):
        assert run([verb, name, "--data", str(source)]) == 2
        err = capsys.readouterr().err
        assert words in err
        assert "Traceback" not in err


def test_a_network_that_knows_the_test_images_better_is_noticed() -> None:
    from ropero.export.origin import doubts

    tried = {"scale": "0-1", "size": "as they are", "accuracy": 0.85, "log_loss": 0.4}
    origin = {"pixels": {"scale": "0-1", "size": "as they are", "images": 2000, "tried": [tried]}}
    assert len(doubts(origin, "test", 0.86, 0.853)) == 1
    assert "may have been trained on the test images" in doubts(origin, "test", 0.93, 0.925)[1]
    assert len(doubts(origin, "train", 0.93, 0.925)) == 1


def test_an_onnx_file_takes_a_runs_place(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript")
    trained = say(capsys, "train", "--data", source, "--network", "softmax", "--epochs", "2")["run"]
    file = Path(say(capsys, "export", trained, "--out", tmp_path / "fashion.onnx")["path"])
    mine = say(capsys, "evaluate", trained, "--data", source)
    theirs = say(capsys, "evaluate", file, "--data", source)
    assert theirs["accuracy"] == mine["accuracy"]
    told = say(capsys, "import", file, "--data", source)
    assert (told["fresh"], told["pixels"]["scale"], told["pixels"]["why"]) == (False, "0-1", "card")
    say(capsys, "explain", file, "--data", source, "--test", "3", "--out", tmp_path / "pictures")
    say(capsys, "report", file, "--data", source, "--plain")
    assert all(one["ok"] is not False for one in say(capsys, "verify", told["run"])["checks"])
    theirs_again = say(capsys, "evaluate", told["run"], "--data", source, "--engine", "onnxruntime", "--again")
    assert theirs_again["accuracy"] == mine["accuracy"]
    checks = {one["name"]: one["ok"] for one in say(capsys, "verify", told["run"])["checks"]}
    assert checks["engine"]
    for ending in (".onnx", ".safetensors"):
        done = say(capsys, "export", told["run"], "--out", tmp_path / f"again{ending}")
        assert done["client"].split()[0] == {".onnx": "onnxruntime", ".safetensors": "ropero"}[ending]
        assert done["difference"] < 1e-4
        assert say(capsys, "verify", done["path"])["ok"]
    assert say(capsys, "evaluate", tmp_path / "again.onnx", "--data", source)["accuracy"] == mine["accuracy"]
    small = say(capsys, "export", told["run"], "--int8", "--data", source, "--out", tmp_path / "small.onnx")
    assert small["int8"]["agreement"] > 0.9
    for form in ("keras", "h5"):
        assert run(["export", told["run"], "--format", form]) == 2
        assert "whose operators Keras has no layers for" in capsys.readouterr().err


def test_classes_in_another_order_are_not_taken_by_place(
    model: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    read = importing.read
    monkeypatch.setattr(importing, "read", lambda *given: replace(read(*given), classes=CLASSES[::-1]))
    with pytest.raises(DataError, match="names its classes in the order ring, block, stripe"):
        importing.import_model(model, splits, RunStore())
    monkeypatch.setattr(importing, "read", lambda *given: replace(read(*given), classes=CLASSES))
    assert importing.import_model(model, splits, RunStore()).fresh
