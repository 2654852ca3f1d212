"""The verb `explain`: which pixels speak for a prediction, and what a layer makes of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ropero.errors import MissingExtra, UsageError, unknown
from ropero.evaluation import explain as explaining
from ropero.evaluation import inside
from ropero.runs import Run
from ropero.texts import t
from ropero.workbench.predict import Prediction, plain_name

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """A prediction and the maps of it: method -> class name -> (H, W), higher where a pixel speaks for the class."""

    prediction: Prediction
    maps: dict[str, dict[str, Floats]]
    feature_maps: Floats | None = None  # (C, h, w) of the asked layer
    filters: Floats | None = None  # (C, I, h, w), where that is a convolution

    def __repr__(self) -> str:
        return f"Explanation({self.prediction.name}: {', '.join(self.maps)})"

    def titled(self) -> tuple[str, dict[str, dict[str, Floats]]]:
        """What stands above a picture of it, and its maps by translated names of methods and classes."""
        from ropero.reports.pictures import prediction_title

        told = self.prediction
        classes = told.classes
        title = prediction_title(classes[told.predicted], None if told.true is None else classes[told.true])
        maps = {
            t(explaining.METHODS[method]).partition(":")[0].partition("：")[0]: {t(k): m for k, m in found.items()}
            for method, found in self.maps.items()
        }
        return title, maps

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows."""
        try:
            from ropero.reports import insights, output

            return output.as_png(insights.explanation(self.prediction.seen, *self.titled()))
        except MissingExtra:
            return None  # the notebook falls back to repr


def check(run: Run, method: str, name: str, layer: str, folder: Path | None = None) -> None:
    """Raises UsageError for a method, class or layer that is unknown or not possible, or a file where a folder should
    be, before any picture is looked at."""
    if folder is not None and folder.suffix:
        raise UsageError(t("--out names a folder, got the file {path}.", path=folder))
    if method and method not in explaining.METHODS:
        raise unknown(t("method"), method, explaining.METHODS)
    if method:
        explaining.check(run.model(), method)
    if name and name not in run.data.classes:
        raise unknown(t("class"), name, run.data.classes)
    if layer:
        inside.check(run.model(), layer)


def explain(
    run: Run,
    predictions: Sequence[Prediction],
    *,
    method: str = "",
    name: str = "",
    layer: str = "",
    device: str = "auto",
) -> list[Explanation]:
    """Explain predictions that were made with this run.

    Args:
        method: one of `ropero.evaluation.explain.METHODS`; every one that the network allows when not given.
        name: of the class to be explained; when not given the predicted one, and the true one where that is another.
        layer: whose feature maps and filters are wanted.

    Raises:
        UsageError: an unknown method, class or layer, or a method that the network does not allow.
    """
    check(run, method, name, layer)
    model, classes = run.model(device), run.data.classes
    methods = [method] if method else explaining.possible(model)
    found = []
    for one in predictions:
        wanted = [classes.index(name)] if name else list(dict.fromkeys(
            k for k in (one.predicted, one.true) if k is not None
        ))  # fmt: skip
        images = np.stack([one.seen] * len(wanted))
        maps = {
            chosen: dict(
                zip(
                    (classes[k] for k in wanted),
                    explaining.explain(chosen, model, images, np.array(wanted)),
                    strict=True,
                )
            )
            for chosen in methods
        }
        inner = inside.feature_maps(model, one.seen, layer) if layer else None
        found.append(Explanation(one, maps, inner, inside.filters(model, layer) if layer else None))
    return found


def layers(run: Run) -> list[str]:
    """The layers that have feature maps."""
    return inside.with_maps(run.model())


def save(explanations: Sequence[Explanation], layer: str, folder: Path) -> list[Path]:
    """Draw each explanation into the folder, and the layer's feature maps and filters, and return the files.

    Raises MissingExtra without Matplotlib.
    """
    from ropero.reports import insights, output

    paths = []
    for number, one in enumerate(explanations):
        stem = f"{number:03d}-{plain_name(one.prediction.name)}"
        paths.append(output.save(insights.explanation(one.prediction.seen, *one.titled()), folder / f"{stem}.png"))
        if one.feature_maps is not None:
            figure = insights.feature_maps(one.feature_maps, layer)
            paths.append(output.save(figure, folder / f"{stem}-{plain_name(layer)}.png"))
    if explanations and explanations[0].filters is not None:
        figure = insights.filters(explanations[0].filters, layer)
        paths.append(output.save(figure, folder / f"filters-{plain_name(layer)}.png"))
    return paths
