"""`DataNote`: what a run remembers of its data. Knows nothing of runs, or of how data are loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ropero.data.dataset import Splits


@dataclass(frozen=True)
class DataNote:
    """What a run remembers of its data: enough to load it again and to know that it is the same.

    sizes and digests are by part, of the source as it was loaded, before the run held anything out. source is empty for
    data that were made in Python; image_size is what was asked for.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    sizes: dict[str, int]
    digests: dict[str, str]
    image_size: int | None = None

    @classmethod
    def of(cls, splits: Splits) -> DataNote:
        parts = splits.parts()
        sizes = {name: len(part) for name, part in parts.items()}
        digests = {name: part.digest for name, part in parts.items()}
        shape = splits.train.input_shape
        return cls(splits.name, splits.source, splits.classes, shape, sizes, digests, splits.image_size)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> DataNote:
        """What `asdict` gave. Raises TypeError, ValueError or KeyError for anything else."""
        made = cls(**values)
        channels, height, width = made.input_shape
        whole = [channels, height, width, *made.sizes.values()]
        if not all(isinstance(one, int) for one in whole) or not all(isinstance(one, str) for one in made.classes):
            raise TypeError(str(values))
        return replace(made, classes=tuple(made.classes), input_shape=(channels, height, width))
