"""The options that verbs share, and the flags of `train` and `generate`, which are the fields of their configs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from cyclopts import Parameter, Token

from ropero.errors import UsageError
from ropero.generation.config import GeneratorConfig
from ropero.texts import mark, t
from ropero.training.config import TrainConfig
from ropero.training.options import Checked

Language = Literal["en", "es", "zh"]


def whole_number(_: Any, tokens: Sequence[Token]) -> int:
    """1.5 is no number of epochs; Cyclopts itself would round it."""
    return int(tokens[0].value)


def whole_numbers(_: Any, tokens: Sequence[Token]) -> tuple[int, ...]:
    """The same of several; which of them is none is better said here."""
    for token in tokens:
        if not token.value.removeprefix("-").isdecimal():
            raise UsageError(
                t("{name} should be a whole number, got {value!r}.", name=token.keyword, value=token.value)
            )
    return tuple(int(token.value) for token in tokens)


RunName = Annotated[
    str,
    Parameter(
        help=mark(
            "A run: its name, a part of it that only one run has, its folder, or `last`; or a model's file, such as "
            "fashion.h5."
        )
    ),
]
Source = Annotated[
    str,
    Parameter(
        help=mark(
            "Known name such as fashion-mnist, or the path of IDX files, CSV, .npz, Parquet or a folder of pictures."
        )
    ),
]
DataPath = Annotated[
    str | None, Parameter(help=mark("Where the run's data are now, when they are no longer where they were."))
]
ImageSize = Annotated[
    int | None, Parameter(converter=whole_number, help=mark("Side in pixels to bring all images to."))
]
Pictures = Annotated[str, Parameter(help=mark("PNG, JPEG or other pictures, .npy arrays, or - for standard input."))]
TestNumbers = Annotated[
    list[int] | None,
    Parameter(help=mark("Number of a test image, whose true class is known; may be repeated."), negative=()),
]
Invert = Annotated[
    Literal["auto", "yes", "no"],
    Parameter(help=mark("Exchange light and dark; auto does it for a grey picture with a light edge.")),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], Parameter(help=mark("Where to compute; auto takes a GPU when there is one."))
]
Engine = Annotated[
    Literal["auto", "torch", "torch-bf16", "onnxruntime"],
    Parameter(
        help=mark(
            "What computes; auto takes onnxruntime once its file was made, PyTorch before that. torch-bf16 rounds."
        )
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common:
    """Options of every verb."""

    json: Annotated[bool, Parameter(negative=(), help=mark("Print the result as JSON."))] = False
    # For the help page: `app.run` has taken --lang out before anything is parsed, so that errors speak it too.
    lang: Annotated[
        Language | None, Parameter(help=mark("Language; by default your system's."), show_default=False)
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WithRuns(Common):
    """Options of verbs that read or make runs."""

    runs: Annotated[
        Path | None,
        Parameter(help=mark("Folder of all runs; by default ROPERO_RUNS or ./runs."), show_default=False),
    ] = None


def _flags(config: type[Checked], name: str, without: Collection[str] = ()) -> type[Any]:
    """A dataclass of the same fields as a config but some, each None when the user did not give it."""
    hints = get_type_hints(config)
    flags: list[tuple[str, Any, Any]] = []
    for one in fields(config):
        if one.metadata["help"] is None or one.name in without:
            continue  # no flag: a layer list comes from the file that --network names
        converter = whole_number if hints[one.name] is int else None
        shown = Parameter(help=one.metadata["help"], show_default=_shows(one.default), converter=converter)
        flags.append((one.name, Annotated[hints[one.name] | None, shown], field(default=None)))
    made = make_dataclass(name, flags, frozen=True, kw_only=True)
    made.__module__ = __name__  # Cyclopts does not look into classes of the module `types`
    return Parameter(name="*")(made)


def _shows(default: Any) -> Callable[[Any], Any]:
    """Help shows the recipe's default instead of the None that stands for "not given"."""
    return lambda _: default


TrainFlags = _flags(TrainConfig, "TrainFlags")
# The minutes of `tune` are those of all its trials.
TuneFlags = _flags(TrainConfig, "TuneFlags", without={"minutes"})
# Which generator is trained is what --train says.
GeneratorFlags = _flags(GeneratorConfig, "GeneratorFlags", without={"generator"})


def given(flags: Any) -> dict[str, Any]:
    """The options that the user gave."""
    return {one.name: value for one in fields(flags) if (value := getattr(flags, one.name)) is not None}
