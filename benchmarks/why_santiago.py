"""Why santiago-2020's models 2 to 6 stop at 70 to 84 %: the same networks with one fault at a time.

    python benchmarks/why_santiago.py [--models 2 3 4 5 6] [--faults ...] [--epochs 12]

Every pair of model and fault trains on 20,000 images and is judged on 10,000 others of the training part; the test
images are not opened. What is done already is kept: repeat the command to go on. Writes
benchmarks/results/why_santiago.json.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ropero import runtime
from ropero.data import sources
from ropero.data.dataset import Dataset
from ropero.data.splits import split
from ropero.models import designs, zoo
from ropero.models.classifier import Classifier
from ropero.models.inference import logits
from ropero.models.layers import Dropout, Layer, Rescaling
from ropero.storage import read_json, write_json
from ropero.training.callbacks import Callback
from ropero.training.checkpoints import CheckpointStore
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord
from ropero.training.loop import fit
from ropero.training.presets import plain

RESULT = Path(__file__).parent / "results" / "why_santiago.json"
IMAGES, HELD_OUT = 20_000, 10_000
MILD = {"rotation": 8.0, "width_shift": 0.08, "height_shift": 0.08, "shear": 0.3, "zoom": 0.08}
# What the Keras blog's well-known example ("building powerful image classification models ...") uses.
STRONG = {
    "rotation": 40.0, "width_shift": 0.2, "height_shift": 0.2, "shear": 0.2, "zoom": 0.2, "flip": "random",
}  # fmt: skip
# The example in Keras's documentation of ImageDataGenerator, which also normalises what it gives.
DOCUMENTATION = {"rotation": 20.0, "width_shift": 0.2, "height_shift": 0.2, "flip": "random"}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to train wrongly.

    augmented: what the image generator does. rescaled: pixels divided by 255 again, in training and when judged.
    judged_by: (mean, deviation) by which pixels are normalised when judged, where it is not as in training.
    normalised: by the mean and the deviation of the training images, in training. rate: of the dropout before the
    output, where it is not the report's 0.5. dropped_output: dropout of 0.5 on the ten probabilities.
    """

    what: str
    augmented: Mapping[str, Any] = field(default_factory=dict)
    rescaled: bool = False
    normalised: bool = False
    judged_by: tuple[float, float] | None = None
    rate: float | None = None
    dropped_output: bool = False


AS_IT_IS = (0.0, 1.0)
FAULTS = {
    "none": Fault(what="as the network is, no augmentation"),
    "mild": Fault(what="augmented mildly (rotation 8, shifts and zoom 0.08)", augmented=MILD),
    "strong": Fault(what="augmented strongly (rotation 40, shifts and zoom 0.2, mirrored)", augmented=STRONG),
    "turned": Fault(
        what="augmented so that garments stand on their heads (rotation 90, mirrored both ways)",
        augmented={**STRONG, "rotation": 90.0, "vertical_flip": True},
    ),
    "scaled-twice": Fault(what="pixels divided by 255 twice, in training and after", rescaled=True),
    "train-scaled-twice": Fault(
        what="pixels divided by 255 twice in training, once when judged", rescaled=True, judged_by=(0.0, 1 / 255)
    ),
    "train-scaled-twice-mild": Fault(
        what="the same, augmented mildly", augmented=MILD, rescaled=True, judged_by=(0.0, 1 / 255)
    ),
    "train-normalised": Fault(
        what="normalised by mean and deviation in training, not when judged", normalised=True, judged_by=AS_IT_IS
    ),
    "documentation": Fault(
        what="the example in Keras's documentation: rotation 20, shifts 0.2, mirrored, and normalised by mean and "
        "deviation in training, not when judged",
        augmented=DOCUMENTATION,
        normalised=True,
        judged_by=AS_IT_IS,
    ),
    "documentation-judged-alike": Fault(
        what="the same, but normalised when judged too", augmented=DOCUMENTATION, normalised=True
    ),
    "output-dropout": Fault(what="dropout of 0.5 on the ten probabilities", dropped_output=True),
}
# The report says that dropout of 0.2 to 0.3 gave at most 50 %: which fault does that agree with?
FAULTS |= {
    f"{name}-dropout-0.25": replace(FAULTS[name], what=f"{FAULTS[name].what}; dropout 0.25 instead of 0.5", rate=0.25)
    for name in ("mild", "strong", "train-scaled-twice", "documentation")
}


