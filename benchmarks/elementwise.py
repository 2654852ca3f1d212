"""Our dropout and tanh against torch's, a whole training step of networks that have them, as their reports trained.

Steps of both alternate, so that a noisy machine disturbs both alike; the figure is the median of the ratios.
tests/models/test_elementwise.py shows that both are the same functions. Writes benchmarks/results/elementwise.json.

    python benchmarks/elementwise.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
from torch import nn

from ropero import runtime
from ropero.data import sources
from ropero.data.batches import to_device
from ropero.experiments.table import EXPERIMENTS
from ropero.models.elementwise import Dropout, Tanh
from ropero.storage import write_json
from ropero.training.loop import EpochRunner, set_up
from ropero.training.state import begin

HERE = Path(__file__).parent
NAMES = ("monterrey-2023/cnn", "lunzhi-2018/cnn-3", "lunzhi-2018/cnn-4", "santiago-2020/3")
STEPS = 5  # timed together


def plainly(module: nn.Module) -> None:
    """Put torch's own modules in the place of ours."""
    for name, child in module.named_children():
        if isinstance(child, Dropout):
            setattr(module, name, nn.Dropout(child.p))
        elif isinstance(child, Tanh):
            setattr(module, name, nn.Tanh())
        else:
            plainly(child)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    train = sources.load("fashion-mnist").train
    results = {}
    for name in NAMES:
        config = EXPERIMENTS[name].protocol.replace(augment_from=1_000)
        device = set_up(config)
        chosen = torch.arange(config.batch_size)
        few = train.take(range(config.batch_size))
        runner = EpochRunner(config, to_device(few, device), None)
        states = {"torch": begin(config, few, device), "ropero": begin(config, few, device)}
        plainly(states["torch"].model)
        seconds: dict[str, list[float]] = {peer: [] for peer in states}
        for number in range(asked.rounds + 2):
            for peer, state in states.items():
                started = time.perf_counter()
                for _ in range(STEPS):
                    answers = runner.step(state, chosen)
                float(answers.loss)
                if number >= 2:  # the first pay for memory and kernels
                    seconds[peer].append((time.perf_counter() - started) / STEPS)
        ratios = [slow / fast for slow, fast in zip(seconds["torch"], seconds["ropero"], strict=True)]
        results[name] = {
            "batch_size": config.batch_size,
            "precision": runner.precision,
            "torch_step_seconds": statistics.median(seconds["torch"]),
            "ropero_step_seconds": statistics.median(seconds["ropero"]),
            "torch_over_ropero": statistics.median(ratios),
            "ratios": ratios,
        }
        print(name, {key: value for key, value in results[name].items() if key != "ratios"}, flush=True)
    write_json(
        HERE / "results" / "elementwise.json",
        {"networks": results, "rounds": asked.rounds, "environment": runtime.environment()},
    )


if __name__ == "__main__":
    main()
