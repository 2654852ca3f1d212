"""Writes small data files of every format, for the tests of the readers."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]


def pictures_and_labels(n: int = 20, *, classes: int = 10, seed: int = 0, side: int = 28) -> tuple[Array, Array]:
    """(N, side, side) random pixels and (N,) labels 0, 1, ... in turn."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, side, side), np.uint8), (np.arange(n) % classes).astype(np.uint8)


def idx_bytes(array: Array) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path, *, prefix: str = "", test: str = "t10k", packed: bool = True, mark: str = "-idx") -> Path:
    """Four IDX files: 20 training and 10 test pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, n, seed in (("train", 20, 0), (test, 10, 1)):
        images, labels = pictures_and_labels(n, seed=seed)
        for what, array in (("images", images), ("labels", labels)):
            content = idx_bytes(array)
            name = f"{prefix}{part}-{what}{mark}{array.ndim}-ubyte"
            (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    return folder


def csv_text(images: Array, labels: Array, *, header: bool = True) -> str:
    flat = images.reshape(len(images), -1)
    lines = ["label," + ",".join(f"pixel{at + 1}" for at in range(flat.shape[1]))] * header
    return "\n".join([*lines, *(f"{y}," + ",".join(map(str, x)) for x, y in zip(flat, labels, strict=True))]) + "\n"


def write_picture(path: Path, pixels: Array, **how: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **how)
    return path


def write_folder(root: Path, layout: dict[str, int], *, side: int = 20, seed: int = 0) -> Path:
    """So many grey PNGs in each folder: {"train/coat": 3}."""
    rng = np.random.default_rng(seed)
    for name, n in layout.items():
        for number in range(n):
            write_picture(root / name / f"{number}.png", rng.integers(0, 256, (side, side), np.uint8))
    return root
