"""Files that would run code in Keras or torch.export are not given to them."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exporting import network, written

from ropero.errors import DataError
from ropero.export import guard, traced
from ropero.export.keras_writer import keras_2_config, keras_3_config
from ropero.export.translation import translate


class Evil:
    """A pickle that would run code: it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["quick", "monterrey-bilstm", "monterrey-attention"])
def test_what_ropero_writes_is_let_through(name: str, tmp_path: Path) -> None:
    nodes = translate(network(name))
    guard.keras_config(keras_3_config(nodes), tmp_path)
    guard.keras_config(keras_2_config(nodes), tmp_path)
    guard.program(written(network(name), "torch-export", tmp_path))


EVIL_LAYERS = [
    {"class_name": "Lambda", "config": {"function": "x"}},
    {"class_name": "__lambda__", "config": {}},
    {"class_name": "Dense", "module": "os", "config": {}},
    {"class_name": "system", "module": "os"},
    {"class_name": "function", "config": "os.system"},
    {"class_name": "TorchModuleWrapper", "module": "keras.layers", "config": {}},
    {"class_name": "Dense", "registered_name": "mine>Dense", "config": {}},
    {"class_name": "TFSMLayer", "module": "keras.layers", "config": {}},
    {"class_name": ["Dense"], "config": {}},
]


@pytest.mark.parametrize("layer", EVIL_LAYERS, ids=str)
def test_layers_that_ropero_does_not_write_are_refused_wherever_they_stand(layer: dict[str, Any]) -> None:
    config = keras_3_config(translate(network("softmax")))
    places: list[Callable[[], Any]] = [
        lambda: config["config"]["layers"].append(layer),
        lambda: config["config"]["layers"][-1]["config"].update({"activation": layer}),
        lambda: config.update({"compile_config": {"loss": [[layer]]}}),
    ]
    for place in places:
        config = keras_3_config(translate(network("softmax")))
        place()
        with pytest.raises(DataError, match="which ropero does not write"):
            guard.keras_config(config, Path("x.keras"))


def test_a_deep_config_is_refused() -> None:
    config: Any = {}
    for _ in range(900):
        config = {"config": [config]}
    with pytest.raises(DataError, match="which ropero does not write"):
        guard.keras_config(config, Path("x.keras"))


def changed(path: Path, name: str, change: Callable[[bytes], bytes], new_name: str = "") -> Path:
    """The archive with another member, or the member under another name."""
    other = path.with_name(f"changed-{len(list(path.parent.iterdir()))}.pt2")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for one in source.namelist():
            content = source.read(one)
            if one.endswith(name):
                content, one = change(content), one.removesuffix(name) + (new_name or name)
            target.writestr(one, content)
    return other


def graph(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    def done(content: bytes) -> bytes:
        values = json.loads(content)
        change(values)
        return json.dumps(values).encode()

    return done


def test_an_expression_would_have_been_run(tmp_path: Path) -> None:
    """Without the guard torch evaluates it: what is guarded against is real."""
    path = written(network("softmax"), "torch-export", tmp_path)
    mark = tmp_path / "ran"
    evil = f"__import__('pathlib').Path({str(mark)!r}).touch() or Integer(1)"
    swap = lambda content: content.replace(b"Symbol(", evil.encode() + b" + Symbol(", 1)  # noqa: E731
    other = changed(path, "models/model.json", swap)
    with pytest.raises(DataError, match="which ropero does not write"):
        guard.program(other)
    assert not mark.exists()
    with traced.quiet(), contextlib.suppress(Exception):  # whatever torch makes of it afterwards
        torch.export.load(other)
    assert mark.exists()


def _target(name: str) -> Callable[[Any], None]:
    return lambda values: values["graph_module"]["graph"]["nodes"][0].update({"target": name})


@pytest.mark.parametrize(
    "target",
    ["torch.ops.aten.from_file.default", "torch.load", "torch.hub.load", "#extension:op", "_operator.attrgetter",
     "math.prod", "torch.ops.higher_order.cond", "os.system"],
)  # fmt: skip
def test_operators_beyond_the_tensor_library_are_refused(target: str, tmp_path: Path) -> None:
    path = written(network("softmax"), "torch-export", tmp_path)
    with pytest.raises(DataError, match="which ropero does not write"):
        guard.program(changed(path, "models/model.json", graph(_target(target))))


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update({"guards_code": ["__import__('os')"]}),
        lambda values: values["graph_module"]["graph"]["nodes"][0].update({"inputs": [{"as_custom_obj": {"a": 1}}]}),
        lambda values: values.update({"x": {"expr_str": "().__class__"}}),
        lambda values: values.update({"x": {"expr_str": "Symbol('os')"}}),
        lambda values: values.update({"x": {"expr_str": "exit()"}}),
        lambda values: values.update({"x": {"expr_str": "Integer(9)**9**9"}}),
        lambda values: values.update({"x": {"expr_str": "[s1 for s1 in s2]"}}),
        lambda values: values.update({"x": {"expr_str": "Symbol"}}),
    ],
)
def test_what_torch_would_evaluate_is_refused(change: Callable[[Any], None], tmp_path: Path) -> None:
    path = written(network("softmax"), "torch-export", tmp_path)
    with pytest.raises(DataError, match="which ropero does not write"):
        guard.program(changed(path, "models/model.json", graph(change)))


def _deflated(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    return made.getvalue()


def test_archives_that_would_grow_are_refused(tmp_path: Path) -> None:
    """Within the archive, and within the archive in it."""
    path = written(network("softmax"), "torch-export", tmp_path)
    with pytest.raises(DataError, match="is packed"):
        guard.program(changed(path, "data/sample_inputs/model.pt", _deflated))
    path.write_bytes(_deflated(path.read_bytes()))
    with pytest.raises(DataError, match="is packed"):
        guard.program(path)


def test_a_second_folder_is_refused(tmp_path: Path) -> None:
    """torch reads the first member's folder alone; another's weights would be the ones whose digest is taken."""
    path = written(network("softmax"), "torch-export", tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/data/weights/weight_0", b"x")
    with pytest.raises(DataError, match="which ropero does not write"):
        guard.program(path)


def test_pickles_are_refused_unread(tmp_path: Path) -> None:
    path, mark = written(network("softmax"), "torch-export", tmp_path), tmp_path / "ran"
    evil = pickle.dumps(Evil(mark))
    torch.save(Evil(mark), tmp_path / "evil.pt")
    pickled = graph(lambda values: next(iter(values["config"].values())).update({"use_pickle": True}))
    named = graph(lambda values: next(iter(values["config"].values())).update({"path_name": "opaque_obj_0"}))
    for other in (
        changed(path, "weights/weight_0", lambda _: evil, "weights/opaque_obj_0"),
        changed(path, "data/sample_inputs/model.pt", lambda _: (tmp_path / "evil.pt").read_bytes()),
        changed(path, "data/sample_inputs/model.pt", lambda _: evil),
        changed(path, "model_weights_config.json", pickled),
        changed(path, "model_constants_config.json", lambda _: b'{"config": {"a": {"path_name": "opaque_obj_0"}}}'),
        changed(path, "model_weights_config.json", named),
        changed(path, "byteorder", lambda content: content, "data/aotinductor/model/x.so"),
        changed(path, "byteorder", lambda content: content, "models/second.json"),
        changed(path, "byteorder", lambda content: content, "data/weights/model.pt"),
    ):
        with pytest.raises(DataError):
            guard.program(other)
    assert not mark.exists()
