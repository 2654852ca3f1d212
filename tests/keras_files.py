"""The files of tests/fixtures/keras for tests: what index.json says of each, and each unpacked where a test wants it.

`scripts/keras_fixtures.py` made them. Knows nothing of ropero.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "fixtures" / "keras"
ENTRIES: list[dict[str, Any]] = json.loads((FOLDER / "index.json").read_text("utf-8"))["files"]
READ = [entry for entry in ENTRIES if not entry["refused"]]
REFUSED = [entry for entry in ENTRIES if entry["refused"] and not entry["either"]]
EITHER = [entry for entry in ENTRIES if entry["either"]]


def unpacked(entry: dict[str, Any], folder: Path) -> Path:
    """The file under its own name in the folder."""
    path = folder / entry["file"]
    path.write_bytes(gzip.decompress((FOLDER / f"{entry['file']}.gz").read_bytes()))
    return path


def pixels(entry: dict[str, Any]) -> NDArray[np.uint8]:
    """The sixteen images, in the shape that the model takes."""
    with np.load(FOLDER / entry["npz"]) as stored:
        found: NDArray[np.uint8] = stored["pixels"]
    return found


def scaled(entry: dict[str, Any]) -> NDArray[np.float32]:
    """The images as Keras was given them."""
    scale = entry["pixels"]
    return ((pixels(entry).astype(np.float32) - scale["subtract"]) / scale["divide"]).astype(np.float32)


def predictions(entry: dict[str, Any]) -> NDArray[np.float32]:
    """What the Keras that wrote the file predicts of them, (16, 10)."""
    with np.load(FOLDER / entry["npz"]) as stored:
        found: NDArray[np.float32] = stored["predictions"]
    return found
