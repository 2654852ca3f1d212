"""Writes a Keras model without Keras: `.keras` as Keras 3 does, `.h5` in the form that Keras 3 and tf.keras 2 read.

`translation.py` says which layers there are. Knows nothing of runs, nor of whether Keras is installed.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.export.card import KEY, digest
from ropero.export.keras_container import CONFIG, GROUP, METADATA, MODEL_CONFIG, WEIGHTS
from ropero.export.translation import INPUT_KIND, Inner, Node, is_chain, translate
from ropero.models.classifier import Classifier
from ropero.models.designs import snake
from ropero.models.hdf5 import h5py
from ropero.models.layers import Shape

# Whose files these are like: what readers look at to know what to expect.
KERAS_3, KERAS_2 = "3.5.0", "2.15.0"
_FIXED_BYTES = 60_000  # HDF5 keeps an attribute of fixed length up to 64 kB; longer text goes elsewhere
_KIND_2 = {"LeakyReLU": "ReLU"}  # Keras 2 calls its slope alpha; its ReLU has one of today's name

Array = NDArray[np.float32]
Sealed = Callable[[str], str]  # the card as JSON, for a digest of the arrays


def write_keras(model: Classifier, path: Path, card: Sealed) -> None:
    """Write a `.keras` archive; the card is the key `ropero` of its metadata.json.

    Raises:
        UsageError: a network that is a user's own code.
        MissingExtra: h5py is not installed.
    """
    nodes = ordered(translate(model))
    arrays = dict(_keras_3_arrays(nodes))
    metadata = {
        "keras_version": KERAS_3,
        "date_saved": datetime.now(UTC).strftime("%Y-%m-%d@%H:%M:%S"),
        KEY: json.loads(card(digest(arrays))),
    }
    weights = io.BytesIO()
    with h5py().File(weights, "w") as file:
        file.create_group("vars").attrs["name"] = keras_3_config(nodes)["config"]["name"]
        for place, name in dict([*_groups(nodes), *_inner_groups(nodes)]).items():
            file.create_group(f"{place}/vars").attrs["name"] = name
        for place, array in arrays.items():
            file.create_dataset(place, data=array)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(METADATA, json.dumps(metadata))
        archive.writestr(CONFIG, json.dumps(keras_3_config(nodes)))
        archive.writestr(WEIGHTS, weights.getbuffer())


def write_h5(model: Classifier, path: Path, card: Sealed) -> None:
    """Write a legacy `.h5`; the card is its attribute `ropero`. Raises as `write_keras`."""
    nodes = ordered(translate(model))
    arrays = dict(_keras_2_arrays(nodes))
    with h5py().File(path, "w") as file:
        _text(file, "keras_version", KERAS_2)
        _text(file, "backend", "tensorflow")
        _text(file, MODEL_CONFIG, json.dumps(keras_2_config(nodes)))
        _text(file, KEY, card(digest({f"{GROUP}/{place}": array for place, array in arrays.items()})))
        root = file.create_group(GROUP)
        _text(root, "keras_version", KERAS_2)
        _text(root, "backend", "tensorflow")
        _names(root, "layer_names", [node.name for node in nodes])
        for node in nodes:
            group = root.create_group(node.name)
            _names(group, "weight_names", list(_keras_2_names(node)))
        root.create_group("top_level_model_weights")
        _names(root["top_level_model_weights"], "weight_names", [])
        for place, array in arrays.items():
            root.create_dataset(place, data=array)


def ordered(nodes: Sequence[Node]) -> list[Node]:
    """The layers as Keras's models have them, on which depends whose arrays are whose: the farthest from the end first,
    and of equal ones the one that is met first on the way back from the end, by what each takes."""
    sources = {node.name: node.sources for node in nodes}
    depths, met = dict.fromkeys(sources, 0), dict[str, int]()
    for node in reversed(nodes):
        for one in node.sources:
            depths[one] = max(depths[one], depths[node.name] + 1)
    waiting = [nodes[-1].name]
    while waiting:
        name = waiting.pop()
        if name not in met:
            met[name] = len(met)
            waiting += reversed(sources[name])
    return sorted(nodes, key=lambda node: (-depths[node.name], met[node.name]))


def keras_3_config(nodes: Sequence[Node]) -> dict[str, Any]:
    """config.json of a `.keras` archive."""
    chain, shapes = is_chain(nodes), {node.name: node.shape for node in nodes}
    layers = [_entry_3(node, None if chain else shapes) for node in nodes]
    if chain:
        config = {"name": "sequential", "trainable": True, "dtype": "float32", "layers": layers}
        build = {"input_shape": [None, *nodes[0].shape]}
        return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None,
                "build_config": build}  # fmt: skip
    ends = {"input_layers": [nodes[0].name, 0, 0], "output_layers": [nodes[-1].name, 0, 0]}
    config = {"name": "functional", "trainable": True, "layers": layers, **ends}
    return {"module": "keras.src.models.functional", "class_name": "Functional", "config": config,
            "registered_name": "Functional"}  # fmt: skip


def keras_2_config(nodes: Sequence[Node]) -> dict[str, Any]:
    """The attribute model_config of a legacy file."""
    if is_chain(nodes):
        return {"class_name": "Sequential", "config": {"name": "sequential", "layers": [*map(_entry_2, nodes)]}}
    layers = [
        {**_entry_2(node), "name": node.name, "inbound_nodes": [[[one, 0, 0, {}] for one in node.sources]]}
        for node in nodes
    ]
    layers[0]["inbound_nodes"] = []
    ends = {"input_layers": [[nodes[0].name, 0, 0]], "output_layers": [[nodes[-1].name, 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "model", "trainable": True, "layers": layers, **ends}}


def _entry_3(node: Node, shapes: Mapping[str, Shape] | None) -> dict[str, Any]:
    """A layer as Keras 3 has it; with the shapes of all, what it takes is said too."""
    entry = {"module": "keras.layers", "class_name": node.kind, "config": _config(node, "batch_shape"),
             "registered_name": None}  # fmt: skip
    if shapes is None:
        return entry
    taken = [
        {"class_name": "__keras_tensor__",
         "config": {"shape": [None, *shapes[one]], "dtype": "float32", "keras_history": [one, 0, 0]}}
        for one in node.sources
    ]  # fmt: skip
    calls: list[dict[str, Any]] = [{"args": taken if len(taken) == 1 else [taken], "kwargs": {}}] if taken else []
    return {**entry, "name": node.name, "inbound_nodes": calls}


def _entry_2(node: Node) -> dict[str, Any]:
    return {"class_name": _KIND_2.get(node.kind, node.kind), "config": _config(node, "batch_input_shape")}


def _config(node: Node, shape_name: str) -> dict[str, Any]:
    if node.kind == INPUT_KIND:
        return {shape_name: [None, *node.shape], "dtype": "float32", "sparse": False, "name": node.name}
    options = {name: _inner(value) if isinstance(value, Inner) else value for name, value in node.options.items()}
    frozen = {} if node.trainable else {"trainable": False}  # some layers do not know the word
    return {"name": node.name, **frozen, "dtype": "float32", **options}


def _inner(one: Inner) -> dict[str, Any]:
    """As Keras 3 has it, which reads inner layers of a legacy file in this form alone."""
    config = {"name": snake(one.kind), "dtype": "float32", **one.options}
    return {"module": "keras.layers", "class_name": one.kind, "config": config, "registered_name": None}


def _groups(nodes: Sequence[Node]) -> Iterator[tuple[str, str]]:
    """The group of each layer in a Keras 3 file, counted by its class, and the layer's name."""
    counts: dict[str, int] = {}
    for node in nodes[1:] if is_chain(nodes) else nodes:
        kind = snake(node.kind)
        count = counts[kind] = counts.get(kind, -1) + 1
        yield f"layers/{kind}_{count}" if count else f"layers/{kind}", node.name


