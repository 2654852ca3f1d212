"""PyTorch and onnxruntime answer alike; the file that onnxruntime reads is kept and used again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from conftest import synthetic

from ropero.errors import DataError, MissingExtra, UsageError
from ropero.evaluation.unknown import project
from ropero.export import engines
from ropero.models import samples
from ropero.models.inference import logits
from ropero.models.samples import pictures
from ropero.models.zoo import build
from ropero.storage import read_json, sha256_file, write_json

NETWORKS = ("quick", "dense", "santiago-2", "monterrey-rnn", "lunzhi-cnn-1")


@pytest.mark.parametrize("name", NETWORKS)
def test_both_engines_give_the_same_features_and_logits(name: str, tmp_path: Path) -> None:
    model = build(name, (1, 28, 28), 10).eval()
    images = pictures(250, (1, 28, 28), 3)[..., 0]
    kept = tmp_path / "engine.onnx"
    features, logits = engines.engine(model, project)(images)
    others = engines.engine(model, project, "onnxruntime", kept)(images)
    assert kept.exists()
    np.testing.assert_allclose(others[1], logits, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(others[0], features, atol=1e-4, rtol=1e-3)
    written = kept.stat().st_mtime_ns
    engines.engine(model, project, "onnxruntime", kept)
    assert kept.stat().st_mtime_ns == written


def test_a_kept_file_of_other_weights_is_made_anew(tmp_path: Path) -> None:
    kept = tmp_path / "engine.onnx"
    engines.engine(build("dense", (1, 28, 28), 10).eval(), project, "onnxruntime", kept)
    before = kept.read_bytes()
    other, images = build("dense", (1, 28, 28), 10).eval(), synthetic(10).images
    _, found = engines.engine(other, project, "onnxruntime", kept)(images)
    np.testing.assert_allclose(found, logits(other, images), atol=1e-4)
    assert kept.read_bytes() != before


def test_what_says_something_else_than_pytorch_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, made = build("dense", (1, 28, 28), 10).eval(), engines.program
    monkeypatch.setattr(engines, "program", lambda _, features: made(other, features=features))
    kept = tmp_path / "engine.onnx"
    with pytest.raises(DataError, match=r"differ from PyTorch's by .* use --engine torch"):
        engines.engine(build("dense", (1, 28, 28), 10).eval(), project, "onnxruntime", kept)
    assert not kept.exists()


def renamed(content: bytes) -> bytes:
    """The file with another name for its input."""
    import onnx

    proto = onnx.load_model_from_string(content)
    proto.graph.input[0].name = "else"
    for node in proto.graph.node:
        node.input[:] = ["else" if name == "pixels" else name for name in node.input]
    found: bytes = proto.SerializeToString()
    return found


@pytest.mark.parametrize("change", [lambda _: b"nothing", lambda content: content[:-40], renamed, None])
@pytest.mark.parametrize("note_fits", [False, True], ids=["note as it was", "note that fits"])
def test_a_kept_file_that_was_changed_is_made_anew(
    change: Callable[[bytes], bytes] | None, note_fits: bool, tmp_path: Path
) -> None:
    kept, note = tmp_path / "engine.onnx", tmp_path / "engine.json"
    model = build("softmax", (1, 28, 28), 10).eval()
    engines.engine(model, project, "onnxruntime", kept)
    good, told = kept.read_bytes(), read_json(note)
    kept.write_bytes(change(good) if change else good)
    if note_fits:
        write_json(note, {**told, "sha256": sha256_file(kept), "torch": told["torch"] if change else "2.0"})
    elif not change:
        note.unlink()
    images = synthetic(10).images
    _, found = engines.engine(model, project, "onnxruntime", kept)(images)
    np.testing.assert_allclose(found, logits(model, images), atol=1e-5)
    assert kept.read_bytes() == good
    assert read_json(note) == told == {**told, "sha256": sha256_file(kept)}


def test_what_onnxruntime_raises_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def SerializeToString(self) -> bytes:  # noqa: N802, as protobuf calls it
            return b"nothing"

    monkeypatch.setattr(engines, "program", lambda *_, **__: Broken())
    with pytest.raises(DataError, match=r"onnxruntime does not compute this network \(.*\); use --engine torch"):
        engines.engine(build("softmax", (1, 28, 28), 10).eval(), project, "onnxruntime", tmp_path / "engine.onnx")


def test_what_is_said_of_a_kept_file(tmp_path: Path) -> None:
    kept, note = tmp_path / "engine.onnx", tmp_path / "engine.json"
    model = build("softmax", (1, 28, 28), 10).eval()
    engines.engine(model, project, "onnxruntime", kept)
    stored, told = samples.of(model), read_json(note)
    assert engines.examine(kept, stored).ok
    assert engines.examine(kept, samples.of(build("softmax", (1, 28, 28), 10))).ok is False
    write_json(note, {**told, "code_sha256": "0"})
    found = engines.examine(kept, stored)
    assert (found.name, found.ok) == ("engine", None)
    assert "made by another ropero" in found.note
    kept.write_bytes(kept.read_bytes() + b"\0")
    assert engines.examine(kept, stored).ok is False
    write_json(note, {**told, "sha256": sha256_file(kept)})
    assert "onnxruntime does not compute" in engines.examine(kept, stored).note


def test_auto_takes_onnxruntime_where_its_file_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "engine.onnx"
    model = build("softmax", (1, 28, 28), 10).eval()
    asked: list[int] = []
    real = engines._asked
    monkeypatch.setattr(engines, "_asked", lambda *given: asked.append(1) or real(*given))
    images = synthetic(10).images

    def taken() -> bool:
        asked.clear()
        engines.engine(model, project, kept=kept)(images)
        return bool(asked)

    assert not taken()
    assert not kept.exists(), "making it takes seconds"
    engines.engine(model, project, "onnxruntime", kept)
    assert taken()
    with monkeypatch.context() as patched:
        patched.setattr(engines, "_opened", missing)
        assert not taken()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert not taken()


def missing(*_: object) -> None:
    raise MissingExtra("ONNX", "onnx")


def test_an_unknown_engine_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="Did you mean 'onnxruntime'"):
        engines.engine(build("softmax", (1, 28, 28), 10), project, "onnx")
