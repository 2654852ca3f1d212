"""Optimizers and learning-rate schedules. A schedule is a pure function of the step."""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch
from torch import nn

from ropero.training.config import TrainConfig

KERAS_EPSILON = 1e-7  # Keras's Adam and RMSprop; torch's default is 1e-8
KERAS_RHO = 0.9  # memory of Keras's RMSprop; torch's default is 0.99


def make_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer over all trainable parameters. Biases and batch-norm's scales (vectors) are not decayed."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [{"params": trainable, "weight_decay": 0.0}]
    if config.weight_decay:  # a second group costs a small network a tenth of its step
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
            return RMSprop(groups, rate)


def set_rate(config: TrainConfig, optimizer: torch.optim.Optimizer, rate: float, step: int) -> None:
    """Give the optimizer the learning rate of a step, 0-based."""
    for group in optimizer.param_groups:
        group["lr"] = rate
        if config.optimizer == "adam":
            # torch adds epsilon to the corrected second moment, Keras to the one before its correction.
            group["eps"] = KERAS_EPSILON / math.sqrt(1 - config.beta2 ** (step + 1))


def advance(optimizer: torch.optim.Optimizer) -> None:
    """What `optimizer.step()` does, without what torch does around it, a tenth of a small network's step: hooks,
    profiling, and for Adam sorting its tensors by device and kind."""
    with torch.no_grad():
        if not _advance_adam(optimizer):
            inspect.unwrap(type(optimizer).step)(optimizer)


def _advance_adam(optimizer: torch.optim.Optimizer) -> bool:
    """One step of a fused Adam or AdamW on the CPU, by the kernel that torch itself calls; False, and nothing done, for
    any other optimizer and before the first step has made its state."""
    kernel = _ADAM_KERNELS.get(type(optimizer))
    if kernel is None:
        return False
    state = optimizer.state
    for group in optimizer.param_groups:
        moving = [p for p in group["params"] if p.grad is not None]
        if not group["fused"] or any(p not in state or p.device.type != "cpu" for p in moving):
            return False
    for group in optimizer.param_groups:
        moving = [p for p in group["params"] if p.grad is not None]
        mine = [state[p] for p in moving]
        steps = [one["step"] for one in mine]
        torch._foreach_add_(steps, 1)
        beta1, beta2 = group["betas"]
        kernel(
            moving, [p.grad for p in moving], [one["exp_avg"] for one in mine], [one["exp_avg_sq"] for one in mine],
            [], steps, lr=group["lr"], beta1=beta1, beta2=beta2, weight_decay=group["weight_decay"], eps=group["eps"],
            amsgrad=False, maximize=False,
        )  # fmt: skip
    return True


_ADAM_KERNELS = {torch.optim.Adam: torch._fused_adam_, torch.optim.AdamW: torch._fused_adamw_}


class RMSprop(torch.optim.Optimizer):
    """RMSprop (Hinton 2012) with epsilon under the root, as Keras has it since 2.11: small gradients take small steps.

    torch adds epsilon to the root, where it is a thousandth as strong.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step for all parameters that have a gradient."""
        for group in self.param_groups:
            moving = [p for p in group["params"] if p.grad is not None]
            if not moving:
                continue
            gradients = [p.grad for p in moving]
            if group["weight_decay"]:
                gradients = list(torch._foreach_add(gradients, moving, alpha=group["weight_decay"]))
            for p in moving:
                if not self.state[p]:
                    self.state[p]["square_avg"] = torch.zeros_like(p)
            squares = [self.state[p]["square_avg"] for p in moving]
            torch._foreach_mul_(squares, KERAS_RHO)
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - KERAS_RHO)
            roots = torch._foreach_add(squares, KERAS_EPSILON)
            torch._foreach_sqrt_(roots)
            torch._foreach_addcdiv_(moving, gradients, roots, -group["lr"])


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
