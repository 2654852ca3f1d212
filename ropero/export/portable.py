"""A whole model as one `.safetensors` file: the weights, and in its metadata the card by which it is built again.

Knows nothing of run folders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ropero.errors import DataError
from ropero.export import card as cards
from ropero.export.card import KEY, Card, digest
from ropero.models.classifier import Classifier
from ropero.models.graphs import GraphCard
from ropero.models.nodes import numbers_in
from ropero.texts import t


def write_portable(model: Classifier, path: Path, card: Callable[[str], str]) -> None:
    """Write weights and card."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    save_file(tensors, path, metadata={KEY: card(digest(arrays)), "format": "pt"})


def card_text(path: Path) -> str | None:
    """The card as JSON, where there is one. Raises DataError for a file that is damaged."""
    with _opened(path) as file:
        text: str | None = (file.metadata() or {}).get(KEY)
        return text


def read_card(path: Path) -> Card:
    """Raises DataError for a file that is damaged or has no card."""
    text = card_text(path)
    if text is None:
        raise cards.unknown_file(path)
    return cards.read(text, path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Raises DataError for a file that is damaged."""
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict


def read_portable(path: Path) -> tuple[Classifier, Card]:
    """The network of a file with its weights, in eval mode on the CPU, and its card.

    Raises:
        DataError: a file that is damaged, no portable model, or whose weights are not those of its network.
        UsageError, RunError: a network that cannot be built here, such as a user's own code that is not at hand.
    """
    card, tensors = read_card(path), read_tensors(path)
    if card.graph:
        _weigh(path, card, tensors)
    # Without memory first, since a small file may name a large network; what is code is examined with real images, and
    # a graph is one that its tensors fill.
    real = bool(card.code or card.graph)
    with torch.device("cpu" if real else "meta"):
        model = card.network_of()
    if _kinds(tensors) != _kinds(model.state_dict()):
        raise _other(path, card)
    model = model if real else card.network_of()
    model.load_state_dict(tensors)
    return model.eval(), card


def _weigh(path: Path, card: Card, tensors: Mapping[str, Tensor]) -> None:
    """Raises DataError for a graph with more numbers than the file holds, before memory is taken for them."""
    wanted = sum(numbers_in(one.shape) for one in GraphCard.from_json(card.graph).tensors.values())
    if wanted > sum(numbers_in(one.shape) for one in tensors.values()):
        raise _other(path, card)


def _other(path: Path, card: Card) -> DataError:
    return DataError(
        t("{path}: these weights are not those of the network {network} that its card names.", path=path,
          network=card.network)
    )  # fmt: skip


def _kinds(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def _opened(path: Path) -> Any:
    """Raises DataError for what is no such file."""
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise DataError(t("Cannot read {path}: {reason}", path=path, reason=error)) from error
