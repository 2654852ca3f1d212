"""What to type, or to call in Python, to train with a config: its network, and every option that its recipe has not."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ropero.models.own import LIVE
from ropero.training.config import TrainConfig
from ropero.training.presets import typed, usual


def as_command(config: TrainConfig, words: Sequence[str] = (), *, always: Sequence[str] = ()) -> str:
    """`ropero train` with these words, the network, and what differs from its recipe or is always said.

    A network that lives in Python has no name to type: then the call, without the words.
    """
    if config.code.startswith(LIVE):
        return in_python(config, always=always)
    said = ["ropero", "train", *words, "--network", typed(config)]
    for name, value in _changed(config, always).items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            said.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            said += [f"--{flag}", str(value)]
    return shlex.join(said)


def in_python(config: TrainConfig, *, always: Sequence[str] = ()) -> str:
    """The same as a call, for data or a network that were made in Python."""
    network = config.network if config.code.startswith(LIVE) else repr(typed(config))
    given = "".join(f", {name}={value!r}" for name, value in _changed(config, always).items())
    return f"rp.train(data, {network}{given})"


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
