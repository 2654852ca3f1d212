"""A user's torch module becomes a `Classifier`: it is shown random images, and what cannot be trained is told in a
sentence. Its last Linear layer becomes the head, so that features work.

The module itself stays as it is: what is wrapped is a copy.
Legend: N images, C channels, H x W pixels, D features, K classes.
"""

from __future__ import annotations

import copy
import hashlib
import math
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import ropero
from ropero.errors import UsageError
from ropero.models.classifier import Classifier
from ropero.texts import t

SHOWN_IMAGES = 4
SHOWN = 200  # characters of someone else's error that a sentence repeats
# Where no user's code lies: a sentence names no line there.
_INSTALLED = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
_FOREIGN = (*_INSTALLED, str(Path(torch.__file__).parent), str(Path(ropero.__file__).parent), "<frozen")


def wrap(module: nn.Module, name: str, input_shape: tuple[int, int, int], classes: int) -> Classifier:
    """A copy of the module as a Classifier of images (C, H, W) in [0, 1].

    Args:
        module: (N, C, H, W) -> logits (N, K).
        name: what the sentences call it.

    Raises:
        UsageError: it cannot take such images, gives something else than logits, cannot learn or cannot be stored.
    """
    images = _images(input_shape)
    # What a lazy layer draws comes from the seed that was set before; the rest is drawn for the examination alone.
    with torch.random.fork_rng(devices=[]), told(name):
        module = copy.deepcopy(module).cpu().eval()
        seen = _Watch(module, images)
        _check_logits(seen.logits, name, classes)
        _check_repeatable(seen.logits, module, images, name)
        _check_storable(module, name)
        model = _split(module, seen, images, input_shape)
        model.peak = seen.peak
        _choose_memory_format(model, images, name)
    return model


