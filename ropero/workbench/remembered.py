"""Whether a generator made its pictures or remembered them: the nearest training image beside each, and how near real
images come that were not learned from.

Knows nothing of the command line.
Legend: N pictures, M real images, H x W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Images, Labels, Splits
from ropero.generation import mosaic
from ropero.generators import GeneratorRun
from ropero.metrics.nearest import nearest
from ropero.metrics.statistics import wilson_interval
from ropero.storage import write_json
from ropero.texts import t
from ropero.texts.numbers import decimal
from ropero.workbench.generate import learned_from
from ropero.workbench.sampling import Samples

LEFT_OUT = 2000  # real images whose nearest training image is looked for
FEWEST = 200  # with less that were left out the 1 % quantile says nothing
QUANTILE = 0.01
SHOWN, TOO_NEAR = 64, "! "
UNSEEN, IN_TURN = "unseen", "left out in turn"


@dataclass(frozen=True, eq=False)
class Nearest:
    """The training image nearest to each sample, and how near real images come that were not learned from.

    Distances are root mean squares of the differences of pixels, 0 for equal pictures to 1.

    Attributes:
        rows: (N,) where each nearest image stands in the source; images: (N, H, W[, 3]); distances: (N,).
        real: (M,) the distances of real images to their nearest training image; how: which they are, "unseen" in the
            training, or "left out in turn" of the training images where there are no others.
    """

    rows: Labels
    images: Images
    distances: NDArray[np.float64]
    real: NDArray[np.float64]
    how: str

    @property
    def limit(self) -> float:
        """Nearer than this is 1 % of the real images: nearer samples may have been remembered."""
        return float(np.quantile(self.real, QUANTILE))

    @property
    def too_near(self) -> int:
        """How many samples are as near as that, or nearer."""
        return int((self.distances <= self.limit).sum())

    def to_json(self) -> dict[str, Any]:
        """All of it but the pictures."""
        share = self.too_near / len(self.distances)
        return {
            "rows": self.rows.tolist(),
            "distances": self.distances.tolist(),
            "median": float(np.median(self.distances)),
            "real": {"how": self.how, "images": len(self.real), "median": float(np.median(self.real))},
            "limit": self.limit,
            "expected": QUANTILE,
            "too_near": self.too_near,
            "share": share,
            "interval": list(wilson_interval(self.too_near, len(self.distances))),
        }

    def write(self, path: Path) -> Path:
        """Write all but the pictures as JSON."""
        write_json(path, self.to_json())
        return path

    def figure(self, samples: Samples, path: Path) -> Path:
        """Draw the first samples, each at the left of its nearest training image, with distance and row; those that are
        too near are marked. Raises MissingExtra without the part that draws."""
        from ropero.reports import output, pictures

        pairs = [mosaic.mosaic(np.stack(pair), 2, 1) for pair in zip(samples.images, self.images, strict=True)][:SHOWN]
        titles = [
            (TOO_NEAR if apart <= self.limit else "")
            + t("{distance}, image {row}", distance=decimal(apart, 3), row=row)
            for apart, row in zip(self.distances[:SHOWN], self.rows, strict=False)
        ]
        return output.save(pictures.image_grid(pairs, titles, columns=min(8, len(pairs))), path)


def nearest_real(run: GeneratorRun, images: Images, splits: Splits) -> Nearest:
    """The training image nearest to each picture, by pixels, and the same of real images that were not learned from:
    the validation part, or images that the training left out; else training images, each looked for among the others.

    The test part is not opened. Raises RunError for other data than the generator was made with.
    """
    run.check_data(splits.train)
    part = learned_from(run.config, splits)
    rows, distances = nearest(_flat(images), _flat(part.images))
    left = ~np.isin(splits.train.rows, part.rows)
    unseen = splits.train.images[left] if splits.validation is None else splits.validation.images
    how = UNSEEN if len(unseen) >= FEWEST else IN_TURN
    real = unseen if how == UNSEEN else part.images
    chosen = np.sort(np.random.default_rng(0).permutation(len(real))[:LEFT_OUT])
    _, apart = nearest(_flat(real[chosen]), _flat(part.images), None if how == UNSEEN else chosen)
    return Nearest(part.rows[rows], part.images[rows].reshape(images.shape), distances / 255, apart / 255, how)


def _flat(images: Images) -> Images:
    return images.reshape(len(images), -1)
