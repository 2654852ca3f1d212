"""Networks without convolutions: softmax regression, and the dense network of the Keras tutorials.

Legend: N images, D features, K classes.
"""

from __future__ import annotations

import math

from torch import nn

from ropero.models.classifier import Classifier


def softmax(input_shape: tuple[int, int, int], classes: int) -> Classifier:
    """Softmax regression: one linear layer on the pixels, the floor that every network has to beat."""
    return Classifier(nn.Flatten(), keras_linear(math.prod(input_shape), classes), input_shape)


def dense(input_shape: tuple[int, int, int], classes: int) -> Classifier:
    """Flatten -> Dense 128 relu -> Dense K, as in the basic classification tutorial of Keras."""
    trunk = nn.Sequential(nn.Flatten(), keras_linear(math.prod(input_shape), 128), nn.ReLU())  # (N, 128)
    return Classifier(trunk, keras_linear(128, classes), input_shape)


def keras_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that starts as Keras's Dense does: Glorot-uniform weights, zero bias."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
