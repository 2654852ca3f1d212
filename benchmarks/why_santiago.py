"""Why santiago-2020's models 2 to 6 stop at 70 to 84 %: the same networks with one fault at a time.

    python benchmarks/why_santiago.py [--models 2 3 4 5 6] [--faults ...] [--epochs 20]

Every pair of model and fault trains on 20,000 images and is judged on 10,000 others of the training part; the test
images are not opened. What is done already is kept: repeat the command to go on. Writes
benchmarks/results/why_santiago.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ropero import runtime
from ropero.data import sources
from ropero.data.dataset import Dataset
from ropero.data.splits import split
from ropero.models import designs, zoo
from ropero.models.classifier import Classifier
from ropero.models.inference import logits
from ropero.models.layers import Rescaling
from ropero.storage import read_json, write_json
from ropero.training.checkpoints import CheckpointStore
from ropero.training.config import TrainConfig
from ropero.training.loop import fit
from ropero.training.presets import plain

RESULT = Path(__file__).parent / "results" / "why_santiago.json"
IMAGES, HELD_OUT = 20_000, 10_000
MILD = {"rotation": 8.0, "width_shift": 0.08, "height_shift": 0.08, "shear": 0.3, "zoom": 0.08}
# What the Keras blog's well-known example ("building powerful image classification models ...") uses.
STRONG = {
    "rotation": 40.0, "width_shift": 0.2, "height_shift": 0.2, "shear": 0.2, "zoom": 0.2, "flip": "random",
}  # fmt: skip
AUGMENTED: dict[str, dict[str, Any]] = {
    "mild": MILD,
    "strong": STRONG,
    "turned": {**STRONG, "rotation": 90.0, "vertical_flip": True},
}
FAULTS = {
    "none": "as the network is, no augmentation",
    "mild": "augmented mildly (rotation 8, shifts and zoom 0.08)",
    "strong": "augmented strongly (rotation 40, shifts and zoom 0.2, mirrored)",
    "turned": "augmented so that garments stand on their heads (rotation 90, mirrored both ways)",
    "scaled-twice": "pixels divided by 255 twice, in training and after",
    "scaled-twice-mild": "the same, augmented mildly",
    "train-scaled-twice": "pixels divided by 255 twice in training, once when judged",
    "output-dropout": "dropout of 0.5 on the ten probabilities",
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


def builder(model: str, fault: str) -> zoo.Builder:
    """The network of santiago-2020 with its fault."""

    def build(input_shape: tuple[int, int, int], classes: int) -> Classifier:
        design = list(zoo.NETWORKS[f"santiago-{model}"](input_shape, classes).design)
        if "scaled-twice" in fault:
            design.insert(0, Rescaling(1 / 255))
        made = designs.build(design, input_shape, classes)
        if fault == "output-dropout":
            made.head = DroppedProbabilities(made.head)
        return made

    return build


def config_of(model: str, fault: str, epochs: int) -> TrainConfig:
    augmented = AUGMENTED.get(fault.rpartition("-")[2], {})
    return plain(
        f"santiago-{model}-{fault}",
        epochs=epochs,
        batch_size=128,
        precision="auto",
        augment_validation=bool(augmented),
        **augmented,
    )


def accuracy(model: Classifier, held: Dataset) -> float:
    return float((logits(model, held.images).argmax(1) == held.labels).mean())


def measure(model: str, fault: str, epochs: int, train: Dataset, held: Dataset, folder: Path) -> dict[str, Any]:
    config = config_of(model, fault, epochs)
    zoo.NETWORKS[config.network] = builder(model, fault)
    place = folder / config.network
    place.mkdir(parents=True, exist_ok=True)
    trained, history = fit(config, train, held, store=CheckpointStore(place))
    judged = trained
    if fault == "train-scaled-twice":
        # The images that are judged are 255 times as bright as those that were learned from.
        judged.standardise = True
        judged.std.fill_(1 / 255)
    few = train.take(range(HELD_OUT))
    last = history.records[-1]
    return {
        "what": FAULTS[fault],
        "epochs": epochs,
        "running_train_accuracy": last.train_accuracy,
        "train_accuracy": accuracy(judged, few),
        "validation_accuracy": accuracy(judged, held),
        "augmented_validation_accuracy": last.validation_accuracy if config.augment_validation else None,
        "validation_curve": [round(record.validation_accuracy or 0.0, 4) for record in history],
        "train_curve": [round(record.train_accuracy, 4) for record in history],
        "seconds": history.train_seconds,
    }


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--models", nargs="+", default=["2", "3", "4", "5", "6"])
    asked.add_argument("--faults", nargs="+", default=list(FAULTS))
    asked.add_argument("--epochs", type=int, default=20)
    asked.add_argument("--folder", type=Path, default=Path(__file__).parent / "runs" / "why_santiago")
    options = asked.parse_args()
    rest, held = split(sources.load("fashion-mnist").train, HELD_OUT, seed=0, stratified=False)
    train = rest.take(range(IMAGES))
    content: dict[str, Any] = read_json(RESULT) if RESULT.exists() else {"models": {}}
    for fault in options.faults:
        for model in options.models:
            done = content["models"].setdefault(model, {})
            if done.get(fault, {}).get("epochs") == options.epochs:
                continue
            done[fault] = measure(model, fault, options.epochs, train, held, options.folder)
            content["environment"] = runtime.environment()
            write_json(RESULT, content)
            shown = {name: value for name, value in done[fault].items() if "curve" not in name}
            print(model, fault, shown, flush=True)


if __name__ == "__main__":
    main()
