"""The public surface is exact."""

import pytest

import ropero


def test_every_public_name_is_there_and_documented() -> None:
    for name in ropero.__all__:
        found = getattr(ropero, name)
        assert name == "__version__" or found.__doc__, name
    assert sorted(ropero.__all__) == dir(ropero)


def test_there_is_nothing_else() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ropero.nothing  # noqa: B018
