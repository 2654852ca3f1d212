"""The verb `predict`: class probabilities of pictures from files, or of test images by number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ropero.data import pictures
from ropero.data.arrays import read_npy
from ropero.data.dataset import Dataset, Images, Splits
from ropero.data.raw import read_at_most
from ropero.errors import DataError, UsageError
from ropero.export.engines import AUTO
from ropero.models.classifier import Classifier
from ropero.models.inference import softmax
from ropero.runs import Run
from ropero.texts import t
from ropero.workbench.engine import of_run
from ropero.workbench.evaluate import part_of

STDIN = "stdin:"
LIMIT_BYTES = 64 << 20  # of one picture file
LIMIT_IMAGES = 100_000  # of one .npy file
INVERT = ("auto", "yes", "no")


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """One picture and what the network makes of it.

    seen is (H, W) or (H, W, 3) uint8, just what the network was shown; probabilities is (K,), calibrated where the run
    held images out to do so; verdict is "sure", "unsure" or "not a garment", "" for a run of an older ropero; true is
    the class number where it is known; inverted says that light and dark were exchanged, was_coloured that a colour
    picture was made grey for the network.
    """

    name: str
    seen: Images
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]
    verdict: str
    true: int | None = None
    inverted: bool = False
    was_coloured: bool = False

    def __repr__(self) -> str:
        said = f"{self.classes[self.predicted]}, {self.probabilities.max():.1%}"
        return f"Prediction({self.name}: {said}{self.verdict and ', ' + self.verdict})"

    @property
    def predicted(self) -> int:
        return int(self.probabilities.argmax())

    def to_json(self) -> dict[str, Any]:
        """Class, probability and all probabilities, with English keys and class names."""
        return {
            "image": self.name,
            "predicted": self.classes[self.predicted],
            "probability": float(self.probabilities.max()),
            "verdict": self.verdict,
            "true": None if self.true is None else self.classes[self.true],
            "inverted": self.inverted,
            "probabilities": {name: float(p) for name, p in zip(self.classes, self.probabilities, strict=True)},
        }


def predict_files(
    run: Run,
    names: list[str],
    *,
    stdin: bytes = b"",
    invert: str = "auto",
    device: str = "auto",
    engine: str = AUTO,
) -> list[Prediction]:
    """Predict picture files (PNG, JPEG and what else Pillow decodes) and .npy arrays; "-" takes `stdin`.

    A picture is turned upright, made grey where the network is grey, and fitted into the network's size. Networks of
    grey images expect a light garment on black, as Fashion-MNIST has it; with invert="auto" a picture whose edge is
    light is inverted.

    Raises:
        DataError: a file that is missing, too large, or cannot be decoded.
    """
    if not names:
        return []
    named: list[tuple[str, Images]] = []
    for name in names:
        content = read(name, stdin)
        images = (
            _arrays(name, content) if content[:6] == b"\x93NUMPY" else [np.asarray(pictures.decode((name, content)))]
        )
        shown = name.removesuffix(":") if name == STDIN else name
        for number, image in enumerate(images):
            named.append((shown if len(images) == 1 else f"{shown}[{number}]", image))
    return _predict(run, named, invert, device, engine)


def predict_arrays(run: Run, array: NDArray[Any], *, invert: str = "no", device: str = "auto") -> list[Prediction]:
    """Predict images from an array: (H, W), (H, W, 3), (N, H, W[, 1]) or (N, H, W, 3); uint8, or floats 0 to 1.

    Raises:
        DataError: an array that is something else.
    """
    named = [(f"image {number}", image) for number, image in enumerate(_stacked("array", array))]
    return _predict(run, named, invert, device)


def _predict(
    run: Run, named: list[tuple[str, Images]], invert: str, device: str, engine: str = AUTO
) -> list[Prediction]:
    shown = [(name, *prepare(image, run.data.input_shape, invert)) for name, image in named]
    found = _judged(run, run.model(device), np.stack([image for _, image, _ in shown]), engine)
    return [
        Prediction(name, seen, p, run.data.classes, verdict, inverted=inverted, was_coloured=given.ndim > seen.ndim)
        for (name, seen, inverted), (p, verdict), (_, given) in zip(shown, found, named, strict=True)
    ]


def _judged(run: Run, model: Classifier, images: Images, engine: str = AUTO) -> list[tuple[NDArray[np.float32], str]]:
    """(probabilities (K,), verdict) of each image."""
    features, logits = of_run(run, model, engine)(images)
    judge = run.judge
    if judge is None:
        return [(p, "") for p in softmax(logits)]
    judged = judge.judge(features, logits)
    return list(zip(judged.probabilities, judged.words(), strict=True))


def predict_test(
    run: Run,
    numbers: list[int],
    *,
    data: str | None = None,
    splits: Splits | None = None,
    device: str = "auto",
    engine: str = AUTO,
) -> list[Prediction]:
    """Predict test images by their row, which is what a report calls them; their true class is known. The ledger notes
    the look first."""
    if not numbers:
        return []
    part = part_of(run, "test", data=data, splits=splits)
    places = {int(row): at for at, row in enumerate(part.rows)}
    for number in numbers:
        if number not in places:
            raise UsageError(
                t("There is no test image {number}; they go from {first} to {last}.", number=number,
                  first=int(part.rows.min()), last=int(part.rows.max()))
            )  # fmt: skip
    chosen = [places[number] for number in numbers]
    model = run.model(device)
    _record_look(run, len(numbers))
    found = _judged(run, model, part.images[chosen], engine)
    return [
        Prediction(f"test {number}", part.images[at], p, part.classes, verdict, true=int(part.labels[at]))
        for number, at, (p, verdict) in zip(numbers, chosen, found, strict=True)
    ]


def predict_dataset(run: Run, images: Dataset, *, device: str = "auto") -> list[Prediction]:
    """Predict every image of a Dataset that has the run's image shape; true classes are known.

    Where it is a test part, or called so, the ledger notes the look first.
    """
    if images.input_shape != run.data.input_shape:
        raise UsageError(
            t(
                "{run} takes images {expected}, got {got}.",
                run=run.name,
                expected=run.data.input_shape,
                got=images.input_shape,
            )
        )
    model = run.model(device)
    if images.split == "test" or images.digest in _test_digests(run):
        _record_look(run, len(images))
    found = _judged(run, model, images.images)
    return [
        Prediction(f"{images.split} {row}", image, p, run.data.classes, verdict, true=int(label))
        for row, image, (p, verdict), label in zip(images.rows, images.images, found, images.labels, strict=True)
    ]


def _test_digests(run: Run) -> set[str]:
    """The digests of what is the run's test part: what the data brought, or what the run held out."""
    return {digests["test"] for digests in (run.data.digests, run.notes.get("digests") or {}) if "test" in digests}


