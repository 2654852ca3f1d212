"""Holes: where they lie, how large they are, that they are the same for the same seed, and what cannot be read."""

from __future__ import annotations

import numpy as np
import pytest

from ropero.errors import UsageError
from ropero.generation.masks import masked, parse


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        ("half-top", slice(0, 4), slice(None)),
        ("half-bottom", slice(5, 9), slice(None)),
        ("half-left", slice(None), slice(0, 3)),
        ("half-right", slice(None), slice(3, 6)),
        ("rectangle:2,1,3,4", slice(2, 5), slice(1, 5)),
        ("  HALF-TOP ", slice(0, 4), slice(None)),
    ],
)
def test_halves_and_rectangles_lie_where_they_are_said_to(text: str, rows: slice, columns: slice) -> None:
    expected = np.ones((9, 6), bool)
    expected[rows, columns] = False
    found = parse(text).known(3, 9, 6)
    assert found.shape == (3, 9, 6)
    assert (found == expected).all()


@pytest.mark.parametrize("text", ["0.5", "50%", "0.25", "90%"])
def test_a_share_by_chance_is_exact_in_each_image_and_elsewhere_in_each(text: str) -> None:
    share = float(text.rstrip("%")) / (100 if "%" in text else 1)
    missing = ~parse(text).known(20, 28, 28, seed=1)
    assert (missing.sum((1, 2)) == round(share * 784)).all()
    assert len({one.tobytes() for one in missing}) == 20
    far = missing.mean(0)
    assert abs(far.mean() - share) < 1e-9 + 0.001
    assert far.std() < 2 * np.sqrt(share * (1 - share) / 20), "no place is preferred"


@pytest.mark.parametrize("text", ["0.1-0.9", "10%-90%", "10-90%"])
def test_a_range_gives_each_image_a_share_of_its_own(text: str) -> None:
    shares = (~parse(text).known(300, 10, 10)).mean((1, 2))
    assert shares.min() >= 0.1
    assert shares.max() <= 0.9
    assert shares.std() == pytest.approx(0.8 / np.sqrt(12), rel=0.15), "evenly between the two"


def test_rectangles_by_chance_are_whole_ones_and_go_everywhere() -> None:
    missing = ~parse("rectangle").known(400, 28, 20, seed=3)
    for one in missing[:50]:
        rows, columns = np.flatnonzero(one.any(1)), np.flatnonzero(one.any(0))
        assert one[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert one.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    assert missing.any(0)[2:-2, 2:-2].all(), "every pixel is hidden at times, the corners hardly ever"
    assert 0.08 < missing.mean() < 0.5


@pytest.mark.parametrize("text", ["0.3", "0.1-0.9", "rectangle"])
def test_the_hole_of_an_image_depends_on_seed_and_number_alone(text: str) -> None:
    hole = parse(text)
    whole = hole.known(6, 12, 12, seed=4)
    np.testing.assert_array_equal(whole, hole.known(6, 12, 12, seed=4))
    np.testing.assert_array_equal(whole[4:], hole.known(2, 12, 12, seed=4, first=4))
    assert (whole != hole.known(6, 12, 12, seed=5)).any()


def test_some_pixel_stays_and_some_is_missing_however_small_the_image() -> None:
    for text in ("0.01", "0.99"):
        missing = ~parse(text).known(5, 2, 2)
        assert ((missing.sum((1, 2)) >= 1) & (missing.sum((1, 2)) <= 3)).all()


def test_a_mask_hides_the_same_of_every_image() -> None:
    mask = np.zeros((5, 4), bool)
    mask[1, 2] = True
    found = masked(mask, "mask.png").known(2, 5, 4)
    assert (found == ~mask).all()
    with pytest.raises(UsageError, match=r"mask\.png has 5 x 4 pixels, but the images have 4 x 5"):
        masked(mask, "mask.png").known(2, 4, 5)
    for same in (np.zeros((5, 4), bool), np.ones((5, 4), bool)):
        with pytest.raises(UsageError, match="all one"):
            masked(same, "mask.png")
    with pytest.raises(UsageError, match="one picture"):
        masked(np.zeros((2, 5, 4), bool), "mask.npy")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("half-botom", "Did you mean 'half-bottom'"),
        ("0", "no share"),
        ("1.0", "no share"),
        ("150%", "no share"),
        ("0.9-0.1", "no share"),
        ("rectangle:1,2,0,4", "is empty"),
        ("rectangle:1,2,3", "Cannot read"),
        ("rectangle:-1,2,3,4", "Cannot read"),
        ("", "Cannot read"),
        ("nan", "Cannot read"),
        ("9" * 5000, "Cannot read"),
    ],
)
def test_what_says_no_hole_is_one_sentence(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse(text)


def test_a_rectangle_outside_the_image_is_refused() -> None:
    with pytest.raises(UsageError, match="does not lie in images of 28 x 28"):
        parse("rectangle:20,0,9,3").known(1, 28, 28)
