"""Pictures one after another as a GIF, an MP4 or a WebM file. Knows nothing of what they show.

Videos are written by PyAV, an optional extra; GIF by Pillow, which is always there.
Legend: T frames, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ropero.errors import MissingExtra, UsageError
from ropero.reports.style import LIGHT
from ropero.storage import atomic_path
from ropero.texts import joined, t

Frame = NDArray[np.uint8]

# By ending: the encoders, the best first, as not every build of PyAV has them all, and how good they are to be. Small
# pictures of sharp pixels want a good one.
_VIDEOS: dict[str, dict[str, dict[str, str]]] = {
    ".mp4": {"libx264": {"crf": "16", "preset": "slow"}, "libopenh264": {}, "mpeg4": {"qscale": "2"}},
    ".webm": {"libvpx-vp9": {"crf": "18", "b": "0"}, "libvpx": {"crf": "10", "b": "2M"}},
}
SUFFIXES = (".gif", *_VIDEOS)
_TICKS = 100  # in a second: what GIF counts time in
_MARGIN, _LETTERS, _BAR = 6, 16, 3  # pixels


def save(frames: Sequence[Frame], seconds: Sequence[float], path: Path) -> Path:
    """Write an animation that is shown over and over, whole or not at all.

    Args:
        frames: T of them, each (H, W) or (H, W, 3) uint8, all of one shape.
        seconds: (T,), how long each is shown, in hundredths at least.
        path: its ending says the format.

    Raises:
        UsageError: another ending, or frames that are not of one shape.
        MissingExtra: a video without PyAV.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(t("An animation is written as {known}; got {name!r}.", known=joined(SUFFIXES), name=path.name))
    if not len(frames) or len({one.shape for one in frames}) > 1 or len(frames) != len(seconds):
        raise UsageError(t("An animation needs frames of one size, and a time for each."))
    ticks = [max(2, round(one * _TICKS)) for one in seconds]  # browsers slow down what is quicker
    with atomic_path(path) as temporary:
        if suffix == ".gif":
            _gif(frames, ticks, temporary)
        else:
            _video(frames, ticks, temporary, suffix)
    return path


def _gif(frames: Sequence[Frame], ticks: Sequence[int], path: Path) -> None:
    first, *others = (Image.fromarray(np.ascontiguousarray(frame)) for frame in frames)
    durations = [one * 1000 // _TICKS for one in ticks]
    first.save(path, "GIF", save_all=True, append_images=others, duration=durations, loop=0)


def _video(frames: Sequence[Frame], ticks: Sequence[int], path: Path, suffix: str) -> None:
    if find_spec("av") is None:
        raise MissingExtra(t("A video"), "video")
    import av
    from av.video.stream import VideoStream

    step = int(np.gcd.reduce(ticks))  # of constant rate, which every player plays: a frame is repeated instead
    name = next((one for one in _VIDEOS[suffix] if one in av.codecs_available), None)
    if name is None:
        raise MissingExtra(t("A video"), "video")
    height, width = (side + side % 2 for side in frames[0].shape[:2])  # half as many colours each way: even sides
    with av.open(str(path), "w", format=suffix[1:]) as container:
        stream = container.add_stream(name, rate=Fraction(_TICKS, step), options=_VIDEOS[suffix][name])
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame, count in zip(frames, ticks, strict=True):
            whole = np.broadcast_to(frame if frame.ndim == 3 else frame[..., None], (*frame.shape[:2], 3))
            whole = np.pad(whole, ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0)), "edge")
            for _ in range(count // step):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(whole, "rgb24")))
        container.mux(stream.encode())


def captioned(picture: Frame, words: str, share: float) -> Frame:
    """A picture (H, W[, 3]) with a line of Latin letters and figures below it, and a bar that is full at share 1."""
    width = picture.shape[1]
    strip = Image.new("RGB" if picture.ndim == 3 else "L", (width, _LETTERS + 2 * _MARGIN + _BAR), LIGHT.paper)
    draw = ImageDraw.Draw(strip)
    draw.rectangle((0, 0, max(0, round(share * width) - 1), _BAR - 1), fill=LIGHT.muted)
    draw.text((width // 2, _BAR + _MARGIN), words, LIGHT.ink, ImageFont.load_default(_LETTERS - 2), anchor="ma")
    return np.concatenate([picture, np.asarray(strip)])
