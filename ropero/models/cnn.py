"""The convolutional networks of the reports, layer by layer. All windows are 3 x 3, all poolings 2 x 2.

santiago-2020: a1 to a3 are its first proposal, 1 to 6 its final models. monterrey-2023: cnn. lunzhi-2018: cnn-1, cnn-3,
cnn-4. Parameter totals are the reports' to the unit (tests/models/test_reports.py). Each ends with one unit a class.
"""

from __future__ import annotations

from ropero.models.convolutions import Conv2D
from ropero.models.layers import Dense, Dropout, Flatten, Layer
from ropero.models.normalization import BatchNormalization
from ropero.models.pooling import MaxPooling2D

RELU, TANH, SAME = "relu", "tanh", "same"


def santiago_a1() -> list[Layer]:
    return [Conv2D(32, activation=RELU), Conv2D(64, activation=RELU), Flatten(), Dense()]


def santiago_a2() -> list[Layer]:
    return [
        Conv2D(32, activation=RELU),
        MaxPooling2D(),
        Conv2D(64, activation=RELU),
        MaxPooling2D(),
        Flatten(),
        Dense(),
    ]


def santiago_a3() -> list[Layer]:
    """The rate of its dropout is not in the report; 0.25 is ours."""
    layers: list[Layer] = []
    for filters in (32, 64):
        layers += [Conv2D(filters, activation=RELU), BatchNormalization(), MaxPooling2D(), Dropout(0.25)]
    return [*layers, Flatten(), Dense(256, RELU), Dropout(0.25), Dense()]


def santiago_1() -> list[Layer]:
    """The network of a1 under the report's final training."""
    return santiago_a1()


def santiago_2() -> list[Layer]:
    return [*_two_pairs((8, 16), (32, 64)), Flatten(), BatchNormalization(), *_santiago_top()]


def santiago_3() -> list[Layer]:
    layers: list[Layer] = []
    for filters in (32, 64):
        layers += [Conv2D(filters, padding=SAME, activation=RELU), BatchNormalization(), MaxPooling2D()]
    return [*layers, Flatten(), *_santiago_top()]


def santiago_4() -> list[Layer]:
    return [*_two_pairs((64, 32), (16, 8)), Flatten(), *_santiago_top()]


def santiago_5() -> list[Layer]:
    return [*_two_pairs((16, 16), (32, 32)), Flatten(), *_santiago_top()]


def santiago_6() -> list[Layer]:
    return [*_two_pairs((32, 32), (16, 16)), Flatten(), *_santiago_top()]


def _two_pairs(first: tuple[int, int], second: tuple[int, int]) -> list[Layer]:
    layers: list[Layer] = []
    for pair in (first, second):
        layers += [*(Conv2D(filters, padding=SAME, activation=RELU) for filters in pair), MaxPooling2D()]
    return layers


def _santiago_top() -> list[Layer]:
    return [Dense(256, RELU), Dropout(0.5), Dense()]


def monterrey_cnn() -> list[Layer]:
    layers: list[Layer] = []
    for filters, rate in ((32, 0.2), (64, 0.3), (128, 0.4)):
        for _ in range(2):
            layers += [Conv2D(filters, padding=SAME, activation=TANH), BatchNormalization()]
        layers += [MaxPooling2D(), Dropout(rate)]
    return [*layers, Flatten(), Dense(16, RELU), BatchNormalization(), Dropout(0.5), Dense()]


def lunzhi_cnn_1() -> list[Layer]:
    return [Conv2D(32, activation=RELU), MaxPooling2D(), Dropout(0.2), Flatten(), Dense(128, RELU), Dense()]


def lunzhi_cnn_3() -> list[Layer]:
    layers: list[Layer] = []
    for filters in (32, 64):
        layers += [Conv2D(filters, activation=RELU), MaxPooling2D(), Dropout(0.25)]
    layers += [Conv2D(128, activation=RELU), Dropout(0.4)]
    return [*layers, Flatten(), Dense(128, RELU), Dropout(0.3), Dense()]


def lunzhi_cnn_4() -> list[Layer]:
    return [
        *(Conv2D(32, activation=RELU), BatchNormalization()),
        *(Conv2D(32, activation=RELU), BatchNormalization(), MaxPooling2D(), Dropout(0.25)),
        *(Conv2D(64, activation=RELU), BatchNormalization(), Dropout(0.25)),
        *(Conv2D(128, activation=RELU), BatchNormalization(), MaxPooling2D(), Dropout(0.25)),
        *(Flatten(), Dense(512, RELU), BatchNormalization(), Dropout(0.5)),
        *(Dense(128, RELU), BatchNormalization(), Dropout(0.5), Dense()),
    ]
