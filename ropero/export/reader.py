"""Which reader a model's file wants: Keras's or ONNX's, by its first bytes, not by its name."""

from __future__ import annotations

from pathlib import Path

from ropero.bounds import ZIP_MAGIC
from ropero.errors import DataError
from ropero.export import keras_container, keras_reader, onnx_foreign
from ropero.export.foreign import Foreign
from ropero.models.hdf5 import HDF5_MAGIC

ENDINGS = (".h5", ".hdf5", ".keras", ".onnx")
KERAS, ONNX = "keras", "onnx"


def is_model_file(name: str) -> bool:
    """Whether a name is that of a model's file, or of a folder that TensorFlow keeps one in, and not of a run."""
    path = Path(name).expanduser()
    is_file = path.is_file() and "." in path.name
    return name.lower().endswith(ENDINGS) or is_file or keras_container.is_saved_model(path)


def kind(path: Path) -> str:
    """Whose reader a file wants, by its beginning alone. Raises DataError for what is known to be something else."""
    head = keras_container.start_of(path)
    if head.startswith((HDF5_MAGIC, ZIP_MAGIC)):
        return KERAS
    if known := keras_container.told(path, head):
        raise DataError(known)
    if path.suffix.lower() == ".onnx" or _is_onnx(head):
        return ONNX
    raise DataError(keras_container.unknown(path))


def read(path: Path, plan: Path | None = None) -> Foreign:
    """The network of a file; `plan` is that of weights that come alone.

    Raises DataError for a file that ropero does not read, MissingExtra without the library for it.
    """
    return keras_reader.read(path, plan) if kind(path) == KERAS else onnx_foreign.read(path)


def _is_onnx(head: bytes) -> bool:
    """ONNX has no first bytes of its own: most begin with the version of its format, a small number, then the text of
    who made it."""
    return len(head) > 4 and head[0] == 0x08 and head[1] < 20 and head[2] in (0x12, 0x22, 0x3A, 0x42)
