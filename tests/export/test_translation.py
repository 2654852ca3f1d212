"""A network said in Keras's layers: names, wiring, weights. Whether Keras agrees is asked in test_keras_writer.py."""

from __future__ import annotations

import itertools

import pytest
import small_vgg
import torch
from exporting import FROZEN, NETWORKS, QUICK_ONES, listed, network
from torch import nn

from ropero.errors import UsageError
from ropero.export.translation import is_chain, translate
from ropero.models.classifier import count_parameters
from ropero.models.wrap import wrap

BRANCHED = ("quick", "monterrey-attention", *FROZEN)  # residuals, shares of steps, grey to colour


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("vgg19", "alexnet")])
def test_every_network_is_said_in_layers_that_know_each_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small_vgg.shrink(monkeypatch)
    nodes = translate(network(name))
    names = [node.name for node in nodes]
    assert len(set(names)) == len(names)
    for place, node in enumerate(nodes[1:], 1):
        assert node.sources
        assert set(node.sources) <= set(names[:place])
    assert (nodes[0].kind, nodes[0].shape) == ("InputLayer", (28, 28, 1))
    assert (nodes[-1].kind, nodes[-1].options, nodes[-1].shape) == ("Activation", {"activation": "softmax"}, (10,))
    assert is_chain(nodes) == (name not in BRANCHED)


@pytest.mark.parametrize("name", QUICK_ONES)
def test_all_weights_are_said_once(name: str) -> None:
    model = network(name)
    nodes = translate(model)
    sizes = [slot.read().size for node in nodes if node.trainable for slot in node.slots]
    assert sum(sizes) == count_parameters(model)[0]
    tensors = [id(tensor) for node in nodes for slot in node.slots for tensor in slot.tensors]
    assert len(set(tensors)) == len(tensors)


def test_an_odd_side_is_padded_before_pixels_are_folded() -> None:
    kinds = [node.kind for node in translate(network("quick", (1, 27, 28)))]
    assert kinds[:4] == ["InputLayer", "Normalization", "ZeroPadding2D", "Conv2D"]
    assert "ZeroPadding2D" not in [node.kind for node in translate(network("quick"))]


def test_the_weights_behind_a_frozen_base_come_back_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    small_vgg.shrink(monkeypatch)
    model = network("vgg16-frozen")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    arrays = [(slot, slot.read()) for node in translate(model) for slot in node.slots]
    with torch.no_grad():
        for tensor in model.trunk.state_dict().values():
            tensor.zero_()
    for slot, array in arrays:
        slot.write(array)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_names_of_a_list_are_kept_and_give_way_to_none() -> None:
    model = listed([{"type": "Conv2D", "filters": 2, "name": "pixels"}, {"type": "ReLU", "name": "probabilities"}],
                   (1, 6, 6))  # fmt: skip
    names = [node.name for node in translate(model)]
    assert names == ["pixels", "pixels_1", "probabilities", "flatten", "dense", "probabilities_1"]


def test_layers_that_are_wired_freely_keep_their_wires() -> None:
    model = listed(
        [
            {"type": "Conv2D", "filters": 2, "padding": "same", "name": "a"},
            {"type": "Conv2D", "filters": 2, "padding": "same", "name": "b", "inputs": ["input"]},
            {"type": "Subtract", "inputs": ["b", "a"]},
        ],
        (1, 6, 6),
    )
    wires = {node.name: node.sources for node in translate(model)}
    assert wires["b"] == ("pixels",)
    assert wires["subtract"] == ("b", "a")


def test_code_of_ones_own_is_told_what_takes_it() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    with pytest.raises(UsageError, match="torch-export"):
        translate(wrap(module, "mine", (1, 28, 28), 10))


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "Conv2D", "activation": "gelu_approximate"},
        {"type": "LayerNormalization", "rms_scaling": True},
    ],
    ids=str,
)
def test_what_keras_has_no_name_for_is_told(entry: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="Keras has no name for"):
        translate(listed([entry], (1, 6, 6)))


def test_kernels_that_fold_pixels_are_unshuffling() -> None:
    """The same as pixel_unshuffle, by a plain convolution."""
    model = network("quick", (3, 8, 8))
    fold = next(node for node in translate(model) if node.kind == "Conv2D")
    kernel = torch.from_numpy(fold.slots[0].read()).permute(3, 2, 0, 1)
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(nn.functional.conv2d(x, kernel, stride=2), nn.functional.pixel_unshuffle(x, 2))
    assert not fold.trainable
    assert all(node.trainable for node in translate(model) if node is not fold and node.name != fold.name)


def test_pairwise_names_show_a_chain() -> None:
    nodes = translate(network("softmax"))
    assert [(a.name, b.sources) for a, b in itertools.pairwise(nodes)] == [
        ("pixels", ("pixels",)),
        ("flatten", ("flatten",)),
        ("dense", ("dense",)),
    ]
