"""The figures of a run as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic
from PIL import Image

from ropero.evaluation.evaluate import Evaluation
from ropero.reports.album import save_figures
from ropero.training.history import EpochRecord, History

ALL = {"curves", "confusion-matrix", "classes", "calibration", "predictions", "mistakes"}


@pytest.mark.parametrize("mistakes", [0, 5])
@pytest.mark.parametrize("validated", [True, False])
def test_every_figure_is_a_png_that_opens(tmp_path: Path, mistakes: int, validated: bool) -> None:
    data = synthetic(30, split="test")
    probabilities = np.eye(3, dtype=np.float32)[(data.labels + (np.arange(30) < mistakes)) % 3]
    evaluation = Evaluation(data.labels, probabilities, data.rows, data.classes, "test")
    judged = 0.5 if validated else None
    record = EpochRecord(
        epoch=1, train_loss=0.5, train_accuracy=0.8, validation_loss=judged, validation_accuracy=judged,
        learning_rate=0.1, epoch_seconds=1.0, images_per_second=30.0,
    )  # fmt: skip
    paths = save_figures(History([record]), evaluation, data, tmp_path / "figures", "en")
    assert {path.stem for path in paths} == (ALL if mistakes else ALL - {"mistakes"})
    for path in paths:
        with Image.open(path) as image:
            assert image.width > 400
