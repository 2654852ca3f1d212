"""`Learner`: a generator while it learns, whatever kind it is; `Dcgan` is the report's.

A step sees pictures in [-1, 1] and draws from torch's global generator, which the loop seeds. Knows nothing of epochs,
checkpoints or files.
Legend: N pictures, B pictures in a batch, Z latent values, C channels, H x W pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ropero.generation import dcgan
from ropero.generation.config import GeneratorConfig

Shape = tuple[int, int, int]  # (C, H, W)


class Learner(ABC):
    """What learns: its nets and their optimizers by name, and how many latent values a picture is made from."""

    latent: int

    def __init__(self, nets: Mapping[str, nn.Module], rate: float) -> None:
        self.nets = dict(nets)
        self.optimizers = {name: torch.optim.Adam(net.parameters(), rate, fused=True) for name, net in nets.items()}

    @abstractmethod
    def step(self, real: Tensor, precision: str) -> Mapping[str, Tensor]:
        """Learn from pictures (B, C, H, W) in [-1, 1]; the losses of this step by name, detached, on the device."""

    @abstractmethod
    def pictures(self, latent: Tensor) -> Tensor:
        """What latent values (N, Z) become: (N, C, H, W) in [0, 1], the same for the same weights."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Latent values (count, Z) on the nets' device."""
        device = next(next(iter(self.nets.values())).parameters()).device
        return torch.randn(count, self.latent, generator=generator).to(device)


class Dcgan(Learner):
    """The report's protocol: TensorFlow's tutorial, both nets by Adam."""

    latent = dcgan.LATENT

    def __init__(self, config: GeneratorConfig, shape: Shape, device: torch.device) -> None:
        self.generator = dcgan.Generator(shape).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator = dcgan.Discriminator(shape).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        super().__init__({"generator": self.generator, "discriminator": self.discriminator}, config.learning_rate)

    def step(self, real: Tensor, precision: str) -> Mapping[str, Tensor]:
        latent = torch.randn(len(real), self.latent, device=real.device)
        with torch.autocast(real.device.type, torch.bfloat16, enabled=precision == "bf16"):
            losses = dcgan.step(self.generator, self.discriminator, real, latent)
        for optimizer in self.optimizers.values():
            optimizer.step()
        return dict(zip(self.nets, losses, strict=True))

    @torch.inference_mode()
    def pictures(self, latent: Tensor) -> Tensor:
        self.generator.eval()
        found: Tensor = (self.generator(latent) + 1) / 2
        self.generator.train()
        return found


LEARNERS = {"dcgan": Dcgan}


def learner(config: GeneratorConfig, shape: Shape, device: torch.device) -> Learner:
    """What the config names, with weights that come from torch's global generator."""
    return LEARNERS[config.generator](config, shape, device)
