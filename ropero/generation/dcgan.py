"""The report's GAN: the networks of TensorFlow's DCGAN tutorial, and a step of both that is the same and quicker.

Pixels are in [-1, 1]. Layers, initial weights and figures are Keras's, so that a network here and there with the same
weights is the same function. Knows nothing of epochs, files or of what is done with the pictures.
Legend: B images in a batch, Z latent values, C channels, H x W pixels, F filters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ropero.generation.config import GeneratorConfig
from ropero.generation.learner import Learner, Shape

LATENT = 100
SLOPE = 0.3  # of Keras's LeakyReLU below 0
DROPOUT = 0.3
_SIDE, _KEPT = 5, 0.01  # a kernel's side; what a batch moves the running figures by, 1 less Keras's 0.99
_SMALL = 1e-3  # Keras's epsilon of BatchNormalization


class Turned(nn.Module):
    """Keras's Conv2DTranspose of 5 x 5, padding "same", no bias, written as a plain convolution: the same function.

    With a stride of 2 each pixel becomes 2 x 2, which are four convolutions whose kernels are the taps that reach them
    (Shi et al. 2016, arXiv 1609.07009); torch's own transposed convolution takes twice the time on a CPU.

    Shapes: (B, C, H, W) -> (B, F, stride H, stride W).
    """

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(channels, filters, _SIDE, _SIDE))
        nn.init.xavier_uniform_(self.weight)
        # For either place in a pair of pixels the taps that reach it from the pixel before, at and behind; 5 is none.
        self.register_buffer("taps", torch.tensor([[3, 1, 5], [4, 2, 0]]), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        if self.stride == 1:
            kernel = self.weight.flip(2, 3).transpose(0, 1)
            return functional.conv2d(pixels, kernel.contiguous(memory_format=torch.channels_last), padding=_SIDE // 2)
        channels, filters = self.weight.shape[:2]
        taps = self.get_buffer("taps")
        kernel = functional.pad(self.weight, (0, 1, 0, 1))[:, :, taps][..., taps]  # (C, F, 2, 3, 2, 3)
        kernel = kernel.permute(1, 2, 4, 0, 3, 5).reshape(4 * filters, channels, 3, 3)
        small = functional.conv2d(pixels, kernel.contiguous(memory_format=torch.channels_last), padding=1)
        return functional.pixel_shuffle(small, 2)


class Generator(nn.Module):
    """Latent values (B, Z) -> pictures (B, C, H, W) in [-1, 1]; sides that 4 does not divide are cut to size."""

    def __init__(self, shape: tuple[int, int, int], latent: int = LATENT) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        self.sides = -(-self.height // 4), -(-self.width // 4)
        values = self.sides[0] * self.sides[1] * 256
        self.dense = nn.Linear(latent, values, bias=False)
        nn.init.xavier_uniform_(self.dense.weight)
        self.norms = nn.ModuleList(
            [nn.BatchNorm1d(values, _SMALL, _KEPT), *(nn.BatchNorm2d(one, _SMALL, _KEPT) for one in (128, 64))]
        )
        self.turned = nn.ModuleList([Turned(256, 128, 1), Turned(128, 64, 2), Turned(64, channels, 2)])

    def forward(self, latent: Tensor) -> Tensor:
        found = functional.leaky_relu(self.norms[0](self.dense(latent)), SLOPE)
        found = found.view(len(latent), *self.sides, 256).permute(0, 3, 1, 2)  # Keras's order, channels last in memory
        for turned, norm in zip(self.turned, list(self.norms)[1:], strict=False):
            found = turned(found).contiguous(memory_format=torch.channels_last)
            found = functional.leaky_relu(norm(found), SLOPE)
        pictures = torch.tanh(self.turned[-1](found).float())
        return pictures[:, :, : self.height, : self.width]


class Discriminator(nn.Module):
    """Pictures (B, C, H, W) -> logits (B, 1): above 0 for real ones."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, width = shape
        self.convolutions = nn.ModuleList([nn.Conv2d(channels, 64, _SIDE, 2), nn.Conv2d(64, 128, _SIDE, 2)])
        self.dense = nn.Linear(-(-height // 4) * -(-width // 4) * 128, 1)
        for module in (*self.convolutions, self.dense):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(self, pictures: Tensor) -> Tensor:
        found = pictures
        for convolution in self.convolutions:
            found = functional.leaky_relu(convolution(functional.pad(found, _margins(found.shape[2:]))), SLOPE)
            found = found * _kept(found) if self.training else found
        logits: Tensor = self.dense(found.permute(0, 2, 3, 1).flatten(1))  # Keras's order
        return logits


def _kept(values: Tensor) -> Tensor:
    """What dropout multiplies values by: 0 for those that it drops, else 1 / (1 - DROPOUT).

    Four draws from one random number: torch's own dropout draws each by itself, a quarter of the whole step on a CPU.
    """
    drawn = torch.empty(-(-values.numel() // 4), dtype=torch.int64, device=values.device).random_(-(2**63), None)
    kept = drawn.view(torch.int16)[: values.numel()] >= round(DROPOUT * 2**16) - 2**15
    return kept.to(values.dtype).mul_(1 / (1 - DROPOUT)).as_strided(values.shape, values.stride())


def _margins(sides: Sequence[int]) -> tuple[int, ...]:
    """(left, right, above, below): what Keras's padding "same" adds for a kernel of 5 and a stride of 2."""
    total = [max((-(-side // 2) - 1) * 2 + _SIDE - side, 0) for side in (sides[1], sides[0])]
    return tuple(part for one in total for part in (one // 2, one - one // 2))


def step(generator: Generator, discriminator: Discriminator, real: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of both nets for one batch, as the tutorial's two tapes give them, and both losses.

    Cross-entropy on logits: the discriminator's for real and generated pictures added up, the generator's for its
    pictures taken for real; both nets as they were before the step. Real and generated pictures go through the
    discriminator together, and back through it once instead of twice: it has no layer in which pictures meet, so the
    gradient of either loss for a generated picture is the same row times a number of its own.

    Args:
        real: (B, C, H, W) in [-1, 1]. latent: (B, Z).

    Returns:
        (the generator's loss, the discriminator's), detached; the gradients are in `.grad`.
    """
    count = len(latent)
    pictures = generator(latent)
    shown = pictures.detach().requires_grad_()
    logits = discriminator(torch.cat([real, shown])).float()  # (2 B, 1)
    said = logits.detach()
    shares = torch.sigmoid(said)
    for net in (generator, discriminator):
        for parameter in net.parameters():
            parameter.grad = None
    # d loss / d logit of the discriminator: s - 1 for a real picture, s for a generated one ...
    logits.backward(torch.cat([shares[: len(real)] - 1, shares[len(real) :]]) / count)
    # ... and s - 1 for the same picture in the generator's loss.
    made = shares[len(real) :].clamp_min(torch.finfo(torch.float32).tiny)
    assert shown.grad is not None
    pictures.backward(shown.grad * ((made - 1) / made).view(-1, 1, 1, 1))
    softplus = functional.softplus
    of_real, of_made = softplus(-said[: len(real)]).mean(), softplus(said[len(real) :]).mean()
    return softplus(-said[len(real) :]).mean(), of_real + of_made


class Dcgan(Learner):
    """The report's protocol: TensorFlow's tutorial, both nets by Adam."""

    latent = (LATENT,)

    def __init__(self, config: GeneratorConfig, shape: Shape, classes: int, device: torch.device) -> None:
        self.generator = Generator(shape).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator = Discriminator(shape).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        nets = {"generator": self.generator, "discriminator": self.discriminator}
        super().__init__(
            nets,
            {name: torch.optim.Adam(net.parameters(), config.learning_rate, fused=True) for name, net in nets.items()},
        )

    def step(self, real: Tensor, labels: Tensor, precision: str) -> Mapping[str, Tensor]:
        latent = torch.randn(len(real), *self.latent, device=real.device)
        with torch.autocast(real.device.type, torch.bfloat16, enabled=precision == "bf16"):
            losses = step(self.generator, self.discriminator, real, latent)
        for optimizer in self.optimizers.values():
            optimizer.step()
        return dict(zip(self.nets, losses, strict=True))

    @torch.inference_mode()
    def pictures(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        self.generator.eval()
        found: Tensor = (self.generator(latent) + 1) / 2
        self.generator.train()
        return found
