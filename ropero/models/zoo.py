"""The zoo is a table: a name, and the function that builds the network for an input shape and a number of classes."""

from __future__ import annotations

from collections.abc import Callable

from ropero.errors import unknown
from ropero.models.classifier import Classifier
from ropero.models.dense import dense, softmax
from ropero.models.quick import quick
from ropero.texts import mark, t

Builder = Callable[[tuple[int, int, int], int], Classifier]

NETWORKS: dict[str, Builder] = {
    "quick": quick,
    "dense": dense,
    "softmax": softmax,
}

# One line on each, as `ropero networks` shows it.
ABOUT: dict[str, str] = {
    "quick": mark("Small convolutional network made for a laptop's CPU; the default."),
    "dense": mark("One hidden layer of 128, as in the basic classification tutorial of Keras."),
    "softmax": mark("Softmax regression: the floor that every network has to beat."),
}


def build(name: str, input_shape: tuple[int, int, int], classes: int) -> Classifier:
    """A fresh network. Raises UsageError for a name that is not in the zoo."""
    if name not in NETWORKS:
        raise unknown(t("network"), name, NETWORKS)
    return NETWORKS[name](input_shape, classes)
