"""Numbers in three languages."""

from __future__ import annotations

import pytest

from ropero import texts
from ropero.texts.numbers import NARROW, Numbers, rough

EN, ES, ZH = (Numbers(name) for name in ("en", "es", "zh"))


def test_whole_numbers() -> None:
    assert [n.whole(60_000) for n in (EN, ES, ZH)] == ["60,000", f"60{NARROW}000", "60,000"]
    assert [n.whole(1_000) for n in (EN, ES)] == ["1,000", "1000"]


@pytest.mark.parametrize(("value", "english", "spanish"), [(0.12345, "0.123", "0,123"), (-0.5, "-0.500", "-0,500")])
def test_decimals(value: float, english: str, spanish: str) -> None:
    assert (EN.decimal(value), ES.decimal(value)) == (english, spanish)


def test_percentages() -> None:
    assert [n.percent(0.9321) for n in (EN, ES, ZH)] == ["93.2%", f"93,2{NARROW}%", "93.2%"]
    assert EN.percent(1.0, 0) == "100%"
    assert [n.percent(0.9996) for n in (EN, ES)] == [">99.9%", f">99,9{NARROW}%"]
    assert EN.percent(0.9996, 2) == "99.96%"
    assert EN.percent_short(0.0001) == "0.01%"


def test_general_and_seconds() -> None:
    assert (EN.general(0.012), ES.general(0.012)) == ("0.012", "0,012")
    assert [EN.seconds(s) for s in (48.31, 725, 12_000)] == ["48.3 s", "12 min 05 s", "3 h 20 min"]


def test_rough_numbers() -> None:
    assert [rough(value) for value in (4.7684e-07, 0.0123, 0.0, 1.26)] == ["4.8e-07", "0.012", "0", "1.3"]
    texts.use("es")
    assert rough(0.0123) == "0,012"
