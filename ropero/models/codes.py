"""Codes: what a frozen base makes of images. Computed once an image, kept on disk, mapped into memory to be used.

A store is a folder for one base, with its weights and what is done to the pixels before: two files that only grow, the
codes and the digests of their images. So runs of any seed, size or split share what they have in common, an
interrupted encoding goes on where it stopped, and the folder may be deleted at any time. A code does not depend on
its neighbours in a batch but by rounding. Knows nothing of runs, labels or training.
Legend: N images, M codes in the store.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np
import torch
from torch import Tensor

from ropero.data.batches import channels_first, to_unit
from ropero.data.dataset import Images
from ropero.errors import UsageError
from ropero.models.classifier import Classifier
from ropero.storage import cache_folder, human_bytes
from ropero.texts import t

FORMAT = 2  # to be raised when what a base computes changes otherwise than by its weights and its `extra_repr`
BATCH = 16  # images; more are slower on a CPU, whose caches they leave
_KEY_BYTES = 16
_WAIT_SECONDS = 2.0  # between looks at how far another process has come


@dataclass(frozen=True)
class Encoding:
    """How far the codes of some images are: `done` of `total` are in `folder`, where all will take `size` bytes.

    over: nothing more will be told of this encoding: all is done, or it was broken off.
    """

    done: int
    total: int
    folder: Path
    size: int
    over: bool = False


Told = Callable[[Encoding], None]


@dataclass(frozen=True)
class Codes:
    """The codes of N images: row i of them is row rows[i] of the store's."""

    store: Tensor  # (M, ...) float32, mapped from disk
    rows: Tensor  # (N,) int64

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: Tensor | slice) -> Tensor:
        """The codes of the images at these places, in memory."""
        return self.store.index_select(0, self.rows[places])


def folder(model: Classifier) -> Path:
    """Where the codes of this network's base are kept."""
    assert model.base is not None
    what = (FORMAT, model.mean.device.type, model.input_shape, type(model.base).__name__, model.base.extra_repr())
    digest = hashlib.sha256(repr(what).encode())
    tensors = {"mean": model.mean, "std": model.std, **model.base.state_dict(prefix="base.")}
    for name, tensor in tensors.items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return cache_folder() / "features" / digest.hexdigest()[:16]


def code_shape(model: Classifier) -> tuple[int, ...]:
    """The shape of one code."""
    with torch.inference_mode():
        one = model.encode(torch.zeros(1, *model.input_shape, device=model.mean.device))
    return tuple(one.shape[1:])


def missing(model: Classifier, parts: Sequence[Images]) -> int:
    """How many different images of these are not in the store yet."""
    known = _Store(folder(model), code_shape(model)).keys()
    return len({key for images in parts for key in _keys(images)} - known.keys())


def fill(model: Classifier, parts: Sequence[Images], told: Told | None = None) -> None:
    """Compute what the store lacks of these images.

    In fp32 whatever a run's precision: pixels that are scaled twice, lunzhi's fault, span 0.02 around -2 once they are
    normalised, where the steps of bf16 are 0.016, so it would make all grey values one or two.

    Raises:
        UsageError: the disk has no room for them, or the cache cannot be written.
    """
    store = _Store(folder(model), code_shape(model))
    every = {key: (images, place) for images in parts for place, key in enumerate(_keys(images))}
    if every.keys() <= store.keys().keys():
        return  # another process may be writing, but not what is wanted here
    tell = _Teller(told, len(every), store)
    try:
        with store.alone(lambda: tell(len(every.keys() & store.keys().keys()))):
            known = store.whole()
            todo = [(key, at) for key, at in every.items() if key not in known]
            _room(store, len(todo))
            for start in range(0, len(todo), BATCH):
                tell(len(every) - len(todo) + start)
                some = todo[start : start + BATCH]
                pixels = np.stack([images[place] for _, (images, place) in some])
                store.append([key for key, _ in some], _encode(model, pixels))
                tell.done += len(some)
    except OSError as error:
        raise UsageError(
            t("The features cannot be kept in {path} ({reason}); ROPERO_CACHE names another folder.",
              path=store.folder, reason=error.strerror or error)
        ) from error  # fmt: skip
    finally:
        tell.over()


