"""Files of strangers: damaged, hostile, or something else. Each becomes a network or one sentence; nothing else."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

h5py = pytest.importorskip("h5py")

from ropero import bounds  # noqa: E402
from ropero.errors import DataError  # noqa: E402
from ropero.export import keras_config, keras_container, keras_layers, reader  # noqa: E402
from ropero.models import hdf5  # noqa: E402

SEQUENTIAL = {
    "class_name": "Sequential",
    "config": {
        "name": "fashion",
        "layers": [
            {"class_name": "Flatten", "config": {"name": "flatten", "batch_input_shape": [None, 28, 28]}},
            {"class_name": "Dense", "config": {"name": "dense", "units": 10, "activation": "softmax"}},
        ],
    },
}


def write_h5(path: Path, config: object = SEQUENTIAL) -> Path:
    """A small file as Keras 2 wrote it."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.4.0"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"flatten", b"dense"]
        group.create_group("flatten").attrs["weight_names"] = np.array([], "S1")
        dense = group.create_group("dense")
        dense.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        dense["dense/kernel:0"] = np.zeros((784, 10), np.float32)
        dense["dense/bias:0"] = np.zeros(10, np.float32)
    return path


def write_keras(path: Path, config: object = SEQUENTIAL, weights: bytes | None = None) -> Path:
    if weights is None:
        inner = path.with_suffix(".inner.h5")
        with h5py.File(inner, "w") as file:
            file["layers/dense/vars/0"] = np.zeros((784, 10), np.float32)
            file["layers/dense/vars/1"] = np.zeros(10, np.float32)
        weights = inner.read_bytes()
        inner.unlink()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.4.1"}))
        archive.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        archive.writestr("model.weights.h5", weights)
    return path


def build(path: Path) -> None:
    """All that an import asks of a file."""
    found = reader.read(path)
    from ropero.models.layers import Reshape

    prefix = [Reshape(target_shape=(28, 28))] if len(found.wants[0]) == 2 else []
    found.outputs(tuple(side or 28 for side in found.wants[0]))
    found.build(prefix, (1, 28, 28), 10)


def test_the_small_files_are_whole(tmp_path: Path) -> None:
    build(write_h5(tmp_path / "model.h5"))
    build(write_keras(tmp_path / "model.keras"))


