"""Networks of `keras_fixtures.py` that read an image row by row.

`k` is Keras (keras, tf.keras or tf_keras). Has to run on Python 3.7.
"""

from __future__ import annotations

from typing import Any


def simple_rnn(k: Any) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            layers.SimpleRNN(6, return_sequences=True, input_shape=(28, 28)),
            layers.TimeDistributed(layers.Dense(5, activation="relu")),
            layers.SimpleRNN(5, activation="relu", go_backwards=True),
            layers.Dense(10, activation="softmax"),
        ]
    )


def lstm(k: Any, **options: Any) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            layers.LSTM(6, return_sequences=True, input_shape=(28, 28), **options),
            layers.Dropout(0.2),
            layers.LSTM(5, dropout=0.1, recurrent_dropout=0.2, **options),
            layers.Dense(10, activation="softmax"),
        ]
    )


def lstm_fixed_batch(k: Any) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            layers.LSTM(6, batch_input_shape=(16, 28, 28), stateful=False),
            layers.LayerNormalization(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def gru(k: Any, *options: Any) -> Any:
    """A GRU for each set of options."""
    layers = k.layers
    stack = [layers.GRU(5, return_sequences=True, **one) for one in options[:-1]]
    return k.models.Sequential(
        [
            layers.Permute((2, 1), input_shape=(28, 28)),
            *stack,
            layers.GRU(6, **options[-1]),
            layers.Dense(10, activation="softmax"),
        ]
    )


def bidirectional(k: Any, first: str = "concat", second: str = "sum") -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            layers.Bidirectional(layers.LSTM(4, return_sequences=True), merge_mode=first, input_shape=(28, 28)),
            layers.Bidirectional(layers.GRU(5), merge_mode=second),
            layers.Dense(10, activation="softmax"),
        ]
    )


def time_distributed(k: Any) -> Any:
    layers = k.layers
    return k.models.Sequential(
        [
            layers.TimeDistributed(layers.Dense(6, activation="relu"), input_shape=(28, 28)),
            layers.LayerNormalization(epsilon=1e-4),
            layers.TimeDistributed(layers.Dense(3)),
            layers.Dense(3, activation="tanh"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
