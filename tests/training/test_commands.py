"""What to type to train with a config."""

from ropero.training.commands import as_command, in_python
from ropero.training.config import TrainConfig


def test_the_command_says_what_differs_from_the_recipe() -> None:
    assert as_command(TrainConfig()) == "ropero train --network quick"
    assert as_command(TrainConfig(), always=("seed",)) == "ropero train --network quick --seed 0"
    config = TrainConfig(learning_rate=0.003, vertical_flip=True, stratified=False, validation=10_000, erase=0.0)
    assert as_command(config, ["--data", "my photos"]) == (
        "ropero train --data 'my photos' --network quick --learning-rate 0.003 --vertical-flip --erase 0 "
        "--validation 10000 --no-stratified"
    )


def test_as_a_call_its_options_are_named() -> None:
    config = TrainConfig(network="dense", optimizer="sgd", validation=0.1)
    assert in_python(config).startswith("rp.train(data, 'dense', ")
    assert "optimizer='sgd'" in in_python(config)
    assert "validation=0.1" in in_python(config)
