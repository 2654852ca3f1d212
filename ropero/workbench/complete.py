"""The verb `complete`: missing pixels of pictures filled, one way or several, and how well each filler does it.

Legend: N images, H x W pixels, C channels, D draws, K classes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ropero.data.dataset import Dataset, Images
from ropero.errors import RunError, UsageError, unknown
from ropero.generation.baselines import BASELINES, baseline
from ropero.generation.fillers import Filler, Generated, Pixels
from ropero.storage import write_bytes
from ropero.texts import t
from ropero.workbench.holes import Holed
from ropero.workbench.predict import plain_name


@dataclass(frozen=True, eq=False, repr=False)
class Completed:
    """One picture and its fillings.

    Attributes:
        fillings: (D, H, W) or (D, H, W, 3), stored as the picture was; observed pixels are its own, bit for bit.
        mean: of the fillings. spread: (H, W[, 3]), their standard deviation, 0 to 1; 0 where pixels were observed.
    """

    holed: Holed
    fillings: NDArray[Any]
    mean: NDArray[Any]
    spread: Pixels

    def to_json(self) -> dict[str, Any]:
        """What was missing and how far the fillings differ, with English keys."""
        missing = ~self.holed.known
        return {
            "image": self.holed.name,
            "missing_pixels": int(missing.sum()),
            "share_missing": float(missing.mean()),
            "fillings": len(self.fillings),
            "spread": float(self.spread[missing].mean()) if missing.any() else 0.0,
            "inverted": self.holed.inverted,
            "fitted": self.holed.fitted,
        }


def complete(pictures: Sequence[Holed], filler: Filler, *, draws: int = 1, seed: int = 0) -> list[Completed]:
    """Fill what is missing of pictures of one shape; one draw is the filler's best guess.

    Raises as `Filler.fill`.
    """
    shown = np.stack([one.shown() for one in pictures])
    filled = filler.fill(shown, np.stack([one.known for one in pictures]), draws, seed)  # (D, N, H, W[, C])
    means, spreads = filled.mean(0, dtype=np.float64).astype(np.float32), filled.std(0, dtype=np.float64)
    return [
        Completed(one, one.filled(filled[:, at]), one.filled(means[at]),
                  np.where(one.wide, 0, spreads[at]).astype(np.float32))
        for at, one in enumerate(pictures)
    ]  # fmt: skip


def write(found: Sequence[Completed], folder: Path) -> list[Path]:
    """Write each filling as a PNG file, where there are several also their mean and spread (white: the pixel's values
    differ as far as they can), and those of an array also as .npy, in its own numbers."""
    paths = []
    for number, one in enumerate(found):
        name = f"{number:03d}-{plain_name(one.holed.name)}"
        several = len(one.fillings) > 1
        for draw, filling in enumerate(one.fillings, 1):
            paths.append(_png(filling, folder / f"{name}{f'-{draw}' if several else ''}.png"))
        if several:
            paths.append(_png(one.mean, folder / f"{name}-mean.png"))
            paths.append(_png(_doubled(one.spread), folder / f"{name}-spread.png"))
        if one.holed.from_array:
            file = io.BytesIO()
            np.save(file, one.fillings if several else one.fillings[0])
            write_bytes(folder / f"{name}.npy", file.getvalue())
            paths.append(folder / f"{name}.npy")
    return paths


def _png(pixels: NDArray[Any], path: Path) -> Path:
    file = io.BytesIO()
    Image.fromarray(eight_bits(pixels)).save(file, "PNG", optimize=True)
    write_bytes(path, file.getvalue())
    return path


def _doubled(spread: Pixels) -> Pixels:
    """A spread as a picture: values between 0 and 1 differ by 0.5 at most."""
    return np.minimum(2 * spread, 1)


def eight_bits(pixels: NDArray[Any]) -> Images:
    """Pixels as uint8, from that or from floats 0 to 1."""
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels * 255).astype(np.uint8)


def write_page(found: Sequence[Completed], filler: str, path: Path, lang: str) -> Path:
    """Write the page of some filled pictures and return its path. Raises MissingExtra without ropero[report]."""
    from ropero.reports import restored as page

    shown = [
        page.Filled(
            one.holed.name,
            eight_bits(np.where(one.holed.wide, one.holed.given, 0).astype(one.holed.given.dtype)),
            one.holed.known,
            eight_bits(one.fillings),
            eight_bits(one.mean),
            eight_bits(_doubled(one.spread)),
        )
        for one in found
    ]
    return page.write_pictures(shown, filler, path, lang)


def filler_of(name: str, train: Callable[[], Dataset], runs: Path | None = None, *, device: str = "auto") -> Filler:
    """A filler by its name: one of BASELINES, or a trained generator.

    Args:
        train: gives the images that a baseline learns from; called where it is one.
        runs: folder of all runs, among them the generators.

    Raises:
        UsageError: there is neither.
        RunError: a generator that is not trained, or damaged.
        MissingExtra: a baseline needs a package that is not installed.
    """
    if name in BASELINES:
        return baseline(name, train())
    from ropero.generators import GeneratorStore

    try:
        found = GeneratorStore(runs).find(name)
    except RunError as error:
        raise UsageError(f"{error} {unknown(t('filler'), name, BASELINES)}") from error
    channels, *sides = found.data.input_shape
    shape = (*sides, channels) if channels > 1 else tuple(sides)
    return Generated(found.learner(device), found.name, shape, found.data.digests.get("train", ""))