@pytest.mark.parametrize("make", [write_h5, write_keras], ids=["h5", "keras"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_a_sentence(make: Callable[[Path], Path], tmp_path: Path, data: st.DataObject) -> None:
    """Bytes changed, cut or doubled anywhere: never another error, never the end of the process."""
    content = bytearray(make(tmp_path / "model.bin").read_bytes())
    telling = np.flatnonzero(np.frombuffer(bytes(content), np.uint8))  # structure; the weights are zeros
    for _ in range(data.draw(st.integers(1, 6))):
        at = int(telling[data.draw(st.integers(0, len(telling) - 1))])
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    content = content[: data.draw(st.integers(1, len(content)))] if data.draw(st.booleans()) else content
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    with suppress(DataError):
        build(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
KINDS = (
    "Dense", "Conv2D", "Flatten", "Reshape", "Sequential", "Functional", "InputLayer", "LSTM", "Bidirectional",
    "BatchNormalization", "Normalization", "Concatenate", "TimeDistributed", "Activation", "RNN", "Permute",
)  # fmt: skip
NAMES = (
    "units", "filters", "kernel_size", "activation", "layers", "layer", "axis", "target_shape", "padding", "strides",
    "batch_shape", "name", "input_layers", "output_layers", "cell", "dims", "mean", "dilation_rate",
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    entries=st.lists(
        st.fixed_dictionaries(
            {"class_name": st.sampled_from(KINDS), "config": st.dictionaries(st.sampled_from(NAMES), JSON) | JSON},
            optional={"inbound_nodes": JSON, "name": JSON, "module": JSON, "registered_name": JSON},
        ),
        max_size=5,
    ),
    kind=st.sampled_from(["Sequential", "Functional", "Model"]),
    ends=JSON,
)
def test_any_json_is_a_network_or_a_sentence(entries: list[dict[str, Any]], kind: str, ends: Any) -> None:
    config = {"class_name": kind, "config": {"layers": entries, "input_layers": ends, "output_layers": ends}}
    with suppress(DataError):
        keras_layers.lines(keras_config.parse(config), (28, 28, 1), "2.4.0")


def nested(depth: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"class_name": "Dense", "config": {"units": 10}}
    for _ in range(depth):
        entry = {"class_name": "Sequential", "config": {"layers": [entry]}}
    return entry


def twice(depth: int) -> dict[str, Any]:
    """Each model calls the one in it twice: 2 ** depth calls out of a few lines."""
    inner: dict[str, Any] = {"class_name": "Dense", "name": "in", "config": {"name": "in", "units": 10}}
    for level in range(depth):
        calls = [[["start", 0, 0, {}]], [["in", 0 if level == 0 else 1, 0, {}]]]
        layers = [
            {"class_name": "InputLayer", "name": "start", "config": {"name": "start"}, "inbound_nodes": []},
            {**inner, "inbound_nodes": calls},
        ]
        ends = {"input_layers": [["start", 0, 0]], "output_layers": [["in", 1 if level == 0 else 2, 0]]}
        inner = {"class_name": "Functional", "name": "in", "config": {"name": "in", "layers": layers, **ends}}
    return inner


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (nested(60), "deeply nested"),
        (nested(200), "brackets are nested"),
        (twice(18), "deeply nested|1000 layers"),
        ("[" * 100_000, "brackets are nested"),
        ("{", "damaged"),
        ("[]", "no network is described"),
        ('{"class_name": "Sequential"}', "no network is described"),
        ('{"class_name": "Sequential", "config": 7}', "damaged"),
        ('{"class_name": "Mine", "config": {}}', "of the class Mine, a program"),
        (
            {
                "class_name": "Sequential",
                "config": [
                    {"class_name": "Flatten", "config": {}},
                    {"class_name": "Dense", "config": {"units": 10**9}},
                    {"class_name": "Dense", "config": {"units": 10}},
                ],
            },
            "units should be a whole number up to",
        ),
        (
            {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {"units": float("nan")}}]},
            "units should be a whole number",
        ),
    ],
    ids=str,
)
def test_a_config_beyond_reason_is_refused(config: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        build(write_keras(tmp_path / "model.keras", config))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A gigabyte of zeros packs to one megabyte; a .keras may unpack to some 20 times its size."""
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(SEQUENTIAL))
        with archive.open("model.weights.h5", "w", force_zip64=True) as file:
            for _ in range(200):
                file.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DataError, match=r"model\.weights\.h5 in it is larger than"):
        build(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", " " * (40 << 20))
    with pytest.raises(DataError, match=r"config\.json in it is larger than"):
        build(path)


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_not_unpacked(way: int, tmp_path: Path) -> None:
    """bzip2 and LZMA give all at once, however little is asked for."""
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", way) as archive:
        archive.writestr("config.json", " " * (1 << 20))
    with pytest.raises(DataError, match=r"config\.json is packed in a way that ropero does not unpack"):
        build(path)


def test_names_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "in" / "model.keras") if (tmp_path / "in").mkdir() is None else None
    assert path is not None
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../escaped.txt", "out")
        archive.writestr("/tmp/ropero-escaped.txt", "out")
    build(path)
    assert not (tmp_path / "escaped.txt").exists()
    assert not Path("/tmp/ropero-escaped.txt").exists()


def test_more_files_than_a_model_has_are_not_listed(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "model.keras")
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(bounds.MAX_MEMBERS):
            archive.writestr(f"{number}", b"")
    with pytest.raises(DataError, match="an archive may hold"):
        build(path)


def _external(file: Any, tmp_path: Path) -> None:
    file["model_weights/dense/secret"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/secret")


def _soft(file: Any, tmp_path: Path) -> None:
    file["model_weights/dense/again"] = h5py.SoftLink("/model_weights")


def _outside(file: Any, tmp_path: Path) -> None:
    (tmp_path / "raw.bin").write_bytes(bytes(400))
    file["model_weights/dense"].create_dataset(
        "raw", (100,), np.float32, external=[(str(tmp_path / "raw.bin"), 0, 400)]
    )


def _virtual(file: Any, tmp_path: Path) -> None:
    layout = h5py.VirtualLayout((100,), np.float32)
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "secret", (100,))
    file["model_weights/dense"].create_virtual_dataset("virtual", layout)


@pytest.mark.parametrize("spoil", [_external, _soft, _outside, _virtual])
def test_nothing_outside_a_file_is_read(spoil: Callable[[Any, Path], None], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = np.arange(100, dtype=np.float32)
    path = write_h5(tmp_path / "model.h5")
    with h5py.File(path, "a") as file:
        spoil(file, tmp_path)
    with pytest.raises(DataError, match="leads out of the file"):
        build(path)


def _claimed(file: Any) -> None:
    file["model_weights"].create_dataset("huge", (1 << 18, 1 << 18), np.float32)  # 256 GB that no one wrote


def _packed(file: Any) -> None:
    rows = np.zeros((64, 1 << 20), np.float32)  # 256 MB in some kilobytes
    file["model_weights"].create_dataset("packed", data=rows, chunks=(1, 1 << 20), compression="gzip")


def _many(file: Any) -> None:
    for number in range(hdf5.MAX_THINGS + 1):
        file.create_group(f"g{number}")


def _deep(file: Any) -> None:
    file.create_group("/".join(["g"] * 60))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(_claimed, "reads at most"), (_packed, "reads at most"), (_many, "reads at most"), (_deep, "deeper")],
)
def test_a_file_that_asks_for_too_much_is_refused(spoil: Callable[[Any], None], words: str, tmp_path: Path) -> None:
    path = write_h5(tmp_path / "model.h5")
    with h5py.File(path, "a") as file:
        spoil(file)
    with pytest.raises(DataError, match=words):
        build(path)


def test_a_kernel_without_sides_is_no_reason_to_fail(tmp_path: Path) -> None:
    config = json.loads(json.dumps(SEQUENTIAL))
    config["config"]["layers"] = [config["config"]["layers"][1]]  # a Dense alone, and no shape anywhere
    path = write_h5(tmp_path / "model.h5", config)
    with h5py.File(path, "a") as file:
        file["model_weights"].create_dataset("a/kernel", (), np.float32)
    assert reader.read(path).wants == ((784,),)


def test_a_cycle_of_groups_ends(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "model.h5")
    with h5py.File(path, "a") as file:
        file["model_weights/again"] = file["model_weights"]  # a hard link to itself
    with pytest.raises(DataError, match="deeper"):
        build(path)


def test_a_crash_of_the_library_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child dies by a signal; this process goes on."""
    import sys

    killer = tmp_path / "killer"
    killer.write_text("#!/bin/sh\nkill -SEGV $$\n")
    killer.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killer))
    with pytest.raises(DataError, match="HDF5's own library fails on it"):
        hdf5.read(write_h5(tmp_path / "model.h5"))


