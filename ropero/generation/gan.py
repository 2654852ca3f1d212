"""`Gan`: a small generator that is asked for a class, against a network that sees pictures and their classes.

Non-saturating losses, a penalty on the discriminator's slope at real pictures, and pictures made by a mean of the
generator's weights. Knows nothing of epochs or files.
Legend: B pictures, Z latent values, C channels, H x W pixels, K classes, F filters.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ropero.generation.config import GeneratorConfig
from ropero.generation.learner import Learner, Shape

LATENT = 64
PENALTY, PENALTY_EVERY = 0.1, 8  # of the slope's square (R1, Mescheder et al. 2018, arXiv 1801.04406); every nth step
MEAN = 6.94  # of the power by which weights are averaged, as in flow.py
SLOPE = 0.2


class Generator(nn.Module):
    """Latent values (B, Z) and classes (B,) -> pictures (B, C, H, W) in [-1, 1]; sides are cut to size."""

    def __init__(self, shape: Shape, classes: int, width: int = 32) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        self.sides = -(-self.height // 4), -(-self.width // 4)
        wide = 4 * width
        self.classes = nn.Embedding(classes, LATENT)
        self.dense = nn.Linear(2 * LATENT, wide * self.sides[0] * self.sides[1])
        self.blocks = nn.ModuleList([_Up(wide, 2 * width, classes), _Up(2 * width, width, classes)])
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, latent: Tensor, classes: Tensor) -> Tensor:
        found = self.dense(torch.cat([latent, self.classes(classes)], 1)).view(len(latent), -1, *self.sides)
        found = found.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            found = block(found, classes)
        pictures = torch.tanh(self.last(found).float())
        return pictures[:, :, : self.height, : self.width]


class _Up(nn.Module):
    """(B, F, h, w) -> (B, filters, 2 h, 2 w), normalised by the batch, moved by the class."""

    def __init__(self, channels: int, filters: int, classes: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(one, affine=False) for one in (channels, filters)])
        self.told = nn.ModuleList([nn.Embedding(classes, 2 * one) for one in (channels, filters)])
        self.larger = nn.Conv2d(channels, 4 * filters, 3, padding=1)
        self.same = nn.Conv2d(filters, filters, 3, padding=1)
        for one in self.told:
            nn.init.zeros_(one.weight)  # type: ignore[arg-type]

    def _moved(self, found: Tensor, classes: Tensor, place: int) -> Tensor:
        factor, shift = self.told[place](classes)[:, :, None, None].chunk(2, 1)
        return functional.leaky_relu(torch.addcmul(shift, self.norms[place](found), 1 + factor), SLOPE)

    def forward(self, found: Tensor, classes: Tensor) -> Tensor:
        found = functional.pixel_shuffle(self.larger(self._moved(found, classes, 0)), 2)
        found = found.contiguous(memory_format=torch.channels_last)
        moved: Tensor = self.same(self._moved(found, classes, 1))
        return found + moved


class Discriminator(nn.Module):
    """Pictures (B, C, H, W) and classes (B,) -> logits (B, 1): above 0 for real ones (Miyato and Koyama 2018, arXiv
    1802.05637)."""

    def __init__(self, shape: Shape, classes: int, width: int = 32) -> None:
        super().__init__()
        sizes = (shape[0], 2 * width, 4 * width)
        self.smaller = nn.ModuleList(nn.Conv2d(before, after, 4, 2, 1) for before, after in pairwise(sizes))
        self.same = nn.ModuleList(nn.Conv2d(one, one, 3, padding=1) for one in sizes[1:])
        self.dense = nn.Linear(4 * width, 1)
        self.classes = nn.Embedding(classes, 4 * width)
        nn.init.zeros_(self.classes.weight)

    def forward(self, pictures: Tensor, classes: Tensor) -> Tensor:
        found = pictures.contiguous(memory_format=torch.channels_last)
        for smaller, same in zip(self.smaller, self.same, strict=True):
            found = functional.leaky_relu(smaller(found), SLOPE)
            found = functional.leaky_relu(found + same(found), SLOPE)
        summed = found.float().mean((2, 3)) * 4
        logits: Tensor = self.dense(summed) + (summed * self.classes(classes)).sum(1, keepdim=True)
        return logits


class Gan(Learner):
    """Both nets and the mean of the generator's weights, which makes the pictures."""

    maker = "average"

    def __init__(self, config: GeneratorConfig, shape: Shape, classes: int, device: torch.device) -> None:
        self.generator = Generator(shape, classes).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator = Discriminator(shape, classes).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.generator.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.latent, self.classes = (LATENT,), classes
        nets = {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}
        optimizers = {
            name: torch.optim.Adam(nets[name].parameters(), config.learning_rate, (0.0, 0.99), fused=True)
            for name in ("generator", "discriminator")
        }
        super().__init__(nets, optimizers)

    def step(self, real: Tensor, labels: Tensor, precision: str) -> Mapping[str, Tensor]:
        device = real.device
        latent = torch.randn(len(real), LATENT, device=device)
        wanted = torch.randint(self.classes, (len(real),), device=device)
        for net in (self.generator, self.discriminator):
            net.zero_grad()
        steps = self.generator.get_buffer("steps").add_(1)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            pictures = self.generator(latent, wanted)
            shown = pictures.detach().requires_grad_()
            logits = self.discriminator(torch.cat([real, shown]), torch.cat([labels, wanted])).float()
        said = logits.detach()
        shares = torch.sigmoid(said)
        # One way back for both losses, as in dcgan.step: no layer lets pictures meet.
        logits.backward(torch.cat([shares[: len(real)] - 1, shares[len(real) :]]) / len(real))
        made = shares[len(real) :].clamp_min(torch.finfo(torch.float32).tiny)
        assert shown.grad is not None
        pictures.backward(shown.grad * ((made - 1) / made).view(-1, 1, 1, 1))
        if int(steps) % PENALTY_EVERY == 0:
            self._penalise(real, labels)
        for optimizer in self.optimizers.values():
            optimizer.step()
        self._average(int(steps))
        softplus = functional.softplus
        of_real, of_made = softplus(-said[: len(real)]).mean(), softplus(said[len(real) :]).mean()
        return {"generator": softplus(-said[len(real) :]).mean(), "discriminator": of_real + of_made}

    def _penalise(self, real: Tensor, labels: Tensor) -> None:
        """The gradients of the penalty on the slope at real pictures."""
        real = real.detach().requires_grad_()
        logits = self.discriminator(real, labels)
        (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
        (slope.square().sum((1, 2, 3)).mean() * (PENALTY / 2 * PENALTY_EVERY)).backward()  # type: ignore[no-untyped-call]

    def _average(self, done: int) -> None:
        kept, new = list(self.average.parameters()), [one.detach() for one in self.generator.parameters()]
        torch._foreach_lerp_(kept, new, 1 - (1 - 1 / done) ** (MEAN + 1))
        for mean, now in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            mean.copy_(now)

    @torch.inference_mode()
    def pictures(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        if classes is None:  # the same for the same latent values
            classes = (torch.special.ndtr(latent[:, 0]) * self.classes).long().clamp(0, self.classes - 1)
        found: Tensor = (self.average(latent, classes) + 1) / 2
        return found
