"""TrainConfig is checked at birth, and its JSON is itself."""

import json

import pytest

from ropero.errors import UsageError
from ropero.training.config import TrainConfig
from ropero.training.presets import PRESETS, preset


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"epochs": 0}, "epochs should be at least 1"),
        ({"epochs": 2.5}, "epochs should be of type int, got 2.5"),
        ({"epochs": True}, "epochs should be of type int"),
        ({"learning_rate": 0}, "learning_rate should be more than 0"),
        ({"learning_rate": float("nan")}, "learning_rate should be more than 0"),
        ({"optimizer": "adamm"}, "Did you mean 'adam'"),
        ({"validation": 10.5}, "a share below 1 or a whole number"),
        ({"network": 3}, "network should be of type str"),
    ],
)
def test_wrong_values_are_refused_with_a_sentence(values: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        TrainConfig(**values)  # type: ignore[arg-type]


def test_unknown_options_get_a_guess() -> None:
    with pytest.raises(UsageError, match=r"Unknown option 'epoch'\. Did you mean 'epochs'"):
        TrainConfig().replace(epoch=3)


@pytest.mark.parametrize("network", PRESETS)
def test_json_round_trip(network: str) -> None:
    config = preset(network)
    assert config.network == network
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_whole_numbers_are_taken_for_floats() -> None:
    assert TrainConfig(validation=10000).validation == 10000.0
    assert TrainConfig(learning_rate=1) == TrainConfig(learning_rate=1.0)
