"""Augmentation against Keras's ImageDataGenerator on one core: images a second of a whole epoch, same settings.

Epochs of both alternate, so that a noisy machine disturbs both alike; the figures are medians, and the ratio is the
median of the rounds' ratios. tests/data/test_augment.py shows that both make the same images of the same draws.
Writes benchmarks/results/augmentation.json.

    python benchmarks/augmentation.py [--rounds 9] [--images 10000]
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ropero import runtime
from ropero.data.batches import batch_bounds, channels_first, epoch_order
from ropero.storage import write_json
from ropero.training.augmentation import Augmentation
from ropero.training.config import TrainConfig

HERE = Path(__file__).parent
BATCH_SIZE = 256
MOVES = {"rotation": 8.0, "width_shift": 0.08, "height_shift": 0.08, "shear": 0.3, "zoom": 0.08}
SHAPES = {"grey 28x28": (28, 28, 1), "RGB 64x64": (64, 64, 3)}


def keras_epochs(images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> Callable[[int], None]:
    """A function that draws one epoch from Keras's generator."""
    os.environ["KERAS_BACKEND"] = "torch"  # read when Keras is imported; the generator itself is NumPy and SciPy
    image = importlib.import_module("keras.src.legacy.preprocessing.image")
    flow = image.ImageDataGenerator(**{f"{name}_range": value for name, value in MOVES.items()}).flow(
        images, labels, batch_size=BATCH_SIZE, seed=0
    )

    def epoch(_: int) -> None:
        for _ in range(len(flow)):
            next(flow)

    return epoch


def our_epochs(images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> Callable[[int], None]:
    """A function that makes the batches of one epoch as the training loop does: float32 in 0..255, like Keras's."""
    config = TrainConfig(flip="none", erase=0.0, batch_size=BATCH_SIZE, **MOVES)  # type: ignore[arg-type]
    pixels, names = channels_first(images), torch.tensor(labels)
    augmentation = Augmentation(config, len(pixels))

    def epoch(number: int) -> None:
        order = epoch_order(len(pixels), config.seed, number)
        for step, (start, end) in enumerate(batch_bounds(len(pixels), BATCH_SIZE)):
            torch.default_generator.manual_seed(runtime.mix_seed("step", config.seed, number, step))
            chosen = order[start:end]
            augmentation.of_training(pixels.index_select(0, chosen), names.index_select(0, chosen), chosen, number)

    return epoch


def compared(shape: tuple[int, int, int], count: int, rounds: int) -> dict[str, Any]:
    """Images a second of both, rounds alternating; a first round of each is not counted."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (count, *shape), dtype=np.uint8), rng.integers(0, 10, count)
    runners = {"keras": keras_epochs(images, labels), "ropero": our_epochs(images, labels)}
    speeds: dict[str, list[float]] = {name: [] for name in runners}
    for number in range(rounds + 1):
        for name, epoch in runners.items():
            started = time.perf_counter()
            epoch(number)
            if number:
                speeds[name].append(count / (time.perf_counter() - started))
    ratios = [ours / theirs for ours, theirs in zip(speeds["ropero"], speeds["keras"], strict=True)]
    return {
        "images": count,
        **{f"{name}_images_per_second": statistics.median(values) for name, values in speeds.items()},
        **{f"{name}_lowest_highest": [min(values), max(values)] for name, values in speeds.items()},
        "ropero_over_keras": statistics.median(ratios),
        "lowest_ratio": min(ratios),
        "highest_ratio": max(ratios),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--images", type=int, default=10_000)
    asked = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)  # SciPy's, of the name that Keras calls it by
    torch.set_num_threads(1)
    runtime.keep_freed_memory()  # as in training
    results = {}
    for name, shape in SHAPES.items():
        results[name] = compared(shape, asked.images, asked.rounds)
        print(name, results[name], flush=True)
    write_json(
        HERE / "results" / "augmentation.json",
        {
            "n": asked.rounds,
            "batch_size": BATCH_SIZE,
            "moves": MOVES,
            "fill": "nearest",
            "results": results,
            "versions": {name: importlib.metadata.version(name) for name in ("keras", "scipy")},
            "environment": runtime.environment(torch.device("cpu")),
        },
    )


if __name__ == "__main__":
    main()
