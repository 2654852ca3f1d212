"""The page of the reports run again, from figures made by hand: nothing is said that they do not show."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ropero.models.summary import LayerRow, Summary
from ropero.reports.reproductions import Case, Side, page

CURVE = [
    {"epoch": n, "train_loss": 1 / n, "train_accuracy": 0.5 + n / 1000, "validation_loss": 1 / n,
     "validation_accuracy": 0.6 + n / 1000}
    for n in range(1, 101)
]  # fmt: skip
UNJUDGED = [{**one, "validation_loss": None, "validation_accuracy": None} for one in CURVE]
SIDE = Side(
    n=1,
    part="test",
    epochs=100,
    kept_epoch=100,
    promised=100,
    patience=0,
    figures={
        "test_accuracy": (0.9123, 0.0),
        "test_loss": (0.25, 0.0),
        "train_accuracy": (0.95, 0.0),
        "running_train_accuracy": (0.93, 0.0),
        "test_macro_f1": (0.91, 0.0),
        "validation_accuracy": (0.92, 0.0),
        "validation_macro_f1": (0.77, 0.0),
        "epoch_seconds": (12.0, 0.0),
        "train_seconds": (1200.0, 0.0),
    },
    interval=(0.9066, 0.9177),
    classes=[(0.9, 0.8, 0.85, 1000)],
    class_names=["Shirt"],
    curve=CURVE,
    environment={"device": "cpu", "cpu": "A processor", "threads": 2, "cores": 4},
)
CASE = Case(
    name="nowhere-2000/a",
    network="softmax",
    summary=Summary((LayerRow("dense", "Dense", (10,), 7850),), 7850, 7850),
    judged_on="test",
    claimed={"test_accuracy": 0.89, "macro_f1": 0.9, "train_accuracy": 0.8643},
    claimed_before={"test_accuracy": 0.8},
    claimed_classes=((0.84, 0.82, 0.829, 688),),
    time=(30, 45, False),
    unsaid=("Something.",),
    why=(("It is {share}, {n_images} images, a norm of {x_norm}.", {"share": 0.5, "n_images": 60_000, "x_norm": 2.5}),),
    report=SIDE,
    before=replace(SIDE, figures={**SIDE.figures, "test_accuracy": (0.7, 0.0)}),
    ropero=None,
)


def shown(lang: str = "en", **changes: Any) -> str:
    text = re.sub(r"<(svg|style|script).*?</\1>", "", page([replace(CASE, **changes)], lang), flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def side(**changes: Any) -> Side:
    return replace(SIDE, **changes)


def test_claims_have_the_digits_that_the_report_gave() -> None:
    text = shown()
    assert "Accuracy on the test images 89% 91.23% –" in text
    assert "Macro F1 0.90 0.9100 –" in text
    assert "Accuracy on the training images 86.43% 95.00% –" in text
    assert "Accuracy on the training images while it trained – 93.00% –" in text
    assert "Accuracy on the test images, before augmentation 80% 70.00%" in text
    assert "0.84 / 0.82 / 0.829 (688) 0.900 / 0.800 / 0.850 (1,000)" in text
    assert "It is 50.0%, 60,000 images, a norm of 2.50." in text
    assert "cpu, A processor; 2 threads, 4 cores" in text
    assert "dense Dense 10 7,850" in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "It trained for all 100 epochs."),
        (
            {"promised": 500, "patience": 50, "epochs": 251, "kept_epoch": 201},
            "It ran 251 of at most 500 epochs. Early stopping ended it: the validation loss was lowest in epoch 201.",
        ),
        (
            {"promised": 500, "patience": 50, "epochs": 100, "kept_epoch": 97},
            "The time limit ended it; the validation loss was lowest in epoch 97. In the last fifth of the epochs the "
            "validation accuracy moved by +2.00 points.",
        ),
        ({"promised": 150}, "The time limit ended it. In the last fifth of the epochs the validation accuracy moved"),
        (
            {"promised": 150, "curve": UNJUDGED},
            "The time limit ended it. In the last fifth of the epochs the training accuracy moved by +2.00 points.",
        ),
    ],
    ids=["whole", "early", "cut with patience", "cut", "cut without validation"],
)  # fmt: skip
def test_why_it_ended_is_said(changes: dict[str, Any], says: str) -> None:
    assert says in shown(report=side(**changes))


def test_a_training_that_was_cut_is_marked_where_it_is_compared() -> None:
    text = shown(report=side(promised=150), time=(4620, 4620, True))
    assert "91.23% 90.7% to 91.8%, n = 1 100 of 150 epochs" in text
    assert "77 min 00 s 20 min 00 s 100 of 150 epochs" in text.replace("  ", " ")
    assert "100 of" not in shown()


def test_figures_of_another_part_than_the_claim_are_named() -> None:
    text = shown(judged_on="validation", claimed={"validation_accuracy": 0.931875, "macro_f1": 0.93234},
                 report=side(part="validation"), ropero=SIDE)  # fmt: skip
    assert "92.00% 90.7% to 91.8%, n = 1 Validation" in text
    assert "91.23% 90.7% to 91.8%, n = 1 Test" in text
    assert "93.1875% 92.00% 92.00%" in text
    assert "Macro F1 0.93234 0.7700 0.9100" in text


def test_several_seeds_have_a_spread_and_it_is_said_what_is_of_the_first() -> None:
    several = side(n=3, figures={**SIDE.figures, "test_accuracy": (0.91, 0.002)})
    assert "91.00% ± 0.20, n = 3" in shown(report=several)
    assert "are of the first seed" in shown(report=several)
    assert "are of the first seed" not in shown()


@pytest.mark.parametrize("lang", ["es", "zh"])
def test_other_languages_leave_no_english(lang: str) -> None:
    text = shown(lang, report=side(promised=150), ropero=side(promised=500, patience=50, kept_epoch=97))
    for word in ("epochs?", "protocol", "threads", "claimed", "accuracy", "Layers?", "moved", "seed"):
        assert not re.search(rf"\b{word}\b", text, flags=re.I), word
