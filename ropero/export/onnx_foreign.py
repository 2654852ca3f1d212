"""ONNX files as models from elsewhere: what they want to see, by the shape that they declare."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ropero.export import onnx_reader
from ropero.export.foreign import Built, Foreign, Sides, classes_of, fair
from ropero.export.onnx_reader import OnnxFile
from ropero.models import entries
from ropero.models.graphs import CHANNELS_LAST
from ropero.models.layers import Layer

OWN = "ropero"  # where ropero's own exports keep their card
# Where a file does not say what it takes: pictures, rows of them, all pixels in one row.
_GUESSES: tuple[Sides, ...] = ((None, None, None), (None, None), (784,))


def read(path: Path) -> Foreign:
    """The network of an ONNX file.

    Raises:
        DataError: the file is damaged, or holds what ropero does not compute; the sentence says what.
        MissingExtra: onnx is not installed.
    """
    file = onnx_reader.read(path)
    card = _card(file)
    named = fair(file.classes) or classes_of(card)
    values = file.values or len(named) or None

    def build(prefix: Sequence[Layer], input_shape: tuple[int, int, int], classes: int) -> Built:
        layers = [replace(layer, name=f"pixels_{number}") for number, layer in enumerate(prefix, 1)]
        spare = max(0, (values or classes) - classes)
        model, graph = onnx_reader.classifier(file, input_shape, classes, prefix=layers, spare=spare)
        return Built(model, tuple(entries.to_json(layers)), graph)

    writer = " ".join(one for one in (file.producer, file.producer_version) if one) or "?"
    return Foreign(
        written_by=f"{writer} (ONNX, opset {file.opset})",
        sha256=file.sha256,
        wants=_wants(file),
        build=build,
        outputs=lambda _: values,
        scaled="0-255" if file.input_dtype == "uint8" else None,
        classes=named,
        card=card,
        facts={"format": ".onnx"},
    )


def _wants(file: OnnxFile) -> tuple[Sides, ...]:
    """What the network takes for one image; of pictures (H, W, C), however the file lays them."""
    sides = file.input_shape[1:]
    if not sides:
        return _GUESSES
    if len(sides) != 3:
        return (sides,)
    return (sides if file.layout == CHANNELS_LAST else (sides[1], sides[2], sides[0]),)


def _card(file: OnnxFile) -> Mapping[str, Any] | None:
    with suppress(ValueError, RecursionError):
        found = json.loads(file.metadata.get(OWN, ""))
        return found if isinstance(found, dict) else None
    return None
