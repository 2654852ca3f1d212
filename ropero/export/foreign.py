"""A model from elsewhere, whatever file it came in: what it wants to see, what it gives, and how its network is built.

Knows nothing of the files (`keras_reader.py`, `onnx_reader.py`) or of how its pixels are found (`pixels.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ropero.errors import DataError
from ropero.models.checkpoint import MAX_CLASSES
from ropero.models.classifier import Classifier
from ropero.models.graphs import GraphCard
from ropero.models.layers import Layer
from ropero.texts import joined, t

Sides = tuple[int | None, ...]
Note = tuple[str, Mapping[str, Any]]  # what its owner should know: a code of `origin.py`, and its values
REPEATED = "repeated"  # layers that are used several times: names
RENAMED = "renamed"  # a file calls its classes otherwise than the data: theirs, ours
MAX_LETTERS = 1_000  # of a class's name


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
    of `pixels.py`; None where it is silent. ordered: what builds it with its outputs in another order, of which it gets
    the first one's number, the second one's and so on, or raises DataError; None where that cannot be. classes: their
    names where the file has them. card: of ropero's own exports. notes: what its owner should know. facts:
    what else a run remembers of it.
    """

    written_by: str
    sha256: str
    wants: tuple[Sides, ...]
    build: Builder
    outputs: Callable[[tuple[int, ...]], int | None]
    scaled: tuple[float, float] | str | None = None
    channels_first: bool = False
    ordered: Callable[[Sequence[int]], Builder] | None = None
    classes: tuple[str, ...] = ()
    card: Mapping[str, Any] | None = None
    notes: tuple[Note, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def classes_of(card: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The classes that a stranger's card names, in the order of the outputs; () for none, or no fair ones."""
    named = card.get("classes") if card else None
    return fair(named) if isinstance(named, list) else ()


def fair(names: Sequence[Any]) -> tuple[str, ...]:
    """A stranger's names of classes; () where they are no words, or more or longer ones than any data have."""
    if len(names) > MAX_CLASSES or not all(isinstance(one, str) and len(one) <= MAX_LETTERS for one in names):
        return ()
    return tuple(names)


def fitted(foreign: Foreign, classes: Sequence[str], file: str) -> Foreign:
    """The model with its outputs in the order of these classes, where its file names them in another one; where it has
    other names for as many classes, that is noted.

    Raises DataError where the outputs cannot be put in another order.
    """
    theirs, ours = foreign.classes, tuple(classes)
    if theirs == ours or len(theirs) != len(ours):
        return foreign
    if sorted(theirs) != sorted(ours):
        if theirs == tuple(map(str, range(len(theirs)))):  # where a program knows its classes by their numbers alone
            return foreign
        note = RENAMED, {"theirs": list(theirs), "ours": list(ours)}
        return replace(foreign, notes=(*foreign.notes, note))
    if foreign.ordered is None:
        raise DataError(
            t(
                "{path} names its classes in the order {theirs}, and the data have {ours}; give data in its order.",
                path=file,
                theirs=joined(map(t, theirs)),
                ours=joined(map(t, ours)),
            )
        )
    return replace(foreign, build=foreign.ordered([theirs.index(one) for one in ours]), classes=ours)
