"""Networks without convolutions: softmax regression, and the dense network of the Keras tutorials."""

from __future__ import annotations

from ropero.models.layers import Dense, Flatten, Layer


def softmax() -> list[Layer]:
    """Softmax regression: one linear layer on the pixels, the floor that every network has to beat."""
    return [Flatten(), Dense()]


def dense() -> list[Layer]:
    """Flatten -> Dense 128 relu -> Dense K, as in the basic classification tutorial of Keras."""
    return [Flatten(), Dense(128, "relu"), Dense()]
