"""Writes tests/fixtures/onnx: small networks of TensorFlow and scikit-learn as ONNX files, and what they say.

    python scripts/onnx_fixtures.py FOLDER tests/fixtures/onnx

FOLDER holds Fashion-MNIST's four IDX files. It wants an environment of its own, apart from ropero's:

    pip install "tensorflow-cpu==2.15.*" "tf2onnx==1.16.*" "onnx==1.16.*" "skl2onnx==1.17.*" "scikit-learn==1.5.*" \
        "numpy<2" onnxruntime

The networks learn from the first training images for a moment, and are asked about the last ones: the test part is not
opened. Beside the files lies expected.npz: `images`, as uint8, and by each file's name what onnxruntime gives for them.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import skl2onnx
import tensorflow as tf
import tf2onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

LEARNED, ASKED = 3000, 12
NAMES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]


def idx(path: Path) -> Any:
    """The array of an IDX file, packed or not."""
    content = path.read_bytes()
    content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    rank = content[3]
    shape = np.frombuffer(content, ">i4", rank, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def found(folder: Path, name: str) -> Any:
    return idx(next(path for path in sorted(folder.iterdir()) if path.name.startswith(name)))


def keras_cnn() -> Any:
    """Pictures 0 to 1, channels last."""
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            tf.keras.Input((28, 28, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def keras_separable() -> Any:
    """Windows over the edge, batch normalisation, branches that are added."""
    layers = tf.keras.layers
    pixels = tf.keras.Input((28, 28, 1))
    x = layers.Rescaling(2.0, -1.0)(pixels)
    x = layers.Conv2D(12, 5, 2, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    branch = layers.SeparableConv2D(12, 3, padding="same")(x)
    x = layers.Add()([x, layers.LeakyReLU()(layers.BatchNormalization()(branch))])
    x = layers.DepthwiseConv2D(3, 2, padding="same")(layers.ZeroPadding2D((1, 2))(x))
    x = layers.GlobalAveragePooling2D()(layers.AveragePooling2D(3, 2, padding="same")(x))
    return tf.keras.Model(pixels, layers.Dense(10, activation="softmax")(layers.Dense(16, activation="elu")(x)))


def keras_lstm() -> Any:
    """Pictures row by row."""
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            tf.keras.Input((28, 28)),
            layers.Bidirectional(layers.LSTM(8, return_sequences=True)),
            layers.GRU(8),
            layers.Dense(10, activation="softmax"),
        ]
    )


def by_keras(make: Callable[[], Any], shape: tuple[int, ...]) -> Callable[[Any, Any], bytes]:
    def written(images: Any, labels: Any) -> bytes:
        tf.keras.utils.set_random_seed(0)
        model = make()
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(as_floats(images).reshape(-1, *shape), labels, 32, 3, verbose=0)
        signature = [tf.TensorSpec((None, *shape), tf.float32, name="pixels")]
        proto, _ = tf2onnx.convert.from_keras(model, signature, opset=13)
        content: bytes = proto.SerializeToString()
        return content

    return written


def by_sklearn(make: Callable[[], Any], zipmap: bool) -> Callable[[Any, Any], bytes]:
    def written(images: Any, labels: Any) -> bytes:
        model = make().fit(as_floats(images).reshape(-1, 784), np.array(NAMES)[labels])
        types = [("pixels", FloatTensorType([None, 784]))]
        proto = skl2onnx.to_onnx(model, initial_types=types, options={"zipmap": zipmap}, target_opset=15)
        content: bytes = proto.SerializeToString()
        return content

    return written


def as_floats(images: Any) -> Any:
    return images.astype(np.float32) / 255


def perceptron() -> Any:
    return make_pipeline(StandardScaler(), MLPClassifier((10,), max_iter=15, random_state=0))


def logistic() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=30))


def one_against_rest() -> Any:
    return LogisticRegression(max_iter=30, multi_class="ovr")


WRITTEN: dict[str, tuple[Callable[[Any, Any], bytes], tuple[int, ...]]] = {
    "keras-cnn": (by_keras(keras_cnn, (28, 28, 1)), (28, 28, 1)),
    "keras-separable": (by_keras(keras_separable, (28, 28, 1)), (28, 28, 1)),
    "keras-lstm": (by_keras(keras_lstm, (28, 28)), (28, 28)),
    "sklearn-mlp": (by_sklearn(perceptron, False), (784,)),
    "sklearn-logistic": (by_sklearn(logistic, True), (784,)),
    "sklearn-ovr": (by_sklearn(one_against_rest, False), (784,)),
}


def main(source: Path, folder: Path) -> None:
    images, labels = found(source, "train-images"), found(source, "train-labels")
    folder.mkdir(parents=True, exist_ok=True)
    given = {"images": images[-ASKED:]}
    for name, (write, shape) in WRITTEN.items():
        content = write(images[:LEARNED], labels[:LEARNED])
        (folder / f"{name}.onnx").write_bytes(content)
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        asked = as_floats(images[-ASKED:]).reshape(-1, *shape)
        said = session.run(None, {session.get_inputs()[0].name: asked})[-1]
        expected = np.array([[one[label] for label in sorted(one)] for one in said] if isinstance(said, list) else said)
        assert expected.shape == (ASKED, 10)
        given[name] = expected.astype(np.float32)
        right = (expected.argmax(1) == labels[-ASKED:]).sum()
        print(f"{name}: {len(content)} bytes, {right} of {ASKED} right")
    np.savez_compressed(folder / "expected.npz", **given)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
