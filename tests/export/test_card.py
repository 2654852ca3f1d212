"""The card inside a file: its documented form, what was changed in it, and what is no card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exporting import network
from hypothesis import given
from hypothesis import strategies as st

from ropero.errors import DataError
from ropero.export import card as cards
from ropero.export.card import Card, digest
from ropero.models import samples


@pytest.fixture(scope="module")
def card() -> Card:
    model = network("softmax", (3, 6, 5), 4)
    return Card(
        file="onnx",
        network="softmax",
        layers=({"type": "Flatten"}, {"type": "Dense", "units": 4}),
        code="",
        classes=("pants", "café", "裙", "shirt"),
        input_shape=(3, 6, 5),
        mean=(0.0, 0.1, 0.2),
        std=(1.0, 1.0, 0.5),
        weights_sha256="a" * 64,
        arrays_sha256="b" * 64,
        samples=samples.of(model),
        about={"licence": "", "accuracy": {"test": {"accuracy": 0.9}}},
    )


def test_a_card_is_read_as_it_was_written(card: Card) -> None:
    found = cards.read(card.text(), "x")
    assert found.whole
    assert replace(found, samples=card.samples) == card
    np.testing.assert_array_equal(found.samples.images, card.samples.images)


def test_its_form_is_the_documented_one(card: Card) -> None:
    content = json.loads(card.text())
    assert list(content) == [
        "format", "file", "network", "layers", "code", "classes", "input", "normalisation", "licence", "accuracy",
        "weights_sha256", "arrays_sha256", "int8", "samples", "card_sha256",
    ]  # fmt: skip
    assert content["input"] == {"shape": [3, 6, 5], "order": "C, H, W", "pixels": "float32, 0 to 1, RGB"}
    last = json.loads(replace(card, file="keras").text())
    assert last["input"]["shape"] == [6, 5, 3]
    assert cards.read(json.dumps(last), "x").input_shape == (3, 6, 5)


def test_docs_show_every_key(card: Card) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "export.md").read_text("utf-8")
    for key in (*json.loads(card.text()), *cards.made(), "run", "data"):
        assert f'"{key}"' in page, key


@pytest.mark.parametrize(
    "change",
    [{"classes": ["a", "b", "c", "d"]}, {"licence": "MIT"}, {"network": "dense"}, {"card_sha256": "0"}],
    ids=str,
)
def test_a_card_that_was_changed_is_not_whole(card: Card, change: dict[str, Any]) -> None:
    content = json.loads(card.text()) | change
    assert not cards.read(json.dumps(content), "x").whole


def test_spaces_and_order_are_no_change(card: Card) -> None:
    content = json.loads(card.text())
    assert cards.read(json.dumps(dict(reversed(content.items())), indent=3, ensure_ascii=True), "x").whole


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["only one"]},
        {"classes": [1, 2, 3, 4]},
        {"classes": ["a", "b"]},
        {"input": {"shape": [3, 6]}},
        {"input": {"shape": [3, 6, 10**9]}},
        {"input": {"shape": [3, 6, "5"]}},
        {"input": {"shape": [2, 6, 5]}},
        {"layers": ["Flatten"]},
        {"normalisation": None},
        {"samples": {}},
        {"network": None},
        {"int8": 3},
    ],
    ids=str,
)
def test_what_is_no_card_is_one_sentence(card: Card, change: dict[str, Any]) -> None:
    content = json.loads(card.text()) | change
    with pytest.raises(DataError, match="is not a model card"):
        cards.read(json.dumps(content), "x")


def test_a_newer_ropero_is_told(card: Card) -> None:
    content = json.loads(card.text()) | {"format": 3, "ropero": "9.9"}
    with pytest.raises(DataError, match=r"newer ropero \(9.9\)"):
        cards.read(json.dumps(content), "x")


@given(st.text(max_size=40) | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(json.dumps))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with pytest.raises(DataError):
        cards.read(text, "x")


def test_deep_or_endless_text_is_refused() -> None:
    for text in ("[" * 200_000, '{"format":' * 50_000, '"' + "x" * (cards.MAX_BYTES + 1) + '"'):
        with pytest.raises(DataError, match="is not a model card"):
            cards.read(text, "x")


def test_a_digest_sees_names_types_shapes_and_values() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = {
        digest({"a": array, "b": array}),
        digest({"a": array, "c": array}),
        digest({"a": array, "b": array.T}),
        digest({"a": array, "b": array.reshape(3, 2)}),
        digest({"a": array, "b": array.astype(np.float64)}),
        digest({"a": array, "b": array + np.float32(1e-6)}),
        digest({"a": array}),
    }
    assert len(found) == 7
    assert digest({"b": array, "a": array}) == digest({"a": array, "b": np.asfortranarray(array)})
    assert digest({"n": np.float32(3).reshape(())}) != digest({"n": np.float32(3).reshape(1)})
