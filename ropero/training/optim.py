"""Optimizers and learning-rate schedules. A schedule is a pure function of the step."""

from __future__ import annotations

import math

import torch
from torch import nn

from ropero.training.config import TrainConfig

KERAS_EPSILON = 1e-7  # Keras's Adam and RMSprop; torch's default is 1e-8


def make_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer over all trainable parameters. Biases and batch-norm's scales (vectors) are not decayed."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    rate, momentum, betas = config.learning_rate, config.momentum, (0.9, config.beta2)
    match config.optimizer:
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, betas=betas, fused=_fused(trainable))
        case "adam":
            return torch.optim.Adam(groups, lr=rate, betas=betas, eps=KERAS_EPSILON, fused=_fused(trainable))
        case "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=rate, alpha=0.9, eps=KERAS_EPSILON)


def _fused(parameters: list[nn.Parameter]) -> bool:
    return all(p.device.type in ("cpu", "cuda") for p in parameters)


def rate_at(config: TrainConfig, step: int, total_steps: int) -> float:
    """The learning rate of a step, 0-based.

    one-cycle rises linearly from a tenth to the peak in the `warmup` share, then falls linearly to zero;
    cosine falls as a half cosine after its warm-up; step divides by 10 at 1/2 and at 3/4; constant stays.
    """
    peak = config.learning_rate
    done = step / max(1, total_steps)
    if config.schedule == "constant":
        return peak
    if config.schedule == "step":
        return peak * (1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01)
    if done < config.warmup:
        return peak * (0.1 + 0.9 * done / config.warmup)
    left = (1 - done) / max(1e-9, 1 - config.warmup)
    return peak * left if config.schedule == "one-cycle" else peak * 0.5 * (1 - math.cos(math.pi * left))
