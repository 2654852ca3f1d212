"""The verb `complete` for tables: the empty cells of a CSV file filled, by the method that is best at it.

Legend: R rows, F columns of numbers, D draws, G filled cells.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.data import cells
from ropero.data.cells import Table
from ropero.errors import DataError, UsageError
from ropero.generation import tables
from ropero.generation.tables import SEVERAL, Tried
from ropero.storage import write_bytes
from ropero.texts import t

MOST_DRAWS = 100


def is_table(name: str) -> bool:
    """Whether a file's name is that of a table."""
    return name.lower().endswith(cells.SUFFIXES)


@dataclass(frozen=True, eq=False, repr=False)
class CompletedTable:
    """A table and what its empty cells were filled with.

    Attributes:
        method: what filled them. tried: how far off each method was on hidden cells, the best first; empty where the
            method was given.
        filled: (R, F). places: (G, 2) row and column of each filled cell. draws: (D, G) plausible values of each.
    """

    table: Table
    method: str
    tried: tuple[Tried, ...]
    filled: NDArray[np.float64]
    places: NDArray[np.int64]
    draws: NDArray[np.float64]

    @property
    def spread(self) -> NDArray[np.float64]:
        """(G,) standard deviation over the draws of each filled cell."""
        found: NDArray[np.float64] = self.draws.std(0)
        return found

    def to_json(self) -> dict[str, Any]:
        """What was filled and how, with English keys."""
        table = self.table
        return {
            "table": str(table.path),
            "rows": len(table.lines),
            "filled": len(self.places),
            "columns": {
                column.name: int(np.isnan(column.values).sum())
                for column in table.columns
                if np.isnan(column.values).any()
            },
            "left": list(table.left),
            "left_empty": table.empty,
            "method": self.method,
            "tried": [one.to_json() for one in self.tried],
            "draws": len(self.draws),
        }


def complete_table(path: Path, method: str | None = None, *, draws: int = 1, seed: int = 0) -> CompletedTable:
    """Fill the empty cells in the columns of numbers of a CSV file.

    Args:
        method: mean, median, knn or iterative; None takes the one that is nearest to known cells hidden from it.
        draws: plausible values of each cell, beside its best guess, of a method that has several.

    Raises:
        DataError: as `cells.read`, or nothing is empty.
        UsageError: an unknown method, draws out of range.
    """
    if not 1 <= draws <= MOST_DRAWS:
        raise UsageError(t("{name} should be at least {low} and at most {high}, got {value}.", name="draws", low=1,
                           high=MOST_DRAWS, value=draws))  # fmt: skip
    table = cells.read(path)
    gaps = np.isnan(table.values) if table.columns else np.zeros((0, 0), bool)
    if not gaps.any():
        raise DataError(t("{path} has no empty cell in a column of numbers: there is nothing to fill.", path=path))
    values = table.values
    tried = [] if method is not None else tables.try_all(values, seed)
    chosen = method or (tried[0].method if tried else tables.MEDIAN)
    filled = tables.fill(values, chosen, 1, seed)[0]
    some = tables.fill(values, chosen, draws, seed) if draws > 1 and chosen in SEVERAL else filled[None]
    return CompletedTable(table, chosen, tuple(tried), filled, np.argwhere(gaps), some[:, gaps])


def write(found: CompletedTable, path: Path) -> list[Path]:
    """Write the filled table, and beside it, where there are several draws, a table of them: a line for each filled
    cell with its line and column, what it was filled with, the draws' standard deviation, and the draws.

    Raises UsageError where the table itself would be overwritten.
    """
    if path.exists() and path.samefile(found.table.path):
        raise UsageError(t("{path} is the table itself; give another file with --out.", path=path))
    write_bytes(path, found.table.filled(found.filled))
    if len(found.draws) == 1:
        return [path]
    beside = path.with_name(f"{path.stem}-draws.csv")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["line", "column", "filled", "spread", *(f"draw_{n}" for n in range(1, len(found.draws) + 1))])
    for (row, at), spread, drawn in zip(found.places, found.spread, found.draws.T, strict=True):
        column = found.table.columns[at]
        numbers = (f"{value:.6g}" for value in (found.filled[row, at], spread, *drawn))
        writer.writerow([found.table.lines[row], column.name, *numbers])
    write_bytes(beside, text.getvalue().encode("utf-8"))
    return [path, beside]
