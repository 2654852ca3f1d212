"""Every experiment of the reports is there, trains a network of the zoo, and says what it had to assume."""

from __future__ import annotations

import pytest

from ropero.errors import UsageError
from ropero.experiments.table import EXPERIMENTS, REPORTS, select
from ropero.models.zoo import NETWORKS

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
