"""The diagnosis of learning curves, on made-up curves of each kind, smooth and noisy, short and long."""

import numpy as np
import pytest

from ropero.evaluation.diagnosis import Diagnosis, diagnose


def curves(
    train: np.ndarray, held: np.ndarray | None, top: float = 0.98, seed: int = 0, noise: float = 0.0
) -> Diagnosis:
    rng = np.random.default_rng(seed)
    train = train * (1 + noise * rng.normal(size=len(train)))
    accuracy = np.clip(top - (train - train.min()) / 4, 0, 1)
    if held is None:
        found = diagnose(train.tolist(), accuracy.tolist())
    else:
        held = held * (1 + noise * rng.normal(size=len(held)))
        found = diagnose(
            train.tolist(), accuracy.tolist(), held.tolist(), np.clip(0.93 - (held - held.min()) / 4, 0, 1).tolist()
        )
    assert found is not None
    return found


def falling(epochs: int, speed: float, floor: float) -> np.ndarray:
    return floor + 2 * np.exp(-speed * np.arange(epochs))


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("epochs", [20, 50, 150])
def test_converged(epochs: int, noise: float) -> None:
    found = curves(falling(epochs, 12 / epochs, 0.15), falling(epochs, 12 / epochs, 0.25), noise=noise)
    assert (found.converged, found.learning, found.underfits, found.overfits_from, found.unstable) == (
        True, False, False, None, False,
    )  # fmt: skip
    assert found.gap == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("epochs", [6, 20, 50])
def test_still_learning(epochs: int, noise: float) -> None:
    found = curves(falling(epochs, 2.5 / epochs, 0.2), falling(epochs, 2.4 / epochs, 0.25), noise=noise)
    assert (found.learning, found.converged, found.overfits_from) == (True, False, None)


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize(("epochs", "turn"), [(20, 6), (50, 12), (150, 40)])
def test_overfits_from(epochs: int, turn: int, noise: float) -> None:
    rest = np.maximum(np.arange(epochs) - turn, 0)
    held = falling(epochs, 6 / turn, 0.25) + 0.5 * rest / epochs
    found = curves(falling(epochs, 6 / turn, 0.05) - 0.02 * rest / epochs, held, noise=noise)
    assert found.overfits_from is not None
    assert abs(found.overfits_from - turn) <= max(2, turn // 4)
    assert not found.converged
    assert not found.learning


@pytest.mark.parametrize("epochs", [20, 50])
def test_underfits(epochs: int) -> None:
    found = curves(falling(epochs, 12 / epochs, 0.7), falling(epochs, 12 / epochs, 0.7), top=0.75)
    assert (found.underfits, found.converged) == (True, True)
    strong = curves(falling(epochs, 12 / epochs, 0.7), falling(epochs, 12 / epochs, 0.7), top=0.97)
    assert not strong.underfits


@pytest.mark.parametrize("epochs", [20, 50])
def test_unstable(epochs: int) -> None:
    held = falling(epochs, 10 / epochs, 0.25)
    held[[-2, epochs * 3 // 4]] += 0.8
    found = curves(falling(epochs, 10 / epochs, 0.15), held)
    assert found.unstable
    assert found.jumps == (epochs * 3 // 4 + 1, epochs - 1)
    assert not found.converged
    one = falling(epochs, 10 / epochs, 0.25)
    one[-3] += 0.8
    assert not curves(falling(epochs, 10 / epochs, 0.15), one).unstable


def test_a_collapse_is_unstable_and_never_converged() -> None:
    loss = falling(30, 0.5, 0.3)
    loss[20:] = 2.303  # chance: the network has forgotten everything
    found = curves(loss, loss.copy())
    assert found.jumps == (21,)
    assert (found.collapsed, found.unstable, found.converged) == (True, True, False)
    broken = loss.copy()
    broken[25:] = np.nan
    assert diagnose(broken.tolist(), [0.1] * 30).unstable  # type: ignore[union-attr]


def test_without_validation_the_training_loss_is_judged() -> None:
    assert curves(falling(20, 0.6, 0.2), None).converged
    assert curves(falling(20, 0.1, 0.2), None).learning
    assert curves(falling(20, 0.6, 0.2), None).gap is None


def test_too_short_to_say() -> None:
    assert diagnose([1.0, 0.5, 0.4], [0.1, 0.2, 0.3]) is None


def test_a_validation_loss_that_only_rises_overfits_and_does_not_jump() -> None:
    epochs = np.arange(20)
    found = curves(falling(20, 0.3, 0.1), 2.3 + 0.1 * epochs)
    assert found.overfits_from == 1
    assert found.jumps == ()
    assert not found.unstable


@pytest.mark.parametrize("seed", range(5))
def test_flat_at_chance_underfits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    train, held = (2.303 + 0.003 * rng.normal(size=30) for _ in range(2))
    found = diagnose(train.tolist(), [0.1] * 30, held.tolist(), [0.1] * 30)
    assert found is not None
    assert (found.underfits, found.unstable, found.overfits_from) == (True, False, None)
