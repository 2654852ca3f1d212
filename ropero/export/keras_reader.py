"""Keras's files as ropero's networks: opened, understood, built, filled with their weights.

TensorFlow and Keras are not needed, and no code of the file runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ropero.errors import DataError, UsageError
from ropero.export import keras_arrays, keras_config, keras_ends, keras_layers, keras_operations
from ropero.export.foreign import REPEATED, Built, Foreign, Note, Sides, classes_of
from ropero.export.keras_config import Leaf, Network
from ropero.export.keras_container import KerasFile, open_file
from ropero.export.keras_ends import Columns
from ropero.export.keras_layers import Line
from ropero.models import designs, entries
from ropero.models.activations import Activation
from ropero.models.classifier import Classifier
from ropero.models.keras_layout import Slot, slots
from ropero.models.layers import LOG, Layer, Shape
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
    with _about(path):
        network = keras_config.parse(file.config)
        scaled = _scaled(file, network)

    def build(
        prefix: Sequence[Layer], input_shape: tuple[int, int, int], classes: int, order: Sequence[int] = ()
    ) -> Built:
        with _about(path):
            return _built(file, network, prefix, input_shape, classes, order)

    def outputs(shape: tuple[int, ...]) -> int:
        with _about(path):
            lines = keras_layers.lines(network, shape, file.version)
        return _outputs(path, lines, shape)

    card = file.card
    return Foreign(
        written_by=file.written_by,
        sha256=sha256_file(path),
        wants=_wants(file, network),
        build=build,
        ordered=lambda order: partial(build, order=order),
        outputs=outputs,
        scaled=scaled,
        channels_first=_is_channels_first(network),
        classes=classes_of(card),
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


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """What is wrong inside is said of this file. Raises DataError."""
    try:
        yield
    except (DataError, UsageError) as error:
        raise DataError(f"{path.name}: {error}") from error


def _built(
    file: KerasFile,
    network: Network,
    prefix: Sequence[Layer],
    input_shape: tuple[int, int, int],
    classes: int,
    order: Sequence[int],
) -> Built:
    """The network behind the prefix, its outputs in an order. Raises DataError or UsageError."""
    named = [replace(layer, name=f"pixels_{number}") for number, layer in enumerate(prefix, 1)]
    channels, height, width = input_shape
    shape: Shape = (height, width, channels)
    for layer in named:
        layer.check(shape)
        shape = layer.output(shape)
    lines, columns = keras_ends.chosen(keras_layers.lines(network, shape, file.version), classes, order)
    first = named[-1].name if named else INPUT
    layers = [*named, *(_behind(line.layer, first, line is lines[0] and bool(named)) for line in lines)]
    leaves = {line.layer.name: line.leaf for line in lines if line.leaf is not None}

    def made() -> Classifier:
        model = designs.build(entries.from_json(entries.to_json(layers)), input_shape, classes)
        return _filled(model, file, network, leaves, columns)

    model = made()
    if keras_ends.gives_shares(model, layers):
        layers.append(Activation(activation=LOG))
        model = made()
    return Built(model, tuple(entries.to_json(layers)))


def _filled(
    model: Classifier, file: KerasFile, network: Network, leaves: Mapping[str, Leaf], columns: Columns
) -> Classifier:
    """The network with its weights, in eval mode. Raises DataError as `keras_arrays.fill`."""
    places: dict[int, list[Sequence[Slot]]] = {}
    for name, layer, module in designs.parts(model):
        if name in leaves:
            places.setdefault(id(leaves[name]), []).append([one for one in slots(layer, module) if one.name != COUNT])
    keras_arrays.fill(file, network.tree, {leaf: one[0] for leaf, one in places.items()}, columns)
    for first_one, *others in places.values():  # a layer that is used several times
        for other in others:
            for source, target in zip(first_one, other, strict=True):
                target.write(source.read())
    return model.eval()


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
                kind, options = keras_operations.plain(call, ())
        if kind == "Rescaling":
            scale = options.get("scale")
            return "0-255" if isinstance(scale, int | float) and 0 < scale < 0.05 else None
        if kind == "Normalization" or (kind.startswith("BatchNormalization") and call.inputs == (0,)):
            return _moments(file, network, call.leaf)
        if kind not in _PASSED:
            return None
    return None


_PASSED = {"InputLayer", "Reshape", "Flatten", "Permute", "ZeroPadding2D", "Dropout", "Resizing", "GaussianNoise",
           "Cast", "ExpandDims", "Squeeze", "Transpose", *keras_layers.INERT}  # fmt: skip


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
