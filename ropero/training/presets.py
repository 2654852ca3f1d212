"""The recipe that a network is trained with unless the user says otherwise: a function a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ropero.errors import unknown
from ropero.texts import t
from ropero.training.config import TrainConfig


def quick() -> TrainConfig:
    """The defaults of TrainConfig, designed on 50,000 / 10,000 images of the training part (docs/lab-notes.md)."""
    return TrainConfig()


def dense() -> TrainConfig:
    """The protocol of the Keras tutorial as reports use it: Adam at 1e-3, batches of 32, 20 epochs, no augmentation."""
    return _plain("dense", epochs=20, batch_size=32)


def softmax() -> TrainConfig:
    """Adam at 1e-3 with batches of 128, 20 epochs."""
    return _plain("softmax", epochs=20, batch_size=128)


def _plain(network: str, **changes: Any) -> TrainConfig:
    plain: dict[str, Any] = {
        "network": network,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "weight_decay": 0.0,
        "beta2": 0.999,
        "schedule": "constant",
        "label_smoothing": 0.0,
        "flip": "none",
        "erase": 0.0,
        "ema": 0.0,
        # bf16 costs these small matrix products more than it saves (benchmarks/results/precision.json).
        "precision": "fp32",
    }
    return TrainConfig(**{**plain, **changes})


PRESETS: dict[str, Callable[[], TrainConfig]] = {"quick": quick, "dense": dense, "softmax": softmax}


def preset(network: str) -> TrainConfig:
    """The network's own recipe. Raises UsageError for a name that is not in the zoo."""
    if network not in PRESETS:
        raise unknown(t("network"), network, PRESETS)
    return PRESETS[network]()
