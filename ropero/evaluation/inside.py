"""Inside a network: the filters of a layer, and what its feature maps make of one image.

Legend: C channels of a layer, I input channels, H x W pixels, h x w places of a feature map.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ropero.data.batches import channels_first, to_unit
from ropero.data.dataset import Images
from ropero.errors import UsageError, did_you_mean
from ropero.models.classifier import Classifier
from ropero.models.operators_windows import Conv
from ropero.models.summary import layers
from ropero.texts import joined, t

Floats = NDArray[np.float32]


def with_maps(model: Classifier) -> list[str]:
    """The layers whose output is feature maps, in their order."""
    found = _outputs(model, _blank(model))
    return [name for name, output in found.items() if output.ndim == 3 and min(output.shape[1:]) > 1]


def check(model: Classifier, layer: str) -> None:
    """Raises UsageError when there is no such layer, or its output has no places."""
    feature_maps(model, _blank(model), layer)


def _blank(model: Classifier) -> Images:
    channels, height, width = model.input_shape
    return np.zeros((height, width, channels) if channels > 1 else (height, width), np.uint8)


def feature_maps(model: Classifier, image: Images, layer: str) -> Floats:
    """(C, h, w): what a layer makes of an image (H, W) or (H, W, 3) uint8.

    Raises:
        UsageError: there is no such layer, or its output has no places.
    """
    found = _outputs(model, image)
    if layer not in found:
        raise UsageError(t("Unknown layer {name!r}.", name=layer) + did_you_mean(layer, found) + _known(model))
    output = found[layer]
    if output.ndim != 3:
        shape = " x ".join(map(str, output.shape))
        raise UsageError(
            t("The output of {layer} is {shape}: no feature maps.", layer=layer, shape=shape) + _known(model)
        )
    return output


def filters(model: Classifier, layer: str) -> Floats | None:
    """(C, I, h, w) the kernels of a convolution; None for any other layer."""
    module = layers(model).get(layer)
    for part in module.modules() if module else ():
        kernels = getattr(part, "weight", None) if isinstance(part, nn.Conv2d | Conv) else None
        if isinstance(kernels, Tensor) and kernels.ndim == 4:  # a foreign convolution may have others' kernels
            found: Floats = kernels.detach().float().cpu().numpy()
            return found
    return None


def _known(model: Classifier) -> str:
    known = with_maps(model)
    return " " + (t("Layers with feature maps: {known}.", known=joined(known)) if known else t("It has none."))


def _outputs(model: Classifier, image: Images) -> dict[str, Floats]:
    """What every layer gives for one image, without its batch axis."""
    found: dict[str, Floats] = {}

    def note(name: str, output: object) -> None:
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, Tensor):
            # The last call counts where a layer is called twice; in-place layers behind must not reach it.
            found[name] = first[0].detach().float().cpu().numpy().copy()

    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: note(name, output))
        for name, module in layers(model).items()
    ]
    try:
        with torch.no_grad():
            model.eval()(to_unit(channels_first(image[None]).to(model.mean.device)))
    finally:
        for hook in hooks:
            hook.remove()
    return found
