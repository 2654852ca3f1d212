"""A document as Markdown with its figures beside it, and as a Jupyter notebook that loads the run again."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from ropero.reports import output
from ropero.reports.document import Block, Code, Document, Paragraph, Picture, Table
from ropero.storage import write_text
from ropero.texts import t


def write_markdown(document: Document, path: Path) -> Path:
    """Write the text to a file, its figures as PNG into `<name>-figures` beside it, and return the file's path."""
    folder = path.with_name(f"{path.stem}-figures")
    pieces = [_head(document)]
    for section in document.sections:
        pieces.append(f"## {_plain(section.title)}")
        for block in section.blocks:
            if isinstance(block, Picture):
                output.save(block.figure, folder / f"{block.name}.png")
                place = f"{folder.name}/{block.name}.png".replace(" ", "%20")
                pieces.append(f"![{_plain(block.caption)}]({place})\n\n*{_plain(block.caption)}*")
            else:
                pieces.append(_text(block))
    pieces.append(_references(document))
    write_text(path, "\n\n".join(piece for piece in pieces if piece) + "\n")
    return path


def write_notebook(document: Document, path: Path, opening: str) -> Path:
    """Write a notebook whose first cell is code, `opening`; figures are outputs that are there already."""
    cells = [_markdown(_head(document)), _code(opening)]
    for section in document.sections:
        pieces = [f"## {_plain(section.title)}"]
        for block in section.blocks:
            if isinstance(block, Picture):
                cells.append(_markdown("\n\n".join(pieces)))
                cells.append(_shown(block))
                pieces = []
            else:
                pieces.append(_text(block))
        cells.append(_markdown("\n\n".join(pieces)))
    cells.append(_markdown(_references(document)))
    kept = [cell for cell in cells if cell["source"]]
    for number, cell in enumerate(kept):
        cell["id"] = f"cell-{number}"
    content = {
        "cells": kept,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    return path


def _head(document: Document) -> str:
    who = " · ".join(one for one in (document.author, document.date, document.run) if one)
    return f"# {_plain(document.title)}\n\n{_plain(document.subtitle)}\n\n{_plain(who)}"


def _references(document: Document) -> str:
    if not document.references:
        return ""
    listed = "\n".join(f"{number}. {_plain(one)}" for number, one in enumerate(document.references, 1))
    title = t("References")
    return f"## {title}\n\n{listed}"


def _text(block: Block) -> str:
    match block:
        case Paragraph():
            return _plain(block.text)
        case Code():
            return f"```sh\n{block.text}\n```"
        case Table():
            ruler = ["---:" if k in block.numbers else ":---" for k in range(len(block.columns))]
            rows = [[_cell(str(value)) for value in row] for row in (block.columns, *block.rows)]
            lines = ["| " + " | ".join(row) + " |" for row in (rows[0], ruler, *rows[1:])]
            return f"**{_plain(block.caption)}**\n\n" + "\n".join(lines)
        case Picture():
            return ""


def _plain(text: str) -> str:
    """A text in which nothing is Markdown or HTML: names come from strangers."""
    return re.sub(r"([\\`*_\[\]<>#|$&])", r"\\\1", text)


def _cell(text: str) -> str:
    return _plain(text.replace("\n", " "))


def _markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.strip()}


def _code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}


def _shown(picture: Picture) -> dict[str, Any]:
    """A figure as the output of a cell that was run already; its caption is what stands in the cell."""
    data = {"image/png": base64.b64encode(output.as_png(picture.figure)).decode("ascii"), "text/plain": picture.caption}
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [{"output_type": "display_data", "data": data, "metadata": {}}],
        "source": f"# {picture.caption}",
    }
