"""Networks of `keras_fixtures.py` that branch, share layers or hold other models.

`k` is Keras (keras, tf.keras or tf_keras). Has to run on Python 3.7.
"""

from __future__ import annotations

from typing import Any

IMAGE = (28, 28, 1)


def residual(k: Any) -> Any:
    layers = k.layers
    inputs = layers.Input(IMAGE, name="picture")
    x = layers.Conv2D(4, 3, strides=2, activation="relu", name="stem")(inputs)
    y = layers.Conv2D(4, 3, padding="same", name="branch")(x)
    y = layers.BatchNormalization(name="branch_norm")(y)
    x = layers.Activation("relu", name="join_relu")(layers.Add(name="join")([x, y]))
    gate = layers.Conv2D(4, 1, activation="sigmoid", name="gate")(x)
    x = layers.Multiply(name="gated")([x, gate])
    both = layers.Concatenate(name="both")([layers.MaxPooling2D(2)(x), layers.AveragePooling2D(2)(y)])
    average = layers.Average()([layers.GlobalAveragePooling2D()(both), layers.GlobalMaxPooling2D()(both)])
    outputs = layers.Dense(10, activation="softmax", name="verdict")(average)
    return k.models.Model(inputs, outputs)


def _block(k: Any, filters: int, name: str, shape: tuple[int, ...]) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            layers.Conv2D(filters, 3, activation="relu", input_shape=shape),
            layers.BatchNormalization(),
            layers.Conv2D(filters, 2, strides=2, use_bias=True),
            layers.BatchNormalization(),
        ],
        name=name,
    )


def nested_sequential(k: Any) -> Any:
    """A Sequential that holds two, the second of which holds a third."""
    layers = k.layers
    inner = k.models.Sequential([_block(k, 4, "inner_block", (13, 13, 3)), layers.LeakyReLU()], name="inner")
    return k.models.Sequential(
        [_block(k, 3, "outer_block", IMAGE), inner, layers.Flatten(), layers.Dense(10, activation="softmax")]
    )


def frozen_nested(k: Any) -> Any:
    """A functional model with a base that does not learn and a head of which one layer does not."""
    layers = k.layers
    base = _block(k, 4, "base", IMAGE)
    base.trainable = False
    head = k.models.Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", input_shape=(13, 13, 4), name="head_conv"),
            layers.BatchNormalization(name="head_norm"),
            layers.Conv2D(5, 3, strides=2, name="head_conv_2"),
            layers.BatchNormalization(name="head_norm_2"),
        ],
        name="head",
    )
    head.get_layer("head_norm").trainable = False
    inputs = layers.Input(IMAGE)
    x = layers.GlobalAveragePooling2D()(head(base(inputs)))
    return k.models.Model(inputs, layers.Dense(10, activation="softmax")(x))


def nested_functional(k: Any) -> Any:
    """A functional model inside a Sequential."""
    layers = k.layers
    inner = residual(k)
    return k.models.Sequential(
        [
            layers.Reshape(IMAGE, input_shape=(28, 28)),
            inner,
            layers.Dense(8, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def shared(k: Any) -> Any:
    """One convolution and one nested model, each called twice."""
    layers = k.layers
    conv = layers.Conv2D(3, 3, padding="same", activation="relu", name="twice")
    tower = _block(k, 3, "tower", (28, 28, 3))
    inputs = layers.Input(IMAGE)
    x = layers.Conv2D(3, 1)(inputs)
    x = layers.Subtract()([conv(conv(x)), x])
    flipped = layers.Permute((2, 1, 3))(x)
    joined = layers.Maximum()([tower(x), tower(flipped)])
    x = layers.Flatten()(layers.AveragePooling2D(3)(joined))
    return k.models.Model(inputs, layers.Dense(10, activation="softmax")(x))


def operators(k: Any) -> Any:
    """Sums and quotients written as Python has them; Keras makes layers of them by itself."""
    inputs = k.layers.Input(IMAGE)
    x = k.layers.Conv2D(3, 3, strides=2, activation="relu")(inputs / 255.0)
    x = x + k.layers.Conv2D(3, 3, padding="same")(x)
    return k.models.Model(inputs, k.layers.Dense(10, activation="softmax")(k.layers.GlobalAveragePooling2D()(x)))


def mixed(k: Any) -> Any:
    """Convolutions in float16 over float32 weights; the softmax is float32, as Keras's guide wants it."""
    layers = k.layers
    policy = k.mixed_precision
    set_policy = getattr(policy, "set_global_policy", None) or policy.set_dtype_policy
    set_policy("mixed_float16")
    try:
        inputs = layers.Input(IMAGE)
        x = layers.Conv2D(4, 3, strides=2, activation="relu")(inputs)
        x = layers.BatchNormalization()(x)
        x = layers.Dense(10)(layers.Flatten()(layers.MaxPooling2D(4)(x)))
        return k.models.Model(inputs, layers.Activation("softmax", dtype="float32")(x))
    finally:
        set_policy("float32")
