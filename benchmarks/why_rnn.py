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
from torch import Tensor

from ropero import runtime
from ropero.data import sources
from ropero.data.dataset import Dataset
from ropero.data.splits import split
from ropero.errors import TrainingDiverged
from ropero.experiments.table import EXPERIMENTS
from ropero.models.classifier import Classifier
from ropero.storage import read_json, read_json_lines, write_json
from ropero.training.callbacks import Callback, HistoryLog, json_lines
from ropero.training.checkpoints import CheckpointStore
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord, History
from ropero.training.loop import fit

RESULT = Path(__file__).parent / "results" / "why_rnn.json"
HELD_OUT = 10_000
CLIPS = {"report": 0.0, "clipped": 1.0}


class GradientNorms(Callback):
    """The norm of all gradients in every step, before they are cut; median and largest of each epoch, in a file that a
    training which goes on finds again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.epochs: list[dict[str, float]] = read_json(path)["epochs"] if path.exists() else []
        self._squares: list[Tensor] = []
        self._norms: list[Tensor] = []

    def on_set_up(self, model: Classifier, kept: Classifier, train: Dataset, validation: Dataset | None) -> None:
        for parameter in model.parameters():  # their gradients are whole here, and not cut yet
            parameter.register_post_accumulate_grad_hook(self._square)  # type: ignore[no-untyped-call]

    def _square(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self._squares.append(parameter.grad.square().sum())

    def on_train_begin(self, config: TrainConfig, steps_per_epoch: int, done_steps: int, history: History) -> None:
        self.epochs = self.epochs[: len(history)]

    def on_step_end(self, step: int) -> None:
        self._norms.append(torch.stack(self._squares).sum().sqrt())
        self._squares = []

    def on_epoch_end(self, record: EpochRecord) -> None:
        norms = torch.stack(self._norms)  # of an epoch that was interrupted, those since then
        self._norms = []
        self.epochs.append({"median_norm": float(norms.median()), "largest_norm": float(norms.max())})
        write_json(self.path, {"epochs": self.epochs})
        print(record.epoch, record.validation_accuracy, self.epochs[-1], flush=True)


def measure(kind: str, seed: int, epochs: int, train: Dataset, held: Dataset, folder: Path) -> dict[str, Any]:
    config = EXPERIMENTS["monterrey-2023/rnn"].protocol.replace(epochs=epochs, clip_norm=CLIPS[kind], seed=seed)
    here = runtime.environment()
    place = folder / f"{kind}-{seed}-{epochs}-{here['code_sha256'][:12]}"
    place.mkdir(parents=True, exist_ok=True)
    log = HistoryLog(place / "history.jsonl", json_lines)
    norms = GradientNorms(place / "norms.json")
    diverged = False
    try:
        fit(config, train, held, callbacks=[log, norms], store=CheckpointStore(place))
    except TrainingDiverged:
        diverged = True
    records = [one for one in read_json_lines(place / "history.jsonl") if one]
    told = [{**record, **norm} for record, norm in zip(records, norms.epochs, strict=True)]
    best = max(told, key=lambda one: one["validation_accuracy"], default=None)
    return {
        "epochs_promised": epochs,
        "epochs_run": len(told),
        "diverged_in_epoch": len(told) + 1 if diverged else None,
        "best_epoch": best and best["epoch"],
        "best_validation_accuracy": best and best["validation_accuracy"],
        "worst_validation_accuracy_after_best": best
        and min(one["validation_accuracy"] for one in told if one["epoch"] >= best["epoch"]),
        "last_validation_accuracy": told[-1]["validation_accuracy"] if told else None,
        "largest_norm": max((one["largest_norm"] for one in told), default=None),
        "typical_norm": statistics.median(one["median_norm"] for one in told) if told else None,
        "epochs": told,
        "environment": here,
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
            write_json(RESULT, content)


if __name__ == "__main__":
    main()
