"""The verb `networks`: the zoo as a list, and one network as a table of layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ropero.models.summary import Summary, summarise
from ropero.models.zoo import ABOUT, NETWORKS, build
from ropero.texts import t

HOME_SHAPE = (1, 28, 28)
HOME_CLASSES = 10


@dataclass(frozen=True)
class Network:
    """A network of the zoo, built for images of input_shape (C, H, W) and a number of classes."""

    name: str
    about: str
    input_shape: tuple[int, int, int]
    classes: int
    summary: Summary

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "about": self.about,
            "input_shape": list(self.input_shape),
            "classes": self.classes,
            "parameters": self.summary.total,
            "trainable_parameters": self.summary.trainable,
            "layers": [
                {
                    "name": row.name,
                    "kind": row.kind,
                    "output_shape": list(row.output_shape),
                    "parameters": row.parameters,
                }
                for row in self.summary.rows
            ],
        }


def networks() -> list[Network]:
    """All networks of the zoo, for Fashion-MNIST's shape."""
    return [network(name) for name in NETWORKS]


def network(name: str, input_shape: tuple[int, int, int] = HOME_SHAPE, classes: int = HOME_CLASSES) -> Network:
    """One network. Raises UsageError for a name that is not in the zoo."""
    model = build(name, input_shape, classes)
    return Network(name, t(ABOUT[name]), input_shape, classes, summarise(model))
