"""Which reader a file wants is told by its beginning; what is known to be something else is refused with its cure."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import pytest
import torch

from ropero.cli.app import run
from ropero.errors import DataError
from ropero.export import keras_reader, onnx_foreign, reader


def saved_model(folder: Path) -> Path:
    """The names of what TensorFlow writes."""
    (folder / "fashion" / "variables").mkdir(parents=True)
    (folder / "fashion" / "saved_model.pb").write_bytes(b"\x08\x01\x12\x90\x01\n")
    return folder / "fashion"


def torch_file(old: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, buffer, _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


OTHERS = {
    "model.tflite": (b"\x1c\0\0\0TFL3", "save the Keras model that it was made of"),
    "lite.bin": (b"\x1c\0\0\0TFL3", "is a TFLite model"),
    "new.pt": (torch_file(old=False), "torch.onnx.export"),
    "old.pth": (torch_file(old=True), "torch.onnx.export"),
    "old.h5": (torch_file(old=True), "torch.onnx.export"),
    "model.pkl": (pickle.dumps({"a": 1}, protocol=0), "skl2onnx.to_onnx"),
    "model.joblib": (b"\x78\x5e\x01", "skl2onnx.to_onnx"),
    "model.h5": (pickle.dumps({"a": 1}), "model.save('model.keras')"),
    "saved_model.pb": (b"\x08\x01\x12\x90\x01\n", "is a SavedModel folder of TensorFlow"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_model_for_ropero_is_told_with_its_cure(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content, says = OTHERS[name]
    (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(pickle, "load", lambda *_: pytest.fail("unpickled"))
    with pytest.raises(DataError) as refused:
        reader.read(tmp_path / name)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    for verb in (["evaluate"], ["runs", "show"], *([] if name.endswith(".h5") else [["verify"]])):
        assert run([*verb, str(tmp_path / name)]) == 2
        assert says.replace(" ", "") in "".join(capsys.readouterr().err.split())


def test_the_first_bytes_count_more_than_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (keras_reader, onnx_foreign):
        monkeypatch.setattr(one, "read", lambda path, *_: pytest.fail("was read"))
    for name, content, expected in (
        ("a.pt", b"\x89HDF\r\n\x1a\n", reader.KERAS),
        ("a.onnx", b"\x89HDF\r\n\x1a\n", reader.KERAS),
        ("a.h5", b"\x08\x08\x12\x07pytorch", reader.ONNX),
        ("a.onnx", b"anything", reader.ONNX),
    ):
        (tmp_path / name).write_bytes(content)
        assert reader.kind(tmp_path / name) == expected


@pytest.mark.parametrize("verb", [["evaluate"], ["verify"], ["runs", "show"], ["predict", "--test", "0"], ["import"]])
def test_a_saved_model_given_to_any_verb_is_told_what_to_do(
    verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = saved_model(tmp_path)
    assert run([verb[0], *verb[1:2], str(place)] if verb[0] == "runs" else [verb[0], str(place), *verb[1:]]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "is a SavedModel folder of TensorFlow" in said
    assert "model.save('model.keras')" in said


def test_a_run_of_any_name_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.folder").mkdir()
    assert not any(map(reader.is_model_file, ("last", "20260101-120000-quick-1a2b", "a.folder", "none.pt")))
    assert reader.is_model_file("not-there.h5")
