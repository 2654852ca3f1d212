"""The card inside every file that ropero exports: what goes in, what comes out, what made it, and what it should say to
a few pictures. docs/export.md shows its form.

Knows nothing of file formats; each keeps it as JSON under the name `ropero`.
Legend: C channels, H x W pixels, K classes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import ropero
from ropero.errors import DataError
from ropero.models.checkpoint import MAX_CLASSES, MAX_SIDE
from ropero.models.classifier import Classifier
from ropero.models.samples import Samples
from ropero.models.zoo import build
from ropero.texts import t

KEY = "ropero"
CARD_FORMAT = 1
GRAPH_FORMAT = 2  # of a card with a graph, which an older ropero cannot read
MAX_BYTES = 64 << 20  # of a card
CHANNELS_LAST = ("keras", "h5")  # what takes (N, H, W, C); the others take (N, C, H, W)
_SELF = "card_sha256"  # of all the rest of the card
_PIXELS = {1: "float32, 0 to 1, grey; the garment light on black", 3: "float32, 0 to 1, RGB"}


class NoCardError(DataError):
    """A file without a card: none that `ropero export` wrote."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What someone, or a program, needs to use the file.

    file: which format it is in. weights_sha256: of the run's model.safetensors. arrays_sha256: of the arrays in this
    very file (`digest`). about: what is shown and not computed with: run, data, accuracy, versions, dates, licence.
    int8: of a file with whole numbers, what became of its accuracy; empty of any other. graph: where the network is
    built from the card alone, the graph that `layers` stand before (`graphs.GraphCard`). whole: whether a card that was
    read is as it was written.
    """

    file: str
    network: str
    layers: tuple[Mapping[str, Any], ...]
    code: str
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights_sha256: str
    arrays_sha256: str
    samples: Samples
    about: Mapping[str, Any] = field(default_factory=dict)
    int8: Mapping[str, Any] = field(default_factory=dict)
    graph: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = True

    def text(self) -> str:
        """The card as JSON."""
        channels, height, width = self.input_shape
        last = self.file in CHANNELS_LAST
        content = {
            "format": GRAPH_FORMAT if self.graph else CARD_FORMAT,
            "file": self.file,
            "network": self.network,
            "layers": list(self.layers),
            "code": self.code,
            "classes": list(self.classes),
            "input": {
                "shape": [height, width, channels] if last else [channels, height, width],
                "order": "H, W, C" if last else "C, H, W",
                "pixels": _PIXELS[channels],
            },
            "normalisation": {"mean": list(self.mean), "std": list(self.std), "inside": True},
            **self.about,
            "weights_sha256": self.weights_sha256,
            "arrays_sha256": self.arrays_sha256,
            "int8": dict(self.int8) or None,
            "samples": self.samples.to_json(),
            **({"graph": dict(self.graph)} if self.graph else {}),
        }
        return json.dumps({**content, _SELF: _digest_of(content)}, ensure_ascii=False, allow_nan=False)

    def network_of(self) -> Classifier:
        """A fresh network of this kind. Raises UsageError, RunError: it cannot be built here."""
        return build(self.network, self.input_shape, len(self.classes), self.layers, self.code, self.graph)


_OWN = {"format", "file", "network", "layers", "code", "classes", "input", "normalisation", "weights_sha256",
        "arrays_sha256", "graph", "int8", "samples", _SELF}  # fmt: skip


def read(text: str | bytes, path: object) -> Card:
    """The card of a file. Raises DataError for text that is none, or of a newer ropero."""
    try:
        if len(text) > MAX_BYTES:
            raise ValueError(f"{len(text)} bytes")
        values = json.loads(text)
        written = values["format"]
        if isinstance(written, int) and written > GRAPH_FORMAT:
            raise DataError(
                t("{path} was written by a newer ropero ({version}); update ropero.", path=path,
                  version=values.get("ropero", "?"))
            )  # fmt: skip
        return _card(values)
    except DataError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(t("{path} is not a model card: {reason}", path=path, reason=error)) from error


def _card(values: Mapping[str, Any]) -> Card:
    """Raises ValueError, LookupError, TypeError, AttributeError or OverflowError for what is no card."""
    sides = values["input"]["shape"]
    if len(sides) != 3 or not all(isinstance(side, int) and 0 < side <= MAX_SIDE for side in sides):
        raise ValueError(f"input {sides}")
    shape = (sides[2], sides[0], sides[1]) if values["file"] in CHANNELS_LAST else tuple(sides)
    classes, layers = tuple(values["classes"]), tuple(values["layers"])
    names = [*classes, *(values[name] for name in ("file", "network", "code", "weights_sha256", "arrays_sha256"))]
    if not 1 < len(classes) <= MAX_CLASSES or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{len(classes)} classes")
    if not all(isinstance(layer, dict) for layer in layers) or shape[0] not in _PIXELS:
        raise ValueError("layers")
    mean, std = (tuple(map(float, values["normalisation"][name])) for name in ("mean", "std"))
    return Card(
        file=values["file"],
        network=values["network"],
        layers=layers,
        code=values["code"],
        classes=classes,
        input_shape=shape,
        mean=mean,
        std=std,
        weights_sha256=values["weights_sha256"],
        arrays_sha256=values["arrays_sha256"],
        samples=Samples.from_json(values["samples"], shape, len(classes)),
        about={name: value for name, value in values.items() if name not in _OWN},
        int8=dict(values["int8"] or {}),
        graph=dict(values.get("graph", {})),
        whole=values.get(_SELF) == _digest_of(values),
    )


def _digest_of(values: Mapping[str, Any]) -> str:
    """SHA-256 of a card, however it is spaced and ordered."""
    rest = {name: value for name, value in values.items() if name != _SELF}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def made() -> dict[str, str]:
    """What made a card, and when."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"ropero": ropero.__version__, "torch": str(torch.__version__), "exported": now}


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of names, types, shapes and values, in the order of the names."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(repr((name, array.dtype.str, arrays[name].shape)).encode())
        found.update(array.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def unknown_file(path: object) -> NoCardError:
    """The error for a file without a card."""
    return NoCardError(t("{path} holds no card of ropero: `ropero export` did not write it.", path=path))
