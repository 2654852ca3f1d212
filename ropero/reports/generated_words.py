"""What the page of a generator says in sentences. All of it follows from numbers.

Knows nothing of HTML. Sentences come translated, in the language in force.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from ropero.evaluation.generated import Labelled
from ropero.evaluation.generation_score import GenerationScore
from ropero.evaluation.judge import NOT_A_GARMENT, WORDS
from ropero.generation.config import GeneratorConfig
from ropero.generation.loop import GeneratorEpoch
from ropero.texts import joined, mark, t, tn
from ropero.texts.numbers import Numbers

if TYPE_CHECKING:
    from ropero.reports.generated import Nearest

COPIED = 0.01  # share of real images that are as near to a training image by chance


def labels(found: Labelled, by: str) -> list[str]:
    """What the classifier says, in a few sentences."""
    return [*(_agreement(found, by) or _shares(found, by)), *_rejected(found)]


def _agreement(found: Labelled, by: str) -> list[str]:
    hit, n = found.agreement, Numbers.current()
    if hit is None:
        return []
    said = [
        t(
            "Of {images} pictures, each asked for by its class, {by} takes {share} for what was wanted (95% interval "
            "{low} to {high}).",
            images=n.whole(len(found)),
            by=by,
            share=n.percent(hit.value),
            low=n.percent(hit.low),
            high=n.percent(hit.high),
        )
    ]
    gap, real = found.gap, found.real_accuracy
    if gap is None or real is None:
        return said
    if gap.low > 0:
        message = t("That is more than the {real} that it gets right of real images: these pictures are easier to tell "
                    "apart.", real=n.percent(real.value))  # fmt: skip
    elif gap.high < 0:
        message = t("Of real images it gets {real} right, more than that.", real=n.percent(real.value))
    else:
        message = t("Of real images it gets {real} right: no difference that is more than chance.",
                    real=n.percent(real.value))  # fmt: skip
    return [*said, message]


def difference(found: Labelled) -> str:
    """The conditional accuracy less the accuracy on real images, in points; "" where either is not known."""
    gap, n = found.gap, Numbers.current()
    if gap is None:
        return ""
    points = [n.decimal(100 * one, 1) for one in (gap.value, gap.low, gap.high)]
    return t("{points} points against real images ({low} to {high})", points=points[0], low=points[1], high=points[2])


def _shares(found: Labelled, by: str) -> list[str]:
    n, said = Numbers.current(), []
    none = [t(name) for name, count in zip(found.classes, found.counts, strict=True) if not count]
    rarest = int(found.counts.argmin())
    if none:
        said.append(t("Of {images} pictures {by} takes none for {names}.", images=n.whole(len(found)), by=by,
                      names=joined(none)))  # fmt: skip
    else:
        said.append(
            t(
                "Of {images} pictures {by} finds some of every class; the rarest is {name} with {share}.",
                images=n.whole(len(found)),
                by=by,
                name=t(found.classes[rarest]),
                share=n.percent(found.balance[rarest].value),
            )
        )
    chance = found.distance_by_chance or 0.0
    if found.distance.value <= chance:
        said.append(t("The classes are as even as chance lets {images} pictures be.", images=n.whole(len(found))))
    else:
        said.append(
            t(
                "For even shares {share} of the pictures would have to be of another class; chance alone makes that "
                "{chance} at most.",
                share=n.percent(found.distance.value),
                chance=n.percent(chance),
            )
        )
    return said


def _rejected(found: Labelled) -> list[str]:
    if found.verdicts is None:
        return []
    n, count = Numbers.current(), len(found.rejected)
    said = tn(
        "One picture is rejected as not a garment.", "{n} pictures are rejected as not a garment.", count
    ) if count else t("No picture is rejected as not a garment.")  # fmt: skip
    all_said, real, usable = [said], found.real, found.usable
    if real is not None and real.verdicts is not None:
        all_said.append(
            t(
                "That is {share} of them; of real images it rejects {real}.",
                share=n.percent(count / len(found)),
                real=n.percent(real.verdicts[WORDS.index(NOT_A_GARMENT)] / real.images),
            )
        )
    if usable is not None and count:
        all_said.append(t("As wanted and not rejected are {share}.", share=n.percent(usable.value)))
    return all_said


def score(found: GenerationScore) -> list[str]:
    """The distance to real images in a sentence."""
    n, one = Numbers.current(), found.figures["frechet"]
    measured = found.measured("frechet")
    value = n.decimal(one.mean, 2)
    if measured is not None:
        value += f" ({n.decimal(measured.low, 2)}–{n.decimal(measured.high, 2)})"
    return [
        t(
            "The Fréchet distance of {rows} samples to {real} real images is {value}; other real images in their place "
            "get {floor}.",
            rows=n.whole(found.rows),
            real=n.whole(found.real),
            value=value,
            floor=n.decimal(one.floor_mean, 2),
        )
    ]


def how_scored(found: GenerationScore) -> list[str]:
    """What the figures of the score mean, and what they may be compared with."""
    n = Numbers.current()
    return [
        t(
            "Measured on {width} features of {features}, against {real} images ({split}), with {rows} samples in each "
            "of {draws} draws; the intervals are over the draws. In their place: as many real images ({others}).",
            width=n.whole(found.width),
            features=found.features,
            real=n.whole(found.real),
            split=t(found.split),
            rows=n.whole(found.rows),
            draws=n.whole(len(found.figures["frechet"].draws)),
            others=t(found.others),
        ),
        t("Distances of 0 are perfect; precision is the share of samples that look like real images, recall and "
          "coverage the share of real images that samples look like."),
        t("Figures of other features, other images or another number of samples cannot be compared with these."),
    ]  # fmt: skip


def memorised(found: Nearest) -> list[str]:
    """Whether samples are copies of training images."""
    n, share = Numbers.current(), found.copied
    if found.unseen:
        message = mark(
            "{share} of {images} samples are nearer to a training image than 99% of the real images are that it did "
            "not learn from (95% interval {low} to {high})."
        )
    else:
        message = mark(
            "{share} of {images} samples are nearer to a training image than 99% of the training images are to each "
            "other (95% interval {low} to {high})."
        )
    ends = {"low": n.percent(share.low), "high": n.percent(share.high)}
    said = [t(message, share=n.percent(share.value), images=n.whole(len(found.distances)), **ends)]
    if share.low > COPIED:
        return [*said, t("That is more than the 1% that chance gives: some are nearly copies, or plainer than real "
                         "images.")]  # fmt: skip
    return [*said, t("Chance gives 1%: there is no sign that training images are repeated.")]


def recipe(config: GeneratorConfig, history: Sequence[GeneratorEpoch], images: int) -> list[str]:
    """How the generator was trained."""
    n = Numbers.current()
    said = [
        tn(
            "One pass over {images} training images, in batches of {batch}.",
            "{n} passes over {images} training images, in batches of {batch}.",
            len(history),
            images=n.whole(images),
            batch=n.whole(config.batch_size),
        )
    ]
    said.append(t("The learning rate is {rate}.", rate=n.general(config.learning_rate)))
    if len(history) < config.epochs:
        said.append(
            t(
                "{epochs} were asked for; it ended when {minutes} minutes were over.",
                epochs=n.whole(config.epochs),
                minutes=n.general(config.minutes),
            )
            if config.minutes
            else t("{epochs} were asked for.", epochs=n.whole(config.epochs))
        )
    again = sum(one.again for one in history)
    if again:
        said.append(
            tn(
                "One epoch broke and was begun again from the last good one.",
                "{n} times an epoch broke and was begun again from the last good one.",
                again,
            )
        )
    return said


def command(config: GeneratorConfig, source: str, image_size: int | None = None) -> str:
    """What to type to train this generator again; what to call in Python for data that have no name to type."""
    changed = {one.name: getattr(config, one.name) for one in fields(config) if one.name != "generator"}
    changed = {
        name: int(value) if isinstance(value, float) and value == int(value) else value
        for name, value in changed.items()
        if value != getattr(GeneratorConfig(generator=config.generator), name) or name in ("epochs", "seed")
    }
    if not source:
        return f"rp.train_generator(data, {config.generator!r}{''.join(f', {a}={b!r}' for a, b in changed.items())})"
    said = ["ropero", "generate", "--train", config.generator, "--data", source]
    said += [] if image_size is None else ["--image-size", str(image_size)]
    return shlex.join([*said, *(word for a, b in changed.items() for word in (f"--{a.replace('_', '-')}", str(b)))])


def curves(history: Sequence[GeneratorEpoch]) -> list[str]:
    """How to read the curves of a generator."""
    last = history[-1]
    said = []
    if "discriminator" in last.losses:
        said.append(t("The losses of two nets that play against each other tell no progress: each rises when the other "
                      "gets better. What tells it is the pictures and the distance to real ones."))  # fmt: skip
    spread = np.array([one.spread for one in history])
    said.append(
        t(
            "Spread: how far pictures lie from their mean, as a share of what real images do; it ended at {last}, and "
            "near 0 all pictures would be one.",
            last=Numbers.current().percent(float(spread[-1]), 0),
        )
    )
    return said
