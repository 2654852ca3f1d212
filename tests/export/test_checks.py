"""What verify finds in a file: nothing wrong in what ropero wrote, and what was changed where something was."""

from __future__ import annotations

import os
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exporting import SHAPE, listed, network, written
from safetensors.torch import save_file
from tampering import other_card, other_weights, zipped

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
onnx = pytest.importorskip("onnx")
h5py = pytest.importorskip("h5py")

from ropero import bounds  # noqa: E402
from ropero.export import checks, clients, onnx_writer, readback  # noqa: E402
from ropero.export.checks import CARD, CLASSES, FILE, PREDICTIONS, SHAPES, WEIGHTS, Check, examine  # noqa: E402
from ropero.export.formats import FORMATS  # noqa: E402
from ropero.models import hdf5, samples  # noqa: E402
from ropero.models.inference import logits  # noqa: E402

EVERY = pytest.mark.parametrize("form", FORMATS)
ALL = [FILE, CARD, WEIGHTS, CLASSES, SHAPES, PREDICTIONS]


def found(path: Path) -> dict[str, Check]:
    return {check.name: check for check in examine(path).checks}


@EVERY
@pytest.mark.parametrize("name", ["santiago-a2", "quick"])
def test_nothing_is_wrong_with_what_was_written(name: str, form: str, tmp_path: Path) -> None:
    model = network(name)
    images = samples.pictures(30, SHAPE, seed=5)
    done = examine(written(model, form, tmp_path, name), images)
    assert [(check.name, check.ok) for check in done.checks] == [(name, True) for name in ALL]
    assert done.client
    assert done.logits is not None
    gap, allowed = samples.difference(logits(model, images), done.logits)
    assert gap <= allowed


@EVERY
def test_other_weights_are_found(form: str, tmp_path: Path) -> None:
    path = written(network("santiago-a2"), form, tmp_path, "santiago-a2")
    other_weights(path)
    said = found(path)
    assert said[FILE].ok
    assert said[WEIGHTS].ok is False
    assert said[PREDICTIONS].ok is False
    assert "the card says" in said[WEIGHTS].note


@EVERY
def test_weights_that_fit_their_digest_again_still_predict_otherwise(form: str, tmp_path: Path) -> None:
    path = written(network("santiago-a2"), form, tmp_path, "santiago-a2")
    other_weights(path)
    digest = readback.read(path).arrays_sha256
    other_card(path, lambda card: card.update({"arrays_sha256": digest}))
    said = found(path)
    assert said[WEIGHTS].ok
    assert said[CARD].ok is False
    assert said[PREDICTIONS].ok is False


@EVERY
def test_other_class_names_are_found(form: str, tmp_path: Path) -> None:
    path = written(network("softmax"), form, tmp_path, "softmax")
    other_card(path, lambda card: card.update({"classes": [*card["classes"][1:], card["classes"][0]]}))
    said = found(path)
    assert said[CARD].ok is False
    assert said[WEIGHTS].ok


@EVERY
def test_fewer_classes_are_found(form: str, tmp_path: Path) -> None:
    path = written(network("softmax"), form, tmp_path, "softmax")

    def fewer(card: dict[str, Any]) -> None:
        card["classes"].pop()
        card["samples"]["logits"] = [row[:-1] for row in card["samples"]["logits"]]

    other_card(path, fewer)
    said = found(path)
    assert said[PREDICTIONS].ok is False
    assert not said.get(CLASSES, Check(CLASSES, False)).ok


@EVERY
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95, 0.9999])
def test_a_file_that_was_cut_is_found(form: str, share: float, tmp_path: Path) -> None:
    path = written(network("softmax"), form, tmp_path, "softmax")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert any(check.ok is False for check in examine(path).checks)


@EVERY
def test_a_file_with_other_bytes_ends_in_findings_only(form: str, tmp_path: Path) -> None:
    """Whatever stands in it: sentences, no exception."""
    path = written(network("softmax"), form, tmp_path, "softmax")
    content, chance = path.read_bytes(), random.Random(0)
    for _ in range(40):
        broken = bytearray(content)
        for _ in range(chance.choice([1, 4, 30])):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        path.write_bytes(broken)
        done = examine(path)
        assert done.checks
        assert all("\n" not in check.note for check in done.checks)


