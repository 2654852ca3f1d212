"""The verb `export`: a run as a file for other programs, proved to say what the run says before it gets its name.

Legend: N images, H x W pixels, C channels, K classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ropero.data.dataset import Dataset, Images, Splits
from ropero.errors import DataError, UsageError
from ropero.export import clients, onnx_file, onnx_graph, onnx_writer, quantise
from ropero.export.card import CHANNELS_LAST, Card, made
from ropero.export.checks import INT8_TOLERANCE, PREDICTIONS, examine
from ropero.export.formats import FORMATS, ONNX, PORTABLE, chosen
from ropero.metrics.statistics import wilson_interval
from ropero.models import samples
from ropero.models.classifier import Classifier
from ropero.models.entries import to_json
from ropero.models.inference import Floats, logits
from ropero.models.own import LIVE
from ropero.models.samples import Samples
from ropero.runs import Run
from ropero.storage import atomic_path
from ropero.texts import t
from ropero.texts.numbers import rough
from ropero.workbench.evaluate import part_of
from ropero.workbench.verify import fresh

PROOF_IMAGES, PROOF_SEED = 1000, 1
JUDGED_IMAGES = 10_000  # at most, by which the price of whole numbers is measured
_VALUES = 60_000_000  # of the largest activation, together: large networks are asked about fewer images
_AS_IT_CAME = {"way": "imported"}  # in whole numbers already; what that cost its maker knows


@dataclass(frozen=True)
class Price:
    """What whole numbers of 8 bits cost and save, on images of a part that the scales were not found by.

    way: "static" or "dynamic". agreement: the share of images that get the same class.
    """

    way: str
    calibration_images: int
    part: str
    images: int
    float_accuracy: float
    accuracy: float
    agreement: float
    float_bytes: int


@dataclass(frozen=True)
class Exported:
    """A file and how it was proved: `client` gave logits for `images` that differ by `difference` at most.

    client is empty when the program that the file is for could not be asked, and `note` says why; then its arrays were
    read back and compared.
    """

    run: Run
    path: Path
    format: str
    bytes: int
    client: str
    images: int
    difference: float | None
    allowed: float | None
    price: Price | None = None
    note: str = ""

    def __repr__(self) -> str:
        return f"Exported({self.path}: {self.format} of {self.run.name}, {self.client or 'not compared'})"

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run.name,
            "path": str(self.path),
            "format": self.format,
            "bytes": self.bytes,
            "client": self.client,
            "images": self.images,
            "difference": self.difference,
            "allowed": self.allowed,
            "note": self.note,
            "int8": None if self.price is None else asdict(self.price),
        }


def export(
    run: Run,
    *,
    form: str = "",
    out: Path | None = None,
    int8: bool = False,
    force: bool = False,
    data: str | None = None,
    splits: Splits | None = None,
) -> Exported:
    """Write a run's network into a file, which is kept only when it says what the run says.

    Args:
        form: "onnx", "keras", "h5", "safetensors" or "torch-export"; that of the file's ending when not given.
        out: where; by default a file named like the run, in the current folder.
        int8: in whole numbers of 8 bits, which is for ONNX.
        force: write over a file that is there.
        data, splits: where the run's data are, or they themselves: whole numbers need training images.

    Raises:
        UsageError: an unknown format, a file that is there, or a network that the format cannot hold.
        DataError: the file does not say what the run says; it is not kept.
        RunError, MissingExtra: no trained run; a library that writes or reads the format is not installed.
    """
    form = chosen(form, out)
    if int8 and form != ONNX:
        raise UsageError(t("--int8 is for --format onnx, got {format}.", format=form))
    run.require_trained()
    if run.card.graph and form in CHANNELS_LAST:
        file = (run.origin or {}).get("file", "the ONNX file")
        raise UsageError(
            t("{run} was made of {file}, whose operators Keras has no layers for; --format onnx and safetensors take "
              "it.", run=run.name, file=file)
        )  # fmt: skip
    if form == ONNX:
        onnx_writer.library("onnxruntime")  # which has to prove the file
    path = out or Path(f"{run.name}{'-int8' if int8 else ''}{FORMATS[form].suffix}")
    if path.exists() and not force:
        raise UsageError(t("{path} exists already; --force overwrites it.", path=path))
    model = run.model()
    parts = _parts(run, model.peak, data, splits) if int8 else None
    sealed = Sealed(card_of(run, model, form))
    with atomic_path(path) as temporary:
        FORMATS[form].write(model, temporary, sealed)
        price = None
        if parts is not None:
            price = _in_whole_numbers(model, sealed.card, temporary, parts)
        done = _proved(run, model, temporary, form, price)
    return replace(done, path=path)


@dataclass
class Sealed:
    """A card that waits for the digest of the arrays that the file will hold."""

    card: Card

    def __call__(self, digest: str) -> str:
        return replace(self.card, arrays_sha256=digest).text()


def card_of(run: Run, model: Classifier, form: str) -> Card:
    """The card of a run's file; figures are those that the run has stored, nothing is opened for them."""
    about = {
        "run": {"name": run.name, "created": run.created, "epochs": len(run.history)},
        "data": {"name": run.data.name, "images": run.images, "sha256": run.data.digests},
        "accuracy": _accuracy(run),
        "licence": "",
        **made(),
    }
    card = run.card
    return Card(
        file=form,
        network=card.network,
        layers=tuple(card.layers) or tuple(to_json(model.design)),
        code=card.code,
        classes=card.classes,
        input_shape=card.input_shape,
        mean=card.mean,
        std=card.std,
        weights_sha256=card.weights_sha256,
        arrays_sha256="",
        samples=samples.of(model),
        about=about,
        int8=_AS_IT_CAME if form == ONNX and onnx_graph.in_whole_numbers(model) else {},
        graph=card.graph if form == PORTABLE else {},
    )


