"""The zoo is a table: a name, and what builds the network: a layer list, or a function of input shape and classes.

Networks that a user brings (a layer list, Python code) are built here too, by what a config or a model card says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ropero.errors import unknown
from ropero.models import alexnet, cnn, dense, designs, entries, own, rnn, vgg
from ropero.models.classifier import Classifier
from ropero.models.graphs import GraphCard, build_graph
from ropero.models.layers import Layer
from ropero.models.quick import quick
from ropero.texts import mark, t

Builder = Callable[[tuple[int, int, int], int], Classifier]


def _listed(design: Callable[[], list[Layer]]) -> Builder:
    return lambda input_shape, classes: designs.build(design(), input_shape, classes)


NETWORKS: dict[str, Builder] = {
    "quick": quick,
    "dense": _listed(dense.dense),
    "softmax": _listed(dense.softmax),
    "santiago-a1": _listed(cnn.santiago_a1),
    "santiago-a2": _listed(cnn.santiago_a2),
    "santiago-a3": _listed(cnn.santiago_a3),
    "santiago-1": _listed(cnn.santiago_1),
    "santiago-2": _listed(cnn.santiago_2),
    "santiago-3": _listed(cnn.santiago_3),
    "santiago-4": _listed(cnn.santiago_4),
    "santiago-5": _listed(cnn.santiago_5),
    "santiago-6": _listed(cnn.santiago_6),
    "monterrey-cnn": _listed(cnn.monterrey_cnn),
    "monterrey-rnn": _listed(rnn.monterrey_rnn),
    "monterrey-bilstm": _listed(rnn.monterrey_bilstm),
    "monterrey-gru": _listed(rnn.monterrey_gru),
    "monterrey-attention": _listed(rnn.monterrey_attention),
    "lunzhi-cnn-1": _listed(cnn.lunzhi_cnn_1),
    "lunzhi-cnn-3": _listed(cnn.lunzhi_cnn_3),
    "lunzhi-cnn-4": _listed(cnn.lunzhi_cnn_4),
    "lunzhi-vgg19": partial(vgg.frozen, 19, scaled_twice=True),
    "lunzhi-vgg16": partial(vgg.frozen, 16, scaled_twice=True),
    "vgg19-frozen": partial(vgg.frozen, 19),
    "vgg16-frozen": partial(vgg.frozen, 16),
    "vgg19": _listed(vgg.vgg19),
    "alexnet": _listed(alexnet.alexnet),
}

# The networks with a frozen base, and which VGG's ImageNet weights it has.
PRETRAINED: dict[str, int] = {"lunzhi-vgg19": 19, "lunzhi-vgg16": 16, "vgg19-frozen": 19, "vgg16-frozen": 16}

# One line on each, as `ropero networks` shows it.
ABOUT: dict[str, str] = {
    "quick": mark("Small convolutional network made for a laptop's CPU; the default."),
    "dense": mark("One hidden layer of 128, as in the basic classification tutorial of Keras."),
    "softmax": mark("Softmax regression: the floor that every network has to beat."),
    "santiago-a1": mark("santiago-2020, first proposal: two convolutions."),
    "santiago-a2": mark("santiago-2020, first proposal: two convolutions, each pooled."),
    "santiago-a3": mark("santiago-2020, first proposal: a2 with batch normalisation, dropout and a hidden layer."),
    "santiago-1": mark("santiago-2020, model 1: two convolutions, no pooling."),
    "santiago-2": mark("santiago-2020, model 2: four convolutions, 8 to 64 filters, batch normalisation at the end."),
    "santiago-3": mark("santiago-2020, model 3: two convolutions with batch normalisation."),
    "santiago-4": mark("santiago-2020, model 4: four convolutions, 64 down to 8 filters."),
    "santiago-5": mark("santiago-2020, model 5: four convolutions, 16, 16, 32, 32 filters."),
    "santiago-6": mark("santiago-2020, model 6: four convolutions, 32, 32, 16, 16 filters."),
    "monterrey-cnn": mark("monterrey-2023, cnn: six tanh convolutions with batch normalisation and dropout."),
    "monterrey-rnn": mark("monterrey-2023, rnn: three SimpleRNN layers read the image row by row."),
    "monterrey-bilstm": mark("monterrey-2023, bilstm: two bidirectional LSTM layers and two hidden ones."),
    "monterrey-gru": mark("The rnn of monterrey-2023 with gated units, which its report wished for."),
    "monterrey-attention": mark(
        "The bilstm of monterrey-2023 with attention over the rows, which its report wished for."
    ),
    "lunzhi-cnn-1": mark("lunzhi-2018, CNN-1: one convolution and a hidden layer."),
    "lunzhi-cnn-3": mark("lunzhi-2018, CNN-3: three convolutions with dropout."),
    "lunzhi-cnn-4": mark("lunzhi-2018, CNN-4: four convolutions, batch normalisation everywhere."),
    "lunzhi-vgg19": mark("lunzhi-2018, VGG19: frozen ImageNet features at 150 pixels, scaled twice as the report did."),
    "lunzhi-vgg16": mark("The VGG19 experiment of lunzhi-2018 with VGG16, scaled twice as the report did."),
    "vgg19-frozen": mark("Frozen ImageNet features of VGG19 at 150 pixels, scaled rightly, and a small head."),
    "vgg16-frozen": mark("Frozen ImageNet features of VGG16 at 150 pixels, scaled rightly, and a small head."),
    "vgg19": mark("VGG19 trained from scratch, images brought to 32 pixels and three channels."),
    "alexnet": mark("AlexNet trained from scratch, images brought to 227 pixels and three channels."),
}


def build(
    name: str,
    input_shape: tuple[int, int, int],
    classes: int,
    layers: Sequence[Mapping[str, Any]] = (),
    code: str = "",
    graph: Mapping[str, Any] | None = None,
) -> Classifier:
    """A fresh network, from its graph, its own layer list or the digest of its code when there is one, else from the
    zoo. What stands before a graph is its layer list; the weights of a graph are zeros.

    Raises:
        UsageError: a name that is not in the zoo, or a network that does not fit the images (C, H, W).
        RunError: code that is not at hand.
    """
    if graph:
        return build_graph(GraphCard.from_json(graph), entries.from_json(layers), input_shape, classes)
    if code:
        return own.build(name, code, input_shape, classes)
    if layers:
        return designs.build(entries.from_json(layers), input_shape, classes)
    if name not in NETWORKS:
        raise unknown(t("network"), name, NETWORKS)
    return NETWORKS[name](input_shape, classes)