class DroppedProbabilities(nn.Module):
    """Dense 10 softmax -> Dropout 0.5 -> cross-entropy as Keras computes it: rows made to sum to 1, clipped at 1e-7."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head, self.dropout = head, nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        shares = self.dropout(self.head(x).float().softmax(1))
        shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-7)
        dropped: Tensor = shares.clamp(1e-7, 1 - 1e-7).log()
        return dropped


def builder(model: str, fault: Fault) -> zoo.Builder:
    """The network of santiago-2020 with its fault."""

    def build(input_shape: tuple[int, int, int], classes: int) -> Classifier:
        design: list[Layer] = list(zoo.NETWORKS[f"santiago-{model}"](input_shape, classes).design)
        if fault.rate is not None:
            design = [Dropout(fault.rate) if isinstance(layer, Dropout) else layer for layer in design]
        if fault.rescaled:
            design.insert(0, Rescaling(1 / 255))
        made = designs.build(design, input_shape, classes, standardise=fault.normalised)
        if fault.dropped_output:
            made.head = DroppedProbabilities(made.head)
        return made

    return build


def config_of(model: str, name: str, epochs: int) -> TrainConfig:
    augmented = FAULTS[name].augmented
    return plain(
        f"santiago-{model}-{name}",
        epochs=epochs,
        batch_size=128,
        precision="auto",
        augment_validation=bool(augmented),
        **augmented,
    )


class Judge(Callback):
    """After each epoch the accuracy on images as they are, by the pixels that the fault judges by."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.curve: list[float] = []

    def on_set_up(self, model: Classifier, kept: Classifier, train: Dataset, validation: Dataset | None) -> None:
        assert validation is not None
        self.kept, self.held = kept, validation

    def on_epoch_end(self, record: EpochRecord) -> None:
        self.curve.append(self.accuracy(self.kept, self.held))

    def accuracy(self, trained: Classifier, images: Dataset) -> float:
        judged = copy.deepcopy(trained).eval()
        if self.fault.judged_by is not None:
            judged.standardise = True
            with torch.no_grad():
                judged.mean.fill_(self.fault.judged_by[0])
                judged.std.fill_(self.fault.judged_by[1])
        return float((logits(judged, images.images).argmax(1) == images.labels).mean())


def measure(model: str, name: str, epochs: int, train: Dataset, held: Dataset, folder: Path) -> dict[str, Any]:
    fault, config = FAULTS[name], config_of(model, name, epochs)
    zoo.NETWORKS[config.network] = builder(model, fault)
    here = runtime.environment()
    place = folder / f"{config.network}-{epochs}-{here['code_sha256'][:12]}"
    place.mkdir(parents=True, exist_ok=True)
    judge = Judge(fault)
    trained, history = fit(config, train, held, callbacks=[judge], store=CheckpointStore(place))
    last = history.records[-1]
    return {
        "what": fault.what,
        "epochs": epochs,
        "running_train_accuracy": last.train_accuracy,
        "train_accuracy": judge.accuracy(trained, train.take(range(HELD_OUT))),
        "validation_accuracy": judge.accuracy(trained, held),
        "seen_validation_accuracy": last.validation_accuracy,  # of images as the training sees them
        "running_train_curve": [round(record.train_accuracy, 4) for record in history],
        "validation_curve": [round(accuracy, 4) for accuracy in judge.curve],  # from where it last went on
        "seconds": history.train_seconds,
        "environment": here,
    }


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--models", nargs="+", default=["2", "3", "4", "5", "6"])
    asked.add_argument("--faults", nargs="+", default=list(FAULTS))
    asked.add_argument("--epochs", type=int, default=12)
    asked.add_argument("--folder", type=Path, default=Path(__file__).parent / "runs" / "why_santiago")
    options = asked.parse_args()
    rest, held = split(sources.load("fashion-mnist").train, HELD_OUT, seed=0, stratified=False)
    train = rest.take(range(IMAGES))
    content: dict[str, Any] = read_json(RESULT) if RESULT.exists() else {"models": {}}
    for name in options.faults:
        for model in options.models:
            done = content["models"].setdefault(model, {})
            if done.get(name, {}).get("epochs") == options.epochs:
                continue
            done[name] = measure(model, name, options.epochs, train, held, options.folder)
            write_json(RESULT, content)
            shown = {name: value for name, value in done[name].items() if "curve" not in name and name != "environment"}
            print(model, name, shown, flush=True)


if __name__ == "__main__":
    main()
