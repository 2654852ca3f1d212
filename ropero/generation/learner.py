"""`Learner`: a generator while it learns and when it has learned, whatever kind it is.

A step sees pictures in [-1, 1] and draws from torch's global generator, which the loop seeds. Knows nothing of epochs,
checkpoints or files.
Legend: N pictures, B pictures in a batch, Z latent values in the shape that the kind has, K classes, C channels,
H x W pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.texts import t

Shape = tuple[int, int, int]  # (C, H, W)


class Learner(ABC):
    """What learns.

    Attributes:
        nets: by name; optimizers: of those that learn by themselves.
        maker: the name of the net that makes pictures, which is all that is kept of a trained one.
        latent: the shape Z of what one picture is made from.
        classes: how many there are to ask for; 0 for a kind that cannot be asked for one.
    """

    maker = "generator"
    latent: tuple[int, ...]
    classes = 0

    def __init__(self, nets: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
        self.nets, self.optimizers = dict(nets), dict(optimizers)

    @abstractmethod
    def step(self, real: Tensor, labels: Tensor, precision: str) -> Mapping[str, Tensor]:
        """Learn from pictures (B, C, H, W) in [-1, 1] and their classes (B,); the losses of this step by name,
        detached, on the device."""

    @abstractmethod
    def pictures(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        """What latent values (N, Z) become: (N, C, H, W) in [0, 1], the same for the same weights.

        classes: (N,) that are wanted; None leaves them to the latent values.
        """

    def fill(self, pictures: Tensor, known: Tensor, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        """What is missing in pictures (N, C, H, W) in [0, 1], one way for each latent value (N, Z).

        Args:
            known: (N, 1, H, W) bool; what lies where it is False is not looked at.
            classes: (N,) that the pictures show, where that is known.

        Raises UsageError for a kind that cannot.
        """
        raise UsageError(t("This generator makes whole pictures only; one of the kind {kind} fills gaps.", kind="flow"))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Latent values (count, Z) on the nets' device."""
        device = next(self.nets[self.maker].parameters()).device
        return torch.randn(count, *self.latent, generator=generator).to(device)
