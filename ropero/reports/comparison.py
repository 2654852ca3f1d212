"""The page of a comparison: two runs or a class of thirty, on the same images.

Takes plain figures; knows nothing of runs. Legend: K classes, M models, N images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero.evaluation.compare import Pair, Spread
from ropero.reports import parts, trust
from ropero.reports.output import as_svg
from ropero.reports.pages import render_page
from ropero.reports.thumbnails import thumbnail
from ropero.storage import write_text
from ropero.texts import language, t
from ropero.texts.numbers import Numbers

IMAGES, PAIRS = 24, 15  # images that are shown, and pairs: beyond, each run is put beside the best one


@dataclass(frozen=True, kw_only=True)
class Model:
    """One run of the comparison."""

    letter: str
    name: str
    network: str
    seed: int
    accuracy: float
    interval: tuple[float, float]
    log_loss: float
    calibration_error: float
    parameters: int
    train_seconds: float
    predict_rate: float
    openings: int
    f1: NDArray[np.float64]  # (K,)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An image on which the models differ: what each says, by letter, and which are right."""

    image: NDArray[np.uint8] | None
    row: int
    true: str
    said: Sequence[tuple[str, str, bool]]


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything that the page shows; pairs name models by letter."""

    title: str
    split: str
    images: int
    classes: Sequence[str]
    models: Sequence[Model]
    spreads: Sequence[tuple[str, str, Mapping[str, Spread]]]  # network, letters, figures; where a config has more seeds
    pairs: Sequence[Pair]
    differing: int
    answered: Sequence[Answered]
    together: float  # accuracy of the mean of all models' probabilities


def write(content: Content, path: Path, lang: str) -> Path:
    """Write the page in "en", "es" or "zh" and return its path."""
    with language(lang):
        write_text(path, page(content))
    return path


def page(content: Content) -> str:
    """The page in the language in force."""
    n = Numbers.current()
    figure = trust.compared(
        [f"{one.letter}  {one.network}, {one.seed}" for one in content.models],
        [one.accuracy for one in content.models],
        [one.interval for one in content.models],
    )
    best = max(content.models, key=lambda one: one.accuracy)
    return render_page(
        "comparison.html",
        content.title,
        scripts=("page.js",),
        content=content,
        figure=parts.svg(as_svg(figure, t("Accuracy, 95% interval"))),
        conclusions=_conclusions(content, best),
        models=[_model(one) for one in content.models],
        spreads=[_spread(*one) for one in content.spreads],
        pairs=[_pair(one) for one in content.pairs],
        classes=[
            (
                t(name),
                [(n.percent(float(one.f1[k])), _strength(one.f1[k], content.models, k)) for one in content.models],
            )
            for k, name in enumerate(content.classes)
        ],
        answered=[_answered(one) for one in content.answered],
    )


def _conclusions(content: Content, best: Model) -> list[str]:
    n = Numbers.current()
    low, high = best.interval
    said = [
        t(
            "{letter} ({network}) is right most often: {accuracy} of {images} images (95% interval {low} to {high}).",
            letter=best.letter,
            network=best.network,
            accuracy=n.percent(best.accuracy, 2),
            images=n.whole(content.images),
            low=n.percent(low, 2),
            high=n.percent(high, 2),
        )
    ]
    others = [pair for pair in content.pairs if best.letter in (pair.first, pair.second)]
    equal = sorted(
        {pair.second if pair.first == best.letter else pair.first for pair in others if not pair.significant}
    )
    if equal:
        names = ", ".join(equal)
        said.append(
            t("That it is better than {names} may be chance: the paired tests do not tell them apart.", names=names)
        )
    elif others:
        said.append(t("It is better than every other one by more than chance."))
    said.append(
        t(
            "They differ on {n} images. The mean of all their probabilities is right on {together}.",
            n=n.whole(content.differing),
            together=n.percent(content.together, 2),
        )
    )
    return said


def _model(one: Model) -> tuple[str, ...]:
    n = Numbers.current()
    low, high = one.interval
    return (
        one.letter,
        one.name,
        str(one.seed),
        n.percent(one.accuracy, 2),
        f"{n.percent(low, 1)} – {n.percent(high, 1)}",
        n.decimal(one.log_loss),
        n.percent(one.calibration_error, 2),
        n.whole(one.parameters),
        n.seconds(one.train_seconds),
        n.whole(round(one.predict_rate)),
        str(one.openings),
    )


def _spread(network: str, letters: str, figures: Mapping[str, Spread]) -> tuple[str, ...]:
    n = Numbers.current()
    accuracy, loss, error = (figures[name] for name in ("accuracy", "log_loss", "calibration_error"))
    return (
        network,
        letters,
        f"{n.percent(accuracy.mean, 2)} ± {n.decimal(100 * accuracy.deviation, 2)}",
        f"{n.decimal(loss.mean, 4)} ± {n.decimal(loss.deviation, 4)}",
        f"{n.percent(error.mean, 2)} ± {n.decimal(100 * error.deviation, 2)}",
        str(accuracy.n),
    )


def _pair(pair: Pair) -> tuple[str, ...]:
    n = Numbers.current()
    low, high = (_signed(100 * end) for end in pair.interval)
    return (
        f"{pair.first} – {pair.second}",
        _signed(100 * pair.difference),
        f"{low} … {high}",
        n.whole(pair.only_first),
        n.whole(pair.only_second),
        n.decimal(pair.corrected, 4) if pair.corrected >= 1e-4 else "<" + n.decimal(1e-4, 4),
        t("yes") if pair.significant else t("no"),
    )


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + Numbers.current().decimal(value, 2)


def _strength(value: float, models: Sequence[Model], k: int) -> str:
    """How strong a cell is coloured: 0 for the worst model of the class, 1 for the best."""
    row = [float(one.f1[k]) for one in models]
    span = max(row) - min(row)
    return f"{0.6 * (float(value) - min(row)) / span if span else 0.0:.2f}"


def _answered(one: Answered) -> dict[str, Any]:
    return {
        "picture": "" if one.image is None else thumbnail(one.image),
        "row": Numbers.current().whole(one.row),
        "true": t(one.true),
        "said": [(letter, t(name), right) for letter, name, right in one.said],
    }
