"""`quick` with its fixed recipe on all 60,000 images, five seeds: test accuracy and training seconds.

The recipe was designed on 50,000 / 10,000 images of the training part; here each seed trains on all of it, keeps its
last weights, and opens the test part once, through the verb that records it. Repeat the command to go on after an
interruption. Writes benchmarks/results/quick.json.

    python benchmarks/quick.py [--seeds 5] [--again]
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from rich.console import Console

from ropero.metrics.statistics import wilson_interval
from ropero.models.classifier import count_parameters
from ropero.models.zoo import build
from ropero.runs import RunStore
from ropero.storage import write_json
from ropero.training.presets import preset
from ropero.workbench import data
from ropero.workbench.evaluate import evaluate
from ropero.workbench.progress import TrainingProgress
from ropero.workbench.train import train

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--network", default="quick")
    parser.add_argument("--again", action="store_true", help="train anew even where an equal run is there")
    asked = parser.parse_args()
    splits = data.load()
    store = RunStore(HERE / "runs")
    rows: list[dict[str, Any]] = []
    for seed in range(asked.seeds):
        config = preset(asked.network).replace(seed=seed)
        progress = TrainingProgress(Console(stderr=True))
        run = train(splits, config, store, again=asked.again, callbacks=[progress]).run
        done = evaluate(run, splits=splits)
        history = run.history
        rows.append(
            {
                "seed": seed,
                "test_accuracy": done.evaluation.accuracy,
                "train_seconds": history.train_seconds,
                "weights_sha256": run.card.weights_sha256,
                "test_openings": done.openings,
            }
        )
        print(rows[-1], flush=True)
    accuracies = [row["test_accuracy"] for row in rows]
    seconds = [row["train_seconds"] for row in rows]
    mean = statistics.mean(accuracies)
    model = build(asked.network, splits.train.input_shape, len(splits.classes))
    result = {
        "what": "test accuracy on the official 10,000 images, trained on all 60,000, last weights, plain",
        "network": asked.network,
        "n": len(rows),
        "parameters": count_parameters(model)[0],
        "mean_test_accuracy": mean,
        "sd_test_accuracy": statistics.stdev(accuracies) if len(rows) > 1 else None,
        "interval_95_of_one_run": wilson_interval(round(mean * 10_000), 10_000),
        "median_train_seconds": statistics.median(seconds),
        "max_train_seconds": max(seconds),
        "seeds": rows,
        "config": run.config.to_json(),
        "environment": run.environment,
    }
    write_json(HERE / "results" / f"{asked.network}.json", result)


if __name__ == "__main__":
    main()
