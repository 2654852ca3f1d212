"""A generator that is quick to train and can be asked for a class: one layer, and a slow mean of it that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from conftest import CLASSES, synthetic
from torch import Tensor, nn
from torch.nn import functional

from ropero.data.dataset import Splits
from ropero.generation.config import GeneratorConfig
from ropero.generation.kinds import LEARNERS
from ropero.generation.learner import Learner, Shape
from ropero.generators import GeneratorRun, GeneratorStore
from ropero.workbench.generate import train_generator

CONFIG = GeneratorConfig(epochs=3, batch_size=30, learning_rate=0.05, precision="fp32", device="cpu")


class Small(Learner):
    latent = (2, 3)
    maker = "average"

    def __init__(self, config: GeneratorConfig, shape: Shape, classes: int, device: torch.device) -> None:
        self.shape, self.classes, self.names = shape, classes, classes
        width = 6 + classes
        self.net, average = (nn.Linear(width, shape[0] * shape[1] * shape[2]).to(device) for _ in range(2))
        adam = torch.optim.Adam(self.net.parameters(), config.learning_rate or 0.05)
        super().__init__({"generator": self.net, "average": average}, {"generator": adam})

    def step(self, real: Tensor, labels: Tensor, precision: str) -> Mapping[str, Tensor]:
        made = self._made(self.net, torch.randn(len(real), *self.latent), labels)
        loss = (made - real).square().mean()
        self.net.zero_grad()
        loss.backward()
        self.optimizers["generator"].step()
        for kept, new in zip(self.nets["average"].parameters(), self.net.parameters(), strict=True):
            kept.data.lerp_(new.detach(), 0.2)
        return {"generator": loss.detach(), "discriminator": loss.detach() / 2}

    @torch.inference_mode()
    def pictures(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        chosen = torch.zeros(len(latent), dtype=torch.int64) if classes is None else classes
        return ((self._made(self.nets["average"], latent, chosen) + 1) / 2).clamp(0, 1)

    def _made(self, net: nn.Module, latent: Tensor, classes: Tensor) -> Tensor:
        names = functional.one_hot(classes, self.names).float()
        found: Tensor = net(torch.cat([latent.flatten(1), names], 1))
        return found.view(-1, *self.shape)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind that the config names is the small one."""
    monkeypatch.setitem(LEARNERS, "dcgan", Small)  # type: ignore[misc]


@pytest.fixture
def named_source(source: Path) -> Path:
    """The synthetic data as a file, with the names of their classes beside it."""
    (source.parent / "classes.txt").write_text("\n".join(CLASSES))
    return source


def trained(folder: Path, config: GeneratorConfig = CONFIG, count: int = 60) -> GeneratorRun:
    """A trained generator below a folder of runs."""
    return train_generator(Splits(synthetic(count), None, None, "synthetic"), config, GeneratorStore(folder)).run
