"""A layer list, checked layer by layer and built into a `Classifier`; `entries.py` reads and writes one.

The list ends in one value a class. A softmax there is part of the loss and of inference: what goes into it are the
logits, so it is understood and needs no module.
Legend: H x W pixels, C channels, K classes.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from ropero.errors import UsageError, did_you_mean
from ropero.models import layers
from ropero.models.activations import Activation, Softmax
from ropero.models.classifier import Classifier
from ropero.models.convolutions import Conv1D, Conv2D
from ropero.models.entries import SHOWN, Design, cut
from ropero.models.layers import LINEAR, LOG_SOFTMAX, SOFTMAX, Dense, Flatten, Layer, Reshape, Shape
from ropero.models.merging import INPUT, Graph, Merge
from ropero.models.noise import ActivityRegularization
from ropero.models.pooling import (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
)
from ropero.texts import joined, t
from ropero.texts.numbers import whole

# What a list may ask for, whoever wrote it: refused by a sentence before any memory is taken.
MAX_VALUES = 100_000_000  # numbers that a layer holds for one image: 400 MB
MAX_PARAMETERS = 500_000_000  # 2 GB of weights, 8 GB while Adam trains them
NAME = re.compile(r"[A-Za-z0-9_]{1,100}")


def build(design: Design, input_shape: tuple[int, int, int], classes: int, *, standardise: bool = False) -> Classifier:
    """The network of a layer list, for images (C, H, W).

    Raises:
        UsageError: a list that is empty, too large, or does not end in one value a class, or a layer that cannot take
            what the one before gives; the sentence names the layer.
    """
    channels, height, width = input_shape
    steps = _logits(list(_walk(_closed(design, classes), (height, width, channels))))
    head = _head(steps)
    _check_end(steps, head, classes)
    _weigh(steps)
    modules = [(step.name, step.module()) for step in steps]
    trunk = _trunk(steps[:head], dict(modules[:head]), steps[head].sources if head < len(steps) else ())
    model = Classifier(trunk, _chained(modules[head:]), input_shape, standardise=standardise)
    model.design = tuple(step.layer for step in steps)
    model.peak = max(math.prod(input_shape), *(step.work() for step in steps))
    return model


class Head(nn.Sequential):
    """The last Dense of a list and what follows it."""


def _chained(modules: Sequence[tuple[str, nn.Module]]) -> nn.Module:
    """A head of no layers, of one, or of several."""
    if len(modules) < 2:
        return modules[0][1] if modules else nn.Identity()
    return Head(OrderedDict(modules))


def _trunk(steps: Sequence[_Step], modules: Mapping[str, nn.Module], taken: Sequence[str]) -> nn.Module:
    """All layers before the head, which takes `taken`: one after the other, or wired as the list says."""
    names = [INPUT, *(step.name for step in steps)]
    wired = [*(step.sources for step in steps), *([tuple(taken)] if taken else [])]
    if all(sources == (before,) for sources, before in zip(wired, names, strict=False)):
        return nn.Sequential(OrderedDict(modules))
    return Graph(modules, {step.name: step.sources for step in steps}, taken[0] if taken else names[-1])


def parts(model: Classifier) -> list[tuple[str, Layer, nn.Module]]:
    """(name, layer, module) of every layer of `model.design`, in order; nothing of a network that is no layer list."""
    if not model.design:
        return []
    head = model.head.children() if isinstance(model.head, Head) else [model.head]
    modules = [*model.trunk.children(), *head][: len(model.design)]  # without an empty head
    names = [name for name, _, _ in table(model.design, model.input_shape)]
    return list(zip(names, model.design, modules, strict=True))


def opening(design: Design, input_shape: tuple[int, int, int]) -> tuple[OrderedDict[str, nn.Module], Shape]:
    """(modules by their names, what they give of an image) of layers in a row that stand before another network.

    Raises UsageError as `build` does.
    """
    channels, height, width = input_shape
    steps = list(_walk(design, (height, width, channels)))
    names = [INPUT, *(step.name for step in steps)]
    if any(step.sources != (before,) for step, before in zip(steps, names, strict=False)):
        raise UsageError(t("Only layers in a row may stand before a network."))
    _weigh(steps)
    after = steps[-1].after if steps else (height, width, channels)
    return OrderedDict((step.name, step.module()) for step in steps), after


def table(design: Design, input_shape: tuple[int, int, int]) -> list[tuple[str, str, Shape]]:
    """(name, Keras kind, output shape) of every layer, for images (C, H, W)."""
    channels, height, width = input_shape
    return [(step.name, type(step.layer).__name__, step.after) for step in _walk(design, (height, width, channels))]


@dataclasses.dataclass(frozen=True)
class _Step:
    """A layer at its place: its number from 1, its name, the names and shapes of what goes in, and what comes out."""

    number: int
    name: str
    layer: Layer
    sources: tuple[str, ...]
    before: tuple[Shape, ...]
    after: Shape

    def module(self) -> nn.Module:
        return self.layer.merger(self.before) if isinstance(self.layer, Merge) else self.layer.module(self.before[0])

    def work(self) -> int:
        return math.prod(self.after) if isinstance(self.layer, Merge) else self.layer.work(self.before[0])


def _walk(design: Design, shape: Shape) -> Iterator[_Step]:
    """The layers in order, each asked whether it can take what those before it give."""
    given = {INPUT: shape}
    last, unused = INPUT, set[str]()
    for number, layer in enumerate(design, 1):
        kind = type(layer).__name__
        with _told_of(number, kind):
            name = _name(layer, given)
            sources = layer.inputs or (last,)
            before = tuple(_given(given, source) for source in sources)
            after = _after(layer, before)
            layers.activation_module(getattr(layer, "activation", LINEAR))
        yield _Step(number, name, layer, sources, before, after)
        unused = (unused | {name}) - set(sources)
        given[name], last = after, name
    if unused - {last}:
        raise UsageError(t("No layer takes what {name} gives.", name=joined(sorted(unused - {last}))))


def _after(layer: Layer, before: tuple[Shape, ...]) -> Shape:
    """What a layer makes of these inputs, checked for what memory it takes."""
    if isinstance(layer, Merge):
        after, work = layer.merged(before), 0
    else:
        if len(before) > 1:
            raise UsageError(t("takes one layer, but gets {n}.", n=len(before)))
        layer.check(before[0])
        after, work = layer.output(before[0]), layer.work(before[0])
    if any(side < 1 for side in after) or max(math.prod(after), work) > MAX_VALUES:
        raise UsageError(
            t(
                "would give {shape}; it may hold {limit} numbers for an image, each side of 1 or more.",
                shape=after,
                limit=whole(MAX_VALUES),
            )
        )
    return after


def _name(layer: Layer, given: Mapping[str, Shape]) -> str:
    """The layer's own name, or the next free one of its kind, as Keras counts them."""
    if layer.name:
        if not NAME.fullmatch(layer.name) or layer.name in given:
            raise UsageError(
                t(
                    "name should be letters, digits and _, and be no other layer's; got {name!r}.",
                    name=layer.name[:SHOWN],
                )
            )
        return layer.name
    kind = snake(type(layer).__name__)
    return next(
        name for name in itertools.chain([kind], (f"{kind}_{k}" for k in itertools.count(1))) if name not in given
    )


