"""`Experiment`: one model of a published report: its network, how it was trained, what was claimed, what was not said.

Knows nothing of how it is run or shown. Accuracies are in 0..1, losses in nats, times in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ropero.experiments.evidence import Reason
from ropero.texts import mark
from ropero.training.config import TrainConfig

ROUNDED = mark(
    "The report computed in float32. Here the weights are float32, their products bfloat16 where the processor has it."
)

_REACH = mark(
    "The claim is within the network's reach: under ropero's protocol, one cycle of AdamW for 20 epochs, it is right "
    "on {sound} of the test images. What the report leaves open decides the rest."
)


def reach(report: str, model: str) -> Reason:
    """That a network reaches what its report claims, when trained soundly; from the reproduction's result."""
    return Reason(_REACH, {"sound": f"reproduce/{report}-{model}-ropero:measured/test_accuracy/mean"})


Figures = Mapping[str, float]  # by name: train_accuracy, validation_accuracy, test_accuracy, test_loss, macro_f1 ...


@dataclass(frozen=True, kw_only=True)
class Time:
    """What a report says of its time: from low to high seconds, for an epoch or for everything."""

    low: float
    high: float
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One trained model of a report.

    Attributes:
        protocol: the report's own training; what the report does not say is ours and listed in `unsaid`.
        sound: the same network under ropero's training.
        claimed: the report's figures.
        classes: (precision, recall, F1, support) of each class, as the report gives them.
        judged_on: the part that the report's figures are of.
        before: the training whose figures the report gives as "before augmentation", and those figures.
        unsaid: marked texts, one for each thing that the report leaves open and what is done here.
        why: why claimed and measured figures differ, as experiments showed; the shortest answer first.
    """

    report: str
    model: str
    protocol: TrainConfig
    sound: TrainConfig
    claimed: Figures = field(default_factory=dict)
    classes: tuple[tuple[float, float, float, int], ...] = ()
    judged_on: str = "test"
    time: Time | None = None
    before: tuple[TrainConfig, Figures] | None = None
    unsaid: tuple[str, ...] = ()
    why: tuple[Reason, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.report}/{self.model}"
