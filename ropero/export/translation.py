"""A `Classifier` as Keras would say it: its layers by Keras's names and options, who takes what, and their weights.

Every network of the zoo and every layer list can be said in Keras's own layers; `keras_writer.py` makes a file of it.
Knows nothing of files, nor of Keras itself.
Legend: H x W pixels, C channels, T time steps, D features, K classes.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.export.keras_ends import are_shares, to_random
from ropero.models import designs, vgg
from ropero.models.activations import Activation, PReLU, ReLU, Softmax
from ropero.models.classifier import Classifier
from ropero.models.convolutions import Conv2D
from ropero.models.keras_layout import Slot, slots
from ropero.models.layers import LINEAR, LOG, SOFTMAX, Dense, Dropout, Flatten, Layer, Rescaling, Reshape, Shape
from ropero.models.merging import INPUT, Add, Concatenate, Merge, Multiply
from ropero.models.normalization import BatchNormalization, LayerNormalization, Normalization
from ropero.models.pooling import GlobalAveragePooling1D, GlobalMaxPooling2D, MaxPooling2D
from ropero.models.quick import Fold, Residual
from ropero.models.recurrent import AttentionPooling, Rows
from ropero.models.spatial import Cropping2D, Resizing, ToColour, ZeroPadding2D, margins
from ropero.models.vgg import FrozenVGG
from ropero.texts import joined, t

PIXELS, PROBABILITIES = "pixels", "probabilities"  # what goes in and what comes out are called
INPUT_KIND = "InputLayer"
_WIRING = ("name", "inputs")
_UNSAID = {"gelu_approximate", "hard_sigmoid_2", LOG}  # an option of Keras's function, Keras 2's, ropero's own


@dataclass(frozen=True)
class Inner:
    """A layer inside another one: what Bidirectional reads in both directions."""

    kind: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A Keras layer at its place.

    kind: Keras's class. options: its config, but for name and trainable. sources: the names of the nodes that it takes.
    shape: what comes out, without N. slots: its arrays in Keras's order.
    """

    kind: str
    name: str
    options: dict[str, Any]
    sources: tuple[str, ...]
    shape: Shape
    slots: tuple[Slot, ...] = ()
    trainable: bool = True


def translate(model: Classifier) -> list[Node]:
    """The layers of a network, each after all that it takes: pixels (H, W, C) in [0, 1] first, probabilities last: a
    softmax, or of a network that gives them before its end what only names them.

    Raises UsageError for a network that is a user's own code.
    """
    told = _Told.of(model)
    shares = _gives_shares(model)
    if model.design:
        _design(told, model, shares)
    elif isinstance(model.base, FrozenVGG):
        _frozen_vgg(told, model, model.base)
    elif isinstance(model.trunk, nn.Sequential) and isinstance(model.trunk[0], Fold):
        _quick(told, model)
    else:
        raise UsageError(
            t("This network is code of your own, which Keras's layers cannot say; --format onnx, torch-export or "
              "safetensors takes it.")
        )  # fmt: skip
    told.add(Activation(LINEAR if shares else SOFTMAX), name=PROBABILITIES)
    return told.nodes


def _gives_shares(model: Classifier) -> bool:
    """Whether a network ends in the logarithm, which Keras has no name for, of what its answers to random images say
    are probabilities."""
    last = model.design[-1] if model.design else None
    if not isinstance(last, Activation) or last.activation != LOG or last.inputs:
        return False
    return are_shares(to_random(model).exp())


def is_chain(nodes: Sequence[Node]) -> bool:
    """Whether each layer takes the one before it and no other, as in a Sequential model."""
    return all(node.sources == (before.name,) for before, node in itertools.pairwise(nodes))


