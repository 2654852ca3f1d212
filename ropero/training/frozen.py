"""What a network with a frozen base learns from: the codes that the base makes of the images, computed once and kept.

Knows nothing of steps and epochs (`loop.py`), nor of how codes are kept (`models/codes.py`).
Legend: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ropero.data.batches import DeviceImages, to_device
from ropero.data.dataset import Dataset
from ropero.errors import UsageError
from ropero.models import codes, pretrained
from ropero.models.classifier import Classifier
from ropero.models.codes import Codes, Told
from ropero.models.vgg import FrozenVGG
from ropero.texts import joined, t
from ropero.training.config import TrainConfig


@dataclass(frozen=True)
class DeviceCodes:
    """A Dataset as its codes: they stay on disk, batches of them come to the device of the labels (N,)."""

    codes: Codes
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, places: Tensor | slice) -> Tensor:
        """The codes of the images at these places, on the device."""
        here = places if isinstance(places, slice) else places.cpu()
        return self.codes.take(here).to(self.labels.device)


def feed(
    model: Classifier, parts: Sequence[Dataset], device: torch.device, told: Told | None = None
) -> list[DeviceImages | DeviceCodes]:
    """What the network learns from and is judged by: images, or where it has a frozen base, their codes."""
    if model.base is None:
        return [to_device(part, device) for part in parts]
    codes.fill(model, [part.images for part in parts], told)
    return [_on_device(codes.look_up(model, part.images), part, device) for part in parts]


def rehearsal(model: Classifier, few: Dataset, device: torch.device) -> DeviceImages | DeviceCodes:
    """The same of a few images for a stopwatch: codes are made up, not computed."""
    if model.base is None:
        return to_device(few, device)
    made_up = Codes(torch.rand(len(few), *codes.code_shape(model)), torch.arange(len(few)))
    return _on_device(made_up, few, device)


def _on_device(found: Codes, part: Dataset, device: torch.device) -> DeviceCodes:
    return DeviceCodes(found, torch.tensor(part.labels).to(device))


def ask(model: Classifier, given: Tensor) -> Tensor:
    """Logits (B, K) of what `take` gave, augmented or not: pixels 0..255, or codes."""
    if model.base is not None:
        return model.decide(given)
    logits: Tensor = model(given.float().div_(255).contiguous(memory_format=torch.channels_last))
    return logits


def check(config: TrainConfig, model: Classifier) -> None:
    """Raises UsageError for weights that the network has no place for, or for augmentation before a frozen base; and
    what reading the base's weights raises."""
    if model.base is None:
        if config.weights:
            raise UsageError(
                t("The network {network} has no pretrained part; leave --weights away.", network=config.network)
            )
        return
    changes = {
        "flip": config.flip != "none",
        "erase": config.erase > 0 and config.erase_side > 0,
        **{name: bool(getattr(config, name)) for name in _CHANGING},
    }
    on = [name for name, is_on in changes.items() if is_on]
    if on:
        raise UsageError(
            t(
                "The network {network} learns from features that are computed once from each image as it is: turn off "
                "{names}.",
                network=config.network,
                names=joined(on),
            )
        )
    begin_base(config, model)


def begin_base(config: TrainConfig, model: Classifier) -> None:
    """Give a frozen base, where there is one, its pretrained weights.

    Raises:
        DataError, MissingExtra: they are not there, cannot be fetched, read, or are of another network.
    """
    if isinstance(model.base, FrozenVGG):
        pretrained.load(model.base, pretrained.find(model.base.depth, config.weights))


_CHANGING = ("vertical_flip", "rotation", "width_shift", "height_shift", "shear", "zoom", "mixup", "cutmix")
