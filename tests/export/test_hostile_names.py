"""What a stranger calls a layer, a group or a version is never obeyed by the terminal that shows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from ropero.cli.app import run as command  # noqa: E402
from ropero.errors import DataError  # noqa: E402
from ropero.export import reader  # noqa: E402
from ropero.texts.plain import shown  # noqa: E402

NAMES = ["\x1b[2J", "\x1b]0;owned\x07", "\x9b2J", "\u202egnp", "dense\nAll is well."]


def write(path: Path, **names: str) -> Path:
    """A Dense of no units, which is refused by its name; what is given is called so."""
    layers = [
        {"class_name": "Flatten", "config": {"name": "flatten", "batch_input_shape": [None, 28, 28]}},
        {"class_name": names.get("class", "Dense"), "config": {"name": names.get("layer", "dense"), "units": -1}},
    ]
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": layers})
        file.attrs["keras_version"] = names.get("version", "2.4.0")
        file.create_group("model_weights").attrs["layer_names"] = [b"flatten", names.get("weights", "dense").encode()]
        if "group" in names:
            file["model_weights"][names["group"]] = h5py.SoftLink("/model_weights")
    return path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["layer", "class", "version", "group", "weights"])
def test_names_in_a_file_are_spelled_out(
    place: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "model.h5", **{place: name})
    with pytest.raises(DataError) as caught:
        reader.read(path).build((), (1, 28, 28), 10)
    said = str(caught.value)
    assert shown(said, 10_000) == said
    assert (shown(name) in said) == (place in ("layer", "class", "group"))

    monkeypatch.chdir(tmp_path)
    pixels, labels = np.zeros((20, 28, 28), np.uint8), np.arange(20) % 10
    np.savez(tmp_path / "data.npz", x_train=pixels, y_train=labels, x_test=pixels, y_test=labels)
    assert command(["import", "model.h5", "--data=data.npz"]) == 2
    printed = "".join(capsys.readouterr())
    assert printed
    assert name not in printed
    assert not any(one in printed for one in ("\x1b[2J", "\x1b]", "\x07", "\x9b", "\u202e"))
