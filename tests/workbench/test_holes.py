"""Pictures with holes out of files: transparent, not a number, masked; stored again bit for bit."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic
from PIL import Image

from ropero.data import pictures
from ropero.errors import DataError, UsageError
from ropero.generation.masks import parse
from ropero.workbench.holes import Holed, holed, what
from ropero.workbench.predict import STDIN

GREY, COLOUR = (28, 28), (28, 28, 3)


def save(path: Path, pixels: np.ndarray, **options: object) -> str:  # type: ignore[type-arg]
    Image.fromarray(pixels).save(path, **options)
    return str(path)


@pytest.fixture
def image() -> np.ndarray:  # type: ignore[type-arg]
    return synthetic(2).images[1]


def test_transparent_pixels_are_missing(image: np.ndarray, tmp_path: Path) -> None:  # type: ignore[type-arg]
    clear = parse("0.4").known(1, 28, 28)[0]
    colours = np.dstack([image] * 3)
    (grey,) = holed([save(tmp_path / "a.png", np.dstack([image, clear * np.uint8(255)]))], GREY)
    (rgb,) = holed([save(tmp_path / "b.png", np.dstack([colours, clear * np.uint8(255)]))], COLOUR)
    faint = np.where(clear, np.uint8(200), np.uint8(0))  # half transparent pixels are there
    (half,) = holed([save(tmp_path / "c.png", np.dstack([image, faint]))], GREY)
    for one in (grey, rgb, half):
        np.testing.assert_array_equal(one.known, clear)
    np.testing.assert_array_equal(grey.given[clear], image[clear])
    np.testing.assert_array_equal(rgb.given[clear], colours[clear])


def test_a_palette_picture_may_be_transparent_too(tmp_path: Path) -> None:
    picture = Image.new("P", (28, 28), 1)
    picture.putpalette([0, 0, 0, 90, 90, 90, 200, 200, 200])
    picture.putpixel((3, 5), 0)
    picture.save(tmp_path / "p.png", transparency=0)
    (one,) = holed([str(tmp_path / "p.png")], GREY)
    assert np.argwhere(~one.known).tolist() == [[5, 3]]


def test_numbers_that_are_none_are_missing_and_floats_stay_themselves(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((3, 28, 28))
    values[1, 4, 5] = np.nan
    values[2, :, :9] = np.nan
    np.save(tmp_path / "a.npy", values)
    found = holed([str(tmp_path / "a.npy")], GREY, invert="no")
    assert [one.name.rpartition("/")[2] for one in found] == ["a.npy[0]", "a.npy[1]", "a.npy[2]"]
    for one, image in zip(found, values, strict=True):
        np.testing.assert_array_equal(one.known, ~np.isnan(image))
        assert not np.isnan(one.shown()).any()
        stored = one.filled(np.full((2, 28, 28), 0.5, np.float32))
        assert stored.dtype == np.float64
        for filling in stored:
            np.testing.assert_array_equal(filling[one.known], image[one.known])
            assert (filling[~one.known] == 0.5).all()


def test_a_colour_with_one_missing_number_is_missing(tmp_path: Path) -> None:
    values = np.full((28, 28, 3), 0.25, np.float32)
    values[2, 3, 1] = np.nan
    np.save(tmp_path / "a.npy", values)
    (one,) = holed([str(tmp_path / "a.npy")], COLOUR)
    assert np.argwhere(~one.known).tolist() == [[2, 3]]
    assert one.shown().shape == (28, 28, 3)


@pytest.mark.parametrize("light", [False, True])
def test_light_pictures_are_shown_dark_and_stored_as_they_were(light: bool, tmp_path: Path) -> None:
    image = synthetic(2).images[1]
    given = 255 - image if light else image
    (one,) = holed([save(tmp_path / "a.png", given)], GREY, parse("half-left"))
    assert one.inverted == light
    np.testing.assert_allclose(one.shown()[one.known], image[one.known] / 255, atol=1e-6)
    stored = one.filled(one.shown()[None])
    np.testing.assert_array_equal(stored[0][one.known], given[one.known])
    (kept,) = holed([save(tmp_path / "a.png", given)], GREY, parse("half-left"), invert="no")
    assert not kept.inverted


def test_the_edge_is_judged_by_what_is_known_of_it() -> None:
    """A dark picture on white transparency: decoded it has a white edge, which says nothing."""
    stream = io.BytesIO()
    pixels = np.zeros((28, 28, 2), np.uint8)
    pixels[1:, :, 1] = 255
    pixels[1:-1, 1:-1, 0] = 180
    pixels[0, :, 0] = 255
    Image.fromarray(pixels).save(stream, "PNG")
    (one,) = holed([STDIN], GREY, stdin=stream.getvalue())
    assert one.name == "stdin"
    assert not one.inverted


def test_pictures_of_another_size_are_fitted_with_their_holes(tmp_path: Path) -> None:
    pixels = np.full((56, 56, 2), 255, np.uint8)
    pixels[:28, :, 1] = 0
    pixels[..., 0] = 90
    (one,) = holed([save(tmp_path / "a.png", pixels)], GREY)
    assert one.fitted
    assert one.given.shape == GREY
    assert not one.known[:14].any()
    assert one.known[17:].all()
    assert (one.given[17:] == 90).all()


def test_what_is_missing_by_chance_is_other_for_each_picture_and_adds_to_the_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", synthetic(3).images)
    names = [str(tmp_path / "a.npy")] * 2
    found = holed(names, GREY, parse("0.5"), seed=4)
    assert len({one.known.tobytes() for one in found}) == 6
    again = holed(names, GREY, parse("0.5"), seed=4)
    assert all((a.known == b.known).all() for a, b in zip(found, again, strict=True))


def test_what_is_asked_for_is_missing_besides_what_the_file_lacks(tmp_path: Path) -> None:
    values = np.full((28, 28), 0.25)
    values[2, 3] = np.nan
    (one,) = holed([values], GREY, parse("half-bottom"))
    expected = np.ones((28, 28), bool)
    expected[14:] = expected[2, 3] = False
    np.testing.assert_array_equal(one.known, expected)


def test_masks_come_from_pictures_and_arrays(tmp_path: Path) -> None:
    mask = np.zeros((28, 28), bool)
    mask[3:7, 2:20] = True
    save(tmp_path / "m.png", mask.astype(np.uint8) * 255)
    np.save(tmp_path / "m.npy", mask)
    np.save(tmp_path / "n.npy", mask.astype(np.float32))
    for name in ("m.png", "m.npy", "n.npy"):
        assert (~what(str(tmp_path / name)).known(1, 28, 28)[0] == mask).all()
    assert what("half-top").kind == "half-top"
    with pytest.raises(DataError, match="Cannot read"):
        what(str(tmp_path / "absent.png"))


def test_what_cannot_be_completed_is_one_sentence(tmp_path: Path) -> None:
    image = synthetic(2).images[1]
    path = save(tmp_path / "a.png", image)
    with pytest.raises(UsageError, match="Nothing is missing"):
        holed([path], GREY)
    clear = save(tmp_path / "b.png", np.dstack([image, np.zeros_like(image)]))
    with pytest.raises(DataError, match=r"Nothing is known of .*b\.png"):
        holed([clear], GREY)
    with pytest.raises(DataError, match="folder"):
        holed([str(tmp_path)], GREY)
    for number, (array, says) in enumerate(
        [
            (np.full((28, 28), 1.5), "from 0 to 1 or NaN"),
            (np.full((28, 28), np.inf), "from 0 to 1 or NaN"),
            (np.zeros((27, 28), np.uint8), "expected up to"),
            (np.zeros((28, 28), np.int16), "expected up to"),
            (np.zeros((0, 28, 28), np.uint8), "expected up to"),
        ]
    ):
        np.save(tmp_path / f"{number}.npy", array)
        with pytest.raises(DataError, match=says):
            holed([str(tmp_path / f"{number}.npy")], GREY, parse("0.5"))


def test_every_byte_comes_back(tmp_path: Path) -> None:
    """All 256 values, observed, light and dark exchanged or not."""
    image = (np.arange(784) % 256).astype(np.uint8).reshape(28, 28)
    known = parse("0.3").known(1, 28, 28)[0]
    for inverted in (False, True):
        one = Holed("x", image, known, inverted)
        np.testing.assert_array_equal(one.filled(one.shown())[known], image[known])
        whole = Holed("x", image, np.zeros_like(known), inverted)
        np.testing.assert_array_equal(whole.filled(Holed("x", image, ~np.zeros_like(known), inverted).shown()), image)


def test_see_through_is_upright(tmp_path: Path) -> None:
    pixels = np.full((4, 6, 4), 255, np.uint8)
    pixels[0, 0, 3] = 0
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees clockwise
    path = Path(save(tmp_path / "t.png", pixels, exif=exif))
    assert np.argwhere(pictures.see_through(("t", path))).tolist() == [[0, 3]]
    assert not pictures.see_through(("t", Path(save(tmp_path / "g.png", pixels[..., 0])))).any()
