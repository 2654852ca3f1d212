"""How long a generator's training will take, from a few steps of a copy that is thrown away."""

from __future__ import annotations

import time

import torch

from ropero.data.batches import to_device
from ropero.data.dataset import Dataset
from ropero.generation.config import GeneratorConfig
from ropero.generation.kinds import learner
from ropero.runtime import keep_freed_memory, mix_seed, resolve_device, resolve_precision

STEPS = 4


def estimate_seconds(config: GeneratorConfig, train: Dataset) -> float:
    """Seconds of all epochs; `minutes` in the config bounds them. What is looked at after each epoch is not counted."""
    device = resolve_device(config.device)
    precision = resolve_precision(config.precision, device)
    keep_freed_memory()
    few = to_device(train.take(list(range(min(len(train), config.batch_size)))), device)
    real = few.pixels.float().div_(127.5).sub_(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix_seed("estimate"))
        trial = learner(config, train.input_shape, len(train.classes), device)
        trial.step(real, few.labels, precision)  # the first step pays for memory and kernels
        started = time.perf_counter()
        for _ in range(STEPS):
            losses = trial.step(real, few.labels, precision)
        sum(float(loss) for loss in losses.values())  # waits for the device
        step_seconds = (time.perf_counter() - started) / STEPS
    seconds = step_seconds / len(few) * len(train) * config.epochs
    return min(seconds, 60 * config.minutes) if config.minutes else seconds
