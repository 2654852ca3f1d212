"""Completing from Python: `rp.complete` fills pictures and arrays, `rp.complete_table` tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Dataset, Splits
from ropero.generation.fillers import Filler
from ropero.generation.masks import masked
from ropero.workbench import complete as verb
from ropero.workbench import complete_table as table_verb
from ropero.workbench import data as data_verb
from ropero.workbench import holes
from ropero.workbench.complete import Completed
from ropero.workbench.complete_table import CompletedTable
from ropero.workbench.notebook import load

Source = str | Path | NDArray[Any]


def complete(
    pictures: Source | Sequence[Source],
    *,
    generator: str | Filler = "knn",
    missing: str | NDArray[np.bool_] | None = None,
    draws: int = 1,
    seed: int = 0,
    invert: str = "auto",
    data: Splits | Dataset | str | Path = data_verb.DEFAULT,
    runs: str | Path | None = None,
    device: str = "auto",
) -> list[Completed]:
    """Fill the missing pixels of pictures; observed ones stay as they are, bit for bit.

    Args:
        pictures: files of pictures or .npy arrays, or arrays themselves: one image or many, uint8, or floats 0 to 1.
            Transparent pixels and NaN are missing.
        generator: a trained generator's name, "mean", "median", "knn", "iterative" or "biharmonic", or a Filler.
        missing: what is missing besides, as on the command line ("half-bottom", "0.5", a mask's file), or a mask
            (H, W), true where pixels are missing.
        draws: fillings of each; 1 is the best guess.
        invert: "auto" shows a grey picture with a light edge to the filler with light and dark exchanged; "yes", "no".
        data: what mean, knn and their like learn from.
        runs: folder of all runs, where generators lie.

    Returns:
        For each picture its `fillings` (D, H, W[, 3]) in the picture's own numbers, their `mean` and `spread`.

    Raises:
        UsageError, DataError, RunError, MissingExtra: as the command would say.
    """
    several = pictures if isinstance(pictures, Sequence) and not isinstance(pictures, str) else [pictures]
    hole = masked(np.asarray(missing, bool), "mask") if isinstance(missing, np.ndarray) else missing
    hole = holes.what(hole) if isinstance(hole, str) else hole
    filler = generator
    if isinstance(filler, str):
        folder = Path(runs) if runs is not None else None
        filler = verb.filler_of(filler, lambda: _train(data), folder, device=device)
    sources = [one if isinstance(one, np.ndarray) else str(one) for one in several]
    return verb.complete(
        holes.holed(sources, filler.shape, hole, seed=seed, invert=invert), filler, draws=draws, seed=seed
    )


def _train(data: Splits | Dataset | str | Path) -> Dataset:
    if isinstance(data, Dataset):
        return data
    return data.train if isinstance(data, Splits) else load(data).train


def complete_table(
    table: str | Path,
    out: str | Path | None = None,
    *,
    method: str | None = None,
    draws: int = 1,
    seed: int = 0,
) -> CompletedTable:
    """Fill the empty cells in the columns of numbers of a CSV file; all else stays byte for byte.

    Args:
        out: the file to write, beside it what was drawn; nothing is written when None.
        method: "mean", "median", "knn" or "iterative"; None takes the one that comes nearest to known cells hidden
            from it.
        draws: plausible values of each cell beside its best guess, of a method that has several.

    Raises:
        UsageError, DataError, MissingExtra: as the command would say.
    """
    found = table_verb.complete_table(Path(table), method, draws=draws, seed=seed)
    if out is not None:
        table_verb.write(found, Path(out))
    return found
