"""What computes a network's answers: PyTorch, or onnxruntime from a file that is made once and kept beside the run.

Both compute in fp32; onnxruntime is taken only where it says what PyTorch says. Whole numbers of 8 bits are a file of
their own (`ropero export --int8`), since they say something else. A kept file is used while a note beside it says its
digest and what made it; any other is made anew.
Legend: N images, C channels, H x W pixels, D features, K classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ropero.data.batches import chunk_size, unit_batches
from ropero.data.dataset import Images
from ropero.errors import DataError, MissingExtra, RoperoError, UsageError, unknown
from ropero.export.checks import Check, compared
from ropero.export.onnx_graph import FEATURES, program
from ropero.export.onnx_writer import LOGITS, PIXELS, library
from ropero.export.traced import quiet
from ropero.models import samples
from ropero.models.classifier import Classifier
from ropero.models.codes import Told
from ropero.models.inference import Floats, answers, logits
from ropero.models.samples import Samples
from ropero.runtime import code_digest
from ropero.storage import read_json, write_bytes, write_json
from ropero.texts import mark, t
from ropero.texts.numbers import rough

AUTO, TORCH, ONNXRUNTIME = "auto", "torch", "onnxruntime"
ENGINES = (AUTO, TORCH, ONNXRUNTIME)
FOLDER = "engines"  # of a run
ENGINE = mark("engine")  # what `verify` says of it
_CHANGED = mark("changed since it was made, or damaged; --engine onnxruntime makes it anew")
_OTHERS = mark("made by another ropero or PyTorch; --engine onnxruntime makes it anew")
_AT_ONCE = 8  # images, where nothing says how large the network is

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
        name: "torch", "onnxruntime", or "auto": onnxruntime where its file is kept already, since it is the quicker
            one then (benchmarks/inference.py); else PyTorch, as making that file takes seconds.
        kept: the file that onnxruntime's form of the network is kept in; made anew each time where None.
        told: is told how far a frozen base has come.

    Raises:
        UsageError: an unknown engine, one that cannot compute this network, or onnxruntime with a network that is
            not on the CPU.
        DataError: onnxruntime does not compute the network, or says something else than PyTorch.
        MissingExtra: onnx or onnxruntime is not installed.
    """
    if name not in ENGINES:
        raise unknown(t("engine"), name, ENGINES)
    if name == AUTO and kept is not None and model.base is None and model.mean.device.type == "cpu":
        with suppress(DataError, MissingExtra):
            if _trusted(kept)[0] is not None:
                return engine(model, narrow, ONNXRUNTIME, kept, told)
    if name in (AUTO, TORCH):
        return lambda images: answers(model, images, narrow, told)
    if model.mean.device.type != "cpu":
        raise UsageError(t("onnxruntime runs on the CPU only; give --device cpu or --engine torch."))
    session, at_once = _session(model, kept), chunk_size(model.peak)
    return lambda images: _asked(session, images, narrow, at_once)


def examine(kept: Path, stored: Samples) -> Check:
    """Whether a kept file is what was made, and says what the network said to its samples."""
    content, why = _trusted(kept)
    if content is None:
        return Check(ENGINE, None if why == _OTHERS else False, t(why))
    try:
        found = _asked(_opened(content), stored.images, lambda features: features)[1]
    except MissingExtra as error:
        return Check(ENGINE, None, str(error))
    except DataError as error:
        return Check(ENGINE, False, str(error))
    return replace(compared(stored.logits, found), name=ENGINE)


def _session(model: Classifier, kept: Path | None) -> Any:
    """The network in onnxruntime, seen to say what PyTorch says; its file is made where there is none to be trusted."""
    content = None if kept is None else _trusted(kept)[0]
    if content is not None:
        with suppress(DataError):
            return _checked(model, content)
    content = program(model, features=True).SerializeToString()
    session = _checked(model, content)
    if kept is not None:
        with suppress(OSError):  # a folder that takes no files: it is made again the next time
            write_bytes(kept, content)
            write_json(_note(kept), _told_of(content))
    return session


def _note(kept: Path) -> Path:
    return kept.with_suffix(".json")


def _told_of(content: bytes) -> dict[str, str]:
    """What is kept beside a file: its digest, and what made it."""
    makers = {"code_sha256": code_digest(), "torch": str(torch.__version__)}
    return {"sha256": hashlib.sha256(content).hexdigest(), **makers}


def _trusted(kept: Path) -> tuple[bytes | None, str]:
    """(the content of a kept file that is as it was made, and made by what would make it now; else why not)."""
    if not _note(kept).exists():  # an older ropero wrote none
        return None, _OTHERS
    try:
        note, content = read_json(_note(kept)), kept.read_bytes()
    except (RoperoError, OSError):
        return None, _CHANGED
    told = _told_of(content)
    if note.get("sha256") != told["sha256"]:
        return None, _CHANGED
    return (content, "") if note == told else (None, _OTHERS)


def _opened(content: bytes) -> Any:
    """A file in onnxruntime. Raises DataError when it does not take it, MissingExtra where it is not installed."""
    runtime = library("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    with quiet(), _sentences():
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _checked(model: Classifier, content: bytes) -> Any:
    """A file in onnxruntime. Raises DataError when it says something else than PyTorch."""
    session = _opened(content)
    images = samples.pictures(samples.COUNT, model.input_shape)
    found = _asked(session, images, lambda features: features)[1]
    gap, allowed = samples.difference(logits(model, images), found)
    if gap > allowed:
        raise DataError(
            t("onnxruntime's logits differ from PyTorch's by {gap}, and {allowed} is allowed; use --engine torch.",
              gap=rough(gap), allowed=rough(allowed))
        )  # fmt: skip
    return session


def _asked(session: Any, images: Images, narrow: Narrow, at_once: int = _AT_ONCE) -> Answers:
    wide: list[Floats] = []
    said: list[Floats] = []
    for pixels in unit_batches(images, at_once):
        with _sentences():
            features, found = session.run([FEATURES, LOGITS], {PIXELS: pixels})
        wide.append(narrow(features))
        said.append(found)
    return np.concatenate(wide), np.concatenate(said)


@contextmanager
def _sentences() -> Iterator[None]:
    """Whatever onnxruntime raises, which has no common kind, as a DataError."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")[:200]
        raise DataError(
            t("onnxruntime does not compute this network ({reason}); use --engine torch.", reason=reason)
        ) from error
