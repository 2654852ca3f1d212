"""The programs that exported files are made for, each asked for its logits: onnxruntime, Keras, PyTorch.

Only for files that `readback.read` has let through. Knows nothing of what the answers should be.
Legend: N images, C channels, H x W pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, util
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ropero.data.batches import unit_batches
from ropero.data.dataset import Images
from ropero.errors import RoperoError, RunError
from ropero.export import onnx_file, onnx_writer
from ropero.export.portable import read_portable
from ropero.export.traced import quiet
from ropero.models import functions
from ropero.models.inference import Floats, logits
from ropero.models.layers import SOFTMAX
from ropero.texts import t

_AT_ONCE = 1_000_000  # values of images that are given to a program at once
_MOST_AT_ONCE = 100  # images


class NotComparableError(RoperoError):
    """A file that is right, as far as is known, but that nothing here can ask; the message says why."""


@dataclass(frozen=True)
class Client:
    """A program that has a file open. logits: images (N, H, W, C) uint8 -> (N, K) float32."""

    name: str
    logits: Callable[[Images], Floats]


def opened(path: Path) -> Client:
    """The file in its program; of one that gives probabilities alone, logits are their logarithms.
    Whatever that program raises for a damaged file is raised.

    Raises MissingExtra when that program is not installed, NotComparableError when Keras is not, or a program is known
    to be wrong about such a network.
    """
    return _CLIENTS[path.suffix.lower()](path)


def _onnxruntime(path: Path) -> Client:
    library = onnx_writer.library("onnxruntime")
    options = library.SessionOptions()
    options.log_severity_level = 4
    # The content, not the path: from there, nothing else could be reached.
    content = onnx_file.model(path).SerializeToString()
    session = library.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def ask(pixels: Floats) -> Any:
        (found,) = session.run([onnx_writer.LOGITS], {onnx_writer.PIXELS: pixels})
        return found

    return Client(f"onnxruntime {library.__version__}", lambda images: _asked(images, ask))


def _keras(path: Path) -> Client:
    if util.find_spec("keras") is None:
        raise NotComparableError(t("Not compared: Keras is not installed (pip install keras)."))
    with quiet():
        keras = _library()
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        is_softmax = model.layers[-1].get_config().get("activation") == SOFTMAX
        before = keras.Model(model.inputs, model.layers[-1].input) if is_softmax else model
    kinds = {(type(layer).__name__, getattr(layer, "padding", "")) for layer in model.layers}
    if keras.backend.backend() == "torch" and ("AveragePooling2D", "same") in kinds:
        # It repeats the edge, where TensorFlow leaves out what lies beyond it (keras 3.15, tests/models/test_keras.py).
        raise NotComparableError(
            t("Not compared: Keras with PyTorch pads AveragePooling2D otherwise than with TensorFlow; with "
              "KERAS_BACKEND=tensorflow it is compared.")
        )  # fmt: skip

    def ask(pixels: Floats) -> Any:
        with quiet():
            found = before.predict_on_batch(pixels.transpose(0, 2, 3, 1))
        return found if is_softmax else functions.log(torch.from_numpy(np.asarray(found))).numpy()

    name = f"Keras {keras.__version__} ({keras.backend.backend()})"
    return Client(name, lambda images: _asked(images, ask))


def _library() -> Any:
    try:
        return import_module("keras")
    except ImportError as error:  # of the backend that it is set to
        raise NotComparableError(t("Not compared: Keras cannot be loaded ({reason}).", reason=error)) from error


def _torch_export(path: Path) -> Client:
    with quiet():
        module = torch.export.load(path).module()

    def ask(pixels: Floats) -> Any:
        with torch.inference_mode():
            return module(torch.from_numpy(pixels))[0].numpy()

    return Client(f"torch.export {torch.__version__}", lambda images: _asked(images, ask))


def _safetensors(path: Path) -> Client:
    try:
        model, _ = read_portable(path)
    except RunError as error:  # a user's own code that is not at hand
        raise NotComparableError(str(error)) from error
    return Client("ropero", lambda images: logits(model, images))


def _asked(images: Images, ask: Callable[[Floats], Any]) -> Floats:
    """What is said to all images, some at a time as (n, C, H, W), as float32."""
    size = max(1, min(_MOST_AT_ONCE, _AT_ONCE // max(1, images[0].size)))
    return np.concatenate([np.asarray(ask(pixels), np.float32) for pixels in unit_batches(images, size)])


_CLIENTS: dict[str, Callable[[Path], Client]] = {
    ".onnx": _onnxruntime,
    ".keras": _keras,
    ".h5": _keras,
    ".safetensors": _safetensors,
    ".pt2": _torch_export,
}
