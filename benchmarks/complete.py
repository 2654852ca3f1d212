"""How well fillers restore what is hidden of Fashion-MNIST's images, by pixels and by a classifier's accuracy.

    python benchmarks/complete.py [--generator NAME ...] [--runs FOLDER] [--split test]

A network is trained on 55,000 training images and judges 1,000 of the other 5,000; what fills learns from the 55,000
too, so a generator has to be trained without the 5,000 (a page says where it was not). Of the test part, the network's
ledger notes each look. What is done already is kept: repeat the command to go on. Writes
benchmarks/results/complete.json, for test images complete-test.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from ropero import runtime
from ropero.data import sources
from ropero.generation.baselines import BASELINES
from ropero.generation.masks import parse
from ropero.runs import RunStore
from ropero.storage import read_json, write_json
from ropero.training.presets import preset
from ropero.workbench.complete import filler_of
from ropero.workbench.evaluate import part_of
from ropero.workbench.progress import FileProgress, TrainingProgress
from ropero.workbench.restore import benchmark
from ropero.workbench.train import train

RESULTS = Path(__file__).parent / "results"
HOLES = ("half-bottom", "half-top", "half-left", "half-right", "rectangle", "0.1", "0.5", "0.9")
VALIDATION, IMAGES, DRAWS = 5_000, 1_000, 5


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--generator", action="append", default=[])
    asked.add_argument("--runs", type=Path, default=Path(__file__).parent / "runs" / "complete")
    asked.add_argument("--images", type=int, default=IMAGES)
    asked.add_argument("--split", choices=["validation", "test"], default="validation")
    options = asked.parse_args()
    result = RESULTS / ("complete.json" if options.split == "validation" else "complete-test.json")
    console = Console(stderr=True)
    splits = sources.load("fashion-mnist")
    config = preset("quick").replace(validation=VALIDATION)
    run = train(splits, config, RunStore(options.runs), callbacks=[TrainingProgress(console)]).run
    names = [*BASELINES, *options.generator]
    content: dict[str, Any] = {
        "asked": {"fillers": names, "images": options.images, "draws": DRAWS, "weights": run.card.weights_sha256},
        "holes": {},
        "environment": runtime.environment(),
    }
    if result.exists() and (before := read_json(result))["asked"] == content["asked"]:
        content["holes"] = before["holes"]
    learned = part_of(run, "train", splits=splits)
    fillers = [filler_of(name, lambda: learned, options.runs) for name in names]
    for hole in HOLES:
        if hole in content["holes"]:
            continue
        with FileProgress(console) as progress:
            found = benchmark(
                run, fillers, [parse(hole)], images=options.images, draws=DRAWS, split=options.split, splits=splits,
                progress=progress,
            ).to_json()  # fmt: skip
        content["holes"][hole] = found.pop("holes")[0]
        content.update(found)
        write_json(result, content)
        console.print(hole, {one["filler"]: one["accuracy"] for one in content["holes"][hole]["fillers"]})


if __name__ == "__main__":
    main()
