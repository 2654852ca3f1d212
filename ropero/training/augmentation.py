"""`Augmentation`: what a config's augmentation makes of a batch, and what the batch should then be called.

Draws from torch's global generator, which the loop seeds for each step. Knows nothing of networks, optimizers or the
loop. Legend: B images in a batch, C channels, H x W pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ropero.data import augment
from ropero.runtime import mix_seed
from ropero.training.config import TrainConfig


@dataclass(frozen=True)
class Targets:
    """Labels (B,) and, where images were mixed, the labels of what was mixed in; `weight` is the share of the first."""

    labels: Tensor
    others: Tensor | None = None
    weight: float = 1.0

    @property
    def heavier(self) -> Tensor:
        """(B,): of both labels the one with more weight, which a hit is counted against."""
        return self.labels if self.others is None or self.weight >= 0.5 else self.others

    def loss(self, criterion: Callable[[Tensor, Tensor], Tensor], logits: Tensor) -> Tensor:
        """The criterion's loss of logits (B, K), weighted over both labels.

        Cross-entropy is linear in its target, so this is the loss against the mixed target, smoothed or not.
        """
        loss = criterion(logits, self.labels)
        if self.others is None:
            return loss
        return self.weight * loss + (1 - self.weight) * criterion(logits, self.others)


class Augmentation:
    """A config's augmentation of `count` training images.

    Pixels go in as uint8 (B, C, H, W) and come out as uint8 or, as a tensor of its own, float32, both 0..255.
    """

    def __init__(self, config: TrainConfig, count: int) -> None:
        self.config = config
        self.half = augment.flip_halves(count, config.seed)
        self.moves = any([config.rotation, config.width_shift, config.height_shift, config.shear, config.zoom])

    def of_training(self, pixels: Tensor, labels: Tensor, chosen: Tensor, epoch: int) -> tuple[Tensor, Targets]:
        """A step's images, which stand at the positions chosen (B,) of the training part, and their labels (B,)."""
        if not self._begun(epoch):
            return pixels, Targets(labels)
        return self._mixed(self._changed(pixels, chosen, epoch), labels)

    def of_validation(self, pixels: Tensor, epoch: int, chunk: int) -> Tensor:
        """A chunk of validation images: as they are, or where the config asks for it, changed like training images.

        They are not mixed: a blend of two has no right answer to be judged by.
        """
        if not (self.config.augment_validation and self._begun(epoch)):
            return pixels
        torch.default_generator.manual_seed(mix_seed("validation", self.config.seed, epoch, chunk))
        return self._changed(pixels, None, epoch)

    def _begun(self, epoch: int) -> bool:
        return epoch + 1 >= self.config.augment_from  # epochs are counted from 0 here, from 1 in the config

    def _changed(self, pixels: Tensor, chosen: Tensor | None, epoch: int) -> Tensor:
        """Moved, flipped and erased; chosen (B,) are positions in the training part, of other images None."""
        config = self.config
        mirrored = upside_down = None
        if config.flip == "random":
            mirrored = augment.coins(len(pixels))
        elif config.flip == "alternating":
            half = augment.coins(len(pixels)) if chosen is None else self.half[chosen]
            mirrored = augment.alternating(half, epoch)
        if config.vertical_flip:
            upside_down = augment.coins(len(pixels))
        if self.moves:
            moves = augment.draw_moves(
                len(pixels),
                (pixels.shape[2], pixels.shape[3]),
                rotation=config.rotation,
                width_shift=config.width_shift,
                height_shift=config.height_shift,
                shear=config.shear,
                zoom=config.zoom,
            )
            pixels = augment.move(pixels, moves, config.fill, mirrored, upside_down, config.interpolation)
        else:
            if mirrored is not None:
                pixels = augment.flip_where(pixels, mirrored)
            if upside_down is not None:
                pixels = augment.flip_where(pixels, upside_down, axis=2)
        return augment.random_erase(pixels, config.erase, config.erase_side)

    def _mixed(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Targets]:
        """Mixed in pairs of the batch by mixup or CutMix; where both are on, a fair coin chooses for the batch."""
        config = self.config
        if not (config.mixup or config.cutmix):
            return pixels, Targets(labels)
        blend = bool(config.mixup) and (not config.cutmix or bool(augment.coins(1)))
        partners = torch.randperm(len(pixels))
        weight = augment.draw_weight(config.mixup if blend else config.cutmix)
        if blend:
            pixels = augment.mixup(pixels, partners, weight)
        else:
            box = augment.draw_box((pixels.shape[2], pixels.shape[3]), weight)
            pixels, weight = augment.cutmix(pixels, partners, box)
        return pixels, Targets(labels, labels[partners.to(labels.device)], weight)
