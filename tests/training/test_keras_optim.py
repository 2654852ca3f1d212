"""The oracle: Keras's optimizers take the same steps for the same gradients."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from torch import nn

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

from ropero.training.optim import advance, make_optimizer, set_rate  # noqa: E402
from ropero.training.presets import plain  # noqa: E402


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6])  # small gradients show where epsilon is added
@pytest.mark.parametrize(
    ("name", "changes"),
    [("adam", {}), ("rmsprop", {}), ("sgd", {"momentum": 0.0}), ("sgd", {"momentum": 0.9})],
    ids=str,
)
def test_thirty_steps_are_kerass(name: str, changes: dict[str, float], scale: float) -> None:
    model = nn.Linear(7, 5)
    config = plain("dense", optimizer=name, learning_rate=0.01, **changes)
    ours = make_optimizer(config, model)
    kinds = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "sgd": keras.optimizers.SGD}
    theirs = kinds[name](0.01, **({**changes, "nesterov": changes["momentum"] > 0} if name == "sgd" else {}))
    start = [p.detach().numpy().copy() for p in model.parameters()]
    variables = [keras.Variable(one) for one in start]
    rng = np.random.default_rng(0)
    for step in range(30):
        gradients = [(rng.normal(size=one.shape) * scale).astype(np.float32) for one in start]
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = torch.from_numpy(gradient)
        set_rate(config, ours, 0.01, step)
        advance(ours)
        theirs.apply([torch.from_numpy(one) for one in gradients], variables)
    for parameter, variable, before in zip(model.parameters(), variables, start, strict=True):
        moved = variable.value.detach().numpy() - before
        assert np.abs(moved).max() > 0
        np.testing.assert_allclose(parameter.detach().numpy() - before, moved, rtol=1e-4, atol=1e-6)
