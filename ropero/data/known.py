"""The sources that ropero knows by name: class names, file names, digests, mirrors.

A table and two small questions; reads no file and opens no connection.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ropero.data.dataset import Images, Labels
from ropero.texts import mark

FASHION = "fashion-mnist"

_DIGITS = tuple(string.digits)
_BALANCED = (*_DIGITS, *string.ascii_uppercase, *"abdefghnqrt")
_GARMENTS = (
    mark("T-shirt/top"),
    mark("Trouser"),
    mark("Pullover"),
    mark("Dress"),
    mark("Coat"),
    mark("Sandal"),
    mark("Shirt"),
    mark("Sneaker"),
    mark("Bag"),
    mark("Ankle boot"),
)

# SHA-256 and size of the uncompressed files. The .gz files of different publishers differ, what is in them does not.
FASHION_FILES: Mapping[str, tuple[str, int]] = {
    "train-images-idx3-ubyte": ("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 47_040_016),
    "train-labels-idx1-ubyte": ("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60_008),
    "t10k-images-idx3-ubyte": ("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 7_840_016),
    "t10k-labels-idx1-ubyte": ("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10_008),
}

# `fingerprint` of the train and the test part, to recognise them in any format and any order.
FASHION_FINGERPRINTS = (
    "e80973635e535fd56748967c685aea376607bd51f89cd07d6a28fd2d69120d12",
    "0c78b71e7bfc717915d10bf9609c4ebfd64cf0c2f7a6c21174b221312c73f9ef",
)


@dataclass(frozen=True)
class Known:
    """A published source of 28 x 28 grey pictures in IDX files.

    Args:
        name: what a user calls it.
        classes: its K class names.
        prefix: what its IDX file names begin with ("emnist-letters-").
        transposed: whether the published pictures lie on their side, as all of EMNIST does.
        first_label: the label of the first class; EMNIST Letters counts from 1.
        files: uncompressed SHA-256 and size of each file, for those that ropero fetches.
    """

    name: str
    classes: tuple[str, ...]
    prefix: str = ""
    transposed: bool = False
    first_label: int = 0
    files: Mapping[str, tuple[str, int]] = field(default_factory=dict)


def _emnist(kind: str, classes: tuple[str, ...], first_label: int = 0) -> Known:
    return Known(f"emnist-{kind}", classes, f"emnist-{kind}-", transposed=True, first_label=first_label)


_ALL = (
    Known(FASHION, _GARMENTS, files=FASHION_FILES),
    Known("mnist", _DIGITS),
    Known("kmnist", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")),
    _emnist("digits", _DIGITS),
    _emnist("letters", tuple(string.ascii_uppercase), first_label=1),
    _emnist("balanced", _BALANCED),
    _emnist("byclass", (*_DIGITS, *string.ascii_uppercase, *string.ascii_lowercase)),
    _emnist("bymerge", _BALANCED),
    _emnist("mnist", _DIGITS),
)
KNOWN: Mapping[str, Known] = {one.name: one for one in _ALL}


def fingerprint(images: Images, labels: Labels) -> str:
    """A digest of the summed pixels of each of ten classes: the same for the same pictures in any order.

    Kaggle's CSV holds the pictures of Fashion-MNIST in another order than the IDX files.
    """
    flat = images.reshape(len(images), -1)
    sums = np.stack([flat[labels == label].sum(axis=0, dtype=np.int64) for label in range(10)])
    return hashlib.sha256(sums.astype("<i8").tobytes()).hexdigest()
