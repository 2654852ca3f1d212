"""`Flow`: a network learns which way noise has to move to become a garment (flow matching), and follows that way.

A picture at time t is (1 - t) noise + t garment; the network says garment - noise (Lipman et al. 2023, arXiv
2210.02747; Liu et al. 2023, arXiv 2209.03003). It is told a class, or that none is wanted, and what is known of the
picture, so the same network makes garments of nothing and fills gaps. Pictures are made by a mean of its weights over
the training.
Legend: B pictures, N pictures to be made, C channels, H x W pixels, K classes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from ropero.data.batches import in_chunks
from ropero.generation.config import GeneratorConfig
from ropero.generation.learner import Learner, Shape
from ropero.generation.velocity import Velocity
from ropero.runtime import resolve_precision

STEADY, WARM = 4000, 200  # steps after which the learning rate falls with their root; steps of its rise
MEAN = (
    6.94  # of the power by which weights are averaged, a width of 0.1 of the training (Karras et al. 2024, 2312.02696)
)
UNASKED, UNASKED_IN_GAPS, GAPS = 0.1, 0.5, 0.5  # shares: without a class, of pictures with gaps, pictures with gaps
STEPS = 12  # of the second order on the way from noise to a picture
GUIDANCE = 1.5  # how far the way is moved from that of no class to that of the class wanted; 1 leaves it
_AT_ONCE = 250  # pictures


class Flow(Learner):
    """A network that learns the way, and the mean of its weights, which makes the pictures."""

    maker = "average"

    def __init__(self, config: GeneratorConfig, shape: Shape, classes: int, device: torch.device) -> None:
        self.network = Velocity(shape, classes).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.latent, self.classes = shape, classes
        self.rate, self.precision = config.learning_rate, resolve_precision(config.precision, device)
        optimizer = torch.optim.Adam(self.network.parameters(), self.rate, (0.9, 0.99), fused=True)
        super().__init__({"network": self.network, "average": self.average}, {"network": optimizer})

    def step(self, real: Tensor, labels: Tensor, precision: str) -> Mapping[str, Tensor]:
        count, device = len(real), real.device
        noise, time = torch.randn_like(real), torch.sigmoid(torch.randn(count, device=device))
        holed = torch.rand(count, device=device) < GAPS
        known = gaps(count, real.shape[2], real.shape[3], device) & holed[:, None, None, None]
        unasked = torch.rand(count, device=device) < torch.where(holed, UNASKED_IN_GAPS, UNASKED)
        classes = torch.where(unasked, self.classes, labels)
        moving = torch.lerp(noise, real, time[:, None, None, None])
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            said = self.network(moving, time, classes, real * known, known.to(real.dtype))
        wanted = (~known).expand_as(real).to(real.dtype)  # what is known need not be learned
        loss = ((said - (real - noise)).square() * wanted).sum() / wanted.sum().clamp_min(1)
        self.network.zero_grad()
        loss.backward()
        self._learn()
        return {"network": loss.detach()}

    def _learn(self) -> None:
        """A step of the optimizer, and what it does to the mean."""
        steps = self.network.get_buffer("steps").add_(1)
        done = int(steps)
        (optimizer,) = self.optimizers.values()
        for group in optimizer.param_groups:
            group["lr"] = self.rate * min(1.0, done / WARM) / max(1.0, done / STEADY) ** 0.5
        optimizer.step()
        kept, new = list(self.average.parameters()), [one.detach() for one in self.network.parameters()]
        torch._foreach_lerp_(kept, new, 1 - (1 - 1 / done) ** (MEAN + 1))
        self.average.get_buffer("steps").copy_(steps)

    def pictures(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        known = torch.zeros(len(latent), 1, *self.latent[1:], dtype=torch.bool, device=latent.device)
        return self._made(latent, torch.zeros_like(latent), known, classes)

    def fill(self, pictures: Tensor, known: Tensor, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        seen = torch.where(known, pictures * 2 - 1, 0.0)
        return torch.where(known, pictures, self._made(latent, seen, known, classes))

    @torch.inference_mode()
    def _made(self, latent: Tensor, seen: Tensor, known: Tensor, classes: Tensor | None) -> Tensor:
        """Pictures (N, C, H, W) in [0, 1] at the end of the way that begins with the latent values."""
        if classes is None:
            classes = torch.full((len(latent),), self.classes, device=latent.device)
        given = latent, classes, seen, known.float()
        with torch.autocast(latent.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return torch.cat(
                [self._followed(*(one[part] for one in given)) for part in in_chunks(len(latent), _AT_ONCE)]
            )

    def _followed(self, moving: Tensor, classes: Tensor, seen: Tensor, known: Tensor) -> Tensor:
        """The way by Heun's method, whose last step is Euler's."""
        for place in range(STEPS):
            start, end = place / STEPS, (place + 1) / STEPS
            way = self._way(moving, start, classes, seen, known)
            there = moving + (end - start) * way
            if place < STEPS - 1:
                way = (way + self._way(there, end, classes, seen, known)) / 2
                there = moving + (end - start) * way
            moving = there
        return ((moving + 1) / 2).clamp(0, 1)

    def _way(self, moving: Tensor, time: float, classes: Tensor, seen: Tensor, known: Tensor) -> Tensor:
        """Which way the mean of the weights says; where classes are wanted, past that of no class (Ho and Salimans
        2022, arXiv 2207.12598)."""
        times = moving.new_full((len(moving),), time)
        found: Tensor = self.average(moving, times, classes, seen, known)
        asked = classes < self.classes
        if GUIDANCE == 1 or not bool(asked.any()):
            return found
        plain: Tensor = self.average(moving, times, torch.full_like(classes, self.classes), seen, known)
        return torch.where(asked[:, None, None, None], torch.lerp(plain, found, GUIDANCE), found)


def gaps(count: int, height: int, width: int, device: torch.device) -> Tensor:
    """(count, 1, H, W) bool, True where a picture is known: all but a rectangle, a rectangle alone, or pixels drawn by
    chance, of which 10 to 90 % are missing; each of a third."""
    kind = torch.randint(3, (count, 1, 1, 1), device=device)
    sides = []
    for length in (height, width):
        ends = torch.randint(length, (2, count), device=device).sort(0).values[:, :, None]
        places = torch.arange(length, device=device)
        sides.append((places >= ends[0]) & (places <= ends[1]))  # (count, length)
    inside = (sides[0][:, :, None] & sides[1][:, None, :])[:, None]
    share = 0.1 + 0.8 * torch.rand(count, 1, 1, 1, device=device)
    scattered = torch.rand(count, 1, height, width, device=device) >= share
    return torch.where(kind == 0, ~inside, torch.where(kind == 1, inside, scattered))