def test_strangers_files_are_told_apart(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(3)}, tmp_path / "x.safetensors")
    (tmp_path / "x.onnx").write_bytes(b"")
    (tmp_path / "x.pth").write_bytes(b"PK")
    for name, says in (
        ("x.safetensors", "holds no card of ropero"),
        ("x.onnx", "holds no card of ropero"),
        ("x.pth", "Unknown kind of file"),
        ("missing.onnx", "There is no file"),
    ):
        (check,) = examine(tmp_path / name).checks
        assert (check.name, check.ok) == (FILE, False)
        assert says in check.note


def test_weights_of_an_onnx_file_that_lie_elsewhere_are_not_followed(tmp_path: Path) -> None:
    path = written(network("softmax"), "onnx", tmp_path, "softmax")
    model = onnx.load(path)
    one = model.graph.initializer[0]
    one.ClearField("raw_data")
    one.data_location = onnx.TensorProto.EXTERNAL
    one.external_data.add(key="location", value="../../../etc/passwd")
    path.write_bytes(model.SerializeToString())
    (check,) = examine(path).checks
    assert check.ok is False
    assert "leads out of the file" in check.note


@pytest.mark.parametrize("form", ["keras", "h5"])
def test_arrays_of_a_keras_file_that_lie_elsewhere_are_not_followed(form: str, tmp_path: Path) -> None:
    path = written(network("softmax"), form, tmp_path, "softmax")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.zeros((784, 10), np.float32)

    def led_out(file: Any, place: str) -> None:
        del file[place]
        file[place] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")

    if form == "h5":
        with h5py.File(path, "r+") as file:
            led_out(file, "model_weights/dense/dense/kernel:0")
    else:
        inner = tmp_path / "inner.h5"

        def change(name: str, content: bytes) -> bytes:
            if not name.endswith(".h5"):
                return content
            inner.write_bytes(content)
            with h5py.File(inner, "r+") as file:
                led_out(file, "layers/dense/vars/0")
            return inner.read_bytes()

        zipped(path, change)
    (check,) = examine(path).checks
    assert check.ok is False
    assert "leads out of the file" in check.note


@pytest.mark.parametrize("kind", ["packed", "empty", "text"])
def test_arrays_that_would_fill_the_memory_are_not_read(kind: str, tmp_path: Path) -> None:
    path = written(network("softmax"), "h5", tmp_path, "softmax")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/dense/dense"]
        del group["bias:0"]
        if kind == "packed":
            group.create_dataset("bias:0", (10**9,), np.float32, chunks=(10**6,), compression="gzip", fillvalue=1)
        elif kind == "empty":  # a terabyte that takes no byte of the file
            space, plist = h5py.h5s.create_simple((1 << 38,)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
            h5py.h5d.create(group.id, b"bias:0", h5py.h5t.IEEE_F32LE, space, plist)
        else:
            group["bias:0"] = np.array([b"x" * 100], "S100")
    (check,) = examine(path).checks
    assert check.ok is False
    assert "is packed" in check.note


def test_arrays_with_many_names_count_each_time(tmp_path: Path) -> None:
    """A few kilobytes name one array of a megabyte a thousand times."""
    path = written(network("softmax"), "h5", tmp_path, "softmax")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/dense/dense"]
        group["large"] = np.zeros(1 << 18, np.float32)
        for number in range(1000):
            group[f"large_{number}"] = group["large"]
    (check,) = examine(path).checks
    assert check.ok is False
    assert "reads at most" in check.note


def test_a_table_of_contents_without_end_is_not_read(tmp_path: Path) -> None:
    for form in ("keras", "torch-export"):
        path = written(network("softmax"), form, tmp_path, "softmax")
        with zipfile.ZipFile(path, "a") as archive:
            for number in range(bounds.MAX_MEMBERS):
                archive.writestr(f"{number}", b"")
        (check,) = examine(path).checks
        assert check.ok is False
        assert "files; an archive may hold" in check.note


def test_a_lambda_in_a_file_is_never_given_to_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(network("softmax"), "keras", tmp_path, "softmax")

    def change(name: str, content: bytes) -> bytes:
        return content.replace(b'"class_name": "Flatten"', b'"class_name": "Lambda"') if "config" in name else content

    zipped(path, change)
    monkeypatch.setattr(clients, "opened", lambda path: pytest.fail("opened"))
    (check,) = examine(path).checks
    assert check.ok is False
    assert "keras.layers.Lambda" in check.note


def test_without_keras_a_file_is_read_back_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(network("softmax"), "keras", tmp_path, "softmax")
    monkeypatch.setattr(clients.util, "find_spec", lambda name: None)
    said = found(path)
    assert said[WEIGHTS].ok
    assert said[PREDICTIONS].ok is None
    assert "Keras is not installed" in said[PREDICTIONS].note
    other_weights(path)
    assert found(path)[WEIGHTS].ok is False


@pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "torch", reason="another backend")
def test_what_keras_is_known_to_get_wrong_is_not_held_against_a_file(tmp_path: Path) -> None:
    entry = {"type": "AveragePooling2D", "pool_size": 3, "strides": 2, "padding": "same"}
    said = found(written(listed([entry], (1, 9, 8)), "keras", tmp_path, "layers"))
    assert said[PREDICTIONS].ok is None
    assert "TensorFlow" in said[PREDICTIONS].note


