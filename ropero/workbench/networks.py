"""The verb `networks`: the zoo as a list, one network as a table of layers; and what a network's name, file or object
means to a training: its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ropero.data.dataset import Splits
from ropero.errors import UsageError
from ropero.models import own
from ropero.models.summary import Summary, summarise
from ropero.models.zoo import ABOUT, NETWORKS, build
from ropero.texts import t
from ropero.training import presets
from ropero.training.config import TrainConfig

HOME_SHAPE = (1, 28, 28)
HOME_CLASSES = 10
MAX_SIDE = 4096  # pixels; the summary shows the network an image of this size


@dataclass(frozen=True)
class Network:
    """A network, built for images of input_shape (C, H, W) and a number of classes."""

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


def network(which: own.Network, input_shape: tuple[int, int, int] = HOME_SHAPE, classes: int = HOME_CLASSES) -> Network:
    """One network of the zoo, or one of the user's own.

    Raises:
        UsageError: a name that is not in the zoo, a network that is broken or does not fit images of this shape.
    """
    channels, height, width = input_shape
    if channels not in (1, 3) or not 1 <= min(height, width) <= max(height, width) <= MAX_SIDE or classes < 2:
        raise UsageError(
            t(
                "A network is shown for images of 1 or 3 channels, 1 to {side} pixels, and 2 classes or more, got "
                "{channels}, {height} x {width} and {classes}.",
                side=MAX_SIDE,
                channels=channels,
                height=height,
                width=width,
                classes=classes,
            )
        )
    config = recipe(which, input_shape, classes)
    try:
        summary = summarise(build(config.network, input_shape, classes, config.layers, config.code))
    except RuntimeError as error:
        raise UsageError(
            t(
                "The network {network} cannot take images of {height} x {width} pixels; larger ones, as with "
                "--image-size 28, fit.",
                network=config.network,
                height=height,
                width=width,
            )
        ) from error
    about = t("a network of your own") if config.layers or config.code else t(ABOUT[config.network])
    return Network(config.network, about, input_shape, classes, summary)


def recipe(
    which: own.Network, input_shape: tuple[int, int, int] = HOME_SHAPE, classes: int = HOME_CLASSES
) -> TrainConfig:
    """What a training of this network starts from: the recipe of a name of the zoo, or that of a network of one's own.

    Args:
        which: a name, a file my_net.toml or my_net.py:build, a list of layers, a torch module, or a class or function
            that makes one.
        input_shape, classes: for which an object in Python is tried out.

    Raises:
        UsageError: an unknown name, or a network that is broken.
    """
    if isinstance(which, str | Path):
        if not own.is_file(which):
            return _of_the_zoo(str(which))
        made = own.from_file(which)
    elif isinstance(which, list | tuple):
        made = own.from_layers(which)
    else:
        made = own.from_python(which, input_shape, classes)
    return presets.own(made.name, made.layers, made.code)


def chosen(changes: Mapping[str, Any]) -> TrainConfig:
    """The recipe of the network that a command line names, else of the default one, with the changes it asks for."""
    others = {name: value for name, value in changes.items() if name != "network"}
    return recipe(changes.get("network", TrainConfig().network)).replace(**others)


def recipe_for(which: own.Network, splits: Splits) -> TrainConfig:
    """The recipe for data that are loaded already."""
    return recipe(which, splits.train.input_shape, len(splits.classes))


def _of_the_zoo(name: str) -> TrainConfig:
    try:
        return presets.preset(name)
    except UsageError as error:
        files = [one for one in (f"{name}.toml", f"{name}.py") if Path(one).is_file()]
        if files:
            raise UsageError(
                t("Unknown {what} {name!r}.", what=t("network"), name=name)
                + " "
                + t("Did you mean {guess!r}?", guess=files[0])
            ) from error
        raise UsageError(f"{error} " + t("One of your own is my_net.toml or my_net.py:build.")) from error
