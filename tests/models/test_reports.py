"""The networks of the five reports have the very totals that the reports, or Keras for their code, print."""

from __future__ import annotations

import pytest
import torch

from ropero.models.classifier import count_parameters
from ropero.models.zoo import NETWORKS, build

# network: (total, trainable)
TOTALS = {
    "dense": (101_770, 101_770),
    "softmax": (7_850, 7_850),
    "santiago-a1": (387_466, 387_466),
    "santiago-a2": (34_826, 34_826),
    "santiago-a3": (431_626, 431_434),
    "santiago-1": (387_466, 387_466),
    "santiago-2": (842_570, 836_298),
    "santiago-3": (824_842, 824_650),
    "santiago-4": (128_066, 128_066),
    "santiago-5": (420_602, 420_602),
    "santiago-6": (220_042, 220_042),
    "monterrey-cnn": (306_906, 305_978),
    "monterrey-rnn": (135_498, 135_370),
    "monterrey-bilstm": (1_340_042, 1_340_042),
    "lunzhi-cnn-1": (693_962, 693_962),
    "lunzhi-cnn-3": (241_546, 241_546),
    "lunzhi-cnn-4": (1_221_546, 1_219_754),
    "lunzhi-vgg19": (20_024_384 + 4_199_946, 4_199_946),
    "alexnet": (58_322_314, 58_322_314),
}


@pytest.mark.parametrize("name", TOTALS)
def test_a_network_has_as_many_parameters_as_its_report_says(name: str) -> None:
    with torch.device("meta"):  # sizes, no memory
        assert count_parameters(build(name, (1, 28, 28), 10)) == TOTALS[name]


def test_the_frozen_part_of_vgg19_is_its_base() -> None:
    with torch.device("meta"):
        model = build("lunzhi-vgg19", (1, 28, 28), 10)
    assert model.base is not None
    assert count_parameters(model.base) == (20_024_384, 0)


def test_no_network_of_a_report_is_left_out() -> None:
    reports = ("santiago", "lunzhi-cnn", "lunzhi-vgg19", "monterrey")
    wished = {"monterrey-gru", "monterrey-attention"}  # what the report wished for, and did not build
    assert {name for name in NETWORKS if name.startswith(reports)} - wished <= set(TOTALS)
