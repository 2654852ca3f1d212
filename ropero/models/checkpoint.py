"""A trained network on disk: `model.safetensors`, its card `model.json`, and `samples.json`, what it says to a few
made-up pictures. No code is stored, none is run.

Knows nothing of run folders; a folder with the first two files is a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

import ropero
from ropero.errors import RunError, UsageError
from ropero.models import samples
from ropero.models.classifier import Classifier
from ropero.models.graphs import GraphCard
from ropero.models.samples import Samples
from ropero.models.zoo import build
from ropero.storage import atomic_path, check_format, read_json, sha256_file, write_json
from ropero.texts import t

WEIGHTS = "model.safetensors"
CARD_FORMAT = 1
GRAPH_FORMAT = 2  # of a card with a graph, which an older ropero cannot read
MAX_CLASSES = 10_000
MAX_SIDE = 10_000  # pixels; a card that says more is damaged, and no network is built for it


@dataclass(frozen=True)
class ModelCard:
    """What someone needs to use the weights: which network, what goes in, what comes out, what made them.

    input_shape is (C, H, W); pixels are float32 in [0, 1], grey or RGB; mean and std are applied inside the network.
    layers is the list of a network that is not from the zoo, code the digest of one that is code of the user's own.
    graph is that of a network from another program (`graphs.GraphCard`), which layers then stand before.
    """

    network: str
    input_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights_sha256: str
    ropero: str
    format: int = CARD_FORMAT
    layers: tuple[Mapping[str, Any], ...] = ()
    code: str = ""
    graph: Mapping[str, Any] = field(default_factory=dict)


def save(
    model: Classifier,
    network: str,
    classes: tuple[str, ...],
    folder: Path,
    layers: tuple[Mapping[str, Any], ...] = (),
    code: str = "",
    graph: GraphCard | None = None,
) -> ModelCard:
    """Write weights, then what they say to the samples, then the card that vouches for them."""
    digest = write_weights(model, folder / WEIGHTS)
    card = ModelCard(
        network,
        model.input_shape,
        classes,
        tuple(model.mean.flatten().tolist()),
        tuple(model.std.flatten().tolist()),
        digest,
        ropero.__version__,
        format=CARD_FORMAT if graph is None else GRAPH_FORMAT,
        layers=layers,
        code=code,
        graph={} if graph is None else graph.to_json(),
    )
    said = samples.of(model)
    if np.isfinite(said.logits).all():
        write_json(folder / "samples.json", {"weights_sha256": card.weights_sha256, **said.to_json()})
    write_json(folder / "model.json", {name: value for name, value in asdict(card).items() if name != "graph" or value})
    return card


def read_card(folder: Path) -> ModelCard:
    """The card of a model. Raises RunError when it is missing, broken or of a newer ropero."""
    path = folder / "model.json"
    values: dict[str, Any] = read_json(path)
    check_format(path, values, GRAPH_FORMAT)
    try:
        for name in ("input_shape", "classes", "mean", "std", "layers"):
            values[name] = tuple(values.get(name, ()))
        card = ModelCard(**values)
        whole = all(isinstance(side, int) and 0 < side <= MAX_SIDE for side in card.input_shape)
        if not isinstance(card.graph, dict):
            raise ValueError("graph")
        names = (*card.classes, card.network, card.code)
        if len(card.classes) > MAX_CLASSES:
            raise ValueError(f"{len(card.classes)} classes")
        if not whole or len(card.input_shape) != 3 or not all(isinstance(name, str) for name in names):
            raise ValueError(str(card.input_shape))
    except (TypeError, ValueError, KeyError) as error:
        raise RunError(t("{path} is not a model card: {reason}", path=path, reason=error)) from error
    return card


def read_samples(folder: Path) -> Samples | None:
    """What the network said to the samples when it was stored; None for a model of an older ropero.

    Raises RunError when the file is damaged or belongs to other weights.
    """
    path = folder / "samples.json"
    if not path.exists():
        return None
    values, card = read_json(path), read_card(folder)
    try:
        if values.get("weights_sha256") != card.weights_sha256:
            raise ValueError("weights_sha256")
        return Samples.from_json(values, card.input_shape, len(card.classes))
    except ValueError as error:
        raise RunError(t("{path} is damaged: {reason}", path=path, reason=error)) from error


def load(folder: Path) -> tuple[Classifier, ModelCard]:
    """The network with its weights, in eval mode on the CPU.

    Raises RunError when weights are missing, are not those the card vouches for, or do not fit the network.
    """
    card = read_card(folder)
    weights = folder / WEIGHTS
    check_weights(weights, card.weights_sha256)
    try:
        model = build(card.network, card.input_shape, len(card.classes), card.layers, card.code, card.graph)
    except UsageError as error:  # what was no mistake when it was trained
        raise RunError(t("The network of {path} cannot be built: {reason}", path=folder, reason=error)) from error
    read_weights(model, weights, card.network)
    return model.eval(), card


def write_weights(net: nn.Module, path: Path) -> str:
    """Write a network's weights, whole or not at all; their SHA-256."""
    with atomic_path(path) as temporary:
        save_file({name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}, temporary)
    return sha256_file(path)


def check_weights(path: Path, sha256: str) -> None:
    """Raises RunError when the weights are missing, or are not those that a card vouches for."""
    if not path.exists():
        raise RunError(t("{path} is missing: copy it back, or train again.", path=path))
    if sha256_file(path) != sha256:
        raise RunError(t("{path} is not the file its card describes: its SHA-256 differs.", path=path))


def read_weights(net: nn.Module, path: Path, network: str) -> None:
    """Put a file's weights into a network. Raises RunError when they do not fit it; `network` is its name there."""
    try:
        net.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise RunError(
            t("{path} does not fit the network {network}, it is of another one; copy the right file back, or train "
              "again.", path=path, network=network)
        ) from error  # fmt: skip
