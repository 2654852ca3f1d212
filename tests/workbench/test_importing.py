"""A Keras file as its user meets it: imported once, and in a run's place in every verb."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

from conftest import CLASSES  # noqa: E402

import ropero as rp  # noqa: E402
from ropero.cli.app import run  # noqa: E402
from ropero.data.dataset import Splits  # noqa: E402
from ropero.errors import DataError, UsageError  # noqa: E402
from ropero.export.origin import told  # noqa: E402
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
    assert (mine["engine"], theirs_again["engine"]) == ("torch", "onnxruntime")
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


def test_classes_in_another_order_are_exchanged(model: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    from ropero.models.inference import probabilities

    read = importing.read
    monkeypatch.setattr(importing, "read", lambda *given: replace(read(*given), classes=CLASSES[::-1]))
    done = importing.import_model(model, splits, RunStore(), pixels_are="0-1")
    assert splits.test is not None
    expected = np.load(model.with_name("expected.npy"))[:, ::-1]
    np.testing.assert_allclose(probabilities(done.run.model(), splits.test.images), expected, atol=1e-5)


def test_classes_in_another_order_are_not_taken_by_place(
    model: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = importing.read
    monkeypatch.setattr(importing, "read", lambda *given: replace(read(*given), classes=CLASSES[::-1], ordered=None))
    with pytest.raises(DataError, match="names its classes in the order ring, block, stripe"):
        importing.import_model(model, splits, RunStore())
    monkeypatch.setattr(importing, "read", lambda *given: replace(read(*given), classes=CLASSES))
    assert importing.import_model(model, splits, RunStore()).fresh


def test_a_newer_ropero_keeps_the_runs_of_an_older_one(
    model: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore()
    first = importing.import_model(model, splits, store).run
    here = importing.runtime.environment
    monkeypatch.setattr(importing.runtime, "environment", lambda *given: {**here(*given), "code_sha256": "0" * 64})
    with monkeypatch.context() as patched:
        patched.setattr(importing, "read", lambda *given: pytest.fail("was read anew"))
        assert importing.import_model(model, splits, store).run.name == first.name
    assert importing.import_model(model, splits, store, again=True).fresh


def test_what_an_import_was_told_holds_for_the_next_verb(
    model: Path, source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither --data nor --pixels is said twice; no data are loaded to find the run."""
    told = say(capsys, "import", model, "--data", source, "--pixels", "0-255")
    load = importing.data_verb.load
    monkeypatch.setattr(importing.data_verb, "load", lambda *_, **__: pytest.fail("data were loaded"))
    assert say(capsys, "evaluate", model)["run"] == told["run"]
    monkeypatch.setattr(importing.data_verb, "load", load)
    assert say(capsys, "evaluate", model, "--data", source)["run"] == told["run"]
    newest = say(capsys, "import", model, "--data", source)["run"]
    assert newest != told["run"]
    assert say(capsys, "evaluate", model)["run"] == newest


