"""What a report says of the augmentation follows from the config, and leaves nothing out."""

from __future__ import annotations

import pytest

from ropero.reports import words
from ropero.reports.words import recipe
from ropero.runs import Looks
from ropero.training.config import TrainConfig

PLAIN = TrainConfig(flip="none", erase=0.0)


def said(**changes: object) -> str:
    return " ".join(recipe(PLAIN.replace(**changes)))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "trained on as they are"),
        ({"rotation": 8.0}, "turned by up to 8° either way, the gaps filled with the outermost pixels."),
        ({"width_shift": 0.08}, "moved sideways by up to 8.0% of their width"),
        ({"height_shift": 0.125}, "moved up or down by up to 12.5% of their height"),
        ({"shear": 0.3, "fill": "constant"}, "slanted by up to 0.3° either way, the gaps filled with black."),
        (
            {"zoom": 0.1, "fill": "reflect"},
            "shrunk by up to 10.0% along each side, the gaps filled with a mirror image.",
        ),
        ({"flip": "random", "vertical_flip": True}, "images are mirrored at random, turned upside down at random."),
        ({"flip": "alternating"}, "mirrored in every other epoch"),
        ({"erase": 0.5, "erase_side": 8}, "blackened in a square of 8 pixels with a probability of 50%"),
        ({"mixup": 0.2}, "blended in pairs (mixup, Beta parameter 0.2)"),
        ({"cutmix": 1.0}, "labels are mixed by area (CutMix, Beta parameter 1)"),
        ({"mixup": 0.2, "cutmix": 1.0}, "by mixup (Beta parameter 0.2) or CutMix (1) as a coin says"),
        ({"mixup": 0.2, "augment_from": 5}, "Before epoch 5 they are left as they are."),
        ({"rotation": 8.0, "augment_validation": True}, "The validation images are changed in the same way"),
    ],
    ids=str,
)
def test_every_option_is_told(changes: dict[str, object], expected: str) -> None:
    assert expected in said(**changes)


def test_what_changes_nothing_is_not_told() -> None:
    plain = said()
    for changes in (
        {"fill": "wrap"},
        {"augment_from": 3},
        {"augment_validation": True},
        {"erase": 0.5, "erase_side": 0},
    ):
        assert said(**changes) == plain
    assert "validation images" not in said(mixup=0.2, augment_validation=True)  # they are not mixed


def test_looks_of_other_runs_are_said_where_there_are_any() -> None:
    assert words.looked(Looks(1, 1, 1, 1)) == []
    (seeds,) = words.looked(Looks(3, 4, 3, 4))
    assert seeds.startswith("3 runs here have this config")
    both = words.looked(Looks(3, 4, 12, 15))
    assert "All 12 runs here with these test images opened them 15 times." in both[1]
