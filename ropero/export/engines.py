"""What computes a network's answers: PyTorch, or onnxruntime from a file that is made once and kept beside the run.

Both compute in fp32; onnxruntime is taken only where it says what PyTorch says. Whole numbers of 8 bits are a file of
their own (`ropero export --int8`), since they say something else.
Legend: N images, C channels, H x W pixels, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ropero.data.batches import channels_first, in_chunks, to_unit
from ropero.data.dataset import Images
from ropero.errors import DataError, UsageError, unknown
from ropero.export import onnx_writer
from ropero.export.traced import quiet, trace
from ropero.models import samples
from ropero.models.classifier import Classifier
from ropero.models.codes import Told
from ropero.models.inference import Floats, answers, logits
from ropero.storage import write_bytes
from ropero.texts import t
from ropero.texts.numbers import rough

AUTO, TORCH, ONNXRUNTIME = "auto", "torch", "onnxruntime"
ENGINES = (AUTO, TORCH, ONNXRUNTIME)
FEATURES = "features"
FOLDER = "engines"  # of a run
_AT_ONCE = 100  # images: more fall out of the processor's cache

Narrow = Callable[[Floats], Floats]
Answers = tuple[Floats, Floats]  # features (N, D), made smaller, and logits (N, K)
Engine = Callable[[Images], Answers]


def engine(
    model: Classifier, narrow: Narrow, name: str = AUTO, kept: Path | None = None, told: Told | None = None
) -> Engine:
    """What answers for a network: images (N, H, W[, C]) uint8 in, features and logits out.

    Args:
        model: in eval mode, where it is to compute.
        narrow: makes the features of a batch smaller.
        name: "torch", "onnxruntime", or "auto", which is PyTorch: it starts at once, where onnxruntime's file takes
            seconds to make.
        kept: the file that onnxruntime's form of the network is kept in; made anew each time where None.
        told: is told how far a frozen base has come.

    Raises:
        UsageError: an unknown engine, one that cannot compute this network, or onnxruntime with a network that is
            not on the CPU.
        DataError: onnxruntime says something else than PyTorch.
        MissingExtra: onnx or onnxruntime is not installed.
    """
    if name not in ENGINES:
        raise unknown(t("engine"), name, ENGINES)
    if name in (AUTO, TORCH):
        return lambda images: answers(model, images, narrow, told)
    if model.mean.device.type != "cpu":
        raise UsageError(t("onnxruntime runs on the CPU only; give --device cpu or --engine torch."))
    session = _session(model, kept)
    _check(model, session)
    return lambda images: _asked(session, images, narrow)


class _Both(nn.Module):
    """Features and logits in one pass."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model.features(pixels)
        return features.flatten(1), self.model.head(features)


def _session(model: Classifier, kept: Path | None) -> Any:
    """The network in onnxruntime; the file is written where it is not there yet."""
    library = onnx_writer.library("onnxruntime")
    options = library.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()

    def opened(content: bytes) -> Any:
        with quiet():
            return library.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    if kept is not None and kept.is_file():
        with suppress(Exception):  # a damaged file, in onnxruntime's many words: it is made anew
            return opened(kept.read_bytes())
    content = onnx_writer.translated(trace(model, _Both), (FEATURES, onnx_writer.LOGITS)).SerializeToString()
    if kept is not None:
        write_bytes(kept, content)
    return opened(content)


def _check(model: Classifier, session: Any) -> None:
    """Raises DataError when onnxruntime says something else than PyTorch."""
    images = samples.pictures(samples.COUNT, model.input_shape)
    found = _asked(session, images, lambda features: features)[1]
    gap, allowed = samples.difference(logits(model, images), found)
    if gap > allowed:
        raise DataError(
            t("onnxruntime's logits differ from PyTorch's by {gap}, and {allowed} is allowed; use --engine torch.",
              gap=rough(gap), allowed=rough(allowed))
        )  # fmt: skip


def _asked(session: Any, images: Images, narrow: Narrow) -> Answers:
    wide: list[Floats] = []
    said: list[Floats] = []
    for part in in_chunks(len(images), _AT_ONCE):
        pixels = to_unit(channels_first(images[part])).contiguous().numpy()
        features, found = session.run([FEATURES, onnx_writer.LOGITS], {onnx_writer.PIXELS: pixels})
        wide.append(narrow(features))
        said.append(found)
    return np.concatenate(wide), np.concatenate(said)