@dataclass
class _Told:
    """What has been told of a network so far; `last` is the name that a layer takes when nothing else is said."""

    nodes: list[Node] = field(default_factory=list)
    last: str = ""

    @classmethod
    def of(cls, model: Classifier) -> _Told:
        """The pixels, normalised where the network does it."""
        channels, height, width = model.input_shape
        told = cls()
        told.put(INPUT_KIND, {}, (), (height, width, channels), name=PIXELS)
        if model.standardise:
            told.normalise(model.mean, model.std)
        return told

    def shape(self, name: str) -> Shape:
        """What a layer gives."""
        return next(node.shape for node in self.nodes if node.name == name)

    def put(
        self,
        kind: str,
        options: dict[str, Any],
        sources: Sequence[str],
        shape: Shape,
        arrays: Sequence[Slot] = (),
        *,
        name: str = "",
        trainable: bool = True,
    ) -> str:
        """One layer more, called `name` or, when that is taken or empty, by the next free name of its kind."""
        taken = {node.name for node in self.nodes}
        stem = name or designs.snake(kind)
        free = next(one for one in (stem, *(f"{stem}_{k}" for k in range(1, len(taken) + 2))) if one not in taken)
        self.nodes.append(Node(kind, free, options, tuple(sources), shape, tuple(arrays), trainable))
        self.last = free
        return free

    def normalise(self, mean: Tensor, std: Tensor) -> None:
        """Less the mean, divided by the deviation, of each channel."""
        means, deviations = (one.detach().double().flatten() for one in (mean, std))
        self.add(Normalization(-1, tuple(means.tolist()), tuple((deviations**2).tolist())))

    def add(self, layer: Layer, module: nn.Module | None = None, *sources: str, name: str = "") -> str:
        """The layer with the weights of its module; of what Keras has no layer for, several that do the same."""
        taken = sources or (self.last,)
        shapes = [self.shape(one) for one in taken]
        if isinstance(layer, ToColour):
            self.last = taken[0]
            if shapes[0][2] == 1:
                self.add(Concatenate(), module, *taken * 3, name=name)
            return self.last
        if isinstance(layer, AttentionPooling) and module:
            return self._attention(layer, module, taken[0], name)
        after = layer.merged(shapes) if isinstance(layer, Merge) else layer.output(shapes[0])
        kind, options = _said(layer, after)
        return self.put(kind, options, taken, after, slots(layer, module or nn.Identity()), name=name)

    def _attention(self, layer: AttentionPooling, module: nn.Module, source: str, name: str) -> str:
        """As the layer's description says: the weighted sum is T times the mean of what is weighted."""
        steps, _ = self.shape(source)
        self.add(Dense(layer.units, "tanh"), module.get_submodule("inner"), source)
        self.add(Dense(1, use_bias=False), module.get_submodule("score"))
        shares = self.add(Softmax(1))
        self.add(Multiply(), None, shares, source)
        self.add(GlobalAveragePooling1D())
        return self.add(Rescaling(float(steps)), name=name)


def _said(layer: Layer, after: Shape) -> tuple[str, dict[str, Any]]:
    """Keras's class and options: those of the description, where Keras does not put them otherwise.

    Raises UsageError for what Keras cannot say.
    """
    if isinstance(layer, Rows | Reshape):
        return "Reshape", {"target_shape": list(after)}
    options = {
        one.name: _plain(getattr(layer, one.name)) for one in dataclasses.fields(layer) if one.name not in _WIRING
    }
    unsaid = {value for value in options.values() if isinstance(value, str)} & _UNSAID
    if isinstance(layer, ReLU):
        options["max_value"] = layer.max_value or None
    if isinstance(layer, PReLU):
        options["shared_axes"] = list(layer.shared_axes) or None
    if isinstance(layer, ZeroPadding2D | Cropping2D):
        name = "padding" if isinstance(layer, ZeroPadding2D) else "cropping"
        top, bottom, left, right = margins(name, getattr(layer, name))
        options[name] = [[top, bottom], [left, right]]
    if isinstance(layer, LayerNormalization):
        unsaid.update({"rms_scaling"} if options.pop("rms_scaling") else ())
    if unsaid:
        raise UsageError(
            t("{kind}: Keras has no name for {what}; --format onnx, torch-export or safetensors takes it.",
              kind=type(layer).__name__, what=joined(sorted(unsaid)))
        )  # fmt: skip
    return type(layer).__name__, options


def _plain(value: Any) -> Any:
    """A value as JSON has it; a layer as an inner one."""
    if isinstance(value, Layer):
        return Inner(*_said(value, ()))
    return list(value) if isinstance(value, tuple) else value