def test_nothing_of_the_working_folder_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "h5py.py").write_text("open('ran', 'w')")
    (tmp_path / "numpy.py").write_text("open('ran', 'w')")
    path = write_h5(tmp_path / "model.h5")
    monkeypatch.chdir(tmp_path)
    build(Path(path.name))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "Git LFS"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"\x80\x04\x95", "pickle"),
        (b"\x1c\x00\x00\x00TFL3", "TFLite"),
        (b'{"class_name": "Sequential"}', "without its weights"),
        (b"\x00\x01\x02nothing", "no model that ropero reads"),
    ],
)
def test_other_files_are_told_by_their_first_bytes(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "fashion.h5"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        reader.read(path)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (["model/saved_model.pb"], "packed SavedModel"),
        (["archive/data.pkl"], "torch's own file"),
        (["models/fashion.h5"], r"packed folder; unpack it and name models/fashion\.h5"),
        (["readme.txt"], "no model of Keras's"),
    ],
)
def test_other_archives_are_told_by_their_members(members: list[str], words: str, tmp_path: Path) -> None:
    path = tmp_path / "fashion.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name in members:
            archive.writestr(name, "x")
    with pytest.raises(DataError, match=words):
        reader.read(path)


def test_a_saved_model_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(DataError, match=r"SavedModel .* model\.save"):
        reader.read(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda dense: dense.__delitem__("dense/bias:0"), "the array dense/bias:0 is missing"),
        (
            lambda dense: dense["dense/kernel:0"].write_direct(np.full((784, 10), np.nan, np.float32)),
            "no finite number",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(spoil: Callable[[Any], None], words: str, tmp_path: Path) -> None:
    path = write_h5(tmp_path / "model.h5")
    with h5py.File(path, "a") as file:
        spoil(file["model_weights/dense"])
    with pytest.raises(DataError, match=f"model.h5: .*{words}"):
        build(path)


def test_weights_of_another_shape_are_named(tmp_path: Path) -> None:
    config = json.loads(json.dumps(SEQUENTIAL))
    config["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 28, 14]
    found = reader.read(write_h5(tmp_path / "model.h5", config))
    from ropero.models.layers import Reshape
    from ropero.models.spatial import Cropping2D

    prefix = [Cropping2D(cropping=(0, 0, 7, 7)), Reshape(target_shape=(28, 14))]
    with pytest.raises(DataError, match=r"layer dense: kernel should have the shape \(392, 10\), got \(784, 10\)"):
        found.build(prefix, (1, 28, 28), 10)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "model.h5")
    path.chmod(0)
    with pytest.raises(DataError, match="Cannot read"):
        reader.read(path)


def test_ropero_says_which_keras_wrote_a_file(tmp_path: Path) -> None:
    assert keras_container.open_file(write_h5(tmp_path / "model.h5")).written_by == "Keras 2.4.0"
    assert keras_container.open_file(write_keras(tmp_path / "model.keras")).written_by == "Keras 3.4.1"
