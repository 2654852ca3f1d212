"""Which program computes a run's answers, for the verbs that ask for many."""

from __future__ import annotations

from ropero.evaluation.unknown import project
from ropero.export import engines
from ropero.export.engines import Engine
from ropero.models.classifier import Classifier
from ropero.models.codes import Told
from ropero.runs import Run


def of_run(run: Run, model: Classifier, name: str = engines.AUTO, told: Told | None = None) -> Engine:
    """What answers for a run's network: features, projected as judges want them, and logits. Raises as
    `engines.engine`."""
    return engines.engine(model, project, name, run.card.weights_sha256, told)
