"""A small VGG with a frozen base on small pictures, and a file of weights for it: what tests can wait for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ropero.models import vgg
from ropero.models.vgg import FrozenVGG

FEW = {16: ((2, 2), (3, 2), (4, 3), (5, 3), (6, 3)), 19: ((2, 2), (3, 2), (4, 4), (5, 4), (6, 4))}


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on VGG16 and VGG19 are small."""
    monkeypatch.setattr(vgg, "STAGES", FEW)
    monkeypatch.setattr(vgg, "FROZEN_SIDE", 64)


def made_up(depth: int = 16, seed: int = 0, channels: int = 3, scaled_twice: bool = False) -> FrozenVGG:
    """A base with weights and biases that are all different."""
    torch.manual_seed(seed)
    base = FrozenVGG(depth, channels, scaled_twice).eval()
    for layer in base.convolutions():
        torch.nn.init.normal_(layer.bias, std=0.1)  # type: ignore[arg-type]
    return base


def weights_file(path: Path, depth: int = 16, seed: int = 0) -> Path:
    """A file with torchvision's names; other seeds give other weights."""
    state = made_up(depth, seed).layers.state_dict()
    save_file({f"features.{name}": value.contiguous() for name, value in state.items()}, path)
    return path
