"""Wilson's interval against SciPy."""

import pytest
from scipy.stats import binomtest

from ropero.metrics.statistics import wilson_interval


@pytest.mark.parametrize(("hits", "n"), [(9324, 10000), (0, 10), (10, 10), (1, 3), (50, 100)])
def test_agrees_with_scipy(hits: int, n: int) -> None:
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson_interval(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_refuses_what_is_no_share() -> None:
    with pytest.raises(ValueError, match="hits=3"):
        wilson_interval(3, 2)
