"""What an interrupted training needs to go on: one safetensors file, and the one before it.

Knows nothing of the loop; it stores named tensors and a small JSON text, whole or not at all.
"""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ropero.storage import atomic_path, sweep, to_disk
from ropero.texts import t

Snapshot = tuple[dict[str, Tensor], dict[str, Any]]


class CheckpointStore:
    """Keeps the newest two checkpoints of one run in a folder."""

    def __init__(self, folder: Path) -> None:
        self.newest = folder / "checkpoint.safetensors"
        self.before = folder / "checkpoint-before.safetensors"

    def save(self, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
        """Write a checkpoint. A full disk costs a warning, not the training: the one before stays."""
        try:
            with atomic_path(self.newest) as path:
                whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
                save_file(whole, path, metadata={"notes": json.dumps(notes)})
                to_disk(path)  # which takes its time, and between the two renamings there should be none
                if self.newest.exists():
                    self.newest.replace(self.before)
        except (OSError, SafetensorError) as error:
            message = t("Could not write a checkpoint, the one before is kept: {reason}", reason=error)
            warnings.warn(message, RuntimeWarning, stacklevel=2)

    def load(self) -> Snapshot | None:
        """The newest checkpoint that is whole; None when there is none. For the one process that trains this run."""
        sweep(self.newest)
        for path in (self.newest, self.before):
            if not path.exists():
                continue
            try:
                with safe_open(path, framework="pt") as file:
                    notes = json.loads((file.metadata() or {})["notes"])
                    return {name: file.get_tensor(name) for name in file.keys()}, notes  # noqa: SIM118, not a dict
            except (OSError, SafetensorError, KeyError, ValueError) as error:
                if path == self.newest and self.before.exists():
                    message = t(
                        "{path} is damaged, going on from the one before: {reason}", path=path.name, reason=error
                    )
                else:
                    message = t(
                        "{path} is damaged, starting from the beginning: {reason}", path=path.name, reason=error
                    )
                warnings.warn(message, RuntimeWarning, stacklevel=2)
        return None

    def notes(self) -> dict[str, Any]:
        """The notes of the newest checkpoint, empty when there is none that can be read."""
        for path in (self.newest, self.before):
            with suppress(OSError, SafetensorError, KeyError, ValueError), safe_open(path, framework="pt") as file:
                found: dict[str, Any] = json.loads((file.metadata() or {})["notes"])
                return found
        return {}

    def clear(self) -> None:
        """Remove both, when the training is done."""
        sweep(self.newest)
        for path in (self.newest, self.before):
            path.unlink(missing_ok=True)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as named tensors; its hyper-parameters come from the config."""
    state = optimizer.state_dict()["state"]
    return {f"{index}/{key}": value for index, one in state.items() for key, value in one.items() if value is not None}


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition("/")
        like = parameters[int(index)]
        # A file holds rows in plain order; torch's fused kernels walk through memory and need the parameter's own.
        fitted = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
        state.setdefault(int(index), {})[key] = fitted
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