def note_test_images(run: Run, images: Images, test: Dataset) -> None:
    """Note a look where some of these images (N, H, W[, C]) are of the test part, under whatever name they come."""
    if images.dtype != np.uint8 or images.ndim < 3:
        return
    known = {image.tobytes() for image in test.images}
    shape = test.images.shape[1:]
    count = sum(image.tobytes() in known for image in images) if images.shape[1:4] in (shape, (*shape, 1)) else 0
    if count:
        _record_look(run, count)


def _record_look(run: Run, count: int) -> None:
    """Note a look at test images. Called before they are predicted: no answer is seen that is not written down."""
    run.ledger.record("predict", run.card.weights_sha256, count, None)


def check_plot(path: Path, count: int) -> None:
    """Raises UsageError for a place where the pictures of so many predictions cannot be written, before a look."""
    from ropero.reports import output  # an optional extra

    if path.suffix and count != 1:
        raise UsageError(t("{path} can hold one picture; give a folder for {n}.", path=path, n=count))
    if path.suffix:
        output.check(path)


def plot(predictions: list[Prediction], path: Path) -> list[Path]:
    """Draw each picture beside its probability bars: one prediction into the file `path`, more into the folder `path`.

    Raises MissingExtra without Matplotlib, UsageError for a file ending that cannot be written.
    """
    from ropero.reports import output  # an optional extra
    from ropero.reports import pictures as drawings

    check_plot(path, len(predictions))
    if path.suffix:
        targets = [path]
    else:
        targets = [path / f"{number:03d}-{plain_name(one.name)}.png" for number, one in enumerate(predictions)]
    return [
        output.save(
            drawings.prediction(one.seen, one.probabilities, one.classes, one.true, verdict=one.verdict), target
        )
        for one, target in zip(predictions, targets, strict=True)
    ]


