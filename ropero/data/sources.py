"""`load`: any source, by name or by path, becomes `Splits`."""

from __future__ import annotations

from pathlib import Path

from ropero.data import finder, idx
from ropero.data.dataset import Dataset, Splits
from ropero.data.known import FASHION, KNOWN
from ropero.data.raw import Progress as Progress


def load(
    source: str | Path = FASHION,
    *,
    data: str | Path | None = None,
    image_size: int | None = None,
    progress: Progress | None = None,
) -> Splits:
    """Load a source."""
    known = KNOWN[str(source)]
    raw = idx.read_folder(Path(data) if data else finder.find(known))
    parts = {
        name: Dataset(part.images, part.labels, known.classes, known.name, name) for name, part in raw.parts.items()
    }
    return Splits(parts["train"], None, parts.get("test"), source=known.name)
