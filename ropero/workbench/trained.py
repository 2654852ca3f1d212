"""`Trained`: a trained run at hand, as Python and notebooks have it; `notebook.py` makes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ropero.data.dataset import Dataset, Splits
from ropero.errors import MissingExtra, UsageError
from ropero.evaluation.evaluate import Evaluation
from ropero.export.engines import AUTO
from ropero.models.classifier import Classifier
from ropero.runs import Run
from ropero.texts import t
from ropero.training.config import TrainConfig
from ropero.training.history import History
from ropero.workbench import evaluate as evaluate_verb
from ropero.workbench import explain as explain_verb
from ropero.workbench import export as export_verb
from ropero.workbench import predict as predict_verb
from ropero.workbench import report as report_verb
from ropero.workbench.explain import Explanation
from ropero.workbench.export import Exported
from ropero.workbench.predict import Prediction
from ropero.workbench.progress import EncodingProgress, FileProgress

if TYPE_CHECKING:
    from ropero.reports.forms import Form


class Trained:
    """A trained run at hand: evaluate it, predict with it, report it; in a notebook it shows itself as a page.

    `run.run` is the folder behind it.
    """

    def __init__(self, run: Run, splits: Splits | None = None) -> None:
        self.run = run
        self._splits = splits

    def __repr__(self) -> str:
        return repr(self.run)

    @property
    def folder(self) -> Path:
        """Where everything of this run is."""
        return self.run.folder

    @property
    def config(self) -> TrainConfig:
        return self.run.config

    @property
    def history(self) -> History:
        return self.run.history

    def model(self) -> Classifier:
        """The trained network, a torch module in eval mode: pixels (N, C, H, W) in [0, 1] in, logits (N, K) out.

        Of a module of one's own `.trunk` is a copy, whose last layer is `.head` where that gives the logits.
        """
        return self.run.model()

    def evaluate(self, split: str = "test", *, again: bool = False, engine: str = AUTO) -> Evaluation:
        """Open a part of the data once and keep the figures; a second call returns the stored ones.

        `again=True` opens the test part once more, which the run's ledger counts.

        Args:
            engine: "torch", "torch-bf16", which rounds, "onnxruntime", or "auto": onnxruntime once its file was made,
                PyTorch before that.

        Raises:
            UsageError, DataError, MissingExtra: an engine that is unknown, cannot compute this network, says something
                else than PyTorch, or is not installed.
        """
        told = EncodingProgress(Console(stderr=True))
        done = evaluate_verb.evaluate(self.run, split=split, splits=self._splits, again=again, engine=engine, told=told)
        return done.evaluation

    def predict(
        self,
        images: str | Path | Dataset | NDArray[Any] | list[str | Path] | None = None,
        *,
        test: int | list[int] | None = None,
    ) -> list[Prediction]:
        """Class probabilities of picture files, .npy files, arrays, a Dataset, or of test images by number.

        Raises:
            UsageError: neither images nor test numbers, or both.
        """
        if (images is None) == (test is None):
            raise UsageError(t("Give images, or test images by number as in test=17."))
        if test is not None:
            numbers = [test] if isinstance(test, int) else test
            return predict_verb.predict_test(self.run, numbers, splits=self._splits)
        if isinstance(images, Dataset):
            return predict_verb.predict_dataset(self.run, images)
        if isinstance(images, np.ndarray):
            if self._splits and self._splits.test:
                predict_verb.note_test_images(self.run, images, self._splits.test)
            return predict_verb.predict_arrays(self.run, images)
        assert images is not None
        names = [images] if isinstance(images, str | Path) else images
        return predict_verb.predict_files(self.run, [str(name) for name in names])

    def explain(
        self,
        images: str | Path | Dataset | NDArray[Any] | list[str | Path] | None = None,
        *,
        test: int | list[int] | None = None,
        method: str = "",
        name: str = "",
        layer: str = "",
    ) -> list[Explanation]:
        """Which pixels speak for what is predicted; a notebook shows each as a picture. Images as in `predict`.

        Args:
            method: "grad-cam", "occlusion" or "integrated-gradients"; all that the network allows when not given.
            name: the class to explain, in English; the predicted one when not given.
            layer: whose feature maps and filters are wanted.

        Raises:
            UsageError: an unknown method, class or layer, or what `predict` refuses.
        """
        explain_verb.check(self.run, method, name, layer)
        predictions = self.predict(images, test=test)
        return explain_verb.explain(self.run, predictions, method=method, name=name, layer=layer)

    def report(self, *, lang: str | None = None, form: Form = "html", author: str = "") -> Path:
        """Write report.html, .pdf, .md or .ipynb and return its path."""
        with FileProgress(Console(stderr=True)) as progress:
            return report_verb.report(
                self.run, lang=lang, splits=self._splits, form=form, author=author, progress=progress
            )

    def export(
        self, format: str = "", out: str | Path | None = None, *, int8: bool = False, force: bool = False
    ) -> Exported:
        """Write the network for other programs, proved to say the same there: `run.export("keras")`.

        Args:
            format: "onnx", "keras", "h5", "safetensors" or "torch-export"; that of the file's ending, or onnx.
            out: the file; one named like the run in the current folder when not given.
            int8: in whole numbers of 8 bits, for onnx; what that costs is measured.
            force: write over a file that is there.

        Raises:
            UsageError, DataError, MissingExtra: see `ropero.workbench.export.export`.
        """
        path = None if out is None else Path(out)
        return export_verb.export(self.run, form=format, out=path, int8=int8, force=force, splits=self._splits)

    def _repr_html_(self) -> str | None:
        try:
            return report_verb.fragment(self.run)
        except MissingExtra:
            return None  # the notebook falls back to repr
