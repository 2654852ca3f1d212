"""Models as people publish them for Fashion-MNIST, built, trained and saved by Keras on TensorFlow, and read by ropero:
does it find how each wants its pixels, and does it name as many images correctly as Keras?

    pip install -e '.[bench]'
    python benchmarks/keras_files.py

The networks, and how they prepare pixels, are those of public repositories: the tutorials' dense network, LeNet on
padded pictures, convolutions with batch-norm, residual blocks, LSTMs over the rows, MobileNet blocks on enlarged
pictures in three channels; with pixels from 0 to 1, 0 to 255, -1 to 1, standardised. Each learns from 20,000 training
images for two epochs; both sides are then asked about the same 10,000 other training images. The test part stays shut.
Keras says of each file what it predicts in the process that trained it; ropero reads the file and knows nothing else.
Writes benchmarks/results/keras_files.json.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "keras_files.json"
LEARNED, JUDGED, EPOCHS, BATCH = 20_000, 10_000, 2, 64
Array = Any


@dataclass(frozen=True)
class Case:
    """A network, how it is given its pixels, and what ropero should find."""

    name: str
    build: Callable[[Any], Any]  # of keras.layers
    prepare: Callable[[Array, Array], Array]  # (images 0 to 255, those learned from) -> what the network takes
    scale: str
    ending: str
    size: str = "as they are"
    loss: str = "sparse_categorical_crossentropy"


def unit(x: Array, _: Array) -> Array:
    return x / 255


def raw(x: Array, _: Array) -> Array:
    return x


def symmetric(x: Array, _: Array) -> Array:
    return x / 127.5 - 1


def standardised(x: Array, seen: Array) -> Array:
    return (x - seen.mean()) / seen.std()


def by_pixel(x: Array, seen: Array) -> Array:
    deviation = seen.std(0)
    return (x - seen.mean(0)) / np.where(deviation == 0, 1, deviation)


def in_four(prepare: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    return lambda x, seen: prepare(x, seen)[..., None]


def flat(prepare: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    return lambda x, seen: prepare(x, seen).reshape(len(x), -1)


def padded(x: Array, _: Array) -> Array:
    return np.pad(x / 255, ((0, 0), (2, 2), (2, 2)))[..., None]


def enlarged(x: Array, _: Array) -> Array:
    from tensorflow import image

    return np.asarray(image.grayscale_to_rgb(image.resize(x[..., None] / 255, (48, 48))))


def dense(layers: Any) -> Any:
    return [
        layers.Flatten(input_shape=(28, 28)),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]


def dense_dropout(layers: Any) -> Any:
    return [
        layers.Input((28, 28)),
        layers.Flatten(),
        layers.Dense(300, activation="relu"),
        layers.Dropout(0.2),
        layers.Dense(100, activation="relu"),
        layers.Dense(10),
    ]


def selu(layers: Any) -> Any:
    return [
        layers.Input((28, 28)),
        layers.Flatten(),
        *(layers.Dense(64, activation="selu", kernel_initializer="lecun_normal") for _ in range(5)),
        layers.Dense(10, activation="softmax"),
    ]


def flat_sigmoids(layers: Any) -> Any:
    return [layers.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(10, activation="sigmoid")]


def cnn(layers: Any) -> Any:
    return [
        layers.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ]


def cnn_norm(layers: Any) -> Any:
    return [
        layers.Input((28, 28, 1)),
        layers.Conv2D(16, 3, padding="same"),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.MaxPooling2D(),
        layers.SpatialDropout2D(0.1),
        layers.Conv2D(32, 3, padding="same"),
        layers.BatchNormalization(),
        layers.LeakyReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10),
        layers.Softmax(),
    ]


def norm_first(layers: Any) -> Any:
    return [
        layers.Input((28, 28, 1)),
        layers.BatchNormalization(),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]


def rescaled(layers: Any) -> Any:
    return [
        layers.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.RandomFlip("horizontal"),
        layers.Conv2D(16, 5, strides=2, activation="relu"),
        layers.Flatten(),
        layers.Dense(10),
    ]


def lenet(layers: Any) -> Any:
    return [
        layers.Input((32, 32, 1)),
        layers.Conv2D(6, 5, activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Conv2D(16, 5, activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(120, activation="tanh"),
        layers.Dense(84, activation="tanh"),
        layers.Dense(10, activation="softmax"),
    ]


def mobile(layers: Any) -> Any:
    return [
        layers.Input((48, 48, 3)),
        layers.Conv2D(16, 3, strides=2, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(6.0),
        layers.DepthwiseConv2D(3, strides=2, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(6.0),
        layers.Conv2D(32, 1),
        layers.SeparableConv2D(48, 3, padding="same", activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax"),
    ]


def lstm(layers: Any) -> Any:
    return [
        layers.Input((28, 28)),
        layers.Bidirectional(layers.LSTM(32, return_sequences=True)),
        layers.LSTM(32),
        layers.Dropout(0.2),
        layers.Dense(10, activation="softmax"),
    ]


def gru(layers: Any) -> Any:
    return [
        layers.Input((28, 28)),
        layers.GRU(48, return_sequences=True),
        layers.TimeDistributed(layers.Dense(16, activation="relu")),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]


def residual(layers: Any) -> Any:
    import keras

    start = keras.Input((28, 28, 1))
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(start)
    y = layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same", activation="relu")(x))
    x = layers.ReLU()(layers.Add()([x, layers.Conv2D(16, 3, padding="same")(y)]))
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    return keras.Model(start, layers.Dense(10, activation="softmax")(x))


CASES = (
    Case("dense, 0 to 1", dense, unit, "0-1", "h5"),
    Case("dense, 0 to 255", dense, raw, "0-255", "h5"),
    Case("dense with dropout, logits", dense_dropout, unit, "0-1", "keras", loss="logits"),
    Case("SELU, each pixel standardised", selu, by_pixel, "standardised-by-pixel", "h5"),
    Case("784 in, sigmoids out", flat_sigmoids, flat(unit), "0-1", "keras", loss="binary"),
    Case("convolutions, 0 to 1", cnn, in_four(unit), "0-1", "keras"),
    Case("convolutions, 0 to 255", cnn, in_four(raw), "0-255", "h5"),
    Case("convolutions, -1 to 1", cnn, in_four(symmetric), "-1-1", "keras"),
    Case("batch-norm, standardised", cnn_norm, in_four(standardised), "standardised", "h5"),
    Case("batch-norm, 0 to 255", cnn_norm, in_four(raw), "0-255", "keras"),
    Case("batch-norm first, 0 to 255", norm_first, in_four(raw), "0-255", "h5"),
    Case("Rescaling inside", rescaled, in_four(raw), "0-255", "keras", loss="logits"),
    Case("LeNet on 32 x 32", lenet, padded, "0-1", "h5", size="padded with black"),
    Case("MobileNet blocks on 48 x 48 x 3", mobile, enlarged, "0-1", "keras", size="resized"),
    Case("BiLSTM over rows", lstm, unit, "0-1", "h5"),
    Case("GRU and TimeDistributed", gru, unit, "0-1", "keras"),
    Case("residual, functional", residual, in_four(unit), "0-1", "keras"),
)


def trained(case: Case, path: Path, learned: Any, judged: Any) -> Array:
    """Train and save; what Keras itself predicts of the other images, (N, 10)."""
    import keras

    keras.utils.set_random_seed(0)
    made = case.build(keras.layers)
    model = keras.Sequential(made) if isinstance(made, list) else made
    seen = learned.images.astype(np.float32)
    losses = {"logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "binary": "binary_crossentropy"}
    labels = keras.utils.to_categorical(learned.labels, 10) if case.loss == "binary" else learned.labels
    model.compile("adam", losses.get(case.loss, case.loss), metrics=["accuracy"])
    model.fit(case.prepare(seen, seen), labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    model.save(path)
    return model.predict(case.prepare(judged.images.astype(np.float32), seen), batch_size=500, verbose=0)


def measured(case: Case, folder: Path, learned: Any, judged: Any) -> dict[str, Any]:
    """One case: Keras's accuracy and ropero's, and what ropero found."""
    from ropero.export import pixels, reader
    from ropero.models.inference import logits

    path = folder / f"fashion.{case.ending}"
    meant = trained(case, path, learned, judged)
    started = time.perf_counter()
    foreign = reader.read(path)
    built, seeing = pixels.find(foreign, learned)
    seconds = time.perf_counter() - started
    said = logits(built.model, judged.images)
    path.unlink()
    agree = float((said.argmax(1) == meant.argmax(1)).mean())
    return {
        "name": case.name,
        "file": case.ending,
        "written_by": foreign.written_by,
        "expected_pixels": [case.scale, case.size],
        "found_pixels": [seeing.scale, seeing.size],
        "why": seeing.why,
        "keras_accuracy": float((meant.argmax(1) == judged.labels).mean()),
        "ropero_accuracy": float((said.argmax(1) == judged.labels).mean()),
        "same_class": agree,
        "import_seconds": seconds,
    }


def main() -> int:
    from ropero import runtime
    from ropero.data import sources
    from ropero.data.splits import split
    from ropero.storage import write_json

    rest, judged = split(sources.load("fashion-mnist").train, JUDGED, seed=0, stratified=True)
    learned, _ = split(rest, len(rest) - LEARNED, seed=1, stratified=True)
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            found.append(measured(case, Path(folder), learned, judged))
            print(json.dumps(found[-1]), flush=True)
    import keras
    import tensorflow

    environment: dict[str, Any] = runtime.environment(runtime.resolve_device("cpu"))
    versions = {"keras": keras.__version__, "tensorflow": tensorflow.__version__}
    settings = {"learned": LEARNED, "judged": JUDGED, "epochs": EPOCHS, "batch_size": BATCH}
    write_json(RESULT, {"settings": settings, "environment": environment | versions, "cases": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
