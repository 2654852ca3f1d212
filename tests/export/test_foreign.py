"""A file's own names for its classes: believed where they are fair, compared with the data's, told in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ropero import texts
from ropero.errors import DataError
from ropero.export import origin
from ropero.export.foreign import MAX_LETTERS, Foreign, classes_of, fair, fitted
from ropero.models.checkpoint import MAX_CLASSES

GARMENTS = ("Trouser", "Dress", "Bag")


def foreign(classes: Sequence[str], **more: Any) -> Foreign:
    return Foreign("?", "0" * 64, (), lambda *_: pytest.fail("built"), lambda _: None, classes=tuple(classes), **more)


def test_classes_of_a_card_are_words_and_not_without_end() -> None:
    assert classes_of({"classes": list(GARMENTS)}) == GARMENTS
    assert classes_of(None) == classes_of({}) == classes_of({"classes": "Trouser"}) == ()
    assert classes_of({"classes": ["a", 1, None, ["b"], {}]}) == classes_of({"classes": [1, 2, 3]}) == ()
    assert classes_of({"classes": ["a", "b" * (MAX_LETTERS + 1)]}) == ()
    assert len(fair(["a"] * MAX_CLASSES)) == MAX_CLASSES
    assert fair(["a"] * (MAX_CLASSES + 1)) == ()


def test_other_names_are_noted_and_told_in_the_language_of_the_reader() -> None:
    (note,) = fitted(foreign(("Pullover", "Coat", "mine")), GARMENTS, "a.h5").notes
    assert (
        origin.noted(note) == "Its file names its classes Pullover, Coat, mine; the data call them Trouser, Dress, Bag."
    )
    with texts.language("es"):
        assert texts.t("Pullover") != "Pullover"
        assert f"{texts.t('Pullover')}, {texts.t('Coat')}, mine" in origin.noted(note)
        assert texts.joined(map(texts.t, GARMENTS)) in origin.noted(note)


def test_numbers_in_the_place_of_names_are_not_worth_a_note() -> None:
    assert fitted(foreign(("0", "1", "2")), GARMENTS, "a.onnx").notes == ()
    assert len(fitted(foreign(("0", "2", "1")), GARMENTS, "a.onnx").notes) == 1


def test_another_order_that_cannot_be_made_is_told_in_the_language_of_the_reader() -> None:
    with texts.language("es"), pytest.raises(DataError) as refused:
        fitted(foreign(GARMENTS[::-1]), GARMENTS, "a.onnx")
    assert texts.joined(GARMENTS) not in str(refused.value)
    with texts.language("es"):
        assert texts.joined(map(texts.t, GARMENTS)) in str(refused.value)
