"""What is said of an imported model comes from codes and numbers, in the language in force, and nothing else passes."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from ropero import texts
from ropero.export import origin as origins
from ropero.export.foreign import REPEATED

CLASSES = ("stripe", "block", "ring")


def note(**changes: Any) -> dict[str, Any]:
    """What an import writes into run.json, read back."""
    tried = [
        {"scale": "0-1", "size": "as they are", "accuracy": 0.85, "log_loss": 0.4},
        {"scale": "-1-1", "size": "as they are", "accuracy": 0.845, "log_loss": 0.41},
        {"scale": "centred", "size": "as they are", "accuracy": 0.846, "log_loss": 0.41},
    ]
    seen = {"scale": "0-1", "size": "as they are", "why": "tried", "images": 2000, "tried": tried, "order": [],
            "spare": 0}  # fmt: skip
    found = {"sha256": "0" * 64, "asked": "", "file": "fashion.h5", "written_by": "Keras 2.4.0", "pixels": seen,
             "notes": [(REPEATED, {"names": ["dense", "drop"]})]}  # fmt: skip
    return json.loads(json.dumps(found | changes))  # type: ignore[no-any-return]


def test_what_an_import_writes_passes() -> None:
    assert origins.checked(note()) == note()


def test_notes_are_told_in_the_language_of_the_reader() -> None:
    said = origins.told(note(), CLASSES)[-1]
    assert said == "Layers that are used several times are stored once for each use: dense, drop."
    with texts.language("zh"):
        chinese = origins.told(note(), CLASSES)[-1]
    assert chinese != said
    assert "dense、drop" in chinese


def test_notes_of_an_older_ropero_are_told_as_they_are() -> None:
    older = note(notes=["Something was told."])
    assert origins.told(origins.checked(older), CLASSES)[-1] == "Something was told."


def test_names_in_a_row_are_divided_as_the_language_does() -> None:
    with texts.language("zh"):
        assert any("-1-1、centred" in one for one in origins.told(note(), CLASSES))
    assert any("-1-1, centred" in one for one in origins.told(note(), CLASSES))


def _without(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(found: dict[str, Any]) -> None:
        *way, last = path
        for step in way:
            found = found[step]
        del found[last]

    return change


def _with(value: Any, *path: Any) -> Callable[[dict[str, Any]], None]:
    def change(found: Any) -> None:
        *way, last = path
        for step in way:
            found = found[step]
        found[last] = value

    return change


DAMAGES = {
    **{f"no {name}": _without(name) for name in ("sha256", "asked", "file", "written_by", "pixels", "notes")},
    **{f"no pixels.{name}": _without("pixels", name)
       for name in ("scale", "size", "why", "images", "tried", "order", "spare")},
    "file is a number": _with(3, "file"),
    "plan is a list": _with([], "plan"),
    "pixels is text": _with("0-1", "pixels"),
    "pixels is null": _with(None, "pixels"),
    "an unknown reason": _with("felt", "pixels", "why"),
    "a reason that is a list": _with([], "pixels", "why"),
    "no images": _with(0, "pixels", "images"),
    "more images than there are": _with(10**400, "pixels", "images"),
    "nothing tried": _with([], "pixels", "tried"),
    "not what was taken": _with("0-255", "pixels", "scale"),
    "tried is text": _with("0-1", "pixels", "tried"),
    "no accuracy": _without("pixels", "tried", 0, "accuracy"),
    "accuracy is text": _with("0.5", "pixels", "tried", 0, "accuracy"),
    "accuracy above 1": _with(85, "pixels", "tried", 0, "accuracy"),
    "loss is no number": _with(float("nan"), "pixels", "tried", 0, "log_loss"),
    "loss is endless": _with(10**400, "pixels", "tried", 1, "log_loss"),
    "an order of other classes": _with([0, 1, 7], "pixels", "order"),
    "an order of shares": _with([0.0, 1.0], "pixels", "order"),
    "an order that is text": _with("abc", "pixels", "order"),
    "notes are text": _with("abc", "notes"),
    "a note of an unknown kind": _with([["?", {}]], "notes"),
    "a note without its values": _with([[REPEATED, {}]], "notes"),
    "a note that is a number": _with([3], "notes"),
    "a note of three": _with([[REPEATED, {}, 1]], "notes"),
    "a note whose values are a list": _with([[REPEATED, ["dense"]]], "notes"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_no_import_writes_does_not_pass(damage: Callable[[dict[str, Any]], None]) -> None:
    found = deepcopy(note())
    damage(found)
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError)):
        origins.checked(found)


def test_an_order_is_told_by_the_names_of_the_classes() -> None:
    seen = note()["pixels"] | {"order": [1, 0, 2]}
    assert any("block, stripe, ring" in one for one in origins.told(note(pixels=seen), CLASSES))
    assert any(
        "another order: stripe" in one for one in origins.told(note(pixels=seen | {"order": [2, 0, 1]}), ["stripe"])
    )
