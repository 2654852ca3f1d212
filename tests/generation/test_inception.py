"""Inception computes what torch-fidelity's does (tests/fixtures/inception.json), and reads nothing but weights."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ropero.errors import UsageError
from ropero.generation import inception
from ropero.generation.inception import Inception, features, load

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from inception_fixture import made_up, pictures  # noqa: E402


def test_features_are_those_of_torch_fidelity(tmp_path: Path) -> None:
    torch.save(made_up(Inception()), tmp_path / "weights.pth")
    net = load(tmp_path / "weights.pth")
    expected = json.loads((ROOT / "tests" / "fixtures" / "inception.json").read_text("utf-8"))["every_16th"]
    for one, theirs in zip(pictures(), expected, strict=True):
        found = features(net, one)
        assert found.shape == (1, inception.FEATURES)
        np.testing.assert_allclose(found[0, ::16], theirs, atol=1e-4, rtol=1e-4)


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


def test_other_files_are_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(UsageError, match="holds no Inception weights"):
        load(path)
    assert capsys.readouterr().out == ""
    path.write_bytes(b"no weights")
    with pytest.raises(UsageError, match=r"pt_inception-2015-12-05-6726825d\.pth"):
        load(path)
    torch.save({"fc.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(UsageError, match="holds no Inception weights"):
        load(path)
    with pytest.raises(UsageError, match="holds no Inception weights"):
        load(tmp_path / "nowhere.pth")
