"""What a search tries: the settings' own spaces, the user's, and a sentence for every mistake."""

from __future__ import annotations

from dataclasses import fields

import pytest

from ropero.errors import UsageError
from ropero.training import search
from ropero.training.config import TrainConfig
from ropero.training.presets import PRESETS, preset
from ropero.training.space import Choices, Range

QUICK = TrainConfig()


@pytest.mark.parametrize("network", PRESETS)
@pytest.mark.parametrize("asked", [(), tuple(search.searchable())])
def test_every_recipe_lies_in_the_spaces_of_its_settings(network: str, asked: tuple[str, ...]) -> None:
    config = preset(network)
    useful = [name for name in asked if not (name == "warmup" and config.schedule == "constant")]
    space = search.space(config, useful)
    settings, as_is = search.start(space, config)
    assert as_is
    assert settings == {name: getattr(config, name) for name in space}
    for name, axis in space.items():
        if isinstance(axis, Range):
            assert axis.low <= settings[name] <= axis.high
            assert axis.low < axis.high
        else:
            assert len(axis.values) == len(set(axis.values)) >= 2


def test_every_value_of_a_space_is_one_that_the_config_takes() -> None:
    names = search.searchable()
    assert {"learning_rate", "batch_size", "optimizer", "ema"} <= set(names)
    for name, axis in search.space(QUICK, names).items():
        ends = (axis.low, axis.high) if isinstance(axis, Range) else axis.values
        for value in ends:
            whole = isinstance(getattr(QUICK, name), int) and not isinstance(value, bool)
            QUICK.replace(**{name: round(value) if whole else value})


def test_what_the_user_fixed_is_not_searched_unless_asked() -> None:
    assert list(search.space(QUICK, given={"erase", "epochs"})) == [n for n in search.DEFAULT if n != "erase"]
    assert list(search.space(QUICK, ["erase"], given={"erase"})) == ["erase"]
    with pytest.raises(UsageError, match="All settings of the default search are given"):
        search.space(QUICK, given=search.DEFAULT)


def test_the_learning_rate_is_searched_around_its_own_on_a_log_scale() -> None:
    assert search.space(QUICK)["learning_rate"] == Range(0.0012, 0.12, log=True)
    assert search.space(preset("vgg19"))["learning_rate"] == Range(3e-5, 3e-3, log=True)


def test_weight_decay_is_searched_where_the_optimizers_kind_of_it_makes_sense() -> None:
    def decays(config: TrainConfig, *asked: str) -> tuple[float, ...]:
        axis = search.space(config, asked)["weight_decay"]
        assert isinstance(axis, Choices)
        return axis.values

    assert decays(QUICK) == (0.0, 0.001, 0.01, 0.05, 0.1)
    assert decays(QUICK.replace(optimizer="adam", weight_decay=0.0)) == (0.0, 1e-5, 1e-4, 1e-3)
    assert decays(QUICK.replace(optimizer="sgd", weight_decay=0.02))[-1] == 0.02
    assert len(decays(QUICK, "weight_decay,optimizer=adam,adamw")) == 7
    assert decays(QUICK, "weight_decay=0.2,0.3") == (0.2, 0.3)


def test_a_neighbour_that_is_all_but_the_recipes_value_is_left_out() -> None:
    assert search.space(QUICK)["batch_size"] == Choices((32, 64, 128, 256, 500))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("learning_rate=1e-4..1e-2", {"learning_rate": Range(1e-4, 1e-2, log=True)}),
        ("--learning-rate=0.001..0.002", {"learning_rate": Range(0.001, 0.002, log=True)}),
        ("erase=0.1..0.5", {"erase": Range(0.1, 0.5)}),
        ("weight_decay=1e-5..0.1", {"weight_decay": Range(1e-5, 0.1, log=True)}),
        ("batch_size = 16 .. 64", {"batch_size": Range(16, 64)}),
        ("batch_size=64,16,64", {"batch_size": Choices((16, 64))}),
        ("vertical_flip=false,true", {"vertical_flip": Choices((False, True))}),
        (
            "optimizer=adam,sgd,erase=0.1..0.2,flip",
            {
                "optimizer": Choices(("adam", "sgd")),
                "erase": Range(0.1, 0.2),
                "flip": Choices(("none", "random", "alternating")),
            },
        ),
    ],
)
def test_the_users_words(words: str, found: dict[str, object]) -> None:
    assert search.space(QUICK, [words]) == found


