"""Where six training labels that were published as wrong rank among ropero's suspects.

    python benchmarks/suspects.py [--runs FOLDER]

The rows are named in arXiv 1912.05283, table 7. Five networks `quick` are trained, each on four fifths of the training
part; the test images are not opened. What is done already is kept: repeat the command to go on. Writes
benchmarks/results/suspects.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from ropero import runtime
from ropero.data import sources
from ropero.runs import RunStore
from ropero.storage import write_json
from ropero.training.presets import preset
from ropero.workbench.progress import TrainingProgress
from ropero.workbench.suspects import suspects

RESULT = Path(__file__).parent / "results" / "suspects.json"
PUBLISHED = (16691, 28264, 33982, 40513, 42018, 45592)


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--runs", type=Path, default=Path(__file__).parent / "runs" / "suspects")
    options = asked.parse_args()
    found = suspects(
        sources.load("fashion-mnist"),
        preset("quick"),
        RunStore(options.runs),
        callbacks=lambda: [TrainingProgress(Console(stderr=True))],
    )
    content = {
        "images": len(found.part),
        "out_of_fold_accuracy": found.accuracy,
        "suspects": len(found.suspects.position),
        "look_alikes_with_other_labels": len(found.twins),
        "ranks_of_published_rows": {str(row): found.rank(row) for row in PUBLISHED},
        "environment": runtime.environment(),
    }
    write_json(RESULT, content)
    print(content)


if __name__ == "__main__":
    main()
