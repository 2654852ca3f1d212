"""The judge: what it promises holds on new images; it is stored and read again; damaged files are refused."""

import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest

from ropero.errors import RunError
from ropero.evaluation import judge as judges
from ropero.evaluation.judge import Judge, fit, fit_unmeasured

CENTRES = np.random.default_rng(9).normal(size=(4, 12)) * 0.7
Part = tuple[tuple[np.ndarray, np.ndarray], np.ndarray]


def drawn(count: int, seed: int, factor: float = 3.0) -> Part:
    """Features and logits of a network that is `factor` times too sure, and the true classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    features = (CENTRES[labels] + rng.normal(size=(count, 12))).astype(np.float32)
    true = features @ CENTRES.T - (CENTRES**2).sum(axis=1) / 2  # the classes' true log odds
    return (features, (factor * true).astype(np.float32)), labels


def strange(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    features = (np.random.default_rng(seed).normal(size=(count, 12)) * 6).astype(np.float32)
    return features, (3 * features @ CENTRES.T).astype(np.float32)


@pytest.fixture(scope="module")
def judge() -> Judge:
    train, held = drawn(3000, 0), drawn(3000, 1)
    return fit(*train, *held, {"far": strange(500, 2), "farther": strange(400, 3)}, right=0.95)


def test_probabilities_are_hit_rates_again(judge: Judge) -> None:
    assert judge.temperature == pytest.approx(3, rel=0.15)
    assert judge.error_after is not None
    assert judge.error_before is not None
    assert judge.error_after < judge.error_before / 2


def test_verdicts_keep_their_promise_on_new_images(judge: Judge) -> None:
    (features, logits), labels = drawn(20_000, 5)
    judged = judge.judge(features, logits)
    sure = judged.verdicts == 0
    assert (logits[sure].argmax(axis=1) == labels[sure]).mean() > 0.945
    assert sure.mean() > 0.3
    assert (judged.verdicts == 2).mean() == pytest.approx(0.01, abs=0.006)
    np.testing.assert_allclose(judged.probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(judged.probabilities.argmax(axis=1), logits.argmax(axis=1))
    assert (judge.judge(*strange(500, 7)).verdicts == 2).mean() > 0.8
    assert set(judged.words()) == {"sure", "unsure", "not a garment"}


def test_the_best_score_is_taken(judge: Judge) -> None:
    means = {method: np.mean(list(found.values())) for method, found in judge.areas.items()}
    assert set(means) == set(judges.METHODS)
    assert means[judge.known.method] == max(means.values())
    assert set(judge.areas["energy"]) == {"far", "farther"}


def test_nothing_is_sure_where_nothing_can_be() -> None:
    (features, logits), labels = drawn(500, 0)
    hopeless = fit((features, logits), labels, (features, logits), np.roll(labels, 1), {"far": strange(50, 1)})
    assert (hopeless.judge(features, logits).verdicts != 0).all()


def test_without_images_held_out_rules_are_taken() -> None:
    train = drawn(2000, 0)
    judge = fit_unmeasured(*train)
    assert (judge.temperature, judge.held_out, judge.error_after) == (1.0, 0, None)
    assert (judge.judge(*train[0]).verdicts == 2).mean() <= 0.002
    assert (judge.judge(*strange(500, 7)).verdicts == 2).mean() > 0.5


@pytest.mark.parametrize("method", judges.METHODS)
def test_stored_and_read_again(method: str, judge: Judge) -> None:
    train = drawn(1000, 0)
    made = Judge(**{**{name: getattr(judge, name) for name in judges._PLAIN}, "areas": judge.areas},
                 known=judges.unknown.fit(method, train[0][0], train[1]))  # fmt: skip
    again = Judge.from_npz(made.to_npz())
    assert again.to_json() == made.to_json()
    (features, logits), _ = drawn(100, 4)
    for ours, theirs in zip(made.judge(features, logits).__dict__.values(),
                            again.judge(features, logits).__dict__.values(), strict=True):  # fmt: skip
        np.testing.assert_array_equal(ours, theirs)


def test_damaged_files_are_refused(judge: Judge) -> None:
    whole = judge.to_npz()
    other = io.BytesIO()
    np.savez(other, means=np.zeros(3))
    for content in (b"", b"no archive", whole[: len(whole) // 2], other.getvalue()):
        with pytest.raises(RunError, match="damaged"):
            Judge.from_npz(content)


@pytest.mark.parametrize(
    "numbers",
    [
        {"temperature": 0}, {"temperature": -1.0}, {"temperature": "warm"}, {"temperature": float("nan")},
        {"sure_from": None}, {"held_out": 1.5}, {"known_from": float("inf")}, {"method": "guess"}, {"more": 1},
        {"areas": {"softmax": {"noise": "high"}}}, {"areas": [[[[]]]]},
    ],
    ids=str,
)  # fmt: skip
def test_numbers_that_no_fit_gives_are_refused(judge: Judge, numbers: dict[str, Any]) -> None:
    with np.load(io.BytesIO(judge.to_npz())) as file:
        arrays = {name: file[name] for name in file.files}
    told = {**json.loads(arrays["numbers"].tobytes()), **numbers}
    changed = io.BytesIO()
    np.savez(changed, **{**arrays, "numbers": np.frombuffer(json.dumps(told).encode(), np.uint8)})
    with pytest.raises(RunError, match="damaged"):
        Judge.from_npz(changed.getvalue())


def test_a_header_that_promises_more_than_there_is_takes_no_memory(judge: Judge) -> None:
    content = judge.to_npz()
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            array = old.read(name)
            if name != "numbers.npy":
                header = array[: array.index(b"\n") + 1].replace(b"(", b"(9999999999, ", 1)
                array = header[: len(array[: array.index(b"\n") + 1]) - 1] + b"\n" + array[array.index(b"\n") + 1 :]
            new.writestr(name, array)
    with pytest.raises(RunError, match="damaged"):
        Judge.from_npz(changed.getvalue())


def test_a_judge_of_another_network_is_a_sentence(judge: Judge) -> None:
    with pytest.raises(RunError, match="another network"):
        judge.judge(np.zeros((3, 7), np.float32), np.zeros((3, 99), np.float32))


def test_unmeasured_and_of_few_images_nothing_is_refused() -> None:
    (features, logits), labels = drawn(50, 3)
    made = judges.fit_unmeasured((features, logits), labels)
    far = made.judge(features * 1e6, logits)
    assert "not a garment" not in far.words()
    assert made.held_out == 0