def plain_name(name: str) -> str:
    """A file name made of a picture's name, whatever characters that has."""
    return re.sub(r"[^A-Za-z0-9]+", "-", Path(name).stem or "picture").strip("-")[:60] or "picture"


def prepare(image: Images, shape: tuple[int, int, int], invert: str) -> tuple[Images, bool]:
    """(what the network is shown, whether it was inverted) for a picture (H, W) or (H, W, 3) uint8 of any size."""
    channels, height, width = shape
    picture = Image.fromarray(image).convert("L" if channels == 1 else "RGB")
    seen = np.asarray(picture)
    if seen.shape[:2] != (height, width):
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        seen = pictures.fit(picture, side)[top : top + height, left : left + width]
    inverted = invert == "yes" or (invert == "auto" and channels == 1 and _edge_is_light(seen))
    return (255 - seen if inverted else seen), inverted


def _edge_is_light(image: Images) -> bool:
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return bool(np.median(edge) > 127)


def read(name: str, stdin: bytes = b"") -> bytes:
    """A picture's file or standard input, read no further than the limit, whatever it says of its size.

    Raises DataError for a folder, and a file that is too large or cannot be read.
    """
    path, content = Path(name), stdin
    if name != STDIN and path.is_dir():
        raise DataError(t("{path} is a folder; name the pictures in it, as in {path}/*.jpg.", path=name))
    if name != STDIN:
        try:
            with path.open("rb") as file:
                content = bytes(read_at_most(file, LIMIT_BYTES + 1))
        except OSError as error:
            raise DataError(t("Cannot read {path}: {reason}", path=path, reason=error.strerror or error)) from error
    if len(content) > LIMIT_BYTES:
        raise DataError(t("{path} is larger than {limit} MB.", path=name, limit=LIMIT_BYTES >> 20))
    return content


def _arrays(name: str, content: bytes) -> list[Images]:
    """The images of a .npy file: (H, W), (H, W, 3), (N, H, W) or (N, H, W, 3); uint8 0..255 or floats 0..1."""
    return _stacked(name, read_npy(name, content))


def _stacked(name: str, array: NDArray[Any]) -> list[Images]:
    given = array.dtype
    if array.dtype.kind == "f" and array.size and array.min() >= 0 and array.max() <= 1:
        array = np.round(array * 255).astype(np.uint8)
    single = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (1, 3))
    stack = array[None] if single else array
    if stack.ndim == 4 and stack.shape[-1] == 1:
        stack = stack[..., 0]
    if array.dtype != np.uint8 or stack.ndim not in (3, 4) or (stack.ndim == 4 and stack.shape[-1] != 3):
        raise DataError(
            t(
                "{name}: expected images as uint8 0 to 255 or floats 0 to 1, of shape (H, W), (N, H, W) or "
                "(N, H, W, 3), got {dtype} {shape}.",
                name=name,
                dtype=given,
                shape=array.shape,
            )
        )
    if not 0 < len(stack) <= LIMIT_IMAGES or 0 in stack.shape:
        raise DataError(
            t("{name}: expected 1 to {limit} images, got {n}.", name=name, limit=LIMIT_IMAGES, n=len(stack))
        )
    return list(stack)
