"""AlexNet (Krizhevsky 2012) in its one-tower form, for images of any size: brought to 227 x 227 in three channels.

The santiago report set it aside because it wants 227 x 227 colour images.
"""

from __future__ import annotations

from ropero.models.convolutions import Conv2D
from ropero.models.layers import HE, Dense, Dropout, Flatten, Layer
from ropero.models.pooling import MaxPooling2D
from ropero.models.spatial import Resizing, ToColour


def alexnet() -> list[Layer]:
    """58.3 million parameters for ten classes."""
    return [
        Resizing(227, 227),
        ToColour(),
        Conv2D(96, 11, 4, activation="relu", kernel_initializer=HE),
        MaxPooling2D(3, 2),
        Conv2D(256, 5, padding="same", activation="relu", kernel_initializer=HE),
        MaxPooling2D(3, 2),
        Conv2D(384, padding="same", activation="relu", kernel_initializer=HE),
        Conv2D(384, padding="same", activation="relu", kernel_initializer=HE),
        Conv2D(256, padding="same", activation="relu", kernel_initializer=HE),
        MaxPooling2D(3, 2),
        Flatten(),
        *_wide(4096),
        *_wide(4096),
        Dense(),
    ]


def _wide(units: int) -> list[Layer]:
    return [Dense(units, "relu", kernel_initializer=HE), Dropout(0.5)]
