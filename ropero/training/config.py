"""`TrainConfig`: everything that decides a run. The same class is the command line's flags, a run's config.json and,
later, an HTTP body.

Knows nothing of torch, data or files. A field's help is its entry in the texts catalogue.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ropero.errors import UsageError, did_you_mean
from ropero.texts import joined, mark, t
from ropero.training.space import Around, Choices, Range, Tunable

Optimizer = Literal["adamw", "adam", "sgd", "rmsprop"]
Schedule = Literal["one-cycle", "cosine", "step", "constant"]
Flip = Literal["none", "random", "alternating"]
Fill = Literal["nearest", "constant", "reflect", "wrap"]
Interpolation = Literal["bilinear", "nearest"]
Keep = Literal["last", "best"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16"]


def _option(
    default: Any,
    help: str,
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
    tune: Tunable | None = None,
) -> Any:
    """A field with its help and the range it is checked against: [low, high], or (low, high] with open_low.

    tune is what a search tries for it (docs/tune.md says why); a field without it cannot be searched.
    """
    return field(default=default, metadata={"help": help, "low": low, "high": high, "open_low": open_low, "tune": tune})


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What decides a run, checked at birth. The defaults are the recipe of the network `quick`.

    Raises:
        UsageError: a value of the wrong kind or out of its range, or values that contradict each other.
    """

    network: str = _option(
        "quick",
        mark("Network to train: a name that `ropero networks` lists, a layer list my_net.toml, or my_net.py:build."),
    )
    layers: tuple[Mapping[str, Any], ...] = field(default=(), metadata={"help": None})  # of a network of one's own
    # The digest of a network that is the user's own code.
    code: str = field(default="", metadata={"help": None, "low": None, "high": None, "open_low": False})
    weights: str = _option(
        "",
        mark(
            "File of ImageNet weights for a network with a frozen VGG: torchvision's .pth or .safetensors, or Keras's "
            ".h5; without it Keras's own is fetched once."
        ),
    )
    epochs: int = _option(9, mark("Passes over the training images."), 1, 100_000)
    batch_size: int = _option(500, mark("Images in a training step."), 2, 65_536, tune=Choices((32, 64, 128, 256, 512)))
    optimizer: Optimizer = _option(
        "adamw", mark("How the weights follow the gradient."), tune=Choices(get_args(Optimizer))
    )
    learning_rate: float = _option(
        0.012, mark("Highest learning rate of the schedule."), 0, 100, open_low=True, tune=Around(10)
    )
    weight_decay: float = _option(
        0.05,
        mark("Pull of the weights towards zero (decoupled in adamw)."),
        0,
        10,
        tune=Choices((0.0, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1)),
    )
    momentum: float = _option(0.9, mark("Momentum of sgd."), 0, 0.9999, tune=Choices((0.0, 0.5, 0.8, 0.9, 0.95, 0.99)))
    beta2: float = _option(
        0.99,
        mark("Memory of adam and adamw for the gradients' squares."),
        0,
        0.99999,
        tune=Choices((0.9, 0.95, 0.98, 0.99, 0.995, 0.999)),
    )
    schedule: Schedule = _option(
        "one-cycle", mark("How the learning rate moves over the training."), tune=Choices(get_args(Schedule))
    )
    warmup: float = _option(
        0.2, mark("Share of the training in which the learning rate rises."), 0, 1, tune=Range(0, 0.5)
    )
    label_smoothing: float = _option(
        0.1, mark("Share of the target given to all classes alike."), 0, 0.99, tune=Range(0, 0.2)
    )
    flip: Flip = _option("alternating", mark("Mirror images left to right."), tune=Choices(get_args(Flip)))
    vertical_flip: bool = _option(False, mark("Turn images upside down half of the time."), tune=Choices((False, True)))
    rotation: float = _option(
        0.0, mark("Turn images by up to this many degrees, either way."), 0, 180, tune=Range(0, 20)
    )
    width_shift: float = _option(
        0.0, mark("Move images sideways by up to this share of their width."), 0, 0.9, tune=Range(0, 0.15)
    )
    height_shift: float = _option(
        0.0, mark("Move images up or down by up to this share of their height."), 0, 0.9, tune=Range(0, 0.15)
    )
    shear: float = _option(0.0, mark("Slant images by up to this many degrees, either way."), 0, 89, tune=Range(0, 15))
    zoom: float = _option(0.0, mark("Stretch or shrink each side by up to this share."), 0, 0.9, tune=Range(0, 0.2))
    fill: Fill = _option("nearest", mark("What comes in at the edges of moved images."), tune=Choices(get_args(Fill)))
    interpolation: Interpolation = _option(
        "bilinear",
        mark("How pixels of moved images are read; nearest is what Keras did before 2.1.3."),
        tune=Choices(get_args(Interpolation)),
    )
    erase: float = _option(0.5, mark("Probability of blackening a square of an image."), 0, 1, tune=Range(0, 0.8))
    erase_side: int = _option(8, mark("Side of the blackened square in pixels."), 0, 1000, tune=Range(4, 14))
    mixup: float = _option(
        0.0,
        mark("Blend images and labels in pairs; the parameter of the Beta distribution."),
        0,
        10,
        tune=Choices((0.0, 0.1, 0.2, 0.4, 1.0)),
    )
    cutmix: float = _option(
        0.0,
        mark("Paste a rectangle of one image into another; the parameter of the Beta distribution."),
        0,
        10,
        tune=Choices((0.0, 0.1, 0.2, 0.4, 1.0)),
    )
    augment_from: int = _option(1, mark("First epoch that augments its images."), 1, 100_000)
    augment_validation: bool = _option(
        False, mark("Augment the validation images too: a fault of some protocols, here to be repeated.")
    )
    clip_norm: float = _option(
        0.0,
        mark("Longest gradient that is followed in full; 0 follows all."),
        0,
        1e6,
        tune=Choices((0.0, 0.5, 1.0, 2.0, 5.0)),
    )
    ema: float = _option(
        0.0,
        mark("Decay of the weights' moving average, which is then kept; 0 turns it off."),
        0,
        0.99999,
        tune=Choices((0.0, 0.9, 0.98, 0.99, 0.999)),
    )
    validation: float = _option(
        0.0, mark("Images held out of the training part to choose by: a count, or a share below 1."), 0
    )
    test: float = _option(
        0.0, mark("Images held out as the test part of data that bring none: a count, or a share below 1."), 0
    )
    images: int = _option(0, mark("Use so many images of the training part only; 0 uses all."), 0)
    stratified: bool = _option(True, mark("Hold out the same share of every class."))
    keep: Keep = _option("last", mark("Weights to keep: of the last epoch, or of the best one by validation."))
    patience: int = _option(0, mark("Stop after this many epochs without a better validation loss; 0 never stops."), 0)
    minutes: float = _option(0.0, mark("Stop after the epoch in which so many minutes are over; 0 never stops."), 0)
    seed: int = _option(0, mark("Seed of every random choice."), 0, 2**31 - 1)
    device: Device = _option("auto", mark("Where to compute; auto takes a GPU when there is one."))
    precision: Precision = _option("auto", mark("Arithmetic; auto takes bf16 where it is faster."))

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for one in fields(self):
            if one.name != "layers":
                object.__setattr__(self, one.name, _checked(one, hints[one.name], getattr(self, one.name)))
        object.__setattr__(self, "layers", _plain(self.layers))
        for name in ("validation", "test"):
            value = getattr(self, name)
            if value >= 1 and value != int(value):
                raise UsageError(
                    t("{name} should be a share below 1 or a whole number, got {value}.", name=name, value=value)
                )

    def to_json(self) -> dict[str, Any]:
        """All fields by name, as config.json holds them."""
        return dataclasses.asdict(self)

    def replace(self, **changes: Any) -> TrainConfig:
        """A config with some fields changed. Raises UsageError for a field that does not exist."""
        return TrainConfig.from_json({**self.to_json(), **changes})

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainConfig:
        """The config that `to_json` wrote. Raises UsageError for a field that does not exist."""
        known = [one.name for one in fields(cls)]
        for name in values:
            if name not in known:
                raise UsageError(t("Unknown option {name!r}.", name=name) + did_you_mean(name, known))
        return cls(**values)


