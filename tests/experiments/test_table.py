"""Every experiment of the reports is there, trains a network of the zoo, and says what it had to assume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ropero.errors import UsageError
from ropero.experiments.table import EXPERIMENTS, REPORTS, select
from ropero.models.zoo import NETWORKS
from ropero.storage import read_json
from ropero.training.config import TrainConfig

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "reproduce"
ALL = pytest.mark.parametrize("name", EXPERIMENTS)


def test_the_five_reports_and_their_models() -> None:
    assert REPORTS == ("lima-2022", "monterrey-dense-gan", "santiago-2020", "monterrey-2023", "lunzhi-2018")
    assert [one.model for one in select("santiago-2020")] == list("123456")
    assert [one.model for one in select("monterrey-2023")] == ["cnn", "rnn", "bilstm"]
    assert [one.model for one in select("lunzhi-2018")] == ["cnn-1", "cnn-3", "cnn-4", "vgg19", "vgg16"]
    assert select(None) == list(EXPERIMENTS.values())


@ALL
def test_both_protocols_train_a_network_of_the_zoo(name: str) -> None:
    one = EXPERIMENTS[name]
    assert {one.protocol.network, one.sound.network} <= set(NETWORKS)
    assert one.unsaid
    if one.judged_on == "validation":
        assert one.protocol.validation


# (epochs, batch size, optimizer, learning rate, validation, weights kept, patience) as the reports give them or, where
# they do not, as is said to be ours.
PROTOCOLS = {
    "lima-2022/classifier": (20, 32, "adam", 0.001, 0, "last", 0),
    "monterrey-dense-gan/dense": (20, 32, "adam", 0.001, 0, "last", 0),
    **{f"santiago-2020/{number}": (500, 128, "adam", 0.001, 10_000, "best", 50) for number in "123456"},
    "monterrey-2023/cnn": (150, 100, "rmsprop", 0.0001, 6400, "last", 0),
    "monterrey-2023/rnn": (25, 65, "sgd", 0.01, 0, "last", 0),
    "monterrey-2023/bilstm": (20, 64, "adam", 0.01, 0, "last", 0),
    **{f"lunzhi-2018/cnn-{number}": (60, 256, "adam", 0.001, 12_000, "last", 0) for number in "134"},
    **{f"lunzhi-2018/vgg{depth}": (50, 256, "adam", 0.001, 0.2, "last", 0) for depth in (19, 16)},
}
TIMES = {
    "monterrey-2023/cnn": (49_809.8, 49_809.8, True),
    "monterrey-2023/rnn": (2_320, 2_320, True),
    "monterrey-2023/bilstm": (4_620, 4_620, True),
    "lunzhi-2018/cnn-1": (30, 45, False),
    "lunzhi-2018/cnn-3": (61, 79, False),
    "lunzhi-2018/cnn-4": (312, 379, False),
}


def test_the_protocols_have_the_reports_numbers() -> None:
    assert list(PROTOCOLS) == list(EXPERIMENTS)
    for name, numbers in PROTOCOLS.items():
        config = EXPERIMENTS[name].protocol
        found = (config.epochs, config.batch_size, config.optimizer, config.learning_rate, config.validation,
                 config.keep, config.patience)  # fmt: skip
        assert found == numbers, name
        extras = (config.label_smoothing, config.weight_decay, config.erase, config.mixup, config.cutmix, config.ema)
        assert (config.schedule, config.flip, set(extras)) == ("constant", "none", {0}), name
    times = {name: (one.time.low, one.time.high, one.time.whole) for name, one in EXPERIMENTS.items() if one.time}
    assert times == TIMES


def test_what_was_measured_was_trained_by_these_protocols() -> None:
    """A protocol that changes asks for its figures anew."""
    free = {"seed", "device", "precision", "minutes", "weights"}
    for path in RESULTS.glob("*.json"):
        content = read_json(path)
        one = EXPERIMENTS[content["experiment"]]
        config = one.protocol if content["protocol"] == "report" else one.sound
        asked = json.loads(json.dumps(config.to_json()))
        for run in content["runs"]:
            # An option that came later was off.
            trained = {**TrainConfig(network=config.network).to_json(), **run["config"]}
            differ = [name for name in asked if name not in free and trained[name] != asked[name]]
            assert not differ, (path.name, differ)


@ALL
def test_claims_are_shares_and_losses(name: str) -> None:
    one = EXPERIMENTS[name]
    figures = {**one.claimed, **(one.before[1] if one.before else {})}
    assert all(0 < value < 1 for value in figures.values())
    assert f"{one.judged_on}_accuracy" in figures or not figures
    assert len(one.classes) in (0, 10)
    for precision, recall, f1, support in one.classes:
        # The printed F1 follows from precision and recall, all rounded.
        assert f1 == pytest.approx(2 * precision * recall / (precision + recall), abs=0.011)
        assert support > 0


def test_the_class_reports_are_of_as_many_images_as_the_reports_say() -> None:
    assert sum(support for *_, support in EXPERIMENTS["monterrey-2023/cnn"].classes) == 6400
    accuracy = sum(recall * support for _, recall, _, support in EXPERIMENTS["monterrey-2023/cnn"].classes) / 6400
    assert accuracy == pytest.approx(0.931875, abs=5e-4)


def test_lunzhi_begins_as_its_before_does() -> None:
    """The first ten epochs of the long training are those of the short one."""
    for one in select("lunzhi-2018")[:3]:
        assert one.before is not None
        short, _ = one.before
        assert short == one.protocol.replace(epochs=10)
        assert one.protocol.augment_from == short.epochs + 1
        assert one.protocol.schedule == "constant"


def test_an_unknown_experiment_gets_a_guess() -> None:
    with pytest.raises(UsageError, match="Did you mean 'santiago-2020/3'"):
        select("santiago/3")
