"""Saves a model as each kind of file that `keras_fixtures.py` makes.

Has to run on Python 3.7.
"""

from __future__ import annotations

import contextlib
import importlib
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from keras_zoo.fixture import CHECKPOINT, DISGUISED, H5, INT8, LEGACY, LITE, SAVED_MODEL, WEIGHTS, ZIP


def save_whole(model: Any, path: Path) -> None:
    # TensorFlow 2.12 could write the new kind of .keras, but did so only when it was asked to.
    asked = path.suffix == ".keras" and not path.name.endswith(DISGUISED) and maker(model).startswith("2.12")
    model.save(str(path), **({"save_format": "keras_v3"} if asked else {}))


def maker(model: Any) -> str:
    """The version of the package that a model's class comes from."""
    return version_of(type(model).__module__.split(".")[0])


def version_of(name: str) -> str:
    return str(importlib.import_module(name).__version__)


@contextlib.contextmanager
def header(limit: int) -> Iterator[None]:
    """Let Keras believe that an attribute holds no more bytes: a small model's names then need several. 0: as it is."""
    if not limit:
        yield
        return
    keras: Any = importlib.import_module("keras.saving.legacy.hdf5_format")
    before, keras.HDF5_OBJECT_HEADER_LIMIT = keras.HDF5_OBJECT_HEADER_LIMIT, limit
    try:
        yield
    finally:
        keras.HDF5_OBJECT_HEADER_LIMIT = before


def save_weights(model: Any, path: Path) -> None:
    model.save_weights(str(path))


def save_legacy_weights(model: Any, path: Path) -> None:
    """TensorFlow 2.15 goes by the name: ".weights.h5" is the new way, any other ".h5" the old."""
    plain = path.parent / "plain.h5"
    model.save_weights(str(plain))
    plain.rename(path)


def save_quantised(model: Any, path: Path) -> None:
    model.quantize("int8")
    model.save(str(path))


def save_zipped(model: Any, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder, save_format="tf")
        with zipfile.ZipFile(str(path), "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(Path(folder).rglob("*")):
                archive.write(str(file), str(file.relative_to(folder)))


def save_lite(model: Any, path: Path) -> None:
    lite = importlib.import_module("tensorflow").lite
    path.write_bytes(lite.TFLiteConverter.from_keras_model(model).convert())


def save_checkpoint(model: Any, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(folder + "/model", save_format="tf")
        (Path(folder) / "model.index").rename(path)


WRITERS: dict[str, Callable[[Any, Path], None]] = {
    H5: save_whole,
    ZIP: save_whole,
    DISGUISED: save_whole,
    WEIGHTS: save_weights,
    LEGACY: save_legacy_weights,
    INT8: save_quantised,
    SAVED_MODEL: save_zipped,
    LITE: save_lite,
    CHECKPOINT: save_checkpoint,
}
