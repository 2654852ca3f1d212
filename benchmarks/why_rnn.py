"""Why monterrey-2023's rnn collapses to an accuracy of 0.1 after about 40 epochs: the size of its gradients.

    python benchmarks/why_rnn.py [--seeds 0 1] [--epochs 60]

Trains the network as the report did, for longer, and the same with gradients cut at a norm of 1; judges it on 10,000
images held out of the training part. The test images are not opened. What is done already is kept: repeat the command
to go on. Writes benchmarks/results/why_rnn.json.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ropero import runtime
from ropero.data import sources
from ropero.data.dataset import Dataset
from ropero.data.splits import split
from ropero.errors import TrainingDiverged
from ropero.experiments.table import EXPERIMENTS
from ropero.models.classifier import Classifier
from ropero.storage import read_json, write_json
from ropero.training.callbacks import Callback
from ropero.training.checkpoints import CheckpointStore
from ropero.training.history import EpochRecord
from ropero.training.loop import fit

RESULT = Path(__file__).parent / "results" / "why_rnn.json"
HELD_OUT = 10_000
CLIPS = {"report": 0.0, "clipped": 1.0}


class GradientNorms(Callback):
    """The norm of all gradients in every step, before they are cut; median and largest of each epoch."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, Any]] = []
        self._norms: list[Tensor] = []

    def on_set_up(self, model: Classifier, kept: Classifier, train: Dataset, validation: Dataset | None) -> None:
        self._model = model

    def on_step_end(self, step: int) -> None:
        gradients = [p.grad for p in self._model.parameters() if p.grad is not None]
        self._norms.append(nn.utils.get_total_norm(gradients))

    def on_epoch_end(self, record: EpochRecord) -> None:
        norms = torch.stack(self._norms).tolist()
        self._norms = []
        self.epochs.append(
            {
                "epoch": record.epoch,
                "train_accuracy": record.train_accuracy,
                "validation_accuracy": record.validation_accuracy,
                "validation_loss": record.validation_loss,
                "median_norm": statistics.median(norms),
                "largest_norm": max(norms),
            }
        )
        print(self.epochs[-1], flush=True)


def measure(kind: str, seed: int, epochs: int, train: Dataset, held: Dataset, folder: Path) -> dict[str, Any]:
    config = EXPERIMENTS["monterrey-2023/rnn"].protocol.replace(epochs=epochs, clip_norm=CLIPS[kind], seed=seed)
    norms = GradientNorms()
    place = folder / f"{kind}-{seed}-{epochs}"
    place.mkdir(parents=True, exist_ok=True)
    diverged = None
    try:
        fit(config, train, held, callbacks=[norms], store=CheckpointStore(place))
    except TrainingDiverged:
        diverged = len(norms.epochs) + 1
    best = max(norms.epochs, key=lambda one: one["validation_accuracy"])
    worst_after = min(one["validation_accuracy"] for one in norms.epochs if one["epoch"] >= best["epoch"])
    return {
        "epochs_promised": epochs,
        "diverged_in_epoch": diverged,
        "best_epoch": best["epoch"],
        "best_validation_accuracy": best["validation_accuracy"],
        "worst_validation_accuracy_after_best": worst_after,
        "last_validation_accuracy": norms.epochs[-1]["validation_accuracy"],
        "largest_norm": max(one["largest_norm"] for one in norms.epochs),
        "typical_norm": statistics.median(one["median_norm"] for one in norms.epochs),
        "epochs": norms.epochs,
    }


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    asked.add_argument("--kinds", nargs="+", default=list(CLIPS))
    asked.add_argument("--epochs", type=int, default=60)
    asked.add_argument("--folder", type=Path, default=Path(__file__).parent / "runs" / "why_rnn")
    options = asked.parse_args()
    train, held = split(sources.load("fashion-mnist").train, HELD_OUT, seed=0, stratified=False)
    content: dict[str, Any] = read_json(RESULT) if RESULT.exists() else {}
    for seed in options.seeds:
        for kind in options.kinds:
            done = content.setdefault(kind, {})
            if done.get(str(seed), {}).get("epochs_promised") == options.epochs:
                continue
            done[str(seed)] = measure(kind, seed, options.epochs, train, held, options.folder)
            content["environment"] = runtime.environment()
            write_json(RESULT, content)


if __name__ == "__main__":
    main()
