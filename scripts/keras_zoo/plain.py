"""Layers in a row, for images: networks of `keras_fixtures.py`, written so that every Keras since 2.0 builds them.

`k` is Keras (keras, tf.keras or tf_keras). Has to run on Python 3.7.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_zoo.images import images

IMAGE = (28, 28, 1)


def dense(k: Any) -> Any:
    return k.models.Sequential(
        [
            k.layers.Flatten(input_shape=(28, 28)),
            k.layers.Dense(4, activation="relu"),
            k.layers.Dropout(0.2),
            k.layers.Dense(10, activation="softmax"),
        ]
    )


def logits(k: Any) -> Any:
    return k.models.Sequential(
        [k.layers.Flatten(input_shape=(28, 28)), k.layers.Dense(4, activation="relu"), k.layers.Dense(10)]
    )


def probability_model(k: Any) -> Any:
    """What TensorFlow's beginners' tutorial ends with: a model of logits and a softmax around it."""
    return k.models.Sequential([logits(k), k.layers.Softmax()])


def softmax_twice(k: Any) -> Any:
    model = dense(k)
    model.add(k.layers.Activation("softmax"))
    return model


def sigmoid_end(k: Any) -> Any:
    return k.models.Sequential(
        [
            k.layers.InputLayer(input_shape=(784,)),
            k.layers.Dense(4, activation="tanh"),
            k.layers.Dense(10, activation="sigmoid"),
        ]
    )


def flat(k: Any) -> Any:
    """Every activation that is a layer of its own, on pixels in a row."""
    layers = k.layers
    return k.models.Sequential(
        [
            layers.Dense(4, input_shape=(784,)),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.AlphaDropout(0.1),
            layers.Dense(8, kernel_initializer="he_normal", kernel_regularizer=k.regularizers.l2(0.01)),
            layers.LeakyReLU(),
            layers.Dense(8, kernel_constraint=k.constraints.max_norm(2.0), bias_initializer="ones"),
            layers.PReLU(),
            layers.Dense(8, use_bias=False),
            layers.ELU(0.7),
            layers.Dense(8),
            layers.ThresholdedReLU(0.4) if hasattr(layers, "ThresholdedReLU") else layers.PReLU(),
            layers.Dense(10),
            layers.Activation("softmax"),
        ]
    )


def activations(k: Any, names: tuple[str, ...]) -> Any:
    """A dense layer for each activation."""
    stack = [k.layers.Dense(6, activation=name) for name in names]
    return k.models.Sequential(
        [k.layers.Flatten(input_shape=(28, 28)), k.layers.Dense(3), *stack, k.layers.Dense(10, activation="softmax")]
    )


def cnn(k: Any, window: int = 4, padding: str = "same") -> Any:
    """The window of the second convolution hangs over the edges by one pixel on one side and by two on the other."""
    layers = k.layers
    return k.models.Sequential(
        [
            layers.Conv2D(3, (3, 3), activation="relu", input_shape=IMAGE),
            layers.MaxPooling2D((2, 2)),
            layers.BatchNormalization(),
            layers.Dropout(0.25),
            layers.Conv2D(4, window, strides=3, padding=padding, use_bias=False, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def cnn_any_size(k: Any) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            layers.Conv2D(4, 3, dilation_rate=2, activation="relu", input_shape=(None, None, 1)),
            layers.BatchNormalization(scale=False, epsilon=2e-5),
            layers.Conv2D(6, 3, strides=(2, 1), activation="tanh"),
            layers.BatchNormalization(center=False),
            layers.Conv2D(10, 1),
            layers.GlobalAveragePooling2D(),
            layers.Activation("softmax"),
        ]
    )


def relu_layers(k: Any) -> Any:
    """ReLU as a layer, with each of its options."""
    layers = k.layers
    return k.models.Sequential(
        [
            layers.Conv2D(3, 3, strides=2, input_shape=IMAGE),
            layers.ReLU(max_value=6.0),
            layers.Conv2D(3, 3, strides=2),
            layers.ReLU(negative_slope=0.2, threshold=0.1),
            layers.Flatten(),
            layers.Dense(10),
            layers.Softmax(axis=1),
        ]
    )


def deferred(k: Any) -> Any:
    """A model that learns its input's shape from the first images that it sees."""
    model = k.models.Sequential(
        [k.layers.Flatten(), k.layers.Dense(4, activation="relu"), k.layers.Dense(10, activation="softmax")]
    )
    model.compile(optimizer="sgd", loss="categorical_crossentropy")
    model.fit(images((28, 28)) / np.float32(255), np.eye(10, dtype="float32")[np.arange(16) % 10], verbose=0)
    return model


