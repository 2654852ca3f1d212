"""What a report says of trust in sentences: how the training went, and what sure, unsure and not a garment mean.

Knows nothing of HTML. Sentences come translated, in the language in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ropero.evaluation.diagnosis import AHEAD, diagnose
from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.judge import REFUSED, SURE, Judge
from ropero.evaluation.unknown import METHODS
from ropero.export.origin import doubts
from ropero.metrics.statistics import wilson_interval
from ropero.texts import joined, t
from ropero.texts.numbers import Numbers
from ropero.training.history import History


def diagnosis(history: History) -> list[str]:
    """What the learning curves say; nothing where there are none."""
    if not len(history):
        return []
    columns = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    loss, accuracy, *held = (history.column(name) for name in columns)
    found = diagnose([one or 0.0 for one in loss], [one or 0.0 for one in accuracy], *held)
    if found is None:
        return [t("Too few epochs to say how the training went.")]
    n, said = Numbers.current(), []
    if found.collapsed:
        said.append(t("Unstable: what was learned was lost again before the end; try a smaller learning rate."))
    elif found.unstable:
        epochs = joined(found.jumps)
        said.append(t("Unstable: the loss jumped up in epochs {epochs}; try a smaller learning rate.", epochs=epochs))
    if found.overfits_from is not None:
        said.append(
            t(
                "It overfits from epoch {epoch} on: the validation loss rises while the training loss falls. Stop "
                "there, or use more augmentation, dropout or weight decay.",
                epoch=found.overfits_from,
            )
        )
    if found.learning:
        said.append(t("It was still learning at the end: more epochs would help."))
    if found.underfits:
        said.append(
            t("It underfits: even the training images are known badly. Try a larger network or less regularisation.")
        )
    elif found.converged:
        said.append(t("It has converged: the loss stood still at the end."))
    if found.gap is not None and found.gap > AHEAD:
        said.append(
            t(
                "It is right on {train} of the training images as it saw them, but on {gap} fewer of the validation "
                "images.",
                train=n.percent(accuracy[-1] or 0.0),
                gap=n.percent(found.gap),
            )
        )
    return said or [t("The curves show nothing unusual.")]


def verdicts(evaluation: Evaluation, judge: Judge | None, origin: Mapping[str, Any] | None = None) -> list[str]:
    """What "sure", "unsure" and "not a garment" mean here, and what they gave.

    origin: of an imported model, what its run remembers of it.
    """
    if evaluation.judged is None or judge is None:
        return []
    if origin:
        return doubts(origin, evaluation.split, evaluation.accuracy, evaluation.interval[0])
    n = Numbers.current()
    if not judge.held_out:
        return [
            t(
                "No images were held out, so nothing was measured: a prediction is called sure from {share} on. Train "
                "with --validation 0.1 for probabilities that are calibrated and limits that are measured.",
                share=n.percent(judge.sure_from, 0),
            )
        ]
    said = []
    if judge.sure_from <= 1:
        said.append(
            t(
                "A prediction is called sure from {share} on: chosen on {images} validation images so that at least "
                "{right} of the sure ones are right.",
                share=n.percent(judge.sure_from),
                images=n.whole(judge.held_out),
                right=n.percent(judge.right, 0),
            )
        )
    elif wilson_interval(judge.held_out, judge.held_out)[0] < judge.right:
        said.append(
            t(
                "{images} images held out are too few to promise that {right} of the answers are right: none is called "
                "sure.",
                images=n.whole(judge.held_out),
                right=n.percent(judge.right, 0),
            )
        )
    else:
        said.append(
            t("No limit makes {right} of the answers right: none is called sure.", right=n.percent(judge.right, 0))
        )
    sure, right = evaluation.verdict_counts()[SURE]
    if sure:
        said.append(
            t(
                "Here {share} of the images are sure, and {right} of these are right.",
                share=n.percent(sure / len(evaluation)),
                right=n.percent(right / sure),
            )
        )
    said.append(
        t(
            "Not a garment is what looks less like the training images than {known} of the validation images do, by "
            "{method}.",
            known=n.percent(1 - REFUSED, 0),
            method=t(METHODS[judge.known.method]),
        )
    )
    if judge.temperature != 1:
        said.append(
            t(
                "Probabilities are calibrated by a temperature of {heat}, fitted to the validation images; their "
                "calibration error is {before} without it and {after} with it.",
                heat=n.decimal(judge.temperature, 2),
                before=n.percent(judge.error_before or 0.0),
                after=n.percent(judge.error_after or 0.0),
            )
        )
    return said
