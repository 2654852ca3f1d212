"""Animations: what is read out of the files is what was put in, for as long as it was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ropero.errors import MissingExtra, UsageError
from ropero.reports import animation


def frames(shape: tuple[int, ...] = (30, 40), count: int = 5) -> list[NDArray[np.uint8]]:
    """Pictures of large patches that differ from each other."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, shape[0] // 10, shape[1] // 10, *shape[2:])).astype(np.uint8)
    return [one.repeat(10, 0).repeat(10, 1) for one in small]


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 3)])
def test_a_gif_holds_the_frames_and_their_times(shape: tuple[int, ...], tmp_path: Path) -> None:
    given = frames(shape)
    path = animation.save(given, [0.1, 0.1, 0.1, 0.1, 2.0], tmp_path / "a.gif")
    with Image.open(path) as found:
        assert isinstance(found.info["loop"], int)
        assert found.info["loop"] == 0
        assert getattr(found, "n_frames", 1) == 5
        for place, (frame, shown) in enumerate(zip(given, [100, 100, 100, 100, 2000], strict=True)):
            found.seek(place)
            assert found.info["duration"] == shown
            mode = "L" if frame.ndim == 2 else "RGB"
            off = np.abs(np.asarray(found.convert(mode)).astype(int) - frame)
            assert off.max() <= (0 if mode == "L" else 8)


@pytest.mark.parametrize("kind", ["mp4", "webm"])
@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 3)])
def test_a_video_holds_them_too(kind: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    given = [one[:-1, :-1] for one in frames(shape)]  # 29 x 39: sides that a video cannot have
    path = animation.save(given, [0.1, 0.1, 0.1, 0.1, 0.4], tmp_path / f"a.{kind}")
    with av.open(str(path)) as file:
        read = [one.to_ndarray(format="rgb24") for one in file.decode(video=0)]
        assert file.streams.video[0].codec_context.pix_fmt == "yuv420p", "what every browser plays"
    assert len(read) == 8, "the last frame is shown four times as long"
    assert read[0].shape == (30, 40, 3)
    for frame, found in zip([*given, given[4], given[4], given[4]], read, strict=True):
        expected = frame if frame.ndim == 3 else frame[..., None]
        off = np.abs(found[:29, :39].astype(int) - expected)
        assert np.median(off) <= (4 if frame.ndim == 2 else 20), "colour is stored at half the size"


@pytest.mark.parametrize(("kind", "wanted"), [("mp4", "mpeg4"), ("webm", "vp8")])
def test_a_build_without_the_best_encoder_takes_another(
    kind: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    av = pytest.importorskip("av")
    monkeypatch.setattr(av, "codecs_available", {"mpeg4", "libvpx"})
    path = animation.save(frames(), [0.1] * 5, tmp_path / f"a.{kind}")
    with av.open(str(path)) as file:
        assert file.streams.video[0].codec_context.name == wanted
        assert len(list(file.decode(video=0))) == 5
    monkeypatch.setattr(av, "codecs_available", set())
    with pytest.raises(MissingExtra):
        animation.save(frames(), [0.1] * 5, tmp_path / f"b.{kind}")


def test_without_pyav_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"ropero\[video\]"):
        animation.save(frames(), [0.1] * 5, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []
    assert animation.save(frames(), [0.1] * 5, tmp_path / "a.gif").exists()


def test_what_is_no_animation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.gif, \.mp4, \.webm; got 'a\.avi'"):
        animation.save(frames(), [0.1] * 5, tmp_path / "a.avi")
    for given, seconds in (([], []), (frames(), [0.1]), ([*frames(), frames((20, 20))[0]], [0.1] * 6)):
        with pytest.raises(UsageError, match="one size"):
            animation.save(given, seconds, tmp_path / "a.gif")


def test_a_caption_stands_below_and_its_bar_grows() -> None:
    picture = np.full((50, 200), 7, np.uint8)
    empty, half, full = (animation.captioned(picture, "12 / 100", share) for share in (0, 0.5, 1))
    assert (full[:50] == 7).all()
    assert full.shape == empty.shape
    bars = [int((one[51] < 200).sum()) for one in (empty, half, full)]
    assert (bars[0] <= 1, bars[1:]) == (True, [100, 200])
    assert (full[55:] < 128).any(), "the words"
    assert not (animation.captioned(picture, "", 1)[55:] < 128).any()
    assert animation.captioned(np.zeros((50, 200, 3), np.uint8), "0", 0.5).shape == (*full.shape, 3)
