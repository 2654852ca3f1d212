"""What computes a network's answers: PyTorch, or onnxruntime from a file that is made once and kept in the cache.

Both compute in fp32; onnxruntime is taken only where it says what PyTorch says, each time anew. PyTorch in bf16 rounds,
so only who names it gets it. Whole numbers of 8 bits are a file of their own (`ropero export --int8`). No file of
onnxruntime's lies in a run's folder, which may come from a stranger.
Legend: N images, C channels, H x W pixels, D features, K classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ropero.data.batches import chunk_size, unit_batches
from ropero.data.dataset import Images
from ropero.errors import DataError, MissingExtra, UsageError, unknown
from ropero.export.onnx_graph import FEATURES, program
from ropero.export.onnx_writer import LOGITS, PIXELS, library
from ropero.export.traced import quiet
from ropero.models import samples
from ropero.models.classifier import Classifier
from ropero.models.codes import Told
from ropero.models.inference import Floats, answers
from ropero.runtime import code_digest
from ropero.storage import cache_folder, write_bytes
from ropero.texts import t
from ropero.texts.numbers import rough

AUTO, TORCH, BF16, ONNXRUNTIME = "auto", "torch", "torch-bf16", "onnxruntime"
ENGINES = (AUTO, TORCH, BF16, ONNXRUNTIME)
_AT_ONCE = 8  # images, where nothing says how large the network is
_MAKERS = ("torch", "onnx", "onnxscript", "onnxruntime")
_ROOMS = ("data", "models", "export")
_DIGEST_BYTES = 32  # SHA-256 of a kept file, in front of it

Narrow = Callable[[Floats], Floats]
Answers = tuple[Floats, Floats]  # features (N, D), made smaller, and logits (N, K)


@dataclass(frozen=True)
class Engine:
    """What answers for a network, and its name: images (N, H, W[, C]) uint8 in, features and logits out."""

    name: str
    ask: Callable[[Images], Answers]

    def __call__(self, images: Images) -> Answers:
        return self.ask(images)


def engine(model: Classifier, narrow: Narrow, name: str = AUTO, weights: str = "", told: Told | None = None) -> Engine:
    """What answers for a network.

    Args:
        model: in eval mode, where it is to compute.
        narrow: makes the features of a batch smaller; with threads of its own it would stand in onnxruntime's way.
        name: "torch", "torch-bf16", whose answers are rounded, "onnxruntime", or "auto": onnxruntime where its file is
            kept already, since it is the quicker one then (benchmarks/inference.py); else PyTorch, as making that file
            takes seconds.
        weights: SHA-256 of the network's weights, which onnxruntime's file is kept by; kept nowhere when "".
        told: is told how far a frozen base has come.

    Raises:
        UsageError: an unknown engine, one that cannot compute this network, or onnxruntime with a network that is
            not on the CPU.
        DataError: onnxruntime does not compute the network, or says something else than PyTorch.
        MissingExtra: onnx or onnxruntime is not installed.
    """
    if name not in ENGINES:
        raise unknown(t("engine"), name, ENGINES)
    here = model.mean.device.type == "cpu"
    kept = kept_file(weights) if weights and here and name in (AUTO, ONNXRUNTIME) else None
    content = _kept(kept)
    if name == AUTO and content is not None and model.base is None:
        with suppress(DataError, MissingExtra):
            return _onnxruntime(model, narrow, _checked(model, content))
    if name == BF16:
        return Engine(BF16, lambda images: _rounded(model, images, narrow, told))
    if name in (AUTO, TORCH):
        return Engine(TORCH, lambda images: answers(model, images, narrow, told))
    if not here:
        raise UsageError(t("onnxruntime runs on the CPU only; give --device cpu or --engine torch."))
    if content is not None:
        with suppress(DataError):
            return _onnxruntime(model, narrow, _checked(model, content))
    content = program(model, features=True).SerializeToString()
    session = _checked(model, content)
    if kept is not None:
        with suppress(OSError):  # a cache that takes no files: it is made again the next time
            for other in kept.parent.glob(f"{kept.stem.partition('-')[0]}-*"):  # of other makers
                other.unlink(missing_ok=True)
            write_bytes(kept, hashlib.sha256(content).digest() + content)
    return _onnxruntime(model, narrow, session)


def _rounded(model: Classifier, images: Images, narrow: Narrow, told: Told | None) -> Answers:
    """What PyTorch answers where it multiplies in bf16; a frozen base computes in fp32 as ever."""
    with torch.autocast(model.mean.device.type, torch.bfloat16):
        return answers(model, images, narrow, told)


def _onnxruntime(model: Classifier, narrow: Narrow, session: Any) -> Engine:
    at_once = chunk_size(model.peak)
    return Engine(ONNXRUNTIME, lambda images: _asked(session, images, narrow, at_once))


def kept_file(weights: str) -> Path:
    """Where onnxruntime's file for these weights is kept, as the programs that are installed make it."""
    makers = [code_digest(_ROOMS)]
    for one in _MAKERS:
        with suppress(PackageNotFoundError):
            makers.append(f"{one} {version(one)}")
    told = hashlib.sha256("\n".join(makers).encode()).hexdigest()
    return cache_folder() / "engines" / f"{weights[:16]}-{told[:16]}.onnx"


def _kept(path: Path | None) -> bytes | None:
    """The content of a kept file; None where there is none, or it is not as it was made."""
    try:
        whole = b"" if path is None else path.read_bytes()
    except OSError:
        return None
    digest, content = whole[:_DIGEST_BYTES], whole[_DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == digest else None


def _opened(content: bytes) -> Any:
    """A file in onnxruntime. Raises DataError when it does not take the file, MissingExtra without onnxruntime."""
    runtime = library("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    with quiet(), _sentences():
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _checked(model: Classifier, content: bytes) -> Any:
    """A file in onnxruntime. Raises DataError when its features or logits are others than PyTorch's."""
    images = samples.pictures(samples.COUNT, model.input_shape)
    expected = answers(model, images, _whole)
    session = _opened(content)
    for mine, theirs in zip(expected, _asked(session, images, _whole), strict=True):
        gap, allowed = samples.difference(mine, theirs)
        if gap > allowed:
            raise DataError(
                t("onnxruntime's answers differ from PyTorch's by {gap}, and {allowed} is allowed; use --engine torch.",
                  gap=rough(gap), allowed=rough(allowed))
            )  # fmt: skip
    return session


def _whole(features: Floats) -> Floats:
    return features


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
