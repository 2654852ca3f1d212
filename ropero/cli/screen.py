"""What the verbs print with: results on stdout, everything else on stderr; JSON or tables.

Knows Rich; knows nothing of what the verbs do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ropero.texts.plain import shown_json, shown_lines

# A piped table is as wide as it needs to be: cutting it to 80 columns would lose figures.
_PIPED_WIDTH = 200


def out() -> Console:
    """The console for results, on stdout."""
    return Console(soft_wrap=False, highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def err() -> Console:
    """The console for progress and remarks, on stderr."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A remark that is no result."""
    err().print(shown_lines(text), markup=False)


def show(text: str) -> None:
    """A line of the result."""
    print(shown_lines(text))


def show_json(content: object) -> None:
    """The result as JSON, its keys and names English in every language."""
    print(shown_json(json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)))


def show_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, words: Sequence[int] = (0,)
) -> None:
    """A table; the columns numbered in `words` are set left, the others, figures, right."""
    # Names come from strangers' files and folders: they are text, not Rich's markup, and nothing that a terminal obeys.
    table = Table(
        title=Text(shown_lines(title)) if title else None,
        title_justify="left",
        box=box.SIMPLE,
        title_style="bold",
        pad_edge=False,
    )
    for number, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if number in words else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown_lines(cell)) for cell in row))
    out().print(table)