def test_other_data_are_another_run_and_moved_ones_are_not(
    model: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = say(capsys, "evaluate", model, "--data", source)
    content = dict(np.load(source))
    np.savez(tmp_path / "fewer.npz", **{name: one[:48] for name, one in content.items()})
    other = say(capsys, "evaluate", model, "--data", tmp_path / "fewer.npz")
    assert other["run"] != first["run"]
    moved = source.rename(tmp_path / "elsewhere.npz")
    assert say(capsys, "evaluate", model, "--data", moved, "--split", "train")["run"] == first["run"]


def weights_alone(model: Path, folder: Path) -> Path:
    """fashion.weights.h5 with its plan, fashion.json, beside it."""
    net = keras.models.load_model(model)
    net.save_weights(folder / "fashion.weights.h5")
    (folder / "fashion.json").write_text(net.to_json())
    return folder / "fashion.weights.h5"


@pytest.mark.filterwarnings("ignore")  # Keras on torch is not of NumPy 2
def test_a_plan_that_was_found_and_edited_is_another_wish(
    model: Path, splits: Splits, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "alone").mkdir()
    path, store = weights_alone(model, tmp_path / "alone"), RunStore()
    plan = path.with_name("fashion.json")
    first = importing.import_model(path, splits, store)
    assert first.run.origin is not None
    assert (first.run.origin["plan"], first.run.origin["plan_named"]) == (importing.sha256_file(plan), False)
    assert not importing.import_model(path, splits, store).fresh
    assert importing.open_run(store, str(path)).run.name == first.run.name
    plan.write_text(plan.read_text().replace('"relu"', '"tanh"'))
    assert importing.remembered(store, path) is None
    second = importing.open_run(store, str(path), str(source))
    assert second.fresh
    assert "tanh" in str(second.run.config.layers)
    named = plan.rename(tmp_path / "named.json")
    third = importing.import_model(path, splits, store, plan=named, pixels_are="0-255")
    plan.write_text(named.read_text().replace('"tanh"', '"relu"'))
    assert importing.open_run(store, str(path)).run.name == third.run.name  # what was named holds, whatever lies beside


def other_data(source: Path, folder: Path) -> str:
    """The same data with fewer images."""
    np.savez(folder / "fewer.npz", **{name: one[:-12] for name, one in dict(np.load(source)).items()})
    return str(folder / "fewer.npz")


@pytest.mark.filterwarnings("ignore")  # Keras on torch is not of NumPy 2
def test_a_file_that_meets_other_data_keeps_its_pixels_and_its_plan(
    model: Path, splits: Splits, source: Path, tmp_path: Path
) -> None:
    store, fewer = RunStore(), other_data(source, tmp_path)
    importing.import_model(model, splits, store, pixels_are="0-255")
    met = importing.open_run(store, str(model), fewer)
    assert met.fresh
    assert met.run.origin is not None
    assert (met.run.origin["asked"], met.run.origin["pixels"]["scale"]) == ("0-255", "0-255")
    path = weights_alone(model, tmp_path)
    plan = path.with_name("fashion.json").rename(tmp_path / "named.json")
    plan.write_text(plan.read_text().replace('"relu"', '"tanh"'))
    importing.import_model(path, splits, store, plan=plan, pixels_are="0-1")
    with pytest.raises(UsageError, match=r"imported with --plan and other data; `ropero import .* --plan PLAN`"):
        importing.open_run(store, str(path), fewer)
    with pytest.raises(DataError, match="without the network"):
        importing.first_look(store, path)  # a wish that no run serves is looked at before data are loaded
    again = importing.import_model(path, rp.load(fewer), store, plan=plan, pixels_are="0-1").run
    assert importing.open_run(store, str(path), fewer).run.name == again.name
    plan.rename(path.with_name("fashion.json"))  # the same plan, where it is found
    (tmp_path / "least").mkdir()
    assert "tanh" in str(
        importing.open_run(store, str(path), other_data(Path(fewer), tmp_path / "least")).run.config.layers
    )


@pytest.mark.filterwarnings("ignore")  # Keras on torch is not of NumPy 2
def test_a_file_is_hashed_once_to_find_its_run(
    model: Path, splits: Splits, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    whole = importing.sha256_file
    monkeypatch.setattr(importing, "sha256_file", lambda path: hashed.append(path) or whole(path))
    store = RunStore()
    importing.import_model(model, splits, store)
    assert importing.open_run(store, str(model), other_data(source, tmp_path)).fresh
    assert hashed == [model, model]


def test_a_plan_beside_a_whole_file_says_nothing(model: Path, splits: Splits) -> None:
    store = RunStore()
    first = importing.import_model(model, splits, store).run
    model.with_name("fashion.keras.json").write_text("{}")
    assert importing.import_model(model, splits, store).run.name == first.name


def test_a_file_is_refused_before_data_are_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing.data_verb, "load", lambda *_, **__: pytest.fail("data were loaded"))
    (tmp_path / "bad.onnx").write_bytes(b"no graph in here")
    for verb in ("import", "evaluate"):
        assert run([verb, str(tmp_path / "bad.onnx")]) == 2
        assert "bad.onnx" in capsys.readouterr().err


def test_showing_a_file_imports_nothing(model: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "show", str(model)]) == 2
    assert f"was not imported yet; `ropero import {model}`" in capsys.readouterr().err.replace("\n", " ")
    assert RunStore().runs() == []
    told = say(capsys, "import", model, "--data", source)
    assert say(capsys, "runs", "show", model)["run"] == told["run"]
    assert len(RunStore().runs()) == 1