class _Teller:
    """Tells how far an encoding is; of one that has nothing to do, nothing."""

    def __init__(self, told: Told | None, total: int, store: _Store) -> None:
        self.told, self.total, self.store = told, total, store
        self.done, self.heard = 0, False

    def __call__(self, done: int) -> None:
        self.done, self.heard = done, True
        self._tell(False)

    def over(self) -> None:
        if self.heard:
            self._tell(True)

    def _tell(self, over: bool) -> None:
        if self.told:
            self.told(Encoding(self.done, self.total, self.store.folder, self.total * self.store.row_bytes, over))


def look_up(model: Classifier, images: Images) -> Codes:
    """The codes of images that `fill` has had."""
    store = _Store(folder(model), code_shape(model))
    known = store.keys()
    rows = torch.tensor([known[key] for key in _keys(images)])
    return Codes(store.mapped(len(known)), rows)


def estimate_seconds(model: Classifier, parts: Sequence[Images]) -> float:
    """How long `fill` would take, from a few images."""
    count = missing(model, parts)
    if not count:
        return 0.0
    few = parts[0][:BATCH]
    _encode(model, few)  # the first pays for memory and kernels
    started = time.perf_counter()
    _encode(model, few)
    return (time.perf_counter() - started) / BATCH * count


def _keys(images: Images) -> Iterator[bytes]:
    for image in images:
        yield hashlib.sha256(np.ascontiguousarray(image).data).digest()[:_KEY_BYTES]


def _encode(model: Classifier, images: Images) -> Tensor:
    """Codes of at most BATCH images. Always as many go in at once: the last bits of an image's code must not depend on
    how many others are missing."""
    count = len(images)
    images = np.concatenate([images, np.repeat(images[-1:], BATCH - count, 0)])
    was_training = model.training
    model.eval()
    # TF32, which is on by default for convolutions on a GPU, keeps hardly more of a number than bf16.
    exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
    whole = torch.autocast(model.mean.device.type, enabled=False)
    try:
        with torch.inference_mode(), exact, whole:
            pixels = to_unit(channels_first(images).to(model.mean.device))
            return model.encode(pixels.contiguous(memory_format=torch.channels_last))[:count].float().cpu()
    finally:
        model.train(was_training)


def _room(store: _Store, count: int) -> None:
    needed, free = store.row_bytes * count, shutil.disk_usage(store.folder).free
    if needed > free:
        raise UsageError(
            t(
                "The features of {n} images take {size}, but {path} has {free} left; ROPERO_CACHE names another "
                "folder.",
                n=count,
                size=human_bytes(needed),
                path=store.folder,
                free=human_bytes(free),
            )
        )


class _Store:
    """Two files: codes.f32, M codes in float32; and images.sha256, M digests of 16 bytes, written after the codes."""

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        self.folder, self.shape = folder, shape
        self.row_bytes = 4 * math.prod(shape)
        self._codes, self._images = folder / "codes.f32", folder / "images.sha256"

    def keys(self) -> dict[bytes, int]:
        """The row of each image's code; what a crash left half written does not count."""
        if not (self._codes.exists() and self._images.exists()):
            return {}
        content = self._images.read_bytes()
        count = min(len(content) // _KEY_BYTES, self._codes.stat().st_size // self.row_bytes)
        return {content[_KEY_BYTES * row : _KEY_BYTES * (row + 1)]: row for row in range(count)}

    @contextmanager
    def alone(self, waiting: Callable[[], object]) -> Iterator[None]:
        """Held while this process writes; while another one does, `waiting` is called again and again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.folder / ".lock")
        while True:
            try:
                lock.acquire(timeout=_WAIT_SECONDS)
                break
            except filelock.Timeout:
                waiting()
        try:
            yield
        finally:
            lock.release()

    def whole(self) -> dict[bytes, int]:
        """`keys`, with what is half written cut off, so that more can be appended."""
        known = self.keys()
        for path, size in ((self._codes, self.row_bytes), (self._images, _KEY_BYTES)):
            path.touch()
            os.truncate(path, size * len(known))
        return known

    def append(self, keys: Sequence[bytes], codes: Tensor) -> None:
        """Codes first: a digest vouches that its code is on disk."""
        for path, content in ((self._codes, codes.contiguous().numpy().tobytes()), (self._images, b"".join(keys))):
            with path.open("ab") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())

    def mapped(self, count: int) -> Tensor:
        """(M, ...) the codes, read from disk where they are used."""
        # "c": torch warns of memory that cannot be written; what is written here would never reach the disk.
        return torch.from_numpy(np.memmap(self._codes, "<f4", "c", shape=(count, *self.shape)))
