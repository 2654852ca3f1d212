"""The figures of a run as PNG files, to paste into a document of one's own. Knows nothing of the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ropero.data.dataset import Dataset
from ropero.evaluation.evaluate import Evaluation
from ropero.reports import figures, pictures
from ropero.reports.output import Figure, save
from ropero.texts import language
from ropero.training.history import History

FIRST_IMAGES, MISTAKES = 15, 15


def save_figures(history: History, evaluation: Evaluation, images: Dataset, folder: Path, lang: str) -> list[Path]:
    """Write learning curves, confusion matrix, class scores, calibration, the first predictions and the worst mistakes.

    Args:
        images: the part that was evaluated, in the order of the evaluation.
        lang: "en", "es" or "zh".
    """
    with language(lang):
        drawn = _draw(history, evaluation, images)
        return [save(figure, folder / f"{name}.png") for name, figure in drawn.items()]


def _draw(history: History, evaluation: Evaluation, images: Dataset) -> dict[str, Figure]:
    columns = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    loss, accuracy, *validation = (history.column(name) for name in columns)
    judged = all(value is not None for value in validation[0])
    report, bins = evaluation.report, evaluation.calibration
    curves = figures.learning_curves(loss, accuracy, *(validation if judged else ())) if len(history) else None
    drawn = {
        **({"curves": curves} if curves else {}),
        "confusion-matrix": figures.confusion(evaluation.confusion, evaluation.classes),
        "classes": figures.class_scores(report.precision, report.recall, report.f1, evaluation.classes),
        "calibration": figures.calibration_diagram(bins.confidence, bins.accuracy, bins.count),
        "predictions": _grid(evaluation, images, np.arange(min(FIRST_IMAGES, len(images)))),
    }
    mistakes = evaluation.confident_mistakes(MISTAKES)
    if len(mistakes):
        drawn["mistakes"] = _grid(evaluation, images, mistakes)
    return drawn


def _grid(evaluation: Evaluation, images: Dataset, chosen: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Figure:
    return pictures.prediction_grid(
        images.images[chosen], evaluation.predicted[chosen], evaluation.labels[chosen], evaluation.classes
    )