def _given(given: Mapping[str, Shape], source: str) -> Shape:
    """The shape of what a layer before gives."""
    if source not in given:
        shown = cut(source)
        raise UsageError(
            t("no layer before it is called {name!r}.", name=shown)
            + did_you_mean(shown, given)
            + " "
            + t("Known: {known}.", known=joined(list(given)[-10:]))
        )
    return given[source]


def _weigh(steps: Sequence[_Step]) -> None:
    """Raises UsageError for more parameters than MAX_PARAMETERS; counted on torch's device without memory."""
    total = 0
    for step in steps:
        with _told_of(step.number, type(step.layer).__name__), torch.device("meta"):
            total += sum(parameter.numel() for parameter in step.module().parameters())
            if total > MAX_PARAMETERS:
                raise UsageError(
                    t(
                        "brings the network to {n} parameters; it may have {limit}.",
                        n=whole(total),
                        limit=whole(MAX_PARAMETERS),
                    )
                )


@contextmanager
def _told_of(number: int, kind: str) -> Iterator[None]:
    """Whatever is wrong inside is said of this layer. Raises UsageError."""
    try:
        yield
    except (UsageError, RuntimeError, TypeError, OverflowError) as error:
        # torch's own words come in for sizes beyond 64 bits, a line of many.
        reason = error if isinstance(error, UsageError) else str(error).split("\n")[0]
        raise UsageError(t("Layer {position} ({kind}): {reason}", position=number, kind=kind, reason=reason)) from None


def _closed(design: Design, classes: int) -> list[Layer]:
    """The list, in which the last Dense gives one value a class where it does not say how many."""
    if not design:
        raise UsageError(t("The network has no layers; it should end with Dense, one unit a class."))
    closed = list(design)
    last = max((place for place, layer in enumerate(closed) if isinstance(layer, Dense)), default=0)
    if isinstance(dense := closed[last], Dense) and dense.units is None:
        closed[last] = replace(dense, units=classes)
    return closed


