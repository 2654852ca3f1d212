"""Every network of the zoo has a recipe of its own: a function that returns a `TrainConfig`. That of `quick` was chosen
by validation (docs/lab-notes.md), the others start from one that suits small networks. What the reports did with their
networks is in the room `experiments`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ropero.errors import unknown
from ropero.texts import t
from ropero.training.config import TrainConfig


def quick() -> TrainConfig:
    """The defaults of TrainConfig, designed on 50,000 / 10,000 images of the training part (docs/lab-notes.md)."""
    return TrainConfig()


def dense() -> TrainConfig:
    """The protocol of the Keras tutorial as reports use it: Adam at 1e-3, batches of 32, 20 epochs, no augmentation."""
    return plain("dense", epochs=20, batch_size=32)


def softmax() -> TrainConfig:
    """Adam at 1e-3 with batches of 128, 20 epochs."""
    return plain("softmax", epochs=20, batch_size=128)


def cnn(network: str, **changes: Any) -> TrainConfig:
    """A convolutional network: one cycle of AdamW, mirrored images, a little label smoothing."""
    return TrainConfig(
        **{
            "network": network,
            "epochs": 20,
            "batch_size": 128,
            "learning_rate": 0.002,
            "beta2": 0.999,
            "erase": 0.0,
            **changes,
        }
    )


def plain(network: str, **changes: Any) -> TrainConfig:
    """What `compile` and `fit` of Keras do when nothing is asked of them: Adam at 1e-3, no augmentation."""
    settings: dict[str, Any] = {
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
        # bf16 costs small matrix products more than it saves (benchmarks/results/precision.json).
        "precision": "fp32",
    }
    return TrainConfig(**{**settings, **changes})


def own(network: str, layers: tuple[Mapping[str, Any], ...] = (), code: str = "") -> TrainConfig:
    """A network that ropero does not know: what convolutional ones learn well with, and short steps, in case it is
    something else; for code in full precision, which nothing that it does can fail in."""
    return cnn(network, layers=layers, code=code, clip_norm=1.0, precision="fp32" if code else "auto")


PRESETS: dict[str, Callable[[], TrainConfig]] = {
    "quick": quick,
    "dense": dense,
    "softmax": softmax,
    **{
        f"santiago-{name}": partial(cnn, f"santiago-{name}")
        for name in ("a1", "a2", "a3", "1", "2", "3", "4", "5", "6")
    },
    "monterrey-cnn": partial(cnn, "monterrey-cnn"),
    "monterrey-rnn": partial(cnn, "monterrey-rnn", clip_norm=1.0),
    "monterrey-bilstm": partial(cnn, "monterrey-bilstm", clip_norm=1.0),
    "monterrey-gru": partial(cnn, "monterrey-gru", clip_norm=1.0),
    "monterrey-attention": partial(cnn, "monterrey-attention", clip_norm=1.0),
    "lunzhi-cnn-1": partial(cnn, "lunzhi-cnn-1"),
    "lunzhi-cnn-3": partial(cnn, "lunzhi-cnn-3"),
    "lunzhi-cnn-4": partial(cnn, "lunzhi-cnn-4"),
    **{
        name: partial(plain, name, epochs=50, batch_size=256)
        for name in ("lunzhi-vgg19", "lunzhi-vgg16", "vgg19-frozen", "vgg16-frozen")
    },
    "vgg19": partial(cnn, "vgg19", learning_rate=3e-4, clip_norm=1.0),
    "alexnet": partial(cnn, "alexnet", learning_rate=3e-4, clip_norm=1.0),
}


def usual(config: TrainConfig) -> TrainConfig:
    """The recipe that a config started from. Raises UsageError for a network that is neither own nor in the zoo."""
    if config.layers or config.code:
        return own(config.network, config.layers, config.code)
    return preset(config.network)


def typed(config: TrainConfig) -> str:
    """What a command line says for the config's network: its name, or the file that it came from."""
    return f"{config.network}.toml" if config.layers else config.network


def preset(network: str) -> TrainConfig:
    """The network's own recipe. Raises UsageError for a name that is not in the zoo."""
    if network not in PRESETS:
        raise unknown(t("network"), network, PRESETS)
    return PRESETS[network]()
