"""What to type to train with a config."""

from ropero.models.own import LISTED
from ropero.training.commands import call, command
from ropero.training.config import TrainConfig

HOME = "fashion-mnist"


def test_the_command_says_what_differs_from_the_recipe() -> None:
    assert command(TrainConfig(), HOME) == "ropero train --data fashion-mnist --network quick"
    assert command(TrainConfig(), HOME, always=("seed",)).endswith("--network quick --seed 0")
    config = TrainConfig(learning_rate=0.003, vertical_flip=True, stratified=False, validation=10_000, erase=0.0)
    assert command(config, "my photos", 32, ["--report"]) == (
        "ropero train --data 'my photos' --image-size 32 --network quick --learning-rate 0.003 --vertical-flip "
        "--erase 0 --validation 10000 --no-stratified --report"
    )


def test_a_file_is_named_as_the_user_named_it() -> None:
    config = TrainConfig(network="my_net", layers=({"type": "Flatten"}, {"type": "Dense"}))
    assert "--network my_net.toml " in command(config, HOME) + " "
    assert "--network nets/my_net.toml " in command(config, HOME, named="nets/my_net.toml") + " "


def test_what_lives_in_python_is_called() -> None:
    config = TrainConfig(network="dense", optimizer="sgd", validation=0.1)
    assert command(config, "") == call(config)
    assert call(config).startswith("rp.train(data, 'dense', ")
    assert "optimizer='sgd'" in call(config)
    assert "validation=0.1" in call(config)
    listed = TrainConfig(network=LISTED, layers=({"type": "Flatten"}, {"type": "Dense"}))
    assert command(listed, HOME).startswith("rp.train(data, layers, ")
