"""What there is to say of an imported model, from what its run remembers of it: what wrote it, how it is shown its
pixels and why. A run remembers codes and values; sentences come translated, in the language in force.

Knows nothing of runs and their folders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ropero.export.foreign import RENAMED, REPEATED
from ropero.export.pixels import ABOUT, AS_BUILT, CONFIG, OVERRULED, POOR, TRIED
from ropero.metrics.statistics import wilson_interval
from ropero.texts import joined, mark, t
from ropero.texts.numbers import decimal, percent, whole

NEAR = 0.01  # in accuracy; twice that in log loss
_MOST = 10**9  # images and outputs
_REASONS = {
    "card": mark("so its file says"),
    CONFIG: mark("its own first layer says so"),
    "asked": mark("as you wanted"),
    TRIED: mark("the best of {n} ways that were tried on training images"),
    OVERRULED: mark("its own first layer says {said}, but shown that way it is right on {accuracy} only"),
}
_NOTES = {
    REPEATED: mark("Layers that are used several times are stored once for each use: {names}."),
    RENAMED: mark("Its file names its classes {theirs}; the data call them {ours}."),
}


def checked(found: Any) -> dict[str, Any]:
    """What a run remembers of its import. Raises TypeError, ValueError or KeyError for what no import writes."""
    seen = found["pixels"]
    tried, order, notes = seen["tried"], seen["order"], found["notes"]
    names = [found[name] for name in ("sha256", "asked", "file", "written_by")]
    names += [found.get("plan", ""), seen.get("said", "")]  # older runs have neither
    names += [one[name] for one in (seen, *tried) for name in ("scale", "size")]
    counts = (seen["images"], seen["spare"], *order)
    rates = [(one["accuracy"], one["log_loss"]) for one in tried]
    fair = (
        all(isinstance(one, str) for one in names)
        and all(isinstance(one, int) and 0 <= one <= _MOST for one in counts)
        and all(0 <= accuracy <= 1 and -1 <= loss <= 100 for accuracy, loss in rates)
        and (seen["images"] > 0 and seen["why"] in _REASONS and sorted(order) == list(range(len(order))))
        and any(is_taken(found, one) for one in tried)
        and bool(seen.get("said")) == (seen["why"] == OVERRULED)
        and isinstance(notes, list)
        and all(map(noted, notes))
    )
    if not fair:
        raise ValueError(str(found)[:200])
    return dict(found)


def noted(note: Any) -> str:
    """A note in words: it is a code with its values, or of an older ropero the words themselves."""
    if isinstance(note, str):
        return note
    code, values = note
    named = t if code == RENAMED else str  # classes have names in every language, layers only their own
    said = {
        name: joined(map(named, value)) if isinstance(value, list | tuple) else value for name, value in values.items()
    }
    return t(_NOTES[code]).format(**said)


def about(scale: str) -> str:
    """What a convention of pixels is, in the language in force."""
    return t(ABOUT.get(scale, scale))


def is_taken(origin: Mapping[str, Any], tried: Mapping[str, Any]) -> bool:
    """Whether this is the convention that an imported run uses."""
    return all(origin["pixels"][name] == tried[name] for name in ("scale", "size"))


def told(origin: Mapping[str, Any], classes: Sequence[str]) -> list[str]:
    """What it was, and how it is shown its pixels, with the reason."""
    seen = origin["pixels"]
    taken = next(one for one in seen["tried"] if is_taken(origin, one))
    others = [one for one in seen["tried"] if one is not taken and _is_near(one, taken)]
    others = others if taken["accuracy"] >= POOR else []  # where nothing is right, nothing is nearly as good
    said = [
        t("{file} was written by {writer}.", file=origin["file"], writer=origin["written_by"]),
        pixels(origin),
        t(
            "Shown that way, it is right on {accuracy} of {n} training images.",
            accuracy=percent(taken["accuracy"], 1),
            n=whole(seen["images"]),
        ),
    ]
    if others:
        names = joined(dict.fromkeys(one["scale"] for one in others))
        said.append(t("Nearly as good: {names}; --pixels takes one of them.", names=names))
    if seen.get("grey"):
        said.append(t("It takes grey pictures; the images are made so to fit."))
    if seen["size"] != AS_BUILT:
        said.append(t("It takes pictures of another size; the images are {how} to fit.", how=t(seen["size"])))
    if seen["spare"]:
        said.append(
            t(
                "It has {n} more outputs than there are classes; the last ones are left out, since no image "
                "belongs to them.",
                n=seen["spare"],
            )
        )
    if seen["order"]:
        order = joined(t(classes[place]) for place in seen["order"] if place < len(classes))
        said.append(t("Its outputs seem to stand for the classes in another order: {order}.", order=order))
    elif taken["accuracy"] < POOR:
        said.append(
            t("That is poor: was it made for other pictures or classes, or for pixels prepared in another way?")
        )
    return [*said, *map(noted, origin["notes"])]


def pixels(origin: Mapping[str, Any]) -> str:
    """How it is shown its pixels, with the reason."""
    seen = origin["pixels"]
    reason = _REASONS[seen["why"]]
    why = t(reason, n=len(seen["tried"]), **_doubted(seen))
    return t("Its pixels: {scale} ({why}).", scale=about(seen["scale"]), why=why)


def _doubted(seen: Mapping[str, Any]) -> dict[str, str]:
    """What its config says of its pixels, where that was not taken, and how much was right so."""
    said = seen.get("said", "")  # older runs remember no such thing
    way = said, seen["size"]
    rate = next((one["accuracy"] for one in seen["tried"] if (one["scale"], one["size"]) == way), 0.0)
    return {"said": about(said), "accuracy": percent(rate, 1)} if said else {}


def _is_near(one: Mapping[str, Any], taken: Mapping[str, Any]) -> bool:
    """Whether another choice does about as well in both figures."""
    close = abs(one["accuracy"] - taken["accuracy"]) < NEAR and one["log_loss"] < taken["log_loss"] + 2 * NEAR
    return bool(close)


def doubts(origin: Mapping[str, Any], split: str, accuracy: float, least: float) -> list[str]:
    """What to keep in mind with the figures of an imported model.

    Args:
        accuracy: on the images of a part of the data. least: the lower end of its interval.
    """
    said = [
        t(
            "Its probabilities are not calibrated and its verdicts follow a fixed rule, since it is not known "
            "which images it learned from."
        )
    ]
    taken = next(one for one in origin["pixels"]["tried"] if is_taken(origin, one))
    seen = round(taken["accuracy"] * origin["pixels"]["images"])
    if split == "test" and least > wilson_interval(seen, origin["pixels"]["images"])[1]:
        said.append(
            t(
                "It does better on test images than on training images ({test}, {train}): it may have been trained on "
                "the test images.",
                test=percent(accuracy, 1),
                train=percent(taken["accuracy"], 1),
            )
        )
    return said


def tried(origin: Mapping[str, Any]) -> list[list[str]]:
    """The ways of showing pixels that were tried: name, meaning, size, accuracy, log loss; the one taken in front."""
    listed = sorted(origin["pixels"]["tried"], key=lambda one: not is_taken(origin, one))
    return [
        [one["scale"], about(one["scale"]), t(one["size"]), percent(one["accuracy"], 1), decimal(one["log_loss"], 3)]
        for one in listed
    ]


def unknown_training() -> str:
    """What no file tells."""
    return t("How it was trained is not known, nor whether the test images were used to train or to choose it.")
