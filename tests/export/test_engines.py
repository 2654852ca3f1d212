"""PyTorch and onnxruntime answer alike; the file that onnxruntime reads is kept and used again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from conftest import synthetic

from ropero.errors import DataError, MissingExtra, UsageError
from ropero.evaluation.unknown import project
from ropero.export import engines
from ropero.models.classifier import Classifier
from ropero.models.inference import logits
from ropero.models.samples import pictures
from ropero.models.zoo import build

NETWORKS = ("quick", "dense", "santiago-2", "monterrey-rnn", "lunzhi-cnn-1")


WEIGHTS = "0123456789abcdef" * 4


def kept() -> Path:
    return engines.kept_file(WEIGHTS)


@pytest.fixture
def model() -> Classifier:
    return build("softmax", (1, 28, 28), 10).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_both_engines_give_the_same_features_and_logits(name: str) -> None:
    model = build(name, (1, 28, 28), 10).eval()
    images = pictures(250, (1, 28, 28), 3)[..., 0]
    features, logits = engines.engine(model, project)(images)
    other = engines.engine(model, project, "onnxruntime", WEIGHTS)
    assert other.name == "onnxruntime"
    found = other(images)
    np.testing.assert_allclose(found[1], logits, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(found[0], features, atol=1e-4, rtol=1e-3)
    written = kept().stat().st_mtime_ns
    engines.engine(model, project, "onnxruntime", WEIGHTS)
    assert kept().stat().st_mtime_ns == written


@pytest.mark.parametrize("name", NETWORKS)
def test_bf16_rounds_what_pytorch_says(name: str) -> None:
    model = build(name, (1, 28, 28), 10).eval()
    images = pictures(120, (1, 28, 28), 3)[..., 0]
    plain, rounded = (engines.engine(model, project, one, WEIGHTS) for one in ("torch", "torch-bf16"))
    assert rounded.name == "torch-bf16"
    for mine, theirs in zip(rounded(images), plain(images), strict=True):
        assert mine.dtype == np.float32
        assert 0 < np.abs(mine - theirs).max() < 0.03 * np.abs(theirs).max()
    assert not kept().exists()


def test_a_kept_file_of_other_weights_is_made_anew() -> None:
    engines.engine(build("dense", (1, 28, 28), 10).eval(), project, "onnxruntime", WEIGHTS)
    before = kept().read_bytes()
    other, images = build("dense", (1, 28, 28), 10).eval(), synthetic(10).images
    _, found = engines.engine(other, project, "onnxruntime", WEIGHTS)(images)
    np.testing.assert_allclose(found, logits(other, images), atol=1e-4)
    assert kept().read_bytes() != before


def test_files_of_other_makers_are_not_used_and_go(model: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    engines.engine(model, project, "onnxruntime", WEIGHTS)
    before = kept()
    for name, other in (("code_digest", lambda _: "other code"), ("version", lambda _: "0")):
        with monkeypatch.context() as patched:
            patched.setattr(engines, name, other)
            assert kept() != before
            assert engines.engine(model, project, weights=WEIGHTS).name == "torch"
            engines.engine(model, project, "onnxruntime", WEIGHTS)
            assert list(before.parent.iterdir()) == [kept()]
        before = next(before.parent.iterdir())


@pytest.mark.parametrize("which", [0, 1], ids=["features", "logits"])
def test_what_says_something_else_than_pytorch_is_not_used(
    which: int, model: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = engines._asked

    def asked(*given: Any) -> Any:
        found = list(real(*given))
        found[which] = found[which] + 1
        return tuple(found)

    monkeypatch.setattr(engines, "_asked", asked)
    with pytest.raises(DataError, match=r"answers differ from PyTorch's by .* use --engine torch"):
        engines.engine(model, project, "onnxruntime", WEIGHTS)
    assert not kept().exists()


def with_digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest() + content


@pytest.mark.parametrize(
    "change",
    [lambda _: b"", lambda _: b"nothing", lambda whole: whole[:-40], lambda _: with_digest(b"nothing")],
    ids=["empty", "short", "cut", "no network"],
)
def test_a_kept_file_that_was_changed_is_made_anew(change: Callable[[bytes], bytes], model: Classifier) -> None:
    engines.engine(model, project, "onnxruntime", WEIGHTS)
    good, images = kept().read_bytes(), synthetic(10).images
    kept().write_bytes(change(good))
    assert engines.engine(model, project, weights=WEIGHTS).name == "torch"
    _, found = engines.engine(model, project, "onnxruntime", WEIGHTS)(images)
    np.testing.assert_allclose(found, logits(model, images), atol=1e-5)
    assert kept().read_bytes() == good


def test_what_onnxruntime_raises_is_a_sentence(model: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def SerializeToString(self) -> bytes:  # noqa: N802, as protobuf calls it
            return b"nothing"

    monkeypatch.setattr(engines, "program", lambda *_, **__: Broken())
    with pytest.raises(DataError, match=r"onnxruntime does not compute this network \(.*\); use --engine torch"):
        engines.engine(model, project, "onnxruntime", WEIGHTS)


def test_auto_takes_onnxruntime_where_its_file_is_kept(model: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engines.engine(model, project, weights=WEIGHTS).name == "torch"
    assert not kept().exists(), "making it takes seconds"
    engines.engine(model, project, "onnxruntime", WEIGHTS)
    assert engines.engine(model, project, weights=WEIGHTS).name == "onnxruntime"
    assert engines.engine(model, project, "torch", WEIGHTS).name == "torch"
    assert engines.engine(model, project).name == "torch", "nothing says whose file it is"
    monkeypatch.setattr(engines, "_opened", missing)
    assert engines.engine(model, project, weights=WEIGHTS).name == "torch"


def missing(*_: object, **__: object) -> None:
    raise MissingExtra("ONNX", "onnx")


def test_an_unknown_engine_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="Did you mean 'onnxruntime'"):
        engines.engine(build("softmax", (1, 28, 28), 10), project, "onnx")
