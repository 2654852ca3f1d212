"""`GeneratorConfig`: everything that decides a generator's training; the flags and a run's config.json are this class.

Knows nothing of torch, data or files. A field's help is its entry in the texts catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ropero.errors import UsageError
from ropero.texts import mark, t
from ropero.training.config import Device, Precision
from ropero.training.options import Checked, option

LEAST = 2  # images of a batch that can be normalised

Kind = Literal["dcgan", "gan", "flow"]

# How each kind is trained where nothing else is asked for: the report's protocol, and what was found for the others
# (docs/lab-notes.md).
OWN: dict[str, dict[str, float]] = {
    "dcgan": {"epochs": 100, "batch_size": 256, "learning_rate": 1e-4},
    "gan": {"epochs": 40, "batch_size": 128, "learning_rate": 1e-3},
    "flow": {"epochs": 20, "batch_size": 64, "learning_rate": 1e-3},
}


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(Checked):
    """What decides a generator's training, checked at birth. What is 0 is filled in with the kind's own (`OWN`).

    Raises:
        UsageError: a value of the wrong kind or out of its range.
    """

    generator: Kind = option(
        "dcgan",
        mark("Generator to train: dcgan is the report's; gan and flow can be asked for a class, flow fills gaps."),
    )
    epochs: int = option(0, mark("Passes over the training images; 0 takes the generator's own."), 0, 100_000)
    batch_size: int = option(0, mark("Images in a training step; 0 takes the generator's own."), 0, 65_536)
    learning_rate: float = option(0.0, mark("Learning rate; 0 takes the generator's own."), 0, 1)
    images: int = option(0, mark("Use so many images of the training part only; 0 uses all."), 0)
    minutes: float = option(0.0, mark("Stop after the epoch in which so many minutes are over; 0 never stops."), 0)
    seed: int = option(0, mark("Seed of every random choice."), 0, 2**31 - 1)
    device: Device = option("auto", mark("Where to compute; auto takes a GPU when there is one."))
    precision: Precision = option("auto", mark("Arithmetic; auto takes bf16 where it is faster."))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in OWN[self.generator].items():
            object.__setattr__(self, name, getattr(self, name) or value)
        if self.batch_size < LEAST:
            raise UsageError(
                t("{name} should be {sign} {low} and at most {high}, got {value}.", name="batch_size",
                  sign=t("at least"), low=LEAST, high=65_536, value=self.batch_size)
            )  # fmt: skip