def _plain(layers: Any) -> tuple[Mapping[str, Any], ...]:
    """A layer list as JSON has it, so that what is written and read again is equal. Raises UsageError."""
    try:
        return tuple(json.loads(json.dumps(list(layers))))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            t("{name} should be of type {kind}, got {value!r}.", name="layers", kind="list", value=layers)
        ) from error


def _checked(one: dataclasses.Field[Any], hint: Any, value: Any) -> Any:
    """The value, whole numbers taken for floats too. Raises UsageError when kind or range is wrong."""
    if get_origin(hint) is Literal:
        known = get_args(hint)
        if value not in known:
            raise UsageError(
                t(
                    "{name} should be one of {known}, got {value!r}.",
                    name=one.name,
                    known=joined(get_args(hint)),
                    value=value,
                )
                + did_you_mean(str(value), get_args(hint))
            )
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise UsageError(
            t("{name} should be of type {kind}, got {value!r}.", name=one.name, kind=hint.__name__, value=value)
        )
    low, high = one.metadata["low"], one.metadata["high"]
    if hint in (int, float):
        too_low = low is not None and (value <= low if one.metadata["open_low"] else value < low)
        if not math.isfinite(value) or too_low or (high is not None and value > high):
            raise UsageError(
                t(
                    "{name} should be {sign} {low} and at most {high}, got {value}.",
                    name=one.name,
                    sign=t("more than") if one.metadata["open_low"] else t("at least"),
                    low=low,
                    high="∞" if high is None else high,
                    value=value,
                )
            )
    return value
