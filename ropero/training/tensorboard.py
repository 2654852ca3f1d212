"""`TensorBoard`: a training as events for TensorBoard: curves, graph, histograms, images. An optional extra.

Two folders, as Keras writes them: `train` holds everything, `validation` its loss and accuracy, which TensorBoard
then draws into the same charts. Knows nothing of run folders.
Legend: N images, C channels, H x W pixels, K classes, O filters of k x k.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ropero.data.batches import channels_first, to_unit
from ropero.data.dataset import Dataset
from ropero.errors import MissingExtra
from ropero.models.classifier import Classifier
from ropero.texts import t
from ropero.training.augmentation import Augmentation
from ropero.training.callbacks import Callback
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord, History

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SHOWN_CLASSES, SHOWN_IMAGES = 20, 8  # classes, images of each
SHOWN_FILTERS, SHOWN_CHANNELS = 64, 16
IMAGE_SIDE, FILTER_SIDE = 84, 30  # pixels that a small image or filter is enlarged to, at least


class TensorBoard(Callback):
    """Writes events below a folder: losses, accuracies, learning rate and speed, histograms of weights and of the
    last step's gradients, and the filters of a network that begins with a convolution, once an epoch; the graph, the
    config and some training images once. A training that goes on goes on writing where it was interrupted.

    Raises MissingExtra when TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        if find_spec("tensorboard") is None:
            raise MissingExtra("TensorBoard", "tensorboard")
        self.folder = folder
        self._writers: dict[str, SummaryWriter] = {}

    def on_set_up(self, model: Classifier, kept: Classifier, train: Dataset, validation: Dataset | None) -> None:
        self._model, self._kept, self._train, self._validation = model, kept, train, validation

    def on_train_begin(self, config: TrainConfig, steps_per_epoch: int, done_steps: int, history: History) -> None:
        written = any(self.folder.glob("train/events.*"))
        # What was written of an epoch that did not end is hidden, since that epoch is run again; of a training that
        # begins anew, everything.
        purge = None if not written else len(history) + 1 if done_steps else 0
        for part in ("train", *(["validation"] if self._validation is not None else [])):
            self._writers[part] = _writer(self.folder / part, purge)
        if not (written and done_steps):
            self._write_once(config)
            for record in history:
                self._write_scalars(record)
        if not done_steps:
            self._write_weights(0)
        self._flush()

    def on_epoch_end(self, record: EpochRecord) -> None:
        self._write_scalars(record)
        self._write_weights(record.epoch)
        for tag, parameter in tagged(self._model):
            if parameter.grad is not None:
                self._histogram(f"gradients/{tag}", parameter.grad, record.epoch)
        self._flush()

    def on_train_end(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _flush(self) -> None:
        for writer in self._writers.values():
            writer.flush()

    def _call(self, what: str, *words: Any, part: str = "train", **options: Any) -> None:
        getattr(self._writers[part], what)(*words, **options)

    def _write_once(self, config: TrainConfig) -> None:
        self._call("add_text", "config", f"```json\n{json.dumps(config.to_json(), indent=2)}\n```", 0)
        self._write_graph()
        for name, sheet in sample_sheets(self._train, config):
            self._call("add_image", f"training images/{name}", sheet, 0, dataformats="HWC")

    def _write_graph(self) -> None:
        # A copy: tracing changes how a module is called, and batch-norm must not listen.
        network = copy.deepcopy(self._kept).cpu().eval()
        try:
            # The tracer warns of every shape that Python looks at and prints what it cannot trace.
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
                warnings.simplefilter("ignore")
                self._call("add_graph", network, torch.zeros(1, *network.input_shape))
        except Exception as error:  # the tracer's own kinds, and whatever a user's module raises when it is traced
            reason = str(error).strip().split("\n")[0]
            message = t("TensorBoard will show no graph of this network: {reason}", reason=reason)
            warnings.warn(message, RuntimeWarning, stacklevel=2)

    def _write_scalars(self, record: EpochRecord) -> None:
        """Losses in nats, accuracies in 0..1."""
        values = {"train": (record.train_loss, record.train_accuracy)}
        if record.validation_loss is not None and record.validation_accuracy is not None:
            values["validation"] = (record.validation_loss, record.validation_accuracy)
        for part, (loss, accuracy) in values.items():
            self._call("add_scalar", "epoch/loss", loss, record.epoch, part=part)
            self._call("add_scalar", "epoch/accuracy", accuracy, record.epoch, part=part)
        self._call("add_scalar", "epoch/learning rate", record.learning_rate, record.epoch)
        self._call("add_scalar", "epoch/images per second", record.images_per_second, record.epoch)

    def _write_weights(self, epoch: int) -> None:
        for tag, parameter in tagged(self._kept):
            self._histogram(f"weights/{tag}", parameter, epoch)
        first = next((one for one in self._kept.modules() if list(one.parameters(recurse=False))), None)
        if isinstance(first, nn.Conv2d):
            self._call("add_image", "filters/01 Conv2d weight", filter_sheet(first.weight), epoch, dataformats="HWC")

    def _histogram(self, tag: str, values: Tensor, epoch: int) -> None:
        found = values.detach().float().flatten().cpu()
        found = found[found.isfinite()]  # a histogram has no place for others
        if len(found):
            self._call("add_histogram", tag, found, epoch)


def _writer(folder: Path, purge: int | None) -> SummaryWriter:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that TensorBoard is made of
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(folder, purge_step=purge)


def tagged(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Every parameter that learns, with the number and kind of its layer: `03 Conv2d weight`."""
    layers = [one for one in model.modules() if any(p.requires_grad for p in one.parameters(recurse=False))]
    digits = max(2, len(str(len(layers))))
    for number, layer in enumerate(layers, 1):
        for name, parameter in layer.named_parameters(recurse=False):
            if parameter.requires_grad:
                yield f"{number:0{digits}} {type(layer).__name__} {name}", parameter


def sample_sheets(train: Dataset, config: TrainConfig) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """For each class its name and its first images in a row, uint8 (H, W, 1 or 3).

    Below them, where the config augments, the same images as a step may see them.
    """
    shown = range(min(SHOWN_CLASSES, len(train.classes)))
    chosen = [np.flatnonzero(train.labels == k)[:SHOWN_IMAGES] for k in shown]
    rows = np.concatenate(chosen)
    pixels = channels_first(train.images[rows])  # (N, C, H, W)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        changed, _ = Augmentation(config, len(train)).of_training(
            pixels.clone(), torch.tensor(train.labels[rows]), torch.tensor(rows), config.augment_from - 1
        )
    augmented = not torch.equal(changed.float(), pixels.float())
    start = 0
    digits = len(str(len(shown) - 1))
    for k, found in zip(shown, chosen, strict=True):
        part = slice(start, start := start + len(found))
        if len(found):
            both = [to_unit(pixels[part]), *([to_unit(changed[part].clone())] if augmented else [])]
            # A slash would begin a group, and TensorBoard sorts by name: the number keeps the order.
            name = re.sub(r"[^-\w. ]", "-", train.classes[k])
            yield f"{k:0{digits}} {name}", to_bytes(grid(torch.stack(both), IMAGE_SIDE))


def filter_sheet(weight: Tensor) -> NDArray[np.uint8]:
    """The filters (O, C, k, k) of a convolution as one picture, uint8 (H, W, 1 or 3).

    Grey is zero, white the largest weight, black its negative. Of one or three channels a filter is a small picture,
    grey or in colours; of others it is a strip with a picture for each channel.
    """
    values = weight.detach().float().cpu()[:SHOWN_FILTERS]
    values = 0.5 + values / (2 * values.abs().max().clamp(min=1e-12))
    alone = values.shape[1] in (1, 3)
    pictures = values[:, None] if alone else values[:, :SHOWN_CHANNELS, None]  # (O, pictures, 1 or 3, k, k)
    strips = torch.stack([grid(one[None], FILTER_SIDE) for one in pictures])  # (O, 1 or 3, height, width)
    columns = max(1, round((len(strips) / pictures.shape[1]) ** 0.5))  # about as high as wide
    spare = torch.ones(-len(strips) % columns, *strips.shape[1:])
    return to_bytes(grid(torch.cat([strips, spare]).reshape(-1, columns, *strips.shape[1:]), FILTER_SIDE, gap=3))


def grid(pictures: Tensor, side: int, gap: int = 1) -> Tensor:
    """(rows, columns, C, H, W) in [0, 1] -> one picture (C, height, width) on white.

    What is smaller than `side` pixels is enlarged by a whole number; around each picture are `gap` pixels.
    """
    times = max(1, -(-side // max(pictures.shape[-2:])))
    pictures = pictures.repeat_interleave(times, -1).repeat_interleave(times, -2)
    framed = nn.functional.pad(pictures, (gap, gap, gap, gap), value=1.0)
    rows, columns, channels, height, width = framed.shape
    return framed.permute(2, 0, 3, 1, 4).reshape(channels, rows * height, columns * width)


def to_bytes(picture: Tensor) -> NDArray[np.uint8]:
    """(C, H, W) in [0, 1] -> (H, W, C) uint8."""
    found: NDArray[np.uint8] = (picture * 255).round().byte().permute(1, 2, 0).numpy()
    return found
