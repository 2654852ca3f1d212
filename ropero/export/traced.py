"""A network as torch.export traces it: what ONNX is made of, and a `.pt2` file by itself.

Both take pixels (N, C, H, W) in [0, 1], any N, and give logits and probabilities (N, K). What the trace says of this
machine, paths and lines of code, is left out.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from ropero import bounds
from ropero.errors import UsageError
from ropero.export.card import KEY, MAX_BYTES, digest
from ropero.models.classifier import Classifier
from ropero.texts import t

BATCH = "batch"
_CARD = f"{KEY}.json"
_SHOWN_IMAGES = 3  # in the trace; one or two could be taken for a constant
_TOLD = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node", "custom")
_DATA = re.compile(r"[^/]+/(data/(?:weights|constants)/.+)")


class Answers(nn.Module):
    """Logits, and the probabilities that follow from them."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.model(pixels)
        return logits, logits.softmax(1)


class Both(nn.Module):
    """Features and logits in one pass."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model.features(pixels)
        return features.flatten(1), self.model.head(features)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What exporters say to their developers does not reach the user."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def trace(model: Classifier, wrapped: Callable[[Classifier], nn.Module] = Answers) -> ExportedProgram:
    """The program of a network on the CPU, in fp32 and eval mode, for any number of images.

    Args:
        wrapped: what makes the module whose outputs are wanted.

    Raises UsageError for code that PyTorch cannot follow.
    """
    answers = wrapped(copy.deepcopy(model).cpu().float()).eval().requires_grad_(False)
    shown = torch.rand(_SHOWN_IMAGES, *model.input_shape)
    shapes = {"pixels": {0: torch.export.Dim(BATCH, min=1)}}
    reason: Exception | None = None
    for strict in (False, True):  # the second reads Python's own code, which len(x) and the like need
        try:
            with quiet(), torch.no_grad():
                program = torch.export.export(answers, (shown,), dynamic_shapes=shapes, strict=strict)
        except Exception as error:  # whatever a user's code and PyTorch say to each other
            reason = reason or error
            continue
        for node in program.graph.nodes:
            for name in _TOLD:
                node.meta.pop(name, None)
        return program
    said = str(reason).strip().split("\n")[0][:200]
    raise UsageError(
        t("PyTorch's exporter cannot follow the network's code: {reason}. --format safetensors keeps its weights.",
          reason=said)
    ) from reason  # fmt: skip


def write_pt2(model: Classifier, path: Path, card: Callable[[str], str]) -> None:
    """Write what torch.export.load reads; the card is its extra file `ropero.json`. Raises as `trace`."""
    program = trace(model)
    bare, whole = io.BytesIO(), io.BytesIO()  # a buffer has no name, which would go into the archive
    with quiet():
        torch.export.save(program, bare)
        torch.export.save(program, whole, extra_files={_CARD: card(digest(arrays(path, bare)))})
    path.write_bytes(whole.getbuffer())


def card_text(path: Path) -> str | None:
    """The card as JSON, where there is one."""
    with bounds.archive(path) as archive:
        names = [name for name in archive.namelist() if name.partition("/")[2] == f"extra/{_CARD}"]
        return bounds.member(path, archive, names[0], MAX_BYTES).decode() if names else None


def arrays(path: Path, stream: io.BytesIO | None = None) -> dict[str, np.ndarray[tuple[int], np.dtype[np.uint8]]]:
    """The bytes of all weights and constants of a `.pt2` archive, and what it says of them, by their places.

    Args:
        stream: the archive, when it is not in the file yet.
    """
    with bounds.archive(path, stream) as archive:
        names = [(one.filename, _DATA.fullmatch(one.filename)) for one in archive.infolist()]
        return {found[1]: np.frombuffer(archive.read(name), np.uint8) for name, found in names if found}