@pytest.mark.parametrize("ending", [".keras", ".h5", ".hdf5"])
@pytest.mark.filterwarnings("ignore")  # Keras on torch is not of NumPy 2
def test_verify_looks_at_what_a_file_has_become(
    ending: str, model: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a file of Keras's own there is nothing to compare with."""
    path = tmp_path / f"theirs{ending}"
    net = keras.models.load_model(model)
    net.save(tmp_path / "theirs.h5" if ending == ".hdf5" else path)
    if ending == ".hdf5":
        (tmp_path / "theirs.h5").rename(path)
    assert run(["verify", str(path)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "is none of ropero's exports" in said
    assert f"`ropero import {path}`" in said.replace(" theirs", "theirs")
    told = say(capsys, "import", path, "--data", source)
    found = say(capsys, "verify", path)
    assert (found["ok"], Path(found["model"]).name, found["file"]) == (True, told["run"], str(path.resolve()))
    assert run(["verify", str(path)]) == 0
    assert told["run"] in capsys.readouterr().err


def test_python_imports_as_the_command_line_does(
    model: Path, splits: Splits, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = rp.import_model(model, splits, pixels="0-1")
    expected = np.load(model.with_name("expected.npy")).argmax(1)
    assert trained.evaluate().predicted.tolist() == expected.tolist()
    assert rp.import_model(str(model), splits, pixels="0-1").run.name == trained.run.name
    assert rp.open_run(model).run.name == trained.run.name
    assert rp.import_model(model, source).run.name != trained.run.name
    assert rp.import_model(model, splits, pixels="0-1", again=True).run.name != trained.run.name
    monkeypatch.setattr(importing.data_verb, "load", lambda *_, **__: pytest.fail("data were loaded"))
    (model.parent / "bad.onnx").write_bytes(b"no graph in here")
    with pytest.raises(DataError, match=r"bad\.onnx"):
        rp.import_model(model.parent / "bad.onnx")
    with pytest.raises(UsageError, match="Did you mean '0-255'"):
        rp.import_model(model, pixels="0-254")


def test_last_is_a_run_that_is_not_named_otherwise(
    model: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`compare fashion.h5 last`, where the file has just become the newest run, and again."""
    flags = ("--network", "softmax", "--epochs", "2", "--batch-size", "20", "--validation", "0")
    mine = say(capsys, "train", "--data", source, *flags)["run"]
    for _ in range(2):
        told = say(capsys, "compare", model, "last", "--data", source)
        names = [one["run"] for one in told["runs"]]
        assert names[1] == mine
        assert names[0] != mine
    assert RunStore().find("last").name == names[0]
    found = rp.compare(str(model), "last")
    assert [one.name for one in found.entries] == names


def test_the_import_that_was_asked_for_last_is_the_files_run(
    model: Path, source: Path, splits: Splits, capsys: pytest.CaptureFixture[str]
) -> None:
    first = say(capsys, "import", model, "--data", source, "--pixels", "0-1")["run"]
    other = say(capsys, "import", model, "--data", source, "--pixels", "0-255")["run"]
    assert say(capsys, "evaluate", model, "--split", "train")["run"] == other
    assert say(capsys, "import", model, "--data", source, "--pixels", "0-1")["run"] == first
    assert say(capsys, "evaluate", model, "--split", "train")["run"] == first
    assert run(["evaluate", str(model), "--split", "train"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"is the run {first}, as it was imported. Its pixels: 0 to 1, as with x / 255 (as you wanted)." in said


@pytest.mark.filterwarnings("ignore")  # Keras on torch is not of NumPy 2
def test_what_an_import_cannot_take_is_a_sentence(model: Path, splits: Splits, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(keras.models.load_model(model).to_json())
    with pytest.raises(UsageError, match="holds its network itself; leave --plan away"):
        importing.import_model(model, splits, RunStore(), plan=tmp_path / "plan.json")
    with pytest.raises(UsageError, match="Unknown convention '7'"):
        rp.import_model(model, splits, pixels=7)  # type: ignore[arg-type]
    trained = rp.import_model(model, splits)
    with pytest.raises(UsageError, match="was imported, and its data have no validation part"):
        trained.evaluate("validation")


def test_an_export_that_comes_back_says_who_wrote_it(model: Path, splits: Splits, tmp_path: Path) -> None:
    rp.import_model(model, splits).export("keras", tmp_path / "mine.keras")
    origin = rp.import_model(tmp_path / "mine.keras", splits).run.origin
    assert origin is not None
    assert origin["written_by"].startswith(f"ropero {rp.__version__} (as Keras 3")
    assert origin["pixels"]["why"] == "card"


def test_python_takes_an_engine(model: Path, splits: Splits) -> None:
    pytest.importorskip("onnxruntime")
    trained = rp.import_model(model, splits, pixels="0-1")
    with pytest.raises(UsageError, match="Did you mean 'onnxruntime'"):
        trained.evaluate(engine="onnxruntim")
    assert trained.evaluate(engine="onnxruntime").accuracy > 0.9
    figures = trained.run.figures()
    assert figures is not None
    assert figures["engine"] == "onnxruntime"


def test_other_names_of_classes_are_told(model: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    read = importing.read
    monkeypatch.setattr(importing, "read", lambda *given: replace(read(*given), classes=("one", "two", "three")))
    origin = importing.import_model(model, splits, RunStore()).run.origin
    assert origin is not None
    sentence = f"Its file names its classes one, two, three; the data call them {', '.join(CLASSES)}."
    assert told(origin, CLASSES)[-1] == sentence
