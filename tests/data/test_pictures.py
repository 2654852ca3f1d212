"""Decoding and fitting: every mode comes out as bytes, grey or RGB, upright; bombs and ruins are named."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from writers import write_picture

from ropero.data import pictures
from ropero.errors import DataError, UsageError

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLOUR = np.stack([GREY, GREY[::-1], GREY.T], axis=-1)


def _bytes(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def _decoded(content: bytes) -> np.ndarray:
    return np.asarray(pictures.decode(("picture", content)))


@pytest.mark.parametrize("pixels", [GREY, COLOUR])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_plain_pictures_come_out_as_they_are(pixels: np.ndarray, kind: str) -> None:
    assert np.array_equal(_decoded(_bytes(Image.fromarray(pixels), kind)), pixels)


def test_sixteen_bits_become_eight() -> None:
    deep = GREY.astype(np.uint16) * 257
    for kind in ("PNG", "TIFF"):
        assert np.array_equal(_decoded(_bytes(Image.fromarray(deep), kind)), GREY)
    # Dark ones stay dark: they are not stretched.
    assert _decoded(_bytes(Image.fromarray(deep // 256), "PNG")).max() == 0


def test_floats_are_read_by_their_range() -> None:
    assert np.array_equal(_decoded(_bytes(Image.fromarray(GREY.astype(np.float32)), "TIFF")), GREY)
    assert np.array_equal(_decoded(_bytes(Image.fromarray(GREY.astype(np.float32) / 255), "TIFF")), GREY)


def test_transparency_is_laid_on_white() -> None:
    layer = np.zeros((2, 2, 4), np.uint8)
    layer[0, 0] = 10, 20, 30, 255
    layer[1, 1] = 0, 0, 0, 128
    seen = _decoded(_bytes(Image.fromarray(layer)))
    assert seen[0, 0].tolist() == [10, 20, 30]
    assert seen[0, 1].tolist() == [255, 255, 255]
    assert 120 < seen[1, 1, 0] < 135
    grey = _decoded(_bytes(Image.fromarray(layer).convert("LA")))
    assert grey.shape == (2, 2)
    assert grey[0, 1] == 255


def test_palettes_bilevel_and_cmyk_are_converted() -> None:
    palette = Image.fromarray(COLOUR).quantize(8)
    assert np.array_equal(_decoded(_bytes(palette)), np.asarray(palette.convert("RGB")))
    palette.info["transparency"] = palette.getpixel((0, 0))
    assert _decoded(_bytes(palette, "GIF", transparency=palette.getpixel((0, 0))))[0, 0].tolist() == [255, 255, 255]
    assert set(np.unique(_decoded(_bytes(Image.fromarray(GREY).convert("1"))))) == {0, 255}
    cmyk = _decoded(_bytes(Image.fromarray(COLOUR).convert("CMYK"), "TIFF"))
    assert np.array_equal(cmyk, COLOUR)


def test_a_turned_picture_is_set_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate 270 degrees to see it
    content = _bytes(Image.fromarray(GREY[:8]), "PNG", exif=exif)
    assert pictures.measure(("picture", content)) == (16, 8)
    assert np.array_equal(_decoded(content), np.rot90(GREY[:8], 3))


def test_a_damaged_exif_block_does_not_matter() -> None:
    content = _bytes(Image.fromarray(GREY), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert np.array_equal(_decoded(content), GREY)
    assert pictures.measure(("picture", content)) == (16, 16)


def test_fitting_keeps_the_aspect_and_pads_with_the_edge() -> None:
    wide = Image.fromarray(np.full((10, 40), 77, np.uint8))
    wide.paste(200, (10, 3, 30, 7))
    fitted = pictures.fit(wide, 20)
    assert fitted.shape == (20, 20)
    assert (fitted[:7] == 77).all()
    assert (fitted[13:] == 77).all()
    assert fitted[10, 10] > 120
    assert pictures.fit(Image.fromarray(np.full((1, 3000, 3), 9, np.uint8)), 8).shape == (8, 8, 3)


def test_a_bomb_is_refused_by_name_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 200)
    for what in (pictures.measure, pictures.decode):
        with pytest.raises(DataError, match=r"bomb\.png has 16 x 16 pixels"):
            what(("bomb.png", _bytes(Image.fromarray(GREY))))


def test_pillows_own_bound_is_no_warning_either() -> None:
    huge = _bytes(Image.new("1", (20_000, 20_000)))
    with pytest.raises(DataError, match=r"huge\.png"):
        pictures.measure(("huge.png", huge))


@pytest.mark.parametrize("content", [b"", b"no picture", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_picture_is_named(content: bytes) -> None:
    with pytest.raises(DataError, match=r"coat\.jpg is not a picture"):
        pictures.decode(("coat.jpg", content))


def test_a_cut_picture_is_named() -> None:
    content = _bytes(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)), "JPEG")
    with pytest.raises(DataError, match=r"Cannot decode the picture coat\.jpg"):
        pictures.decode(("coat.jpg", content[: len(content) // 2]))


def test_one_small_size_is_kept_and_others_are_fitted(tmp_path: Path) -> None:
    small = [(str(n), _bytes(Image.fromarray(GREY[:8]))) for n in range(3)]
    assert pictures.gather(small).shape == (3, 8, 16)
    assert pictures.gather(small, image_size=32).shape == (3, 32, 32)
    assert pictures.gather([*small, ("other", _bytes(Image.fromarray(GREY)))]).shape == (4, 64, 64)
    large = write_picture(tmp_path / "large.png", np.zeros((97, 97), np.uint8))
    assert pictures.gather([("large", large)]).shape == (1, 64, 64)


def test_colour_appears_when_one_picture_has_it() -> None:
    grey_in_rgb = ("a", _bytes(Image.fromarray(np.stack([GREY] * 3, axis=-1))))
    grey, colour = ("b", _bytes(Image.fromarray(GREY))), ("c", _bytes(Image.fromarray(COLOUR)))
    assert np.array_equal(pictures.gather([grey_in_rgb, grey]), np.stack([GREY, GREY]))
    mixed = pictures.gather([grey, colour, grey_in_rgb])
    assert mixed.shape == (3, 16, 16, 3)
    assert np.array_equal(mixed[0], np.stack([GREY] * 3, axis=-1))
    assert np.array_equal(mixed[1], COLOUR)


def test_too_much_for_the_memory_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    grey, colour = ("b", _bytes(Image.fromarray(GREY))), ("c", _bytes(Image.fromarray(COLOUR)))
    monkeypatch.setattr(pictures, "LIMIT_BYTES", 600)
    assert pictures.gather([grey, grey]).shape == (2, 16, 16)
    for some in ([grey] * 3, [grey, colour]):
        with pytest.raises(DataError, match="--image-size"):
            pictures.gather(some)


@pytest.mark.parametrize("size", [0, 3, 1025, -28])
def test_a_senseless_size_is_a_usage_error(size: int) -> None:
    with pytest.raises(UsageError, match="4 to 1024"):
        pictures.gather([("a", b"")], image_size=size)


def test_progress_counts_pictures() -> None:
    seen: list[tuple[object, ...]] = []
    source = ("a", _bytes(Image.fromarray(GREY)))
    pictures.gather([source] * 3, what="shop", progress=lambda *told: seen.append(told))
    assert seen == [("shop", done, 3, "images") for done in (1, 2, 3)]


SEEDS = [_bytes(Image.fromarray(COLOUR), kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")]


@settings(max_examples=300, deadline=None)
@given(seed=st.sampled_from(SEEDS), changes=st.dictionaries(st.integers(0, 400), st.integers(0, 255), max_size=5))
def test_any_damage_gives_a_picture_or_a_data_error(seed: bytes, changes: dict[int, int]) -> None:
    content = bytearray(seed)
    for at, value in changes.items():
        content[at % len(content)] = value
    try:
        image = pictures.decode(("any", bytes(content)), side=8)
    except DataError:
        return
    assert image.mode in ("L", "RGB")
