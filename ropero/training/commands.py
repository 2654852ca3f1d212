"""What to type, or to call in Python, to train with a config: its data, its network, and what its recipe has not."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ropero.models.own import LISTED, LIVE
from ropero.training.config import TrainConfig
from ropero.training.presets import typed, usual


def command(
    config: TrainConfig,
    source: str,
    image_size: int | None = None,
    words: Sequence[str] = (),
    *,
    named: str = "",
    always: Sequence[str] = (),
) -> str:
    """`ropero train` on these data, with what differs from the network's recipe, and these words.

    Data or a network that live in Python have no name to type: then it is the call, without the words.

    Args:
        source: what the data are called, "" for data that were made in Python.
        named: what the user calls the network; else its name, or that of its file, wherever the file lies.
        always: options that are said even where the recipe has them.
    """
    if not source or _in_python(config):
        return call(config, always=always)
    said = ["ropero", "train", "--data", source]
    said += [] if image_size is None else ["--image-size", str(image_size)]
    said += ["--network", named or typed(config)]
    for name, value in _changed(config, always).items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            said.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            said += [f"--{flag}", str(value)]
    return shlex.join([*said, *words])


def importing(file: str, pixels: str, source: str, image_size: int | None = None) -> str:
    """`ropero import` of a model's file, for these data."""
    said = ["ropero", "import", file, *(["--data", source] if source else [])]
    said += [] if image_size is None else ["--image-size", str(image_size)]
    return shlex.join([*said, *(["--pixels", pixels] if pixels else [])])


def call(config: TrainConfig, *, always: Sequence[str] = ()) -> str:
    """The same as a call; `data`, and a network that lives in Python, are the names of what the user has at hand."""
    network = config.network if _in_python(config) else repr(typed(config))
    given = "".join(f", {name}={value!r}" for name, value in _changed(config, always).items())
    return f"rp.train(data, {network}{given})"


def _in_python(config: TrainConfig) -> bool:
    return config.code.startswith(LIVE) or (bool(config.layers) and config.network == LISTED)


def _changed(config: TrainConfig, always: Sequence[str]) -> dict[str, Any]:
    """Options by name; a whole number is shown as one."""
    recipe, found = usual(config), {}
    for one in fields(config):
        value = getattr(config, one.name)
        if one.metadata["help"] is None or one.name == "network":
            continue
        if value != getattr(recipe, one.name) or one.name in always:
            found[one.name] = int(value) if isinstance(value, float) and value == int(value) else value
    return found
