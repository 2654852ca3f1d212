"""bf16 against fp32, a training step of each network on this machine: the reason for what `--precision auto` takes.

Steps of both alternate, so that a noisy machine disturbs both alike; the figure is the median of the ratios.
Writes benchmarks/results/precision.json.

    python benchmarks/precision.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from ropero import runtime
from ropero.data.batches import to_device
from ropero.models.zoo import NETWORKS, build
from ropero.storage import write_json
from ropero.training.loop import EpochRunner
from ropero.training.presets import preset
from ropero.training.state import begin
from ropero.workbench import data

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    device = runtime.resolve_device("auto")
    train = data.load().train
    results = {}
    for network in NETWORKS:
        if build(network, train.input_shape, len(train.classes)).base is not None:
            continue  # a frozen base runs in fp32 whatever is asked
        config = preset(network).replace(precision="fp32")
        few = train.take(list(range(config.batch_size)))
        chosen = torch.arange(config.batch_size)
        steps = {}
        for precision in ("fp32", "bf16"):
            one = config.replace(precision=precision)
            steps[precision] = (EpochRunner(one, to_device(few, device), None), begin(one, few, device))
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for number in range(asked.rounds + 2):
            for name, (epoch, state) in steps.items():
                started = time.perf_counter()
                float(epoch.step(state, chosen).loss)
                if number >= 2:  # the first pay for memory and kernels
                    seconds[name].append(time.perf_counter() - started)
        ratios = [slow / fast for slow, fast in zip(seconds["fp32"], seconds["bf16"], strict=True)]
        results[network] = {
            "batch_size": config.batch_size,
            "fp32_step_seconds": statistics.median(seconds["fp32"]),
            "bf16_step_seconds": statistics.median(seconds["bf16"]),
            "fp32_over_bf16": statistics.median(ratios),
            "lowest_ratio": min(ratios),
            "highest_ratio": max(ratios),
        }
        print(network, results[network], flush=True)
    write_json(
        HERE / "results" / "precision.json",
        {"n": asked.rounds, "networks": results, "environment": runtime.environment(device)},
    )


if __name__ == "__main__":
    main()
