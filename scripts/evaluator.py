"""Trains the network by whose features generated garments are measured: `python scripts/evaluator.py`.

A small classifier, by ropero's own recipe, on 50,000 of Fashion-MNIST's training images; the 10,000 held out judge it,
and the test part is not opened. Writes ropero/generation/evaluator: weights, card, and training.json, which says what
was trained how and how well. Distances by other weights cannot be compared, so this is run once: ropero knows the
digest of what it gave, and refuses others.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import ropero as rp
from ropero.storage import write_json

TARGET = Path(__file__).resolve().parent.parent / "ropero" / "generation" / "evaluator"
NORM, RELU = {"type": "BatchNormalization", "momentum": 0.9}, {"type": "ReLU"}
LAYERS: list[dict[str, Any]] = [
    {"type": "Conv2D", "filters": 32, "kernel_size": 3, "padding": "same", "use_bias": False},
    NORM,
    RELU,
    {"type": "Conv2D", "filters": 64, "kernel_size": 3, "padding": "same", "strides": 2, "use_bias": False},
    NORM,
    RELU,
    {"type": "Conv2D", "filters": 64, "kernel_size": 3, "padding": "same", "use_bias": False},
    NORM,
    RELU,
    {"type": "Conv2D", "filters": 96, "kernel_size": 3, "padding": "same", "strides": 2, "use_bias": False},
    NORM,
    RELU,
    {"type": "GlobalAveragePooling2D"},  # the 96 features
    {"type": "Dense"},
]


def main() -> None:
    parts = rp.split(rp.load("fashion-mnist"), "50000/10000")
    with tempfile.TemporaryDirectory() as runs:
        run = rp.train(parts, LAYERS, epochs=10, precision="bf16", device="cpu", runs=runs).run
        TARGET.mkdir(exist_ok=True)
        for name in ("model.safetensors", "model.json", "samples.json"):
            shutil.copy(run.folder / name, TARGET / name)
        last = run.history.to_json()[-1]
        said = {name: last[name] for name in ("epoch", "train_accuracy", "validation_accuracy")}
        data = {"name": run.data.name, "digests": run.data.digests}
        told = {**said, "data": data, "config": run.config.to_json(), "environment": run.environment}
        write_json(TARGET / "training.json", told)


if __name__ == "__main__":
    main()