def test_several_lists_are_one() -> None:
    assert search.space(QUICK, ["ema,flip", "erase=0.1..0.5"]) == search.space(QUICK, ["ema,flip,erase=0.1..0.5"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("learning_rat", "Unknown setting 'learning_rat'. Did you mean 'learning_rate'"),
        ("erase,erse", "Did you mean 'erase'"),
        ("seed", "seed cannot be searched. Known: batch_size"),
        ("epochs=3..9", "epochs cannot be searched"),
        ("optimizer=adam,sgdd", "Did you mean 'sgd'"),
        ("optimizer=adam..sgd", "optimizer has no range; list its values, as in optimizer=adamw,adam"),
        ("vertical_flip=yes,no", "vertical_flip should be of type bool"),
        ("learning_rate=x..1", "learning_rate should be a number, got 'x'"),
        ("batch_size=1.5..3", "batch_size should be a whole number, got '1.5'"),
        ("learning_rate=1e-2..1e-4", "should rise, got 1e-2..1e-4"),
        ("learning_rate=0..1", "learning_rate should be more than 0"),
        ("erase=0.1..2", "erase should be at least 0 and at most 1"),
        ("erase=0.5", "a range as in 0.1..0.5, or values as in 0.1,0.5"),
        ("erase=", "Say what to try for erase"),
        ("erase,erase=0.1..0.2", "erase was given twice"),
        ("", "Unknown setting ''"),
        ("momentum", "momentum changes nothing while optimizer is adamw; search optimizer too"),
    ],
)
def test_a_mistake_is_one_sentence(words: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        search.space(QUICK, [words])
    assert says in str(caught.value)


def test_a_setting_that_needs_another_may_be_searched_with_it() -> None:
    assert set(search.space(QUICK, ["momentum,optimizer"])) == {"momentum", "optimizer"}
    assert set(search.space(QUICK.replace(erase=0.0), ["erase_side,erase"])) == {"erase_side", "erase"}
    with pytest.raises(UsageError, match="erase_side changes nothing while erase is 0"):
        search.space(QUICK.replace(erase=0.0), ["erase_side"])


def test_small_images_are_not_asked_for_large_squares() -> None:
    assert "erase" not in search.space(QUICK, side=6)
    assert search.space(QUICK.replace(erase_side=5), ["erase_side"], side=6)["erase_side"] == Range(4, 6)


def test_a_recipe_outside_of_the_users_range_starts_at_the_nearest() -> None:
    space = search.space(QUICK, ["learning_rate=1e-4..1e-3,batch_size=16,64,optimizer=sgd,adam"])
    settings, as_is = search.start(space, QUICK)
    assert not as_is
    assert settings == {"learning_rate": 0.001, "batch_size": 64, "optimizer": "sgd"}


@pytest.mark.parametrize(
    ("axis", "value", "tried"),
    [
        (Range(0, 0.2), 0.000182, 0.0),
        (Range(0, 0.2), 0.123456, 0.123),
        (Range(0, 20), 12.3456, 12.3),
        (Range(1e-4, 1e-2, log=True), 0.00123456, 0.00123),
        (Range(0.0001234, 0.1, log=True), 0.00012341, 0.0001234),
    ],
)
def test_numbers_are_tried_with_few_digits_and_never_outside(axis: Range, value: float, tried: float) -> None:
    found = search.tidy("label_smoothing", axis, value)
    assert found == tried
    assert isinstance(found, float)
    assert isinstance(search.tidy("batch_size", Range(32, 512, log=True), 33.0), int)


def test_only_settings_with_a_space_can_be_searched() -> None:
    without = [one.name for one in fields(TrainConfig) if not one.metadata.get("tune")]
    assert {"network", "epochs", "seed", "validation", "test", "images", "device"} <= set(without)
