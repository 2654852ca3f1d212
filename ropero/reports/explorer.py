"""The part of a report in which every evaluated image can be found: data for the page's script.

Knows nothing of HTML. Legend: N images, K classes.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ropero.data.dataset import Dataset
from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.judge import WORDS
from ropero.reports import sheets
from ropero.texts import t

MOST = 10_000  # images; of more, all mistakes that there is room for and every so many of the rest


def chosen(evaluation: Evaluation, most: int = MOST) -> NDArray[np.int64]:
    """Positions of the images that the page holds, in their order: all, or the mistakes and some of the rest."""
    total = len(evaluation)
    if total <= most:
        return np.arange(total)
    mistakes = evaluation.confident_mistakes(most // 2)
    others = np.setdiff1d(np.arange(total), mistakes)
    spread = np.linspace(0, len(others) - 1, most - len(mistakes)).round().astype(np.int64)
    return np.union1d(mistakes, others[np.unique(spread)])


def data(evaluation: Evaluation, pictures: Dataset) -> dict[str, Any]:
    """What the template shows: sheets of thumbnails, and everything known of the images as one JSON text.

    Args:
        pictures: holds the evaluated images, found by row; those that it has not are left out.
    """
    positions = chosen(evaluation)
    order = np.argsort(pictures.rows, kind="stable")
    places = np.searchsorted(pictures.rows, evaluation.rows[positions], sorter=order)
    places = order[np.minimum(places, len(order) - 1)]
    there = pictures.rows[places] == evaluation.rows[positions]
    positions, places = positions[there], places[there]
    made = sheets.sheets(pictures.images[places]) if len(places) else sheets.Sheets(1, ())
    verdicts = np.full(len(evaluation), 255) if evaluation.judged is None else evaluation.judged.verdicts
    content = {
        "side": made.side,
        "columns": sheets.COLUMNS,
        "rows": sheets.ROWS,
        "classes": [t(name) for name in evaluation.classes],
        "verdicts": [t(word) for word in WORDS] if evaluation.judged is not None else [],
        "true": _packed(evaluation.labels[positions], "<u2"),
        "predicted": _packed(evaluation.predicted[positions], "<u2"),
        "confidence": _packed(np.rint(evaluation.confidence[positions] * 10_000), "<u2"),
        "verdict": _packed(verdicts[positions], "u1"),
        "row": _packed(evaluation.rows[positions], "<u4"),
    }
    return {"sheets": made, "count": len(positions), "total": len(evaluation), "json": safe_json(content)}


def _packed(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(values.astype(kind).tobytes()).decode("ascii")


def safe_json(content: dict[str, Any]) -> Markup:
    """JSON that may stand inside a script element: nothing in it can end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
