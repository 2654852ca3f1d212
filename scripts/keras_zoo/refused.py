"""Models of `keras_fixtures.py` that are no classifiers of images made of layers that are known.

`k` is Keras (keras, tf.keras or tf_keras). Has to run on Python 3.7.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

IMAGE = (28, 28, 1)


def with_lambda(k: Any) -> Any:
    # Keras keeps the compiled code, which names its file: here one that is nobody's.
    code = compile("lambda x: x / 255.0", "notebook.py", "eval").co_consts[0]
    return k.models.Sequential(
        [
            k.layers.Lambda(FunctionType(code, {}, "<lambda>"), input_shape=(28, 28)),
            k.layers.Flatten(),
            k.layers.Dense(2, activation="relu"),
            k.layers.Dense(10, activation="softmax"),
        ]
    )


def with_own_layer(k: Any) -> Any:
    class Doubled(k.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs * 2.0

    return k.models.Sequential(
        [k.layers.Flatten(input_shape=(28, 28)), k.layers.Dense(2), Doubled(), k.layers.Dense(10, activation="softmax")]
    )


def with_registered_activation(k: Any) -> Any:
    registered = getattr(k, "saving", None) or k.utils

    def squared(x: Any) -> Any:
        return x * x

    registered.register_keras_serializable(package="course")(squared)
    return k.models.Sequential(
        [
            k.layers.Flatten(input_shape=(28, 28)),
            k.layers.Dense(2, activation=squared),
            k.layers.Dense(10, activation="softmax"),
        ]
    )


def two_outputs(k: Any) -> Any:
    inputs = k.layers.Input((28, 28))
    x = k.layers.Dense(2, activation="relu")(k.layers.Flatten()(inputs))
    garment = k.layers.Dense(10, activation="softmax", name="garment")(x)
    return k.models.Model(inputs, [garment, k.layers.Dense(2, activation="softmax", name="season")(x)])


def two_inputs(k: Any) -> Any:
    image, length = k.layers.Input((28, 28)), k.layers.Input((1,))
    x = k.layers.Concatenate()([k.layers.Dense(2)(k.layers.Flatten()(image)), length])
    return k.models.Model([image, length], k.layers.Dense(10, activation="softmax")(x))


def autoencoder(k: Any) -> Any:
    return k.models.Sequential(
        [
            k.layers.Conv2D(3, 3, strides=2, padding="same", activation="relu", input_shape=IMAGE),
            k.layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid"),
        ]
    )


def regression(k: Any) -> Any:
    return k.models.Sequential([k.layers.Flatten(input_shape=(28, 28)), k.layers.Dense(1)])


def text(k: Any) -> Any:
    return k.models.Sequential(
        [
            k.layers.Embedding(30, 4, input_shape=(12,)),
            k.layers.GlobalAveragePooling1D(),
            k.layers.Dense(10, activation="softmax"),
        ]
    )


def text_of_words(k: Any) -> Any:
    words = k.layers.TextVectorization(max_tokens=20, output_sequence_length=6)
    words.adapt(["a red dress", "black ankle boots", "a bag"])
    inputs = k.layers.Input((1,), dtype="string")
    x = k.layers.GlobalAveragePooling1D()(k.layers.Embedding(20, 4)(words(inputs)))
    return k.models.Model(inputs, k.layers.Dense(10, activation="softmax")(x))


def attention(k: Any) -> Any:
    inputs = k.layers.Input((28, 28))
    x = k.layers.MultiHeadAttention(num_heads=1, key_dim=4)(inputs, inputs)
    return k.models.Model(inputs, k.layers.Dense(10, activation="softmax")(k.layers.GlobalAveragePooling1D()(x)))
