"""Networks and files for the tests of export/: networks whose every figure says something, files written as the verb
writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ropero.export.card import Card, made
from ropero.export.formats import FORMATS
from ropero.models import designs, samples
from ropero.models.classifier import Classifier
from ropero.models.entries import from_json, to_json
from ropero.models.zoo import NETWORKS, build

SHAPE = (1, 28, 28)
SLOW = ("vgg19", "alexnet")  # 150 and 230 MB a file
FROZEN = ("lunzhi-vgg19", "lunzhi-vgg16", "vgg19-frozen", "vgg16-frozen")  # for small_vgg to shrink
QUICK_ONES = [name for name in NETWORKS if name not in (*SLOW, *FROZEN)]


def live(model: Classifier, seed: int = 0) -> Classifier:
    """The network with weights, biases, norms and figures that are all different, in eval mode."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            if "running_var" in name or name.endswith("std"):
                tensor.copy_(torch.rand_like(tensor) + 0.5)
            elif "running_mean" in name or name.endswith("mean"):
                tensor.copy_(torch.rand_like(tensor) * 0.1)
            elif tensor.ndim == 1:
                tensor.add_(torch.randn_like(tensor) * 0.1)
    return model.eval()


def network(name: str, shape: tuple[int, int, int] = SHAPE, classes: int = 10) -> Classifier:
    """A network of the zoo."""
    torch.manual_seed(0)
    return live(build(name, shape, classes))


def listed(entries: Sequence[Mapping[str, Any]], shape: tuple[int, int, int], classes: int = 4) -> Classifier:
    """A network of a layer list, which a Flatten and a Dense end; all its weights are drawn anew."""
    torch.manual_seed(0)
    closed = [*entries, {"type": "Flatten"}, {"type": "Dense"}]
    model = live(designs.build(from_json(closed), shape, classes))
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and "running" not in name and name not in ("mean", "std"):
                tensor.copy_(torch.randn_like(tensor) * 0.3)
    return model


def written(model: Classifier, form: str, folder: Path, name: str = "net", **changes: Any) -> Path:
    """A file of a network with its card."""
    path = folder / f"net{FORMATS[form].suffix}"
    card = Card(
        file=form,
        network=name,
        layers=tuple(to_json(model.design)),
        code="",
        classes=tuple(f"class {number}" for number in range(len(samples.of(model).logits[0]))),
        input_shape=model.input_shape,
        mean=tuple(model.mean.flatten().tolist()),
        std=tuple(model.std.flatten().tolist()),
        weights_sha256="0" * 64,
        arrays_sha256="",
        samples=samples.of(model),
        about={"licence": "", **made()},
    )
    FORMATS[form].write(model, path, lambda digest: replace(card, arrays_sha256=digest, **changes).text())
    return path
