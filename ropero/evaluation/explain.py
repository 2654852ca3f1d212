"""Which pixels speak for a class: Grad-CAM, occlusion and integrated gradients. Which maps are faithful is measured in
`faithfulness.py`; knows nothing of pictures or pages.

Legend: N images, C channels, H x W pixels, K classes. A map is (N, H, W) float32, higher where a pixel speaks for the
class; images are (N, H, W) or (N, H, W, C) uint8, classes (N,).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ropero.data.batches import channels_first, in_chunks, to_unit
from ropero.data.dataset import Images
from ropero.errors import UsageError
from ropero.models import inference
from ropero.models.classifier import Classifier
from ropero.texts import mark, t

Maps = NDArray[np.float32]
Labels = NDArray[np.int64]

GRAD_CAM, OCCLUSION, GRADIENTS = "grad-cam", "occlusion", "integrated-gradients"
METHODS = {
    GRAD_CAM: mark("Grad-CAM: what the last feature maps with places in them say"),
    OCCLUSION: mark("occlusion: how much the probability falls when a square is covered"),
    GRADIENTS: mark("integrated gradients: each pixel's share on the way from black"),
}
_STEPS = 32  # of the way from a black image
_AT_ONCE = 64  # images whose gradients are held at a time


SHOWN = GRADIENTS  # whose maps a report shows: by rule, so that the proof of them is no choice of the best by its proof


def possible(model: Classifier) -> list[str]:
    """The methods that this network can be explained by: all but, without feature maps, Grad-CAM."""
    return [method for method in METHODS if method != GRAD_CAM or _maps_of(model) is not None]


def check(model: Classifier, method: str) -> None:
    """Raises UsageError for a method that this network cannot be explained by."""
    if method not in possible(model):
        raise UsageError(
            t(
                "Grad-CAM needs a layer whose output still has places, which this network has none of; try {method}.",
                method=OCCLUSION,
            )
        )


def explain(method: str, model: Classifier, images: Images, classes: Labels) -> Maps:
    """A map for each image and class by a method of METHODS.

    Raises:
        UsageError: Grad-CAM of a network without feature maps.
    """
    known: dict[str, Callable[[Classifier, Images, Labels], Maps]] = {
        GRAD_CAM: grad_cam,
        OCCLUSION: occlusion,
        GRADIENTS: integrated_gradients,
    }
    return known[method](model, images, classes)


def grad_cam(model: Classifier, images: Images, classes: Labels) -> Maps:
    """Selvaraju et al. 2017, arXiv 1610.02391: feature maps weighted by the mean gradient of the class's logit, what
    speaks against it cut off, brought to the image's size.

    Raises:
        UsageError: the network has no feature maps larger than one place.
    """
    check(model, GRAD_CAM)
    layer = _maps_of(model)
    assert layer is not None
    size = images.shape[1:3]
    found = []
    for part in in_chunks(len(images), _AT_ONCE):
        with _watched(layer) as outputs:
            _logit(model, _pixels(model, images[part]), classes[part])
        maps, slopes = outputs["maps"], outputs["slopes"]  # (n, channels, h, w)
        weighted = (maps * slopes.mean(dim=(2, 3), keepdim=True)).sum(dim=1, keepdim=True).relu()
        found.append(functional.interpolate(weighted, size=size, mode="bilinear", align_corners=False)[:, 0])
    return _numpy(torch.cat(found))


def integrated_gradients(model: Classifier, images: Images, classes: Labels) -> Maps:
    """Sundararajan et al. 2017, arXiv 1703.01365: the gradients along the straight way from a black image, times the
    image. Over all pixels they add up to how much the image's logit is above the black one's."""
    found = []
    for part in in_chunks(len(images), _AT_ONCE):
        pixels = _pixels(model, images[part])
        total = torch.zeros_like(pixels)
        for step in range(_STEPS):
            place = (pixels.detach() * ((step + 0.5) / _STEPS)).requires_grad_(True)
            _logit(model, place, classes[part])
            assert place.grad is not None
            total += place.grad
        found.append((pixels.detach() * total / _STEPS).sum(dim=1))
    return _numpy(torch.cat(found))


def occlusion(model: Classifier, images: Images, classes: Labels, *, side: int = 0, step: int = 0) -> Maps:
    """Zeiler and Fergus 2014, arXiv 1311.2901: how much the probability of the class falls, on average, when a black
    square covers the pixel.

    Args:
        side: of the square in pixels, step: from one to the next; a fifth and a tenth of the image when 0.
    """
    height, width = images.shape[1:3]
    side = side or max(2, round(min(height, width) / 5))
    step = step or max(1, round(min(height, width) / 14))
    numbers = np.arange(len(images))
    before = inference.probabilities(model, images)[numbers, classes]
    falls = np.zeros((len(images), height, width), np.float64)
    covers = np.zeros((height, width))
    for top in range(1 - side, height, step):
        for left in range(1 - side, width, step):
            there = (slice(max(top, 0), top + side), slice(max(left, 0), left + side))
            covered = images.copy()
            covered[(slice(None), *there)] = 0
            after = inference.probabilities(model, covered)[numbers, classes]
            falls[(slice(None), *there)] += (before - after)[:, None, None]
            covers[there] += 1
    found: Maps = (falls / np.maximum(covers, 1)).astype(np.float32)
    return found


def _maps_of(model: Classifier) -> nn.Module | None:
    """The last module of the trunk, or of a base before it, whose output is (N, channels, h, w) with several places.

    Earlier, finer maps look better and are less faithful (docs/lab-notes.md).
    """
    last: list[nn.Module] = []

    def note(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[1] > 1 and min(output.shape[2:]) > 1:
            last[:] = [module]

    modules = [*model.trunk.modules(), *(model.base.modules() if model.base is not None else [])]
    hooks = [module.register_forward_hook(note) for module in modules]
    try:
        with torch.no_grad():
            model(torch.zeros(1, *model.input_shape, device=model.mean.device))
    finally:
        for hook in hooks:
            hook.remove()
    return last[0] if last else None


@contextmanager
def _watched(layer: nn.Module) -> Iterator[dict[str, Tensor]]:
    """What a layer gives while the block runs, and the gradient that comes back to it."""
    seen: dict[str, Tensor] = {}

    def note(_: nn.Module, __: object, output: Tensor) -> Tensor:
        seen["maps"] = output.detach()
        followed = output if output.requires_grad else output.detach().requires_grad_(True)
        followed.register_hook(lambda slope: seen.__setitem__("slopes", slope))  # type: ignore[no-untyped-call]
        with torch.enable_grad():  # a frozen base runs without
            return followed.clone()  # what comes behind may write into it in place

    hook = layer.register_forward_hook(note)
    try:
        yield seen
    finally:
        hook.remove()


def _logit(model: Classifier, pixels: Tensor, classes: Labels) -> None:
    """Run the network forwards, and backwards from each image's logit of its class."""
    with torch.enable_grad():
        logits = model.eval()(pixels)
        wanted = torch.tensor(np.asarray(classes, np.int64)).to(logits.device)
        logits.gather(1, wanted[:, None]).sum().backward()
    model.zero_grad(set_to_none=True)


def _pixels(model: Classifier, images: Images) -> Tensor:
    return to_unit(channels_first(images).to(model.mean.device)).requires_grad_(True)


def _numpy(maps: Tensor) -> Maps:
    found: Maps = maps.detach().float().cpu().numpy()
    return found
