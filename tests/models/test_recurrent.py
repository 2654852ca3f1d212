"""Keras is the oracle for every option of the recurrent layers, while training too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from keras_twin import SHAPE, compare, keras, keras_layer, randomised, weights
from torch import Tensor

from ropero.errors import UsageError
from ropero.models import recurrent
from ropero.models.layers import Dense
from ropero.models.recurrent import GRU, LSTM, AttentionPooling, Bidirectional, Cell, Recurrent, Rows, SimpleRNN

STEPS = (SHAPE[0], SHAPE[1] * SHAPE[2])


@pytest.mark.parametrize(
    "layer",
    [
        SimpleRNN(6),
        SimpleRNN(6, "relu", True),
        SimpleRNN(6, "sigmoid", True),
        SimpleRNN(6, use_bias=False),
        SimpleRNN(6, "linear", use_bias=False),
        LSTM(6),
        LSTM(6, return_sequences=True),
        LSTM(6, "relu"),
        LSTM(6, use_bias=False, return_sequences=True),
        LSTM(6, recurrent_activation="hard_sigmoid", return_sequences=True),
        LSTM(6, "softsign", use_bias=False, recurrent_activation="tanh"),
        GRU(6),
        GRU(6, return_sequences=True),
        GRU(6, "elu"),
        GRU(6, use_bias=False),
        GRU(6, reset_after=False),
        GRU(6, return_sequences=True, reset_after=False, recurrent_activation="hard_sigmoid"),
        GRU(6, use_bias=False, reset_after=False),
        GRU(6, recurrent_activation="hard_sigmoid"),
    ],
    ids=str,
)
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
def test_every_option_is_that_of_keras(layer: Cell, backwards: bool) -> None:
    compare([Rows(), replace(layer, go_backwards=backwards)])


@pytest.mark.parametrize(
    "layer",
    [
        Bidirectional(LSTM(6)),
        Bidirectional(LSTM(6, return_sequences=True)),
        Bidirectional(GRU(6)),
        Bidirectional(GRU(6, reset_after=False)),
        Bidirectional(SimpleRNN(6, "tanh", True)),
        *(Bidirectional(LSTM(6, return_sequences=True), mode) for mode in ("sum", "mul", "ave")),
        *(Bidirectional(GRU(6), mode) for mode in ("sum", "mul", "ave")),
        Bidirectional(LSTM(6, "relu", True)),
        Bidirectional(LSTM(6), "concat", LSTM(6, go_backwards=True)),
        Bidirectional(LSTM(6, return_sequences=True), "concat", LSTM(6, "relu", True, go_backwards=True)),
        Bidirectional(GRU(6), "concat", GRU(6, use_bias=False, go_backwards=True, reset_after=False)),
        Bidirectional(GRU(6), "sum", GRU(6, "elu", go_backwards=True)),
        Bidirectional(SimpleRNN(6, "tanh", True, go_backwards=True), "ave", SimpleRNN(6, "tanh", True)),
    ],
    ids=str,
)
def test_both_directions_are_those_of_keras(layer: Bidirectional) -> None:
    compare([Rows(), layer])


def test_what_differs_in_its_name_alone_runs_in_both_directions_at_once() -> None:
    """torch's kernel for both is the faster one, and stored runs were trained by it."""
    plain, said = Bidirectional(LSTM(6)), Bidirectional(LSTM(6), "concat", LSTM(6, go_backwards=True))
    for layer in (plain, said):
        module = layer.module(STEPS)
        assert isinstance(module, Recurrent)
        assert module.at_once
        assert sorted(module.state_dict()) == sorted(
            f"{n}_{w}" for n in ("bias", "kernel", "recurrent") for w in (0, 1)
        )


