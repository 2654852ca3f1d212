"""The two reports with one plain classifier: lima-2022, which saves it and loads it again, and monterrey-dense-gan."""

from __future__ import annotations

from ropero.experiments.claims import Experiment
from ropero.texts import mark
from ropero.training.presets import cnn, preset

EXPERIMENTS = (
    Experiment(
        report="lima-2022",
        model="classifier",
        protocol=preset("dense"),
        sound=cnn("dense"),
        unsaid=(
            mark("The report gives no architecture and no figure: it saves a classifier, loads it in a second session "
                 "and verifies that it predicts. Here that is the dense network; its weights are read back from the "
                 "run's folder and checked by their digest before it is judged."),
        ),
    ),
    Experiment(
        report="monterrey-dense-gan",
        model="dense",
        protocol=preset("dense"),
        sound=cnn("dense"),
        unsaid=(
            mark("Not said: hidden units (128 here), batch size (32 here, Keras's default), scaling (pixels / 255 "
                 "here), validation (none here). The report gives no accuracy."),
        ),
    ),
)  # fmt: skip