def _accuracy(run: Run) -> dict[str, Any]:
    """By part: accuracy, images, Wilson's 95 % interval; of the test part how often it was opened."""
    found: dict[str, Any] = {}
    for part in ("validation", "test"):
        stored = run.figures(part)
        if stored is not None:
            found[part] = {name: stored[name] for name in ("accuracy", "images", "accuracy_interval_95")}
    if "test" in found:
        found["test"]["openings"] = run.ledger.judgements()
    record, count = run.history.kept(run.config.keep), run.images.get("validation", 0)
    measured = record is not None and record.validation_accuracy is not None and not run.config.augment_validation
    if "validation" not in found and measured and count:
        assert record is not None
        assert record.validation_accuracy is not None
        interval = wilson_interval(round(record.validation_accuracy * count), count)
        found["validation"] = {
            "accuracy": record.validation_accuracy,
            "images": count,
            "accuracy_interval_95": list(interval),
        }
    return found


def _proved(run: Run, model: Classifier, path: Path, form: str, price: Price | None) -> Exported:
    """What a fresh process makes of the file. Raises DataError when that is not what the run says."""
    count = max(samples.COUNT, min(PROOF_IMAGES, _VALUES // model.peak))
    images = samples.pictures(count, model.input_shape, PROOF_SEED)
    # An object that is only in this process could not be built by another one.
    found = examine(path, images) if run.config.code.startswith(LIVE) else fresh(path, images)
    for check in found.checks:
        if check.ok is False or (check.ok is None and check.name != PREDICTIONS):
            reason = check.note.replace(str(path), path.suffix)
            raise DataError(t("The file was not kept, {check} failed: {reason}", check=t(check.name), reason=reason))
    size = path.stat().st_size
    if found.logits is None:
        note = next(check.note for check in found.checks if check.ok is None)
        return Exported(run, path, form, size, "", 0, None, None, note=note)
    if price is not None:  # whole numbers say something else by design; what that costs has been measured
        return Exported(run, path, form, size, found.client, len(images), None, None, price)
    whole = form == ONNX and onnx_graph.in_whole_numbers(model)
    tolerance = INT8_TOLERANCE if whole else samples.TOLERANCE
    gap, allowed = samples.difference(logits(model, images), found.logits, tolerance)
    if gap > allowed:
        raise DataError(
            t("The file was not kept: in {client} its logits differ from the run's by {gap}, and {allowed} is allowed.",
              client=found.client, gap=rough(gap), allowed=rough(allowed))
        )  # fmt: skip
    return Exported(run, path, form, size, found.client, len(images), gap, allowed)


@dataclass(frozen=True)
class _Parts:
    """Training images to find scales by, and other images to judge by."""

    shown: Images
    judged: Dataset
    name: str


def _parts(run: Run, peak: int, data: str | None, splits: Splits | None) -> _Parts:
    """Images of the training part, and those held out for choosing; without these, other training images."""
    train = part_of(run, "train", data=data, splits=splits)
    order = np.random.default_rng(0).permutation(len(train))
    shown = order[: min(quantise.CALIBRATION_IMAGES, max(1, len(train) // 2))]
    if run.images.get("validation"):
        judged, name = part_of(run, "validation", data=data, splits=splits), "validation"
        rest = np.random.default_rng(0).permutation(len(judged))
    else:
        judged, name, rest = train, "train", order[len(shown) :]
    limit = max(quantise.CALIBRATION_IMAGES, min(JUDGED_IMAGES, 10 * _VALUES // peak))
    return _Parts(train.images[shown], judged.take(rest[:limit]), name)


def _in_whole_numbers(model: Classifier, card: Card, path: Path, parts: _Parts) -> Price:
    """Write the ONNX file anew in whole numbers, and measure what that costs."""
    before = path.stat().st_size
    whole = path.with_name(f"{path.stem}-whole.onnx")
    try:
        way = quantise.quantise(path, whole, parts.shown)
        client = clients.opened(whole)
        said, meant = client.logits(_channels_last(parts.judged.images)), logits(model, parts.judged.images)
        right = parts.judged.labels
        price = Price(
            way,
            len(parts.shown),
            parts.name,
            len(right),
            _share(meant, right),
            _share(said, right),
            _share(said, meant.argmax(1)),
            before,
        )
        own = Samples(card.samples.images, client.logits(card.samples.images))
        proto = onnx_file.model(whole)
        card = replace(card, samples=own, int8=asdict(price))
        onnx_writer.finish(proto, path, Sealed(card))
    finally:
        whole.unlink(missing_ok=True)
    return price


def _share(said: Floats, labels: Any) -> float:
    return float((said.argmax(1) == labels).mean())


def _channels_last(images: Images) -> Images:
    return images[..., None] if images.ndim == 3 else images
