"""Which reader a model's file wants: Keras's or ONNX's, by its first bytes, not by its name."""

from __future__ import annotations

from pathlib import Path

from ropero.errors import DataError
from ropero.export import keras_container, keras_reader, onnx_foreign
from ropero.export.foreign import Foreign

ENDINGS = (".h5", ".hdf5", ".keras", ".onnx")


def is_model_file(name: str) -> bool:
    """Whether a name is that of a model's file, and not of a run."""
    return name.lower().endswith(ENDINGS) or (Path(name).is_file() and "." in Path(name).name)


def read(path: Path, plan: Path | None = None) -> Foreign:
    """The network of a file; `plan` is that of weights that come alone.

    Raises DataError for a file that ropero does not read, MissingExtra without the library for it.
    """
    head = keras_container.start_of(path)
    if head.startswith((keras_container.HDF5_MAGIC, keras_container.ZIP_MAGIC)):
        return keras_reader.read(path, plan)
    if known := keras_container.told(path, head):
        raise DataError(known)
    if path.suffix.lower() == ".onnx" or _is_onnx(head):
        return onnx_foreign.read(path)
    raise DataError(keras_container.unknown(path))


def _is_onnx(head: bytes) -> bool:
    """ONNX has no first bytes of its own: most begin with the version of its format, a small number, then the text of
    who made it."""
    return len(head) > 4 and head[0] == 0x08 and head[1] < 20 and head[2] in (0x12, 0x22, 0x3A, 0x42)
