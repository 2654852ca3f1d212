"""Does adding generated garments help a classifier that is trained on few labelled images?

    python benchmarks/augment_generated.py [--generator gan] [--images 500 1000 5000] [--times 1 4] [--seeds 0 1 2 3 4]

For each number of images and each seed a generator learns from those images alone, and two classifiers of the same
recipe, the same number of steps and the same first weights learn from them without and with its pictures. Both are
judged by 10,000 other images of the training part; the test images are not opened. A generator that cannot be asked
for a class has its pictures labelled by the classifier without, where that is sure. What is done already is kept:
repeat the command to go on. Writes benchmarks/results/augment_generated.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

from ropero import runtime
from ropero.data import sources
from ropero.data.splits import split
from ropero.generation.config import GeneratorConfig, Kind
from ropero.generation.sample import seeded
from ropero.storage import read_json, write_json
from ropero.training.presets import preset
from ropero.workbench.augment_generated import Outcome, Setup, augment, gains

RESULT = Path(__file__).parent / "results" / "augment_generated.json"
HELD_OUT = 10_000


def setups(asked: argparse.Namespace) -> list[Setup]:
    """All experiments that were asked for; seeds outermost, so that an interrupted run has some of each size."""
    generator = GeneratorConfig(generator=asked.generator, batch_size=asked.batch_size, device=asked.device)
    classifier = preset(asked.network).replace(batch_size=100, device=asked.device)
    return [
        Setup(
            images=images,
            times=tuple(asked.times),
            seed=seed,
            generator=generator,
            classifier=classifier,
            generator_steps=asked.generator_steps,
            steps=asked.steps,
        )
        for seed in asked.seeds
        for images in asked.images
    ]


def settings(setup: Setup) -> dict[str, Any]:
    """What makes two measurements comparable: all but the images, their seed, and where it was computed."""
    found = asdict(setup)
    for name in ("images", "seed", "times"):
        del found[name]
    for name in ("generator", "classifier"):
        found[name] = {key: value for key, value in found[name].items() if key not in ("device", "seed", "epochs")}
    made: dict[str, Any] = json.loads(json.dumps(found))  # as it is read again
    return made


def said(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The gains of all rows of one group, as JSON."""
    made = [Outcome(**row) for row in rows]
    return {
        f"{images} images, {times} generated for each": {**asdict(one), "helps": one.helps}
        for (images, times), one in gains(made).items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default=get_args(Kind)[-1], choices=get_args(Kind))
    parser.add_argument("--images", type=int, nargs="+", default=[500, 1000, 5000])
    parser.add_argument("--times", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--network", default="quick")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--generator-steps", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    splits = sources.load("fashion-mnist")
    train, held = split(splits.train, HELD_OUT, seed=0)
    stored: dict[str, Any] = read_json(RESULT) if RESULT.exists() else {"held_out": HELD_OUT, "groups": []}
    for setup in setups(asked):
        wanted = settings(setup)
        group = next((one for one in stored["groups"] if one["settings"] == wanted), None)
        if group is None:
            group = {"settings": wanted, "rows": []}
            stored["groups"].append(group)
        done = {(row["images"], row["seed"], row["times"]) for row in group["rows"]}
        left = tuple(times for times in setup.times if (setup.images, setup.seed, times) not in done)
        if not left:
            continue
        group["rows"] += [one.to_json() for one in augment(train, held, replace(setup, times=left), seeded)]
        group["gains"] = said(group["rows"])
        group["environment"] = runtime.environment(runtime.resolve_device(asked.device))
        write_json(RESULT, stored)
        for name, one in group["gains"].items():
            print(f"{name}: {one['without']:.4f} -> {one['with_them']:.4f} ({one['seeds']} seeds)", flush=True)


if __name__ == "__main__":
    main()
