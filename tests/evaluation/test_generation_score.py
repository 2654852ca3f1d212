"""A generator's score: each figure is that of its function, real images in its place are the floor, intervals hold."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from ropero.errors import RunError, UsageError
from ropero.evaluation.generation_score import FIGURES, Figure, GenerationScore, score
from ropero.metrics.frechet import coverage, frechet_distance


def drawn(count: int, seed: int, centre: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4)) + centre


@pytest.fixture(scope="module")
def found() -> GenerationScore:
    draws = [drawn(200, seed, 1.0) for seed in (1, 2, 3)]
    return score(drawn(200, 0), draws, drawn(500, 9), features="four numbers", split="validation", others_split="train")


def test_each_figure_is_its_functions(found: GenerationScore) -> None:
    assert set(found.figures) == set(FIGURES)
    frechet = [frechet_distance(drawn(200, 0), drawn(200, seed, 1.0)) for seed in (1, 2, 3)]
    assert found.figures["frechet"].draws == pytest.approx(frechet)
    assert found.figures["coverage"].draws[0] == coverage(drawn(200, 0), drawn(200, 1, 1.0)).coverage
    assert (found.rows, found.real, found.width, found.split, found.others) == (200, 200, 4, "validation", "train")


def test_other_real_images_are_the_floor_in_sets_of_the_same_size(found: GenerationScore) -> None:
    other = drawn(500, 9)
    floor = [frechet_distance(drawn(200, 0), part) for part in (other[:200], other[200:400])]
    assert found.figures["frechet"].floor == pytest.approx(floor)
    assert found.figures["frechet"].floor_mean < found.figures["frechet"].mean / 5
    assert found.figures["coverage"].floor_mean > found.figures["coverage"].mean
    times = found.figures["frechet"].times_floor
    assert times is not None
    assert times > 5


def test_all_are_cut_to_the_fewest_rows() -> None:
    made = score(
        drawn(100, 0), [drawn(90, 1), drawn(300, 2)], drawn(60, 3), features="x", split="test", others_split="train"
    )
    assert made.rows == 60
    frechet = [frechet_distance(drawn(100, 0), one[:60]) for one in (drawn(90, 1), drawn(300, 2))]
    assert made.figures["frechet"].draws == pytest.approx(frechet)
    assert len(made.figures["frechet"].floor) == 1


def stated(draws: tuple[float, ...]) -> GenerationScore:
    figures = {name: Figure(draws, (0.5,)) for name in FIGURES}
    return GenerationScore(figures=figures, features="x", width=4, split="test", others="train", real=20, rows=20)


def test_intervals_are_over_the_draws() -> None:
    draws = (1.0, 1.5, 1.2, 1.4)
    measured = stated(draws).measured("frechet")
    assert measured is not None
    spread = np.std(draws, ddof=1) / 2
    assert measured.interval == pytest.approx(student.interval(0.95, 3, np.mean(draws), spread), abs=1e-4)
    assert stated((1.0,)).measured("frechet") is None
    assert Figure((1.0,), (-0.01,)).times_floor is None


def test_intervals_end_where_a_figure_does() -> None:
    low, high = stated((0.0, 0.1)), stated((0.9, 1.0))
    for name, (least, most) in {"recall": (0, 1), "density": (0, None), "frechet": (0, None)}.items():
        below, above = low.measured(name), high.measured(name)
        assert below is not None
        assert above is not None
        assert below.low == least
        assert above.high == most if most else above.high > 1.2
    kernel = low.measured("kernel")
    assert kernel is not None
    assert kernel.low < -0.1, "which may lie below 0"


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    score(
        drawn(20, 0),
        [drawn(20, 1)],
        drawn(20, 2),
        features="x",
        split="test",
        others_split="train",
        told=lambda *one: told.append(one),
    )
    assert told == [(1, 2), (2, 2)]


def test_too_few_rows_are_said() -> None:
    with pytest.raises(UsageError, match="more than 5 images of each kind, got 4"):
        score(drawn(20, 0), [drawn(4, 1)], drawn(20, 2), features="x", split="test", others_split="train")


def test_what_is_stored_is_read_again(found: GenerationScore) -> None:
    again = GenerationScore.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert again == found


@pytest.mark.parametrize(
    "change",
    [
        {"figures": {}},
        {"figures": {name: {"draws": [], "floor": [1]} for name in FIGURES}},
        {"figures": {name: {"draws": [float("inf")], "floor": [1]} for name in FIGURES}},
        {"figures": {name: {"draws": ["x"], "floor": [1]} for name in FIGURES}},
        {"figures": 3},
        {"rows": None},
    ],
)
def test_what_is_damaged_is_refused(found: GenerationScore, change: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="score of a generator is damaged"):
        GenerationScore.from_json({**found.to_json(), **change})
