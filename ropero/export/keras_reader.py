"""Keras's files as ropero's networks: opened, understood, built, filled with their weights.

TensorFlow and Keras are not needed, and no code of the file runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ropero.errors import DataError, UsageError
from ropero.export import keras_arrays, keras_config, keras_layers
from ropero.export.foreign import REPEATED, Built, Foreign, Note, Sides
from ropero.export.keras_config import Leaf, Network
from ropero.export.keras_container import KerasFile, open_file
from ropero.export.keras_layers import Line
from ropero.models import designs, entries
from ropero.models.keras_layout import Slot, slots
from ropero.models.layers import Dense, Layer, Shape
from ropero.models.merging import INPUT
from ropero.storage import sha256_file
from ropero.texts import t

COUNT = "count"  # of what Normalization has seen; no number of the network's
_GUESSES: tuple[Sides, ...] = ((None, None, 1), (None, None), (None, None, 3))


def read(path: Path, plan: Path | None = None) -> Foreign:
    """The network of a Keras file; of weights alone, what `plan` or a JSON file of the same name beside them describes.

    Raises:
        DataError: the file is damaged or something else, or holds what ropero does not read; the sentence says what.
        MissingExtra: h5py is not installed.
    """
    file = open_file(path, plan)
    try:
        network = keras_config.parse(file.config)
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from error

    def made(shape: Shape) -> list[Line]:
        try:
            return keras_layers.lines(network, shape, file.version)
        except DataError as error:
            raise DataError(f"{path.name}: {error}") from error

    def build(prefix: Sequence[Layer], input_shape: tuple[int, int, int], classes: int) -> Built:
        return _built(path, file, network, made, prefix, input_shape, classes)

    def outputs(shape: tuple[int, ...]) -> int:
        return _outputs(path, made(shape), shape)

    card = file.card
    return Foreign(
        written_by=file.written_by,
        sha256=sha256_file(path),
        wants=_wants(file, network),
        build=build,
        outputs=outputs,
        scaled=_scaled(file, network),
        channels_first=_is_channels_first(network),
        classes=tuple(card["classes"]) if card and isinstance(card.get("classes"), list) else (),
        card=card,
        notes=tuple(_notes(network)),
        facts={"format": ".keras" if file.is_zip else ".h5", "loss": _loss(file), "plan": file.plan_sha256},
    )


def _wants(file: KerasFile, network: Network) -> tuple[Sides, ...]:
    """What the network takes: as its config says, or guessed where that is silent."""
    if network.input_shape is not None:
        return (network.input_shape,)
    first = next((call.leaf.kind for call in network.calls if call.leaf.kind != "Dropout"), "")
    if first == "Dense":  # the rows of its kernel
        kernels = [one for place, one in file.arrays.items() if "kernel" in place or place.endswith("vars/0")]
        rows = next((len(one) for one in kernels if one.ndim == 2), 0)
        return ((rows,),) if rows else _GUESSES
    return _GUESSES


def _built(
    path: Path,
    file: KerasFile,
    network: Network,
    made: Any,
    prefix: Sequence[Layer],
    input_shape: tuple[int, int, int],
    classes: int,
) -> Built:
    named = [replace(layer, name=f"pixels_{number}") for number, layer in enumerate(prefix, 1)]
    channels, height, width = input_shape
    shape: Shape = (height, width, channels)
    lines: list[Line]
    try:
        for layer in named:
            layer.check(shape)
            shape = layer.output(shape)
        whole = made(shape)
        lines = _cut(whole, classes)
        shortened = {id(one.leaf): classes for one, other in zip(lines, whole, strict=True) if one is not other}
        first = named[-1].name if named else INPUT
        listed = [_behind(line.layer, first, place == 0 and bool(named)) for place, line in enumerate(lines)]
        said = entries.to_json([*named, *listed])
        model = designs.build(entries.from_json(said), input_shape, classes)
    except UsageError as error:
        raise DataError(f"{path.name}: {error}") from error
    leaves = {line.layer.name: line.leaf for line in lines if line.leaf is not None}
    places: dict[int, list[Sequence[Slot]]] = {}
    for name, layer, module in designs.parts(model):
        if name in leaves:
            places.setdefault(id(leaves[name]), []).append([one for one in slots(layer, module) if one.name != COUNT])
    try:
        keras_arrays.fill(file, network.tree, {leaf: one[0] for leaf, one in places.items()}, shortened)
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from error
    for first_one, *others in places.values():  # a layer that is used several times
        for other in others:
            for source, target in zip(first_one, other, strict=True):
                target.write(source.read())
    return Built(model.eval(), tuple(said))


def _cut(lines: list[Line], classes: int) -> list[Line]:
    """The network without its outputs beyond the classes, where its last weights are those of a Dense."""
    place = next((at for at in reversed(range(len(lines))) if lines[at].leaf is not None), 0)
    last = lines[place].layer if lines else None
    if isinstance(last, Dense) and last.units is not None and last.units > classes:
        shorter = Line(replace(last, units=classes), lines[place].leaf)
        return [*lines[:place], shorter, *lines[place + 1 :]]
    return lines


def _behind(layer: Layer, first: str, is_first: bool) -> Layer:
    """The layer with the prepared pixels in the input's place."""
    if is_first and not layer.inputs:
        return layer
    return replace(layer, inputs=tuple(first if one == INPUT else one for one in layer.inputs))


