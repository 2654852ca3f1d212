"""The page of a generator is one whole, safe file that says what was measured, and nothing that was not."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CLASSES, synthetic
from page_reader import EVIL, read

from ropero.evaluation.generated import Labelled, Real
from ropero.evaluation.generation_score import FIGURES, Figure, GenerationScore
from ropero.evaluation.ledger import Opening
from ropero.generation.config import GeneratorConfig
from ropero.generation.loop import GeneratorEpoch
from ropero.reports import generated, generated_words
from ropero.reports.generated import Content, Nearest, Trained
from ropero.texts import language

PICTURES = synthetic(90).images


def epochs(count: int, again: int = 0) -> list[GeneratorEpoch]:
    return [
        GeneratorEpoch(
            epoch=at,
            losses={"generator": 0.8 + 0.1 / at, "discriminator": 1.3 - 0.1 / at},
            spread=1 - 1 / (at + 1),
            epoch_seconds=2.0,
            images_per_second=900.0,
            again=again if at == 1 else 0,
        )
        for at in range(1, count + 1)
    ]


def trained(**changes: Any) -> Trained:
    values: dict[str, Any] = {
        "config": GeneratorConfig(epochs=20),
        "history": epochs(20),
        "environment": {"cpu": "a CPU", "threads": 2, "cores": 2, "ropero": "0.1", "torch": "2.4"},
        "data": "synthetic",
        "images": 120,
        "shape": (1, 28, 28),
        "parameters": 1_234_567,
        "weight_bytes": 5_000_000,
        "weights_sha256": "ab" * 32,
        "created": "2026-11-22T01:02:03.000000+00:00",
        "command": "ropero generate --train dcgan --data synthetic",
        "grown": [(epoch, PICTURES[epoch : epoch + 4]) for epoch in generated.milestones(range(21))],
        "grown_names": ("stripe", "block", "ring", "stripe"),
        "animation": b"GIF89a",
    }
    return Trained(**{**values, **changes})


def answers(count: int, wrong: int, *, wanted: bool = True, judged: bool = True) -> Labelled:
    labels = np.arange(count) % 3
    seen = labels.copy()
    seen[:wrong] = (seen[:wrong] + 1) % 3
    shares = np.full((count, 3), 0.04, np.float32)
    shares[np.arange(count), seen] = 0.92
    verdicts = np.zeros(count, np.int64)
    verdicts[-5:] = 2
    confusion = np.diag([95, 90, 85]) + np.roll(np.diag([5, 10, 15]), 1, axis=1)
    real = Real(confusion, "test", (280, 17, 3) if judged else None)
    return Labelled(shares, CLASSES, verdicts if judged else None, labels if wanted else None, real)


def scored(draws: int = 3) -> GenerationScore:
    figures = {
        name: Figure(tuple(0.5 + place + 0.01 * draw for draw in range(draws)), (0.25,))
        for place, name in enumerate(FIGURES)
    }
    return GenerationScore(
        figures=figures, features="our evaluator", width=64, split="test", others="validation", real=10_000, rows=10_000
    )  # fmt: skip


def beside(copies: int = 0) -> Nearest:
    rng = np.random.default_rng(0)
    distances = rng.uniform(4, 8, 90)
    distances[:copies] = 0.5
    return Nearest(
        samples=PICTURES[:12], neighbours=PICTURES[12:24], rows=range(12), distances=distances,
        usual=rng.uniform(3, 8, 500),
    )  # fmt: skip


def content(**changes: Any) -> Content:
    values: dict[str, Any] = {
        "name": "20261122-dcgan-abcd",
        "trained": trained(),
        "samples": PICTURES,
        "seed": 7,
        "labelled": answers(90, 6),
        "by": "santiago-2",
        "score": scored(),
        "nearest": beside(),
        "openings": [Opening("2026-11-22", "score", "ab" * 32, 10_000, None)],
    }
    return Content(**{**values, **changes})


def text(page: str) -> str:
    return " ".join(read(page).text.split())


@pytest.mark.parametrize("lang", ["en", "es", "zh"])
def test_the_page_is_whole_safe_and_the_same_twice(tmp_path: Path, lang: str) -> None:
    path = generated.write(content(), tmp_path / "page.html", lang)
    page = path.read_text("utf-8")
    reader = read(page)
    assert {"summary", "samples", "labels", "confusion", "rejected", "score", "nearest", "grown", "curves"} <= {
        *reader.ids
    }
    assert reader.scripts == 1
    with language(lang):
        assert generated.page(content()) == page
    assert len(page) < 1_500_000


def test_it_says_what_the_classifier_saw() -> None:
    page = generated.page(content())
    said = text(page)
    assert "93.33%" in said  # 84 of 90
    assert "Of 90 pictures, each asked for by its class, santiago-2 takes 93.3% for what was wanted" in said
    assert "Of real images it gets 90.0% right: no difference that is more than chance." in said
    assert "3.3 points against real images" in said
    assert said.count("✗ ") >= 6
    assert "5 pictures are rejected as not a garment. That is 5.6% of them; of real images it rejects 1.0%." in said
    assert "As wanted and not rejected are 87.8%." in said
    # Each is marked by colour, frame and sign; wrong ones are shown twice, as they came and as the surest.
    assert page.count('<figure class="card wrong">') == 12
    assert page.count('<figure class="card refused">') == 5
    assert page.count('<figure class="card right">') == 54


def test_agreement_above_real_images_is_no_praise() -> None:
    said = text(generated.page(content(labelled=answers(90, 0))))
    assert "these pictures are easier to tell apart" in said
    assert "Every picture is taken for what was wanted." in said
    worse = text(generated.page(content(labelled=answers(90, 40))))
    assert "Of real images it gets 90.0% right, more than that." in worse


def test_without_wanted_classes_the_shares_speak() -> None:
    page = generated.page(content(labelled=answers(90, 0, wanted=False)))
    said = text(page)
    assert "santiago-2 finds some of every class; the rarest is stripe with 33.3%" in said
    assert "as even as chance lets 90 pictures be" in said
    assert 'id="confusion"' not in page
    assert "Taken for what was wanted" not in said
    one_class = Labelled(np.tile(np.array([[0.9, 0.1, 0]], np.float32), (90, 1)), CLASSES)
    poor = text(generated.page(content(labelled=one_class)))
    assert "Of 90 pictures santiago-2 takes none for block, ring." in poor
    assert "For even shares 66.7% of the pictures would have to be of another class" in poor
    assert "rejected" not in poor


def test_the_score_stands_beside_its_floor() -> None:
    said = text(generated.page(content()))
    assert "is 0.51 (0.49–0.53); other real images in their place get 0.25." in said
    assert "Measured on 64 features of our evaluator, against 10,000 images (test)" in said
    assert "as many real images (validation)." in said
    assert "Looks at test images 1, of 10,000 images in all" in said
    one = text(generated.page(content(score=scored(1))))
    assert "is 0.50; other real images" in one


def test_copies_are_told_from_chance() -> None:
    assert "there is no sign that training images are repeated" in text(generated.page(content()))
    page = generated.page(content(nearest=beside(copies=9)))
    assert "some are nearly copies" in text(page)
    assert page.count('<figure class="near">') == 9


def test_the_garments_grow_from_the_untrained_to_the_last() -> None:
    page = generated.page(content())
    table = re.search(r'<table class="grown.*?</table>', page, re.S)
    assert table is not None
    heads = re.findall(r'<th scope="col">(\w+)</th>', table[0])
    assert heads[:3] == ["Epoch", "0", "1"]
    assert heads[-1] == "20"
    assert len(heads) < 16
    assert table[0].count("<img") == 4 * (len(heads) - 1)
    assert "data:image/gif;base64,R0lGODlh" in page
    large = replace(trained(), animation=b"GIF89a" + bytes(generated.LARGEST_ANIMATION))
    assert "data:image/gif" not in generated.page(content(trained=large))


def test_what_was_not_measured_is_not_shown() -> None:
    bare = content(
        labelled=None, by="", score=None, nearest=None, openings=(),
        trained=trained(grown=(), animation=b"", history=epochs(1, again=2), config=GeneratorConfig(epochs=1)),
    )  # fmt: skip
    page = generated.page(bare)
    reader = read(page)
    assert set(reader.ids).isdisjoint({"labels", "confusion", "rejected", "score", "nearest", "grown"})
    said = " ".join(reader.text.split())
    assert "have not been labelled or scored yet" in said
    assert (
        "One pass over 120 training images, in batches of 256. The learning rate is 0.0001. 2 times an epoch broke"
        in said
    )
    assert "Looks at test images" not in said


@pytest.mark.parametrize("evil", EVIL)
def test_names_from_strangers_are_text(evil: str) -> None:
    found = answers(90, 6)
    named = Labelled(found.probabilities, (evil, "b", "c"), found.verdicts, found.wanted, found.real)
    page = generated.page(content(name=evil, by=evil, labelled=named, trained=trained(data=evil, command=evil)))
    assert "<script>alert" not in page
    assert evil in text(page)


def test_colour_pictures_are_shown_too() -> None:
    colour = np.repeat(PICTURES[..., None], 3, axis=3)
    page = generated.page(content(samples=colour, trained=trained(grown=[(0, colour[:4])], shape=(3, 28, 28))))
    assert "28 × 28 × 3" in text(page)


def test_the_command_says_what_differs_from_the_protocol() -> None:
    config = GeneratorConfig(epochs=30, learning_rate=2e-4, minutes=20, seed=3)
    assert generated_words.command(config, "my data", 32) == (
        "ropero generate --train dcgan --data 'my data' --image-size 32 --epochs 30 --learning-rate 0.0002 "
        "--minutes 20 --seed 3"
    )
    assert generated_words.command(GeneratorConfig(), "") == "rp.train_generator(data, 'dcgan', epochs=100, seed=0)"


def test_early_epochs_are_shown_before_late_ones() -> None:
    chosen = generated.milestones(range(1001))
    assert chosen[:3] == [0, 1, 2]
    assert chosen[-1] == 1000
    assert len(chosen) <= generated.GROWN
    assert np.all(np.diff(np.diff(chosen)) >= 0), "the steps grow"
    assert generated.milestones([]) == []
    assert generated.milestones([0, 5]) == [0, 5]
