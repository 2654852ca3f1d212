"""`TrainConfig`: everything that decides a run. The same class is the command line's flags, a run's config.json and,
later, an HTTP body.

Knows nothing of torch, data or files. A field's help is its entry in the texts catalogue.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ropero.errors import UsageError
from ropero.texts import mark, t
from ropero.training.options import Checked, option
from ropero.training.space import Around, Choices, Range

Optimizer = Literal["adamw", "adam", "sgd", "rmsprop"]
Schedule = Literal["one-cycle", "cosine", "step", "constant"]
Flip = Literal["none", "random", "alternating"]
Fill = Literal["nearest", "constant", "reflect", "wrap"]
Interpolation = Literal["bilinear", "nearest"]
Keep = Literal["last", "best"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Checked):
    """What decides a run, checked at birth. The defaults are the recipe of the network `quick`.

    Raises:
        UsageError: a value of the wrong kind or out of its range, or values that contradict each other.
    """

    network: str = option(
        "quick",
        mark("Network to train: a name that `ropero networks` lists, a layer list my_net.toml, or my_net.py:build."),
    )
    layers: tuple[Mapping[str, Any], ...] = field(default=(), metadata={"help": None})  # of a network of one's own
    # The digest of a network that is the user's own code.
    code: str = field(default="", metadata={"help": None, "low": None, "high": None, "open_low": False})
    weights: str = option(
        "",
        mark(
            "File of ImageNet weights for a network with a frozen VGG: torchvision's .pth or .safetensors, or Keras's "
            ".h5; without it Keras's own is fetched once."
        ),
    )
    epochs: int = option(9, mark("Passes over the training images."), 1, 100_000)
    batch_size: int = option(500, mark("Images in a training step."), 2, 65_536, tune=Choices((32, 64, 128, 256, 512)))
    optimizer: Optimizer = option(
        "adamw", mark("How the weights follow the gradient."), tune=Choices(get_args(Optimizer))
    )
    learning_rate: float = option(
        0.012, mark("Highest learning rate of the schedule."), 0, 100, open_low=True, tune=Around(10)
    )
    weight_decay: float = option(
        0.05,
        mark("Pull of the weights towards zero (decoupled in adamw)."),
        0,
        10,
        tune=Choices((0.0, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1)),
    )
    momentum: float = option(0.9, mark("Momentum of sgd."), 0, 0.9999, tune=Choices((0.0, 0.5, 0.8, 0.9, 0.95, 0.99)))
    beta2: float = option(
        0.99,
        mark("Memory of adam and adamw for the gradients' squares."),
        0,
        0.99999,
        tune=Choices((0.9, 0.95, 0.98, 0.99, 0.995, 0.999)),
    )
    schedule: Schedule = option(
        "one-cycle", mark("How the learning rate moves over the training."), tune=Choices(get_args(Schedule))
    )
    warmup: float = option(
        0.2, mark("Share of the training in which the learning rate rises."), 0, 1, tune=Range(0, 0.5)
    )
    label_smoothing: float = option(
        0.1, mark("Share of the target given to all classes alike."), 0, 0.99, tune=Range(0, 0.2)
    )
    flip: Flip = option("alternating", mark("Mirror images left to right."), tune=Choices(get_args(Flip)))
    vertical_flip: bool = option(False, mark("Turn images upside down half of the time."), tune=Choices((False, True)))
    rotation: float = option(
        0.0, mark("Turn images by up to this many degrees, either way."), 0, 180, tune=Range(0, 20)
    )
    width_shift: float = option(
        0.0, mark("Move images sideways by up to this share of their width."), 0, 0.9, tune=Range(0, 0.15)
    )
    height_shift: float = option(
        0.0, mark("Move images up or down by up to this share of their height."), 0, 0.9, tune=Range(0, 0.15)
    )
    shear: float = option(0.0, mark("Slant images by up to this many degrees, either way."), 0, 89, tune=Range(0, 15))
    zoom: float = option(0.0, mark("Stretch or shrink each side by up to this share."), 0, 0.9, tune=Range(0, 0.2))
    fill: Fill = option("nearest", mark("What comes in at the edges of moved images."), tune=Choices(get_args(Fill)))
    interpolation: Interpolation = option(
        "bilinear",
        mark("How pixels of moved images are read; nearest is what Keras did before 2.1.3."),
        tune=Choices(get_args(Interpolation)),
    )
    erase: float = option(0.5, mark("Probability of blackening a square of an image."), 0, 1, tune=Range(0, 0.8))
    erase_side: int = option(8, mark("Side of the blackened square in pixels."), 0, 1000, tune=Range(4, 14))
    mixup: float = option(
        0.0,
        mark("Blend images and labels in pairs; the parameter of the Beta distribution."),
        0,
        10,
        tune=Choices((0.0, 0.1, 0.2, 0.4, 1.0)),
    )
    cutmix: float = option(
        0.0,
        mark("Paste a rectangle of one image into another; the parameter of the Beta distribution."),
        0,
        10,
        tune=Choices((0.0, 0.1, 0.2, 0.4, 1.0)),
    )
    augment_from: int = option(1, mark("First epoch that augments its images."), 1, 100_000)
    augment_validation: bool = option(
        False, mark("Augment the validation images too: a fault of some protocols, here to be repeated.")
    )
    clip_norm: float = option(
        0.0,
        mark("Longest gradient that is followed in full; 0 follows all."),
        0,
        1e6,
        tune=Choices((0.0, 0.5, 1.0, 2.0, 5.0)),
    )
    ema: float = option(
        0.0,
        mark("Decay of the weights' moving average, which is then kept; 0 turns it off."),
        0,
        0.99999,
        tune=Choices((0.0, 0.9, 0.98, 0.99, 0.999)),
    )
    validation: float = option(
        0.0, mark("Images held out of the training part to choose by: a count, or a share below 1."), 0
    )
    test: float = option(
        0.0, mark("Images held out as the test part of data that bring none: a count, or a share below 1."), 0
    )
    images: int = option(0, mark("Use so many images of the training part only; 0 uses all."), 0)
    stratified: bool = option(True, mark("Hold out the same share of every class."))
    keep: Keep = option("last", mark("Weights to keep: of the last epoch, or of the best one by validation."))
    patience: int = option(0, mark("Stop after this many epochs without a better validation loss; 0 never stops."), 0)
    minutes: float = option(0.0, mark("Stop after the epoch in which so many minutes are over; 0 never stops."), 0)
    seed: int = option(0, mark("Seed of every random choice."), 0, 2**31 - 1)
    device: Device = option("auto", mark("Where to compute; auto takes a GPU when there is one."))
    precision: Precision = option("auto", mark("Arithmetic; auto takes bf16 where it is faster."))

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "layers", _plain(self.layers))
        for name in ("validation", "test"):
            value = getattr(self, name)
            if value >= 1 and value != int(value):
                raise UsageError(
                    t("{name} should be a share below 1 or a whole number, got {value}.", name=name, value=value)
                )


def _plain(layers: Any) -> tuple[Mapping[str, Any], ...]:
    """A layer list as JSON has it, so that what is written and read again is equal. Raises UsageError."""
    try:
        return tuple(json.loads(json.dumps(list(layers))))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            t("{name} should be of type {kind}, got {value!r}.", name="layers", kind="list", value=layers)
        ) from error
