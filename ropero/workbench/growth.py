"""What a generator's training leaves to be looked at: the same four garments at every epoch, how they grew, the losses
of its nets, and a garment by chance.

Knows nothing of the training itself.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ropero.data.dataset import Images
from ropero.generation import mosaic, sample
from ropero.generation.learner import Learner
from ropero.generation.loop import GeneratorEpoch, Hook
from ropero.generators import GeneratorRun
from ropero.runtime import mix_seed
from ropero.storage import atomic_path
from ropero.texts import t
from ropero.training.callbacks import spared

FOUR = 4
SIDE = 112  # pixels that a garment is enlarged to, about
MOST_PICTURES, MOST_FRAMES = 1000, 250  # of a long training some epochs only
FRAMES_A_SECOND, LAST_SECONDS = 10, 2.0


def write_picture(path: Path, picture: Images) -> Path:
    """Write (H, W[, 3]) uint8 as a PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, "PNG")
    return path


def classes_in_turn(count: int, learner: Learner) -> list[int] | None:
    """So many classes, spread over all that there are; None for a generator that cannot be asked for one."""
    return [place * learner.classes // count % learner.classes for place in range(count)] if learner.classes else None


class Watched(Hook):
    """Writes what the same four latent values become at every epoch, and before the first, as samples/epoch-000.png.

    The values are those of the seeds 0 to 3, so that `--seed 0 -n 4` gives the garments that were watched.
    """

    def __init__(self, run: GeneratorRun) -> None:
        self._folder, epochs = run.samples, run.config.epochs
        self._every, self._digits = -(-epochs // MOST_PICTURES), max(3, len(str(epochs)))

    def on_epoch_end(self, record: GeneratorEpoch, learner: Learner) -> None:
        if record.epoch % self._every:
            return
        four = sample.seeded(learner, range(FOUR), classes_in_turn(FOUR, learner))
        path = self._folder / f"epoch-{record.epoch:0{self._digits}}.png"
        factor = mosaic.factor_for(four.shape[1], SIDE)
        with spared(path):
            write_picture(path, mosaic.enlarged(mosaic.mosaic(four, FOUR), factor))


def random_garment(run: GeneratorRun, learner: Learner) -> dict[str, Any]:
    """Write a garment by chance, as large as a picture on a page; its seed and class, to make it again."""
    seed = mix_seed("a garment by chance", run.config.seed) % 2**31
    number = seed % learner.classes if learner.classes else None
    (picture,) = sample.seeded(learner, [seed], None if number is None else [number])
    write_picture(run.samples / "garment.png", mosaic.enlarged(picture, mosaic.factor_for(picture.shape[0], 2 * SIDE)))
    return {"seed": seed, "class": None if number is None else run.data.classes[number]}


def watched(run: GeneratorRun) -> dict[int, Path]:
    """By epoch, the picture of the four garments."""
    found = {path.stem.removeprefix("epoch-"): path for path in run.samples.glob("epoch-*.png")}
    return {int(epoch): path for epoch, path in sorted(found.items()) if epoch.isdecimal()}


def _frames(run: GeneratorRun) -> tuple[list[Images], list[float]]:
    """(frames, how many seconds each is shown): the four garments at some epochs, with the epoch below them."""
    from ropero.reports import animation

    found = watched(run)
    epochs = sorted(found)
    chosen = [epochs[place] for place in sorted({*np.linspace(0, len(epochs) - 1, MOST_FRAMES).round().astype(int)})]
    frames = [
        animation.captioned(np.asarray(Image.open(found[epoch])), f"{epoch} / {epochs[-1]}", epoch / max(1, epochs[-1]))
        for epoch in chosen
    ]
    return frames, [1 / FRAMES_A_SECOND] * (len(frames) - 1) + [LAST_SECONDS]


def animation(run: GeneratorRun) -> list[Path]:
    """Write how the four garments grew as samples/growth.gif. Raises MissingExtra without the part that draws."""
    from ropero.reports import animation as animations

    return [animations.save(*_frames(run), run.samples / "growth.gif")]


def video(run: GeneratorRun) -> list[Path]:
    """The same as samples/growth.mp4 and .webm. Raises MissingExtra without the part that writes videos."""
    from ropero.reports import animation as animations

    frames, seconds = _frames(run)
    return [animations.save(frames, seconds, run.samples / f"growth.{kind}") for kind in ("mp4", "webm")]


def losses_figure(run: GeneratorRun) -> list[Path]:
    """Draw the losses of the nets as figures/losses.png. Raises MissingExtra without the part that draws."""
    from ropero.reports import generator_figures, output

    history = run.history
    names = list(dict.fromkeys(name for one in history for name in one.losses))
    losses = {name: [one.losses.get(name, math.nan) for one in history] for name in names}
    drawn = generator_figures.losses([one.epoch for one in history], losses, t("Loss"))
    return [output.save(drawn, run.folder / "figures" / "losses.png")]