def _design(told: _Told, model: Classifier, shares: bool) -> None:
    """The layers as the list has them; what names called them is kept, as far as Keras calls nothing else so.

    shares: without the last one, the logarithm of probabilities.
    """
    named = {INPUT: told.last}
    before = INPUT
    for name, layer, module in list(designs.parts(model))[: -1 if shares else None]:
        named[name] = told.add(layer, module, *(named[one] for one in layer.inputs or (before,)), name=name)
        before = name


def _quick(told: _Told, model: Classifier) -> None:
    """models/quick.py. Folding is a convolution whose weights are 0 and 1 and stay so."""
    assert isinstance(model.trunk, nn.Sequential)
    assert isinstance(model.head, nn.Linear)
    height, width, channels = told.shape(told.last)
    if height % 2 or width % 2:
        told.add(ZeroPadding2D((0, height % 2, 0, width % 2)))
    shape = ((height + 1) // 2, (width + 1) // 2, 4 * channels)
    _, options = _said(Conv2D(4 * channels, 2, 2, use_bias=False), shape)
    told.put("Conv2D", options, (told.last,), shape, [_folding(channels)], trainable=False)
    for part in list(model.trunk.children())[1:-2]:
        if isinstance(part, Residual):
            skipped = told.last
            for block in part.inner.children():
                _block(told, block)
            told.add(Add(), None, skipped, told.last)
        else:
            _block(told, part)
    told.add(GlobalMaxPooling2D())
    told.add(Dense(model.head.out_features), model.head)


def _folding(channels: int) -> Slot:
    """The kernel (2, 2, C, 4C) that puts the four pixels of a channel side by side, as pixel_unshuffle does."""
    kernel = torch.zeros(2, 2, channels, 4 * channels)
    for channel, row, column in itertools.product(range(channels), (0, 1), (0, 1)):
        kernel[row, column, channel, 4 * channel + 2 * row + column] = 1
    return Slot("kernel", False, (kernel,), lambda x: x, lambda x: (x,))


def _block(told: _Told, block: nn.Module) -> None:
    """Convolution, pooling where there is one, norm, ReLU."""
    for part in block.children():
        if isinstance(part, nn.Conv2d):
            told.add(Conv2D(part.out_channels, padding="same", use_bias=False), part)
        elif isinstance(part, nn.MaxPool2d):
            told.add(MaxPooling2D())
        elif isinstance(part, nn.BatchNorm2d):
            told.add(BatchNormalization(1 - (part.momentum or 0.0), part.eps), part)
        else:
            told.add(Activation("relu"))


def _frozen_vgg(told: _Told, model: Classifier, base: FrozenVGG) -> None:
    """models/vgg.py: the base on images of its own size and scale, and the small head."""
    told.add(Resizing(vgg.FROZEN_SIDE, vgg.FROZEN_SIDE))
    told.add(ToColour())
    if base.scale.scale != 1:
        told.add(Rescaling(base.scale.scale))
    told.normalise(base.mean, base.std)
    for part in base.layers.children():
        if isinstance(part, nn.Conv2d):
            told.add(Conv2D(part.out_channels, padding="same", activation="relu"), part)
        elif isinstance(part, nn.MaxPool2d):
            told.add(MaxPooling2D())
    images = told.shape(told.last)
    told.add(Flatten())
    _, hidden, _, dropout = model.trunk.children()
    assert isinstance(hidden, nn.Linear)
    assert isinstance(dropout, nn.Dropout)
    assert isinstance(model.head, nn.Linear)
    layer = Dense(hidden.out_features, "relu")
    kernel, bias = slots(layer, hidden)
    turned = _behind_flatten(kernel, images)
    told.put(*_said(layer, ()), (told.last,), (hidden.out_features,), [turned, bias])
    told.add(Dropout(dropout.p))
    told.add(Dense(model.head.out_features), model.head)


def _behind_flatten(kernel: Slot, images: Shape) -> Slot:
    """A Dense layer's kernel whose rows torch has in the order C, H, W, and Keras in the order H, W, C."""
    height, width, channels = images

    def out(weight: Tensor) -> Tensor:
        return weight.view(-1, channels, height, width).permute(2, 3, 1, 0).flatten(0, 2)

    def back(kernel: Tensor) -> tuple[Tensor, ...]:
        return (kernel.view(height, width, channels, -1).permute(3, 2, 0, 1).flatten(1),)

    return dataclasses.replace(kernel, out=out, back=back)