def test_code_that_is_not_at_hand_is_no_fault_of_the_file(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"code": "0" * 64, "layers": ()}
    said = found(written(network("softmax"), "safetensors", tmp_path, "mine.py:build", **changes))
    assert said[WEIGHTS].ok
    assert said[PREDICTIONS].ok is None
    assert "mine.py" in said[PREDICTIONS].note


def test_more_is_allowed_of_whole_numbers(tmp_path: Path) -> None:
    model = network("softmax")
    said = samples.of(model)
    off = samples.Samples(said.images, said.logits * np.float32(1.05))
    assert found(written(model, "onnx", tmp_path, "softmax", samples=off))[PREDICTIONS].ok is False
    assert found(written(model, "onnx", tmp_path, "softmax", samples=off, int8={"way": "static"}))[PREDICTIONS].ok
    assert checks.INT8_TOLERANCE < 0.5


def without(monkeypatch: pytest.MonkeyPatch, home: Any, missing: str) -> None:
    """A library that is not installed, as a room that asks for it finds it."""
    there = home.import_module

    def import_module(name: str) -> Any:
        if name.partition(".")[0] == missing:
            raise ImportError(f"No module named {name!r}")
        return there(name)

    monkeypatch.setattr(home, "import_module", import_module)


@pytest.mark.parametrize(
    ("form", "home", "missing"),
    [("onnx", onnx_writer, "onnx"), ("h5", hdf5, "h5py"), ("keras", hdf5, "h5py")],
)
def test_a_file_that_nothing_here_reads_is_no_damaged_one(
    form: str, home: Any, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(network("softmax"), form, tmp_path, "softmax")
    without(monkeypatch, home, missing)
    (check,) = examine(path).checks
    assert (check.name, check.ok) == (FILE, None)
    assert "pip install 'ropero[" in check.note
    assert check.note.startswith("Could not be looked at")


def test_without_onnxruntime_a_file_is_read_back_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(network("softmax"), "onnx", tmp_path, "softmax")
    without(monkeypatch, onnx_writer, "onnxruntime")
    said = found(path)
    assert said[WEIGHTS].ok
    assert said[PREDICTIONS].ok is None
    assert "pip install 'ropero[onnx]'" in said[PREDICTIONS].note


def test_a_backend_of_keras_that_is_not_there_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(network("softmax"), "keras", tmp_path, "softmax")
    without(monkeypatch, clients, "keras")
    said = found(path)
    assert said[PREDICTIONS].ok is None
    assert "Keras cannot be loaded (No module named 'keras')" in said[PREDICTIONS].note


@pytest.mark.parametrize("name", ["x.keras", "x.h5"])
@pytest.mark.filterwarnings("ignore")  # Keras on torch is not of NumPy 2
def test_a_file_of_kerass_own_is_a_strangers_and_not_a_damaged_one(name: str, tmp_path: Path) -> None:
    keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]).save(tmp_path / name)
    done = examine(tmp_path / name)
    assert done.stranger
    assert "holds no card of ropero" in done.checks[0].note


@EVERY
def test_what_ropero_wrote_is_no_strangers(form: str, tmp_path: Path) -> None:
    path = written(network("softmax"), form, tmp_path, "softmax")
    other_card(path, lambda card: card.clear())
    assert not examine(path).stranger
