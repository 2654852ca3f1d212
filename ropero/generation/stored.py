"""A trained generator on disk: `model.safetensors`, the net that makes pictures, and its card `model.json`.

No code is stored, none is run. Knows nothing of run folders; a folder with both files is a generator.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

import ropero
from ropero.errors import RunError
from ropero.generation.config import GeneratorConfig
from ropero.generation.kinds import learner
from ropero.generation.learner import Learner, Shape
from ropero.models.checkpoint import MAX_CLASSES, WEIGHTS, check_weights, read_weights, write_weights
from ropero.storage import check_format, read_json, write_json
from ropero.texts import t

CARD_FORMAT = 1
MAX_SIDE = 256  # pixels; the nets of larger pictures would take gigabytes


@dataclass(frozen=True)
class GeneratorCard:
    """What someone needs to use the weights: which generator, what it makes, of what, and what made it.

    input_shape is (C, H, W) of a picture, classes are the names of the data's, latent is the shape of what one picture
    is made from.
    """

    kind: str
    input_shape: Shape
    classes: tuple[str, ...]
    latent: tuple[int, ...]
    weights_sha256: str
    ropero: str
    format: int = CARD_FORMAT


def save(made: Learner, kind: str, shape: Shape, classes: tuple[str, ...], folder: Path) -> GeneratorCard:
    """Write the weights, then the card that vouches for them."""
    digest = write_weights(made.nets[made.maker], folder / WEIGHTS)
    card = GeneratorCard(kind, shape, classes, made.latent, digest, ropero.__version__)
    write_json(folder / "model.json", asdict(card))
    return card


def read_card(folder: Path) -> GeneratorCard:
    """The card of a generator. Raises RunError when it is missing, broken or of a newer ropero."""
    path = folder / "model.json"
    values = read_json(path)
    check_format(path, values, CARD_FORMAT)
    try:
        for name in ("input_shape", "classes", "latent"):
            values[name] = tuple(values[name])
        card = GeneratorCard(**values)
        sides = (*card.input_shape, *card.latent)
        if len(card.input_shape) != 3 or not all(type(one) is int and one > 0 for one in sides):
            raise ValueError(str(sides))
        if max(card.input_shape) > MAX_SIDE or len(card.classes) > MAX_CLASSES:
            raise ValueError(f"{card.input_shape}, {len(card.classes)} classes")
        if not all(isinstance(one, str) for one in (card.kind, card.weights_sha256, *card.classes)):
            raise ValueError(str(card.kind))
    except (TypeError, ValueError, KeyError) as error:
        raise RunError(t("{path} is not a generator's card: {reason}", path=path, reason=error)) from error
    return card


def load(config: GeneratorConfig, folder: Path, device: torch.device) -> Learner:
    """The generator that the config and the card in a folder describe, with its weights, ready for `pictures`.

    Raises RunError when weights are missing, are not those the card vouches for, or do not fit the generator.
    """
    card = read_card(folder)
    if card.kind != config.generator:
        raise RunError(
            t("{path} is the card of a generator {got}, and its config is that of {expected}.",
              path=folder / "model.json", got=card.kind, expected=config.generator)
        )  # fmt: skip
    weights = folder / WEIGHTS
    check_weights(weights, card.weights_sha256)
    with torch.random.fork_rng(devices=[]):  # the weights that it is built with are not used
        made = learner(config, card.input_shape, len(card.classes), device)
    read_weights(made.nets[made.maker], weights, card.kind)
    return made
