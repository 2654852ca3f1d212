"""Which program computes a run's answers, for the verbs that ask for many."""

from __future__ import annotations

from ropero.errors import UsageError
from ropero.evaluation.unknown import project
from ropero.export import engines
from ropero.export.engines import Engine
from ropero.models.classifier import Classifier
from ropero.models.codes import Told
from ropero.runs import Run
from ropero.texts import t


def of_run(run: Run, model: Classifier, name: str = engines.AUTO, told: Told | None = None) -> Engine:
    """What answers for a run's network: features, projected as judges want them, and logits. Raises as
    `engines.engine`."""
    if name == engines.ONNXRUNTIME and run.card.graph:
        raise UsageError(
            t("{run} was made of an ONNX file, which ropero computes with PyTorch, so that it can be explained; leave "
              "--engine away.", run=run.name)
        )  # fmt: skip
    kept = run.folder / engines.FOLDER / f"{run.card.weights_sha256[:16]}.onnx"
    return engines.engine(model, project, name, kept, told)