def fingerprint(model: Classifier) -> str:
    """A SHA-256 of what the network is and does: its description, its weights, and its answers and gradients for the
    same images. Networks of equal fingerprint learn the same, short of code that waits for its hour."""
    digest = hashlib.sha256(repr(model).encode())
    model = copy.deepcopy(model)
    for key, value in model.state_dict().items():
        digest.update(key.encode() + _bytes(value))
    images = _images(model.input_shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        with torch.inference_mode():
            digest.update(_bytes(model.eval()(images)))
        _learn(model, images)
    for parameter in model.parameters():
        digest.update(b"-" if parameter.grad is None else _bytes(parameter.grad))
    return digest.hexdigest()


def _bytes(values: Tensor) -> bytes:
    return bytes(values.detach().cpu().reshape(-1).view(torch.uint8).numpy())


@contextmanager
def told(name: str) -> Iterator[None]:
    """Turns every error inside, but ropero's own, into one sentence. Raises UsageError."""
    try:
        yield
    except (UsageError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> UsageError:
    """The sentence for an error inside a user's code: what, and in which line of which file."""
    place = ""
    if isinstance(error, SyntaxError) and error.filename:
        place = _place(error.filename, error.lineno or 0)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not place and not frame.filename.startswith(_FOREIGN):
            place = _place(frame.filename, frame.lineno or 0)
    words = error.msg if isinstance(error, SyntaxError) else str(error)
    reason = " ".join(f"{type(error).__name__}: {words}".split())[:SHOWN]
    if not place:
        return UsageError(t("{name} failed: {reason}", name=name, reason=reason))
    return UsageError(t("{name} failed in {place}: {reason}", name=name, place=place, reason=reason))


def _place(filename: str, line: int) -> str:
    return t("{file}, line {line}", file=Path(filename).name, line=line)


class _Watch:
    """One look at the images: the logits, the largest activation of an image, and what each Linear layer gave."""

    def __init__(self, module: nn.Module, images: Tensor) -> None:
        self.peak = math.prod(images.shape[1:])
        self.given: dict[str, list[Tensor]] = {}
        hooks = [part.register_forward_hook(self._note(name, part)) for name, part in module.named_modules()]
        try:
            with torch.no_grad():
                self.logits: Any = module(images)
        finally:
            for hook in hooks:
                hook.remove()

    def _note(self, name: str, part: nn.Module) -> Callable[..., None]:
        def note(_: nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                self.peak = max(self.peak, output.numel() // SHOWN_IMAGES)
                if isinstance(part, nn.Linear):
                    self.given.setdefault(name, []).append(output)

        return note


def _check_logits(logits: Any, name: str, classes: int) -> None:
    if not isinstance(logits, Tensor) or logits.shape != (SHOWN_IMAGES, classes) or not logits.is_floating_point():
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UsageError(
            t(
                "{name} should give logits ({n}, {classes}) for {n} images, one value a class, but gives {got}.",
                name=name,
                n=SHOWN_IMAGES,
                classes=classes,
                got=got,
            )
        )
    if not logits.isfinite().all():
        raise UsageError(
            t(
                "{name} gives values for random images that are infinite or not a number; look for a division by 0 or "
                "a logarithm of 0.",
                name=name,
            )
        )
    if classes > 1 and bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() < 1e-4).all()):
        raise UsageError(
            t(
                "{name} gives probabilities, but the loss takes logits: leave the softmax at its end away; ropero "
                "applies it where probabilities are shown.",
                name=name,
            )
        )


def _check_repeatable(logits: Tensor, module: nn.Module, images: Tensor, name: str) -> None:
    """The same answer again, and for an image alone."""
    with torch.no_grad():
        again, alone = module(images), module(images[:1])
    if not torch.allclose(logits, again, rtol=1e-3, atol=1e-4):
        raise UsageError(
            t(
                "{name} gives another answer each time for the same images, in eval mode too; functional.dropout needs "
                "training=self.training.",
                name=name,
            )
        )
    if alone.shape != logits[:1].shape:
        raise UsageError(
            t(
                "{name} gives {got} for a single image instead of {expected}; squeeze() without a dimension takes the "
                "first one too.",
                name=name,
                got=tuple(alone.shape),
                expected=tuple(logits[:1].shape),
            )
        )
    if not torch.allclose(logits[:1], alone, rtol=1e-3, atol=1e-4):
        raise UsageError(
            t("{name} gives an image another answer when others are beside it, in eval mode too.", name=name)
        )


def _is_dense(value: Tensor) -> bool:
    """Whether no two values lie in the same place of the memory."""
    return all(stride or side == 1 for side, stride in zip(value.shape, value.stride(), strict=True))


def _check_storable(module: nn.Module, name: str) -> None:
    """Weights go into safetensors files: plain tensors, each with memory of its own."""
    owners: dict[int, str] = {}
    for key, value in module.state_dict().items():
        if not isinstance(value, Tensor):
            raise UsageError(t("{name} keeps {key}, which is no tensor and cannot be stored.", name=name, key=key))
        if not _is_dense(value):
            raise UsageError(
                t(
                    "{name} keeps {key}, whose values share memory as expand() makes them; put .clone() behind it.",
                    name=name,
                    key=key,
                )
            )
        other = owners.setdefault(value.untyped_storage().data_ptr(), key) if value.numel() else key
        if other != key:
            raise UsageError(
                t(
                    "{name} holds the same weights as {one} and as {other}; hold them once and use them twice.",
                    name=name,
                    one=other,
                    other=key,
                )
            )


def _split(module: nn.Module, seen: _Watch, images: Tensor, input_shape: tuple[int, int, int]) -> Classifier:
    """The Linear layer whose output is the network's becomes the head; without one, features are the logits."""
    for name, given in seen.given.items():
        if name and len(given) == 1 and given[0] is seen.logits:
            trunk = copy.deepcopy(module)
            head = trunk.get_submodule(name)
            above, _, last = name.rpartition(".")
            setattr(trunk.get_submodule(above), last, nn.Identity())
            model = Classifier(trunk, head, input_shape).eval()
            if _same(model, seen.logits, images):
                model.own_head = name
                return model
    model = Classifier(module, nn.Identity(), input_shape).eval()
    model.own_head = ""
    return model


def _same(model: Classifier, logits: Tensor, images: Tensor) -> bool:
    """Whether the split network has features (N, D) and still says the same: its code may ask the last layer for more
    than its output."""
    try:
        with torch.no_grad():
            return model.features(images).ndim == 2 and torch.allclose(model(images), logits, rtol=1e-3, atol=1e-4)
    except Exception:
        return False


def _choose_memory_format(model: Classifier, images: Tensor, name: str) -> None:
    """Channels last, the faster one, where the code works with it: `x.view(len(x), -1)` does not."""
    with torch.no_grad():
        expected = model(images)
    learns = False
    for chosen in (torch.channels_last, torch.contiguous_format):
        model.memory_format = chosen
        tried = copy.deepcopy(model).to(memory_format=chosen)  # type: ignore[call-overload]
        try:
            with torch.no_grad():
                fits = torch.allclose(tried(images), expected, rtol=1e-3, atol=1e-4)
            learns = _learn(tried, images.contiguous(memory_format=chosen))
        except Exception:
            if chosen == torch.contiguous_format:
                raise
            continue
        if fits:
            break
    if not learns:
        raise UsageError(
            t(
                "{name} cannot learn: no gradient reaches its weights; detach(), no_grad() or requires_grad=False "
                "are in the way.",
                name=name,
            )
        )


def _learn(model: Classifier, images: Tensor) -> bool:
    """One forward and backward pass in train mode. Returns whether a gradient reached any weight."""
    logits = model.train()(images)
    if not logits.requires_grad:
        return False
    labels = torch.arange(len(images)) % logits.shape[1]
    nn.functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
    return any(parameter.grad is not None for parameter in model.parameters())


def _images(input_shape: tuple[int, int, int]) -> Tensor:
    return torch.rand(SHOWN_IMAGES, *input_shape, generator=torch.Generator().manual_seed(0))
