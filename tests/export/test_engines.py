"""PyTorch and onnxruntime answer alike; the file that onnxruntime reads is kept and used again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from conftest import synthetic

from ropero.errors import DataError, UsageError
from ropero.evaluation.unknown import project
from ropero.export import engines
from ropero.models.samples import pictures
from ropero.models.zoo import build

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


def test_a_kept_file_of_other_weights_is_not_used(tmp_path: Path) -> None:
    kept = tmp_path / "engine.onnx"
    engines.engine(build("dense", (1, 28, 28), 10).eval(), project, "onnxruntime", kept)
    other = build("dense", (1, 28, 28), 10).eval()
    with pytest.raises(DataError, match=r"differ from PyTorch's by .* use --engine torch"):
        engines.engine(other, project, "onnxruntime", kept)


def test_a_kept_file_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    kept = tmp_path / "engine.onnx"
    kept.write_bytes(b"nothing")
    model = build("softmax", (1, 28, 28), 10).eval()
    images = synthetic(10).images
    _, found = engines.engine(model, project, "onnxruntime", kept)(images)
    np.testing.assert_allclose(found, engines.engine(model, project)(images)[1], atol=1e-5)
    assert kept.stat().st_size > 100


def test_an_unknown_engine_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="Did you mean 'onnxruntime'"):
        engines.engine(build("softmax", (1, 28, 28), 10), project, "onnx")