def _outputs(path: Path, lines: Sequence[Line], shape: Shape) -> int:
    """How many values the network gives. Raises DataError where it gives no row of them."""
    shapes: dict[str, Shape] = {INPUT: shape}
    last = INPUT
    for line in lines:
        before = [shapes[one] for one in line.layer.inputs or (last,)]
        shapes[line.layer.name] = keras_layers.after(line.layer, before)
        last = line.layer.name
    if len(shapes[last]) != 1:
        raise DataError(
            t(
                "{path} gives {shape} for a picture, not one value a class: it is no classifier, perhaps an "
                "autoencoder or the beginning of another network.",
                path=path.name,
                shape=shapes[last],
            )
        )
    return shapes[last][0]


def _scaled(file: KerasFile, network: Network) -> tuple[float, float] | str | None:
    """What the first layer that looks at pixels says of their scale."""
    for call in network.calls:
        kind, options = call.leaf.kind, dict(call.leaf.options)
        if len(call.constants) == 1:  # x / 255
            with suppress(UsageError):
                options, kind = vars(keras_layers.operation(call)), "Rescaling"
        if kind == "Rescaling":
            scale = options.get("scale")
            return "0-255" if isinstance(scale, int | float) and 0 < scale < 0.05 else None
        if kind == "Normalization" or (kind.startswith("BatchNormalization") and call.inputs == (0,)):
            return _moments(file, network, call.leaf)
        if kind not in _PASSED:
            return None
    return None


_PASSED = {"InputLayer", "Reshape", "Flatten", "Permute", "ZeroPadding2D", "Dropout", "Resizing", "GaussianNoise",
           *keras_layers.INERT}  # fmt: skip


def _moments(file: KerasFile, network: Network, leaf: Leaf) -> tuple[float, float] | None:
    """Mean and deviation that a layer which normalises was given or has stored."""
    given = [leaf.options.get(name) for name in ("mean", "variance")]
    try:
        found = [np.asarray(one, np.float64) for one in given]
    except (TypeError, ValueError):
        return None
    if any(one is None for one in given):
        stored = keras_arrays.moments(file, network.tree, leaf)
        if stored is None:
            return None
        found = [one.astype(np.float64) for one in stored]
    if not all(one.size for one in found):
        return None
    with np.errstate(all="ignore"):
        moments = float(found[0].mean()), float(np.sqrt(found[1].mean()))
    return moments if all(map(math.isfinite, moments)) else None


def _is_channels_first(network: Network) -> bool:
    return any(call.leaf.options.get("data_format") == keras_layers.CHANNELS_FIRST for call in network.calls)


def _notes(network: Network) -> list[Note]:
    """What its owner should know."""
    uses: dict[int, int] = {}
    for call in network.calls:
        uses[id(call.leaf)] = uses.get(id(call.leaf), 0) + 1
    twice = {call.leaf.name for call in network.calls if uses[id(call.leaf)] > 1 and call.leaf.kind not in ("Dropout",)}
    return [(REPEATED, {"names": sorted(twice)})] if twice else []


def _loss(file: KerasFile) -> str:
    loss = file.training.get("loss", "")
    if isinstance(loss, dict):
        loss = (
            loss.get("config", {}).get("name", loss.get("class_name", ""))
            if isinstance(loss.get("config"), dict)
            else ""
        )
    return str(loss)[:60]
