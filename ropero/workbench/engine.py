"""Which program computes a run's answers, for the verbs that ask for many."""

from __future__ import annotations

from pathlib import Path

from ropero.evaluation.unknown import project
from ropero.export import engines
from ropero.export.engines import Engine
from ropero.models.classifier import Classifier
from ropero.models.codes import Told
from ropero.runs import Run


def of_run(run: Run, model: Classifier, name: str = engines.AUTO, told: Told | None = None) -> Engine:
    """What answers for a run's network: features, projected as judges want them, and logits. Raises as
    `engines.engine`."""
    return engines.engine(model, project, name, kept(run), told)


def kept(run: Run) -> Path:
    """Where the file is that onnxruntime computes a run's network from, once it was made."""
    return run.folder / engines.FOLDER / f"{run.card.weights_sha256[:16]}.onnx"
