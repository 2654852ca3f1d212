"""The kinds of generators there are: the table that `--train` and a run's config name."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ropero.generation.config import GeneratorConfig
from ropero.generation.dcgan import Dcgan
from ropero.generation.flow import Flow
from ropero.generation.gan import Gan
from ropero.generation.learner import Learner, Shape

LEARNERS: dict[str, Callable[[GeneratorConfig, Shape, int, torch.device], Learner]] = {
    "dcgan": Dcgan,
    "gan": Gan,
    "flow": Flow,
}


def learner(config: GeneratorConfig, shape: Shape, classes: int, device: torch.device) -> Learner:
    """What the config names, for pictures of a shape and so many classes, with weights that come from torch's global
    generator."""
    return LEARNERS[config.generator](config, shape, classes, device)
