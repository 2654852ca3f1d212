"""Networks of `keras_fixtures.py` that scale, move or standardise their pixels themselves.

`k` is Keras (keras, tf.keras or tf_keras). Has to run on Python 3.7.
"""

from __future__ import annotations

from typing import Any

from keras_zoo.images import images

IMAGE = (28, 28, 1)


def preprocessing(k: Any, name: str) -> Any:
    """A layer that was tried out elsewhere before it was one of Keras's own."""
    return getattr(k.layers, name, None) or getattr(k.layers.experimental.preprocessing, name)


def rescaled(k: Any, scale: float = 1.0 / 255, offset: float = 0.0) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            preprocessing(k, "Rescaling")(scale, offset, input_shape=IMAGE),
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.MaxPooling2D(4),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )


def normalized(k: Any, axis: int | None = None) -> Any:
    """Mean and variance adapted to the images, one for all pixels or for each place along an axis."""
    layers = k.layers
    norm = preprocessing(k, "Normalization")(axis=axis, input_shape=IMAGE)
    norm.adapt(images(IMAGE).astype("float32"))
    return k.models.Sequential(
        [
            norm,
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.MaxPooling2D(4),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def normalized_given(k: Any) -> Any:
    """Mean and variance written in the config, one a channel, and no weights for them."""
    layers = k.layers
    inputs = layers.Input((32, 32, 3))
    x = layers.Normalization(mean=[120.0, 100.0, 90.0], variance=[4000.0, 3000.0, 5000.0])(inputs)
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    return k.models.Model(inputs, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def augmented(k: Any) -> Any:
    """Layers that move and turn images in training and do nothing afterwards."""
    layers = k.layers
    front = k.models.Sequential(
        [
            layers.RandomFlip("horizontal", input_shape=IMAGE),
            layers.RandomRotation(0.1),
            layers.RandomZoom(0.1),
            layers.RandomContrast(0.2),
            layers.RandomTranslation(0.1, 0.1),
        ],
        name="augmentation",
    )
    return k.models.Sequential(
        [
            front,
            layers.Rescaling(1.0 / 127.5, offset=-1.0),
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.MaxPooling2D(4),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def colours(k: Any) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            preprocessing(k, "Rescaling")(1.0 / 255, input_shape=(32, 32, 3)),
            layers.Conv2D(4, 3, padding="same", strides=2, activation="relu"),
            layers.Conv2D(4, 3, groups=2, activation="relu"),
            layers.MaxPooling2D(5),
            layers.GlobalMaxPooling2D(keepdims=True),
            layers.Flatten(),
            layers.Dense(10),
            layers.Softmax(),
        ]
    )
