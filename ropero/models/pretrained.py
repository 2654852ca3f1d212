"""ImageNet weights for frozen VGG networks: a file that the user names, or Keras's official one, fetched once.

What the weights expect of pixels goes with them: torchvision's mean and deviation; or Keras's means (once Caffe's),
whose first convolution is turned from BGR to RGB here, so that a base always takes RGB. How files are read is
`weight_files.py`'s; knows nothing of training, nor of what the features are used for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import filelock
from torch import nn

from ropero.data.download import FetchError, fetch
from ropero.data.raw import Progress
from ropero.errors import DataNotFound
from ropero.models.hdf5 import h5py
from ropero.models.vgg import CAFFE, TORCHVISION, FrozenVGG
from ropero.models.weight_files import Wanted, read
from ropero.storage import cache_folder
from ropero.texts import t

LOCK_SECONDS = 900.0  # another process may be fetching the same file


@dataclass(frozen=True)
class Official:
    """A file that Keras publishes: its MD5, as Keras checks it too, and a little more than its bytes."""

    url: str
    md5: str
    size: int

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return cache_folder() / "weights" / self.url.rpartition("/")[2]


_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
OFFICIAL: Mapping[int, Official] = {
    16: Official(
        _KERAS + "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "6d6bbae143d832006294945121d1f1fc",
        60_000_000,
    ),
    19: Official(
        _KERAS + "vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "253f8cb515780f3b799900260a226db6",
        82_000_000,
    ),
}


def find(depth: int, weights: str = "", progress: Progress | None = None) -> Path:
    """The file of weights for VGG16 or VGG19: the one that is named, or the official one, which is fetched if need be.

    Raises:
        DataNotFound: the named file is not there, or the official one could not be fetched.
        MissingExtra: the official one is HDF5, and h5py is not installed.
    """
    if weights:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise DataNotFound(t("There is no file of weights {path}.", path=path))
        return path
    official = OFFICIAL[depth]
    if not official.path.exists():
        h5py()  # better said before the download
        _fetch(depth, official, progress)
    return official.path


def _fetch(depth: int, official: Official, progress: Progress | None) -> None:
    target = official.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(target.with_name(".lock"), timeout=LOCK_SECONDS):
            if not target.exists():
                fetch(official.url, target, digest=official.md5, size=official.size, progress=progress, algorithm="md5")
    except (FetchError, OSError, filelock.Timeout) as error:
        raise DataNotFound(
            t(
                "The ImageNet weights of VGG{depth} could not be fetched ({reason}). Give a file that you have with "
                "--weights FILE: torchvision's .pth or .safetensors, or Keras's .h5.",
                depth=depth,
                reason=error,
            )
        ) from error


def load(base: FrozenVGG, path: Path) -> None:
    """Take over the weights of a file, and the scaling of pixels that belongs to them.

    Raises:
        DataError: no file of weights, a damaged one, or one of another network; the sentence names the layer.
        MissingExtra: HDF5 without h5py.
    """
    pairs, is_keras = read(path, wanted(base))
    if is_keras:
        kernel, bias = pairs[0]
        pairs[0] = (kernel.flip(1), bias)  # BGR -> RGB
    base.adopt(pairs, CAFFE if is_keras else TORCHVISION)


def wanted(base: FrozenVGG) -> list[Wanted]:
    """What each convolution of a base is called by torchvision and by Keras, and its kernel's shape."""
    found: list[Wanted] = []
    block, number = 1, 0
    for place, layer in enumerate(base.layers):
        if isinstance(layer, nn.MaxPool2d):
            block, number = block + 1, 0
        elif isinstance(layer, nn.Conv2d):
            number += 1
            out, inputs, height, width = layer.weight.shape
            found.append(Wanted(f"features.{place}", f"block{block}_conv{number}", (out, inputs, height, width)))
    return found
