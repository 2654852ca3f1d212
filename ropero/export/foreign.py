"""A model from elsewhere, whatever file it came in: what it wants to see, what it gives, and how its network is built.

Knows nothing of the files (`keras_reader.py`, `onnx_reader.py`) or of how its pixels are found (`pixels.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ropero.models.classifier import Classifier
from ropero.models.graphs import GraphCard
from ropero.models.layers import Layer

Sides = tuple[int | None, ...]
Note = tuple[str, Mapping[str, Any]]  # what its owner should know: a code of `origin.py`, and its values
REPEATED = "repeated"  # layers that are used several times: names


@dataclass(frozen=True, eq=False)
class Built:
    """A network with its weights, in eval mode, and what a model card keeps to build it again: its layer list, and the
    graph behind these where it has one."""

    model: Classifier
    layers: tuple[Mapping[str, Any], ...]
    graph: GraphCard | None = None


Builder = Callable[[Sequence[Layer], tuple[int, int, int], int], Built]


@dataclass(frozen=True, eq=False)
class Foreign:
    """What a reader found in a file.

    written_by: "Keras 2.4.0 (tensorflow)". wants: shapes of one input that the network may take, without N, None
    for a free side; the first that fits is taken. channels_first: whether its pictures are (C, H, W). build: the
    network behind layers that bring ropero's pixels, (N, C, H, W) in [0, 1], to that shape; raises DataError.
    outputs: how many values it gives for an input of a shape, None where only building tells. scaled: what its own
    first layer says of the scale of its pixels: (mean, deviation) of what it was made for, or the name of a convention
    of `pixels.py`; None where it is silent. classes: their names where the file has them. card: of ropero's own
    exports. notes: what its owner should know. facts: what else a run remembers of it.
    """

    written_by: str
    sha256: str
    wants: tuple[Sides, ...]
    build: Builder
    outputs: Callable[[tuple[int, ...]], int | None]
    scaled: tuple[float, float] | str | None = None
    channels_first: bool = False
    classes: tuple[str, ...] = ()
    card: Mapping[str, Any] | None = None
    notes: tuple[Note, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