def _inner_groups(nodes: Sequence[Node]) -> Iterator[tuple[str, str]]:
    """The groups of layers inside others, which older Keras looks for though they hold nothing, and their names."""
    groups = {name: group for group, name in _groups(nodes)}
    for node in nodes:
        for place in dict.fromkeys(slot.place for slot in node.slots if slot.place):
            parts, names = place.split("/"), _inner_names(node, place).split("/")
            for depth, name in enumerate(names, 1):
                yield "/".join((groups[node.name], *parts[:depth])), name


def _keras_3_arrays(nodes: Sequence[Node]) -> Iterator[tuple[str, Array]]:
    """Where in a Keras 3 file each array stands: numbered within the part of its layer that holds it."""
    groups = {name: group for group, name in _groups(nodes)}
    for node in nodes:
        counts: dict[str, int] = {}
        for slot in node.slots:
            number = counts[slot.place] = counts.get(slot.place, -1) + 1
            yield "/".join(filter(None, (groups[node.name], slot.place, "vars", str(number)))), slot.read()


def _keras_2_arrays(nodes: Sequence[Node]) -> Iterator[tuple[str, Array]]:
    """Where below model_weights each array stands: by layer and name."""
    for node in nodes:
        for name, slot in zip(_keras_2_names(node), node.slots, strict=True):
            yield f"{node.name}/{name}", slot.read()


def _keras_2_names(node: Node) -> Iterator[str]:
    """dense/kernel:0 and so on; inner layers stand between, as in bidirectional/forward_lstm/lstm_cell/bias:0."""
    for slot in node.slots:
        yield "/".join(filter(None, (node.name, _inner_names(node, slot.place), f"{slot.name}:0")))


def _inner_names(node: Node, place: str) -> str:
    """forward_layer/cell as forward_lstm/lstm_cell: what Keras calls the parts of a layer."""
    kind = snake(next((one.kind for one in node.options.values() if isinstance(one, Inner)), node.kind))
    return place.replace("_layer", f"_{kind}").replace("cell", f"{kind}_cell")


def _text(group: Any, name: str, text: str) -> None:
    """An attribute as Keras 2 wrote it, in bytes, while HDF5 takes it so."""
    content = text.encode()
    group.attrs[name] = np.bytes_(content) if len(content) < _FIXED_BYTES else text


def _names(group: Any, name: str, names: Sequence[str]) -> None:
    """A list of names as an attribute; a long one in pieces, as Keras does it."""
    listed = np.array([one.encode() for one in names]) if names else np.array([], "S1")
    pieces = -(-listed.nbytes // _FIXED_BYTES)
    if pieces <= 1:
        group.attrs[name] = listed
        return
    for number, piece in enumerate(np.array_split(listed, pieces)):
        group.attrs[f"{name}{number}"] = piece