def _logits(steps: Sequence[_Step]) -> list[_Step]:
    """The layers up to the logits: the last softmax is left away, and whatever is linear behind it.

    What comes before that one softmax are the logits, be it another softmax; layers behind it stay that only lay its
    values otherwise. Raises UsageError for a layer before the end that has softmax for its activation, which is mostly
    a mistake; Softmax is a layer for who means it.
    """
    softs, found = {SOFTMAX, LOG_SOFTMAX}, list(steps)
    place = len(found) - 1
    while place > 0:
        step, activation = found[place], _activation(found[place])
        if activation == LINEAR or (activation in softs and _one_row(step.after)):
            softs = softs if activation == LINEAR else set()
            _leave_out(found, place)
        elif not (softs and isinstance(step.layer, _LAYING) and _one_row(*step.before, step.after)):
            break
        place -= 1
    last = found[place]
    if isinstance(last.layer, Dense | Conv1D | Conv2D) and last.layer.activation in softs and _one_row(last.after):
        found[place] = replace(last, layer=replace(last.layer, activation=LINEAR))
    end = [isinstance(step.layer, Activation | Softmax) for step in found]
    for number, step in enumerate(found):
        if getattr(step.layer, "activation", LINEAR) == SOFTMAX and not all(end[number:]):
            with _told_of(step.number, type(step.layer).__name__):
                raise UsageError(
                    t("softmax is for the last layer alone; use relu here, or a layer Softmax if it is meant.")
                )
    return found


# Layers that leave a row of values as it is, however it lies.
_LAYING = (
    ActivityRegularization,
    Flatten,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    Reshape,
)


def _activation(step: _Step) -> str:
    """What a layer does that is an activation and no more, by its name; "" for any other layer."""
    if isinstance(step.layer, Softmax):
        rank = len(step.after)
        return SOFTMAX if layers.place(step.layer.axis, rank) == rank - 1 else ""
    return step.layer.activation if isinstance(step.layer, Activation) else ""


def _one_row(*shapes: Shape) -> bool:
    """Whether all values lie along the last side: the classes, where softmax is among them."""
    return all(math.prod(shape) == shape[-1] for shape in shapes)


def _leave_out(found: list[_Step], place: int) -> None:
    """Take one of the last layers out of the list, each of which takes the one before it."""
    gone = found.pop(place)
    if place < len(found):
        then = found[place]
        found[place] = replace(then, layer=replace(then.layer, inputs=()), sources=gone.sources)


def _head(steps: Sequence[_Step]) -> int:
    """Where the head begins: at the last Dense when all behind it is a chain of vectors, else behind the last layer."""
    last = max((place for place, step in enumerate(steps) if isinstance(step.layer, Dense)), default=len(steps))
    behind = zip(steps[last:], steps[last + 1 :], strict=False)
    chain = all(step.sources == (before.name,) and len(step.after) == 1 for before, step in behind)
    return last if chain and last < len(steps) and len(steps[last].after) == 1 else len(steps)


def _check_end(steps: Sequence[_Step], head: int, classes: int) -> None:
    """Raises UsageError for a list that does not end in one value a class."""
    step = steps[-1]
    kind, shape = type(step.layer).__name__, step.after
    if shape == (classes,):
        return
    if head < len(steps):
        raise UsageError(
            t(
                "The last layer gives {units} values, but the data have {classes} classes; leave its units out, and it "
                "gives one a class.",
                units=shape[0],
                classes=classes,
            )
        )
    if len(shape) == 1:
        raise UsageError(
            t(
                "The last layer should give one value for each of the {classes} classes, but {kind} gives {units}; add "
                "Dense with activation softmax.",
                classes=classes,
                kind=kind,
                units=shape[0],
            )
        )
    with _told_of(step.number, kind):
        if isinstance(step.layer, Dense):
            if len(shape) == 3:
                raise UsageError(t("would give {shape}, not one value a class; put Flatten before it.", shape=shape))
            raise UsageError(
                t(
                    "would give {shape}, not one value a class; put Flatten or GlobalAveragePooling1D before it, "
                    "or leave return_sequences out of the layer before it.",
                    shape=shape,
                )
            )
        cure = "Flatten, Dense" if len(shape) == 2 else "GlobalAveragePooling2D, Dense"
        raise UsageError(t("would give {shape}, not one value a class; put {cure} behind it.", shape=shape, cure=cure))


def snake(kind: str) -> str:
    """Keras's own way from a layer's kind to its name: Conv2D -> conv2d, BatchNormalization -> batch_normalization."""
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()
