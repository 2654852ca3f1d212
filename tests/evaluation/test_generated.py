"""What a classifier says of generated images: every figure by hand or by SciPy; stored, read again, refused damaged."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from ropero.errors import RunError
from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.generated import Labelled, Real
from ropero.evaluation.intervals import Measured, apart
from ropero.evaluation.judge import Judged

CLASSES = ("stripe", "block", "ring")
# Six pictures: what is seen, how surely, what was wanted, and the verdict (0 sure, 1 unsure, 2 not a garment).
SEEN, SURE = [0, 0, 1, 2, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.95, 0.5]
WANTED, VERDICTS = [0, 0, 1, 1, 2, 2], [0, 1, 2, 0, 0, 2]


def rows(seen: list[int], sure: list[float]) -> np.ndarray:
    found = np.full((len(seen), 3), 0.0, np.float32)
    for row, (k, share) in enumerate(zip(seen, sure, strict=True)):
        found[row] = (1 - share) / 2
        found[row, k] = share
    return found


def labelled(**changes: Any) -> Labelled:
    values: dict[str, Any] = {
        "probabilities": rows(SEEN, SURE),
        "classes": CLASSES,
        "verdicts": np.array(VERDICTS),
        "wanted": np.array(WANTED),
    }
    return Labelled(**{**values, **changes})


def real(hits: tuple[int, int, int], images: int = 100) -> Real:
    """A classifier that is right on so many of each class and takes the rest for the next one."""
    confusion = np.zeros((3, 3), np.int64)
    for k, hit in enumerate(hits):
        confusion[k, k], confusion[k, (k + 1) % 3] = hit, images - hit
    return Real(confusion, "validation", (250, 40, 10))


def test_classes_and_what_was_wanted() -> None:
    found = labelled()
    assert found.predicted.tolist() == SEEN
    assert found.confidence.tolist() == pytest.approx(SURE)
    assert found.counts.tolist() == [3, 2, 1]
    assert found.agrees is not None
    assert found.agrees.tolist() == [True, True, True, False, False, False]
    assert found.confusion is not None
    assert found.confusion.tolist() == [[2, 0, 0], [0, 1, 1], [1, 1, 0]]
    assert [one and one.value for one in found.class_agreement] == [1, 0.5, 0]
    exact = binomtest(3, 6).proportion_ci(method="wilson")
    assert found.agreement is not None
    assert found.agreement.interval == pytest.approx((exact.low, exact.high))
    assert found.disagreements(2).tolist() == [4, 3]
    assert found.disagreements(9).tolist() == [4, 3, 5]
    assert repr(found) == "Labelled(6 images, 50.0% of the class that was wanted)"


def test_what_is_rejected() -> None:
    found = labelled()
    assert found.verdict_counts() == {"sure": 3, "unsure": 1, "not a garment": 2}
    assert found.rejected.tolist() == [2, 5]
    assert [found.word(at) for at in range(3)] == ["sure", "unsure", "not a garment"]
    assert found.usable is not None
    assert found.usable.value == pytest.approx(2 / 6)  # the third is as wanted, but rejected
    without = labelled(verdicts=None)
    assert without.usable is None
    assert without.verdict_counts() == {}
    assert without.rejected.tolist() == []
    assert without.word(0) == ""


def test_a_generator_that_cannot_be_asked_has_shares_and_no_agreement() -> None:
    found = labelled(wanted=None, real=real((90, 90, 90)))
    assert found.agreement is None
    assert found.gap is None
    assert found.real_accuracy is None
    assert found.confusion is None
    assert found.class_agreement == [None] * 3
    assert found.disagreements(5).tolist() == []
    # (3, 2, 1) of 6 against even shares: a sixth of the pictures would have to change their class.
    assert found.distance.value == pytest.approx(1 / 6)
    assert found.distance.low <= found.distance.value <= found.distance.high
    assert repr(found) == "Labelled(6 images)"


def test_how_uneven_classes_are_is_told_from_chance() -> None:
    rng = np.random.default_rng(3)
    even = Labelled(rows(rng.integers(0, 3, 3000).tolist(), [0.9] * 3000), CLASSES)
    uneven = Labelled(rows(rng.choice(3, 3000, p=[0.5, 0.3, 0.2]).tolist(), [0.9] * 3000), CLASSES)
    assert even.distance_by_chance is not None
    assert uneven.distance_by_chance is not None
    assert even.distance.value < even.distance_by_chance < 0.03 < uneven.distance.low
    assert uneven.distance.low < 1 / 6 < uneven.distance.high
    # 95 of 100 even samples stay below what chance is said to give.
    again = [abs(np.bincount(rng.integers(0, 3, 3000), minlength=3) / 3000 - 1 / 3).sum() / 2 for _ in range(400)]
    assert np.mean(np.array(again) < even.distance_by_chance) == pytest.approx(0.95, abs=0.04)
    assert labelled().distance_by_chance is None


def test_the_gap_to_real_images_follows_newcombe() -> None:
    # Newcombe 1998, table II, (a) 56/70 - 48/80 by method 10.
    found = apart(Measured.share(56, 70), Measured.share(48, 80))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_real_images_are_weighed_as_the_pictures_were_wanted() -> None:
    wanted = np.array([0] * 300 + [1] * 100)
    seen = [0] * 290 + [1] * 110
    found = Labelled(rows(seen, [0.9] * 400), CLASSES, wanted=wanted, real=real((80, 60, 10)))
    assert found.real_accuracy is not None
    assert found.gap is not None
    assert found.real_accuracy.value == pytest.approx(0.75 * 0.8 + 0.25 * 0.6)
    rng = np.random.default_rng(0)
    drawn = 0.75 * rng.binomial(100, 0.8, 20_000) / 100 + 0.25 * rng.binomial(100, 0.6, 20_000) / 100
    assert found.real_accuracy.interval == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.01)
    assert found.gap.value == pytest.approx(390 / 400 - 0.75)
    assert found.gap.low > 0
    missing = real((80, 60, 10))
    missing.confusion[1] = 0
    assert Labelled(rows(seen, [0.9] * 400), CLASSES, wanted=wanted, real=missing).gap is None


def test_real_figures_come_from_an_evaluation() -> None:
    shares = rows([0, 1, 1, 2], [0.9] * 4)
    judged = Judged(shares, np.array([0, 0, 1, 2]), np.zeros(4))
    labels = np.array([0, 1, 2, 2])
    made = Real.of(Evaluation(labels, shares, np.arange(4), CLASSES, "test", judged))
    assert made.verdicts == (2, 1, 1)
    assert made.split == "test"
    assert [made.recall(k) and made.recall(k).value for k in range(3)] == [1, 1, 0.5]  # type: ignore[union-attr]
    assert [made.share(k).value for k in range(3)] == [0.25, 0.5, 0.25]
    assert Real.of(Evaluation(labels, shares, np.arange(4), CLASSES, "test")).verdicts is None


@pytest.mark.parametrize("changes", [{}, {"real": real((90, 80, 70))}, {"verdicts": None, "wanted": None}])
def test_what_is_stored_is_read_again(changes: dict[str, Any]) -> None:
    found = labelled(**changes)
    text = json.dumps(found.to_json(), allow_nan=False)
    again = Labelled.from_json(json.loads(text))
    np.testing.assert_array_equal(again.probabilities, found.probabilities)
    assert again.to_json() == found.to_json()


def _damaged(**changes: Any) -> dict[str, Any]:
    values = json.loads(json.dumps(labelled(real=real((9, 9, 9), 10)).to_json()))
    values["answers"].update(changes)
    return values


@pytest.mark.parametrize(
    "values",
    [
        {},
        _damaged(probabilities=[]),
        _damaged(probabilities=[[0.5, 0.5, 0.0]]),
        _damaged(probabilities=[[0.5, 0.5]] * 6),
        _damaged(probabilities=[[float("nan")] * 3] * 6),
        _damaged(probabilities=[[2.0, -1.0, 0.0]] * 6),
        _damaged(probabilities=[[1, 0, 0], [1]] * 3),
        _damaged(probabilities="none"),
        _damaged(verdicts=[0, 1, 2, 3, 0, 0]),
        _damaged(wanted=[0, 1, 2, 3, 0, 0]),
        _damaged(wanted=[0.5] * 6),
        {**_damaged(), "real": {"confusion": [[1, 0], [0, 1]], "split": "test", "verdicts": None}},
        {**_damaged(), "real": {"confusion": [[-1, 0, 0]] * 3, "split": "test", "verdicts": None}},
        {**_damaged(), "real": {"confusion": [[1, 0, 0]] * 3, "split": "test", "verdicts": [1]}},
        {**_damaged(), "real": 3},
    ],
)
def test_what_is_damaged_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="labels of generated images are damaged"):
        Labelled.from_json(values)