@pytest.mark.parametrize(
    "layer",
    [
        LSTM(6, dropout=0.3),
        LSTM(6, recurrent_dropout=0.3, return_sequences=True),
        LSTM(6, dropout=0.2, recurrent_dropout=0.3),
        GRU(6, dropout=0.3, return_sequences=True),
        GRU(6, dropout=0.2, recurrent_dropout=0.3),
        GRU(6, dropout=0.2, recurrent_dropout=0.3, reset_after=False),
        SimpleRNN(6, dropout=0.2),
        SimpleRNN(6, dropout=0.2, recurrent_dropout=0.3),
    ],
    ids=str,
)
def test_the_same_masks_do_the_same_as_in_keras(layer: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which values are dropped is chance; where the masks go, and how many there are, is not."""
    made: list[list[Tensor]] = []

    def masks(like: Tensor, rate: float, count: int, training: bool) -> list[Tensor]:
        assert training
        made.append(
            [torch.bernoulli(torch.full_like(like, 1 - rate)) / (1 - rate) for _ in range(count if rate else 0)]
        )
        return made[-1]

    monkeypatch.setattr(recurrent, "_masks", masks)
    torch.manual_seed(0)
    module = randomised(layer.module(STEPS)).train()
    x = torch.randn(5, *STEPS)
    found = module(x)
    twin = keras_layer(layer)
    twin.build(x.shape)
    twin.set_weights(weights(layer, module))

    def theirs(ours: list[Tensor]) -> Any:
        """Keras's gates of a GRU are z r n, ours r z n; one mask is no list where there are no others."""
        order = [ours[1], ours[0], ours[2]] if isinstance(layer, GRU) and len(ours) == 3 else ours
        return order if getattr(twin.cell, "dropout_mask_count", None) else next(iter(ours), None)

    into, kept = (*made, [])[:2]
    monkeypatch.setattr(twin.cell, "get_dropout_mask", lambda _: theirs(into))
    monkeypatch.setattr(twin.cell, "get_recurrent_dropout_mask", lambda _: theirs(kept))
    np.testing.assert_allclose(found.detach(), twin(x, training=True).detach(), atol=2e-5)


def test_dropout_is_chance_while_training_and_nothing_afterwards() -> None:
    x = torch.randn(5, *STEPS)
    for layer in (LSTM(6, dropout=0.5), GRU(6, recurrent_dropout=0.5), Bidirectional(LSTM(6, dropout=0.5))):
        module = layer.module(STEPS)
        assert not torch.equal(module.train()(x), module(x))
        assert torch.equal(module.eval()(x), module(x))


def test_dropped_values_make_up_for_themselves_and_stay_dropped_at_every_step() -> None:
    torch.manual_seed(0)
    masks = recurrent._masks(torch.empty(1000, 50), 0.3, 2, training=True)
    assert len(masks) == 2
    for mask in masks:
        assert mask.unique().tolist() == pytest.approx([0, 1 / 0.7])
        assert mask.mean() == pytest.approx(1, abs=0.02)
    assert not torch.equal(*masks)
    assert recurrent._masks(torch.empty(2), 0.3, 2, training=False) == []


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (LSTM(6, recurrent_activation="sigmoi"), "Unknown activation 'sigmoi'. Did you mean 'sigmoid'?"),
        (LSTM(6, dropout=1.0), "dropout should be at least 0 and below 1, got 1.0"),
        (GRU(6, recurrent_dropout=-0.1), "recurrent_dropout should be at least 0 and below 1"),
        (Bidirectional(LSTM(6), "concatenate"), "merge_mode should be one of concat, sum, mul, ave, got 'concatenate'"),
        (Bidirectional(LSTM(6), "concat", GRU(6, go_backwards=True)), "backward_layer should be of the same kind"),
        (Bidirectional(LSTM(6), "concat", LSTM(6)), "and the opposite go_backwards"),
        (
            Bidirectional(LSTM(6), "concat", LSTM(6, "tanh", True, go_backwards=True)),
            "the same units and return_sequences",
        ),
        (Bidirectional(LSTM(6), "concat", LSTM(4, go_backwards=True)), "the same units"),
        (Bidirectional(LSTM(6), "sum", Dense(4)), "its layer should be SimpleRNN, LSTM or GRU"),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_what_cannot_be_read_is_told_of(layer: Cell | Bidirectional, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        layer.output(STEPS)
    assert says in str(caught.value)


def test_attention_is_the_few_lines_of_keras_that_its_docstring_gives() -> None:
    layer = AttentionPooling(6)
    module = randomised(layer.module((9, 24)))
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 9, 24)).astype(np.float32))
    inner, score = keras.layers.Dense(6, "tanh"), keras.layers.Dense(1, use_bias=False)
    inner.build(x.shape)
    score.build((5, 9, 6))
    inner.set_weights(weights(Dense(6, "tanh"), module.get_submodule("inner")))
    score.set_weights(weights(Dense(1, use_bias=False), module.get_submodule("score")))
    with torch.no_grad():
        shares = keras.ops.softmax(score(inner(x)), axis=1)
        expected = keras.ops.sum(shares * x, axis=1).numpy()
        found = module(x)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)
