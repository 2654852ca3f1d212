"""The verb networks."""

import pytest

from ropero.errors import UsageError
from ropero.models.zoo import NETWORKS
from ropero.workbench.networks import network, networks


def test_all_are_listed_with_their_totals() -> None:
    found = {one.name: one for one in networks()}
    assert list(found) == list(NETWORKS)
    assert found["quick"].to_json()["parameters"] == 475_018
    assert found["quick"].to_json()["trainable_parameters"] == 473_738


def test_a_network_for_other_images() -> None:
    assert network("softmax", (3, 8, 8), 4).summary.total == 3 * 8 * 8 * 4 + 4
    with pytest.raises(UsageError, match="Did you mean"):
        network("sofmax")
