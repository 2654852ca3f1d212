"""`GeneratorConfig`: everything that decides a generator's training; the flags and a run's config.json are this class.

Knows nothing of torch, data or files. A field's help is its entry in the texts catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ropero.texts import mark
from ropero.training.config import Device, Precision
from ropero.training.options import Checked, option

Kind = Literal["dcgan", "gan", "flow"]


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(Checked):
    """What decides a generator's training, checked at birth. The defaults are the report's protocol.

    Raises:
        UsageError: a value of the wrong kind or out of its range.
    """

    generator: Kind = option(
        "dcgan",
        mark("Generator to train: dcgan is the report's; gan and flow can be asked for a class, flow fills gaps."),
    )
    epochs: int = option(100, mark("Passes over the training images."), 1, 100_000)
    batch_size: int = option(256, mark("Images in a training step."), 2, 65_536)
    learning_rate: float = option(0.0, mark("Learning rate; 0 takes the generator's own."), 0, 1)
    images: int = option(0, mark("Use so many images of the training part only; 0 uses all."), 0)
    minutes: float = option(0.0, mark("Stop after the epoch in which so many minutes are over; 0 never stops."), 0)
    seed: int = option(0, mark("Seed of every random choice."), 0, 2**31 - 1)
    device: Device = option("auto", mark("Where to compute; auto takes a GPU when there is one."))
    precision: Precision = option("auto", mark("Arithmetic; auto takes bf16 where it is faster."))
