"""The verb `data`: find or fetch a source, and say what it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ropero.data import sources
from ropero.data.dataset import Dataset, Splits
from ropero.data.known import KNOWN
from ropero.data.raw import Progress

DEFAULT = "fashion-mnist"


def load(source: str = DEFAULT, *, image_size: int | None = None, progress: Progress | None = None) -> Splits:
    """A source by name or by path; see `ropero.data.sources.load`."""
    return replace(sources.load(source, image_size=image_size, progress=progress), image_size=image_size)


def as_splits(data: Splits | Dataset | str | Path, progress: Progress | None = None) -> Splits:
    """Data that are at hand, or by name or path."""
    if isinstance(data, Dataset):
        return Splits(data)
    return data if isinstance(data, Splits) else load(str(data), progress=progress)


def known_names() -> list[str]:
    """The names that `load` takes besides paths."""
    return list(KNOWN)


def describe(splits: Splits) -> dict[str, Any]:
    """What was loaded, as JSON: name, source, classes, and shape, size and digest of each part."""
    return {
        "name": splits.name,
        "source": splits.source,
        "classes": list(splits.classes),
        "skipped": splits.skipped,
        "parts": {
            name: {
                "images": len(part),
                "shape": list(part.images.shape),
                "images_per_class": part.counts.tolist(),
                "sha256": part.digest,
            }
            for name, part in splits.parts().items()
        },
    }