def padded_transpose(k: Any) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            layers.Conv2D(2, 3, strides=3, activation="relu", input_shape=IMAGE),
            layers.Conv2DTranspose(3, 3, strides=3, output_padding=1, activation="relu"),
            layers.AveragePooling2D(7),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def channels_first(k: Any, window: tuple[int, int] = (3, 2), pooling: str = "same", **flatten: Any) -> Any:
    """(1, 28, 28) in; what `Flatten` makes of it depends on its own data_format."""
    layers = k.layers
    first = {"data_format": "channels_first"}
    return k.models.Sequential(
        [
            layers.Conv2D(3, 3, strides=2, activation="relu", input_shape=(1, 28, 28), **first),
            layers.BatchNormalization(axis=1),
            layers.MaxPooling2D(2, **first),
            layers.Conv2D(4, window, padding="same", **first),
            layers.AveragePooling2D(2, padding=pooling, **first),
            layers.Flatten(**flatten),
            layers.Dense(10, activation="softmax"),
        ]
    )


def convolutions(k: Any, window: tuple[int, int] = (3, 2), padding: str = "same") -> Any:
    """Depthwise, separable and transposed, with options that are easily forgotten."""
    layers = k.layers
    return k.models.Sequential(
        [
            layers.Reshape(IMAGE, input_shape=(784,)),
            layers.Conv2D(2, 3, strides=2, activation="relu"),
            layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu"),
            layers.SeparableConv2D(4, window, depth_multiplier=2, strides=2, padding=padding, activation="tanh"),
            layers.Conv2DTranspose(3, window, strides=2, padding=padding, activation="relu"),
            layers.Conv2DTranspose(4, 2, strides=2, activation="relu"),
            layers.AveragePooling2D(7),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def spatial(k: Any, **blend: str) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            layers.ZeroPadding2D(((1, 2), (0, 3)), input_shape=IMAGE),
            layers.Cropping2D(((2, 1), (1, 0))),
            layers.Conv2D(3, 3, strides=2, activation="relu"),
            layers.SpatialDropout2D(0.2),
            layers.GaussianNoise(0.1),
            layers.MaxPooling2D(3, strides=2, padding="same"),
            layers.AveragePooling2D(2, padding="same"),
            layers.UpSampling2D((2, 1), **blend),
            layers.ActivityRegularization(l2=0.01),
            layers.Permute((3, 1, 2)),
            layers.Reshape((-1, 6)),
            layers.GaussianDropout(0.1),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def named(k: Any, conv: str, verdict: str) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            layers.Conv2D(3, 3, strides=2, activation="relu", input_shape=IMAGE, name=conv),
            layers.MaxPooling2D(4),
            layers.Flatten(),
            layers.Dense(10, activation="softmax", name=verdict),
        ],
        name="names",
    )


def explicit_input(k: Any) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            layers.InputLayer(input_shape=(28, 28), name="garment"),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(4, 5, strides=3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def small(k: Any) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            layers.Conv2D(4, 3, strides=2, activation="relu", input_shape=IMAGE),
            layers.MaxPooling2D(4),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
