"""Every layer, with options at random: what it says comes out comes out, or it is refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from ropero.errors import UsageError
from ropero.models.designs import MAX_VALUES
from ropero.models.entries import LAYERS, from_json
from ropero.models.keras_layout import slots
from ropero.models.merging import Merge

SHAPES = [(7,), (9, 6), (1, 6), (9, 8, 4), (1, 1, 4), (2, 5, 1)]
NUMBERS = some.integers(-3, 12) | some.sampled_from([0.0, 0.3, 1.0, -0.5])
PAIRS = some.lists(some.integers(-3, 9), max_size=4)
WORDS = some.sampled_from(["relu", "softmax", "same", "valid", "causal", "sum", "nearest", "hard_sigmoid"])
VALUES = NUMBERS | PAIRS | some.booleans() | WORDS | some.just({"type": "GRU", "units": 3, "go_backwards": True})


@pytest.mark.parametrize("kind", [name for name, kind in LAYERS.items() if not issubclass(kind, Merge)])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=some.data())
def test_what_a_layer_says_comes_out_comes_out(kind: str, data: Any) -> None:
    names = [name for name in LAYERS[kind].__dataclass_fields__ if name not in ("name", "inputs")]  # type: ignore[attr-defined]
    options = data.draw(some.dictionaries(some.sampled_from(names), VALUES, max_size=4)) if names else {}
    shape = data.draw(some.sampled_from(SHAPES))
    try:
        (layer,) = from_json([{**options, "type": kind}])
        layer.check(shape)
        after = layer.output(shape)
        if any(side < 1 for side in after) or layer.work(shape) > MAX_VALUES // 100:
            return
        module = layer.module(shape)  # which knows activations and initializers
    except UsageError:
        return
    x = torch.rand(3, *((shape[2], *shape[:2]) if len(shape) == 3 else shape))
    for training in (False, True):
        found = module.train(training)(x)
        assert tuple(found.shape) == (3, *((after[2], *after[:2]) if len(after) == 3 else after))
    for slot in slots(layer, module):
        before = slot.read()
        slot.write(before)
        assert (slot.read() == before).all()
