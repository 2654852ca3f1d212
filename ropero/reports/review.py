"""The page on which a person goes through labels that look wrong: keep, relabel, leave out, skip, undo.

What is decided stays in the browser until it is saved as a change list (JSON lines), which `ropero.data.changes` reads.
Knows nothing of how the suspects were found. Legend: N images, K classes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ropero.data.dataset import Dataset
from ropero.reports import sheets
from ropero.reports.explorer import safe_json
from ropero.reports.pages import render_page
from ropero.storage import write_text
from ropero.texts import language, t

LIKELY = 4  # classes whose probability is shown


@dataclass(frozen=True)
class Doubt:
    """One image to look at: its position in the part, the class that it looks like, why it is here, and the position
    of an image that looks nearly the same and has another label, where there is one."""

    position: int
    guess: int
    why: str
    twin: int | None = None


def write(
    doubts: Sequence[Doubt], part: Dataset, probabilities: NDArray[np.floating], path: Path, lang: str, intro: str
) -> Path:
    """Write the page to a file and return its path.

    Args:
        part: what the doubts are about. probabilities: (N, K) of its images.
        lang: "en", "es" or "zh". intro: a sentence above, in that language.
    """
    with language(lang):
        write_text(path, page(doubts, part, probabilities, intro))
    return path


def page(doubts: Sequence[Doubt], part: Dataset, probabilities: NDArray[np.floating], intro: str) -> str:
    """The page in the language in force."""
    positions = [doubt.position for doubt in doubts]
    twins = [doubt.twin for doubt in doubts if doubt.twin is not None]  # their pictures come behind those of the doubts
    made = sheets.sheets(part.images[positions + twins]) if doubts else sheets.Sheets(1, ())
    place = {number: at for at, number in enumerate((k for k, doubt in enumerate(doubts) if doubt.twin is not None),
                                                    len(doubts))}  # fmt: skip
    order = np.argsort(-probabilities[positions], axis=1, kind="stable")[:, :LIKELY]
    content = {
        "key": f"ropero-review-{part.digest[:16]}",
        "part": part.split,
        "side": made.side,
        "columns": sheets.COLUMNS,
        "rows": sheets.ROWS,
        "names": list(part.classes),  # what the change list holds, whatever the page's language
        "classes": [t(name) for name in part.classes],
        "items": [
            {
                "row": int(part.rows[doubt.position]),
                "label": int(part.labels[doubt.position]),
                "guess": doubt.guess,
                "why": doubt.why,
                "likely": [[int(k), round(float(probabilities[doubt.position, k]), 4)] for k in row],
                "twin": None if doubt.twin is None else _twin(part, doubt.twin, place[number]),
            }
            for number, (doubt, row) in enumerate(zip(doubts, order, strict=True))
        ],
    }
    return render_page(
        "review.html",
        t("Labels to look at: {data}", data=part.name),
        scripts=("page.js", "review.js"),
        sheets=made,
        content=safe_json(content),
        count=len(doubts),
        twins=len(twins),
        intro=intro,
        words=Markup(json.dumps(_words(), ensure_ascii=False).replace("<", "\\u003c")),
    )


def _twin(part: Dataset, position: int, picture: int) -> dict[str, int]:
    return {"row": int(part.rows[position]), "label": int(part.labels[position]), "picture": picture}


def _words() -> dict[str, str]:
    """What the script says."""
    return {
        "keep": t("the label is right"),
        "drop": t("left out"),
        "skip": t("skipped"),
        "done": t("{done} of {all} decided"),
        "row": t("row {row}"),
        "labelled": t("labelled {name}"),
        "twin": t("row {row}, labelled {name}"),
        "nothing": t("Nothing is decided yet."),
    }
