"""What a report says in sentences: recipe, choice of weights, test ledger, conclusions. All of it follows from numbers.

Knows nothing of HTML. Sentences come translated, in the language in force.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from ropero.evaluation.evaluate import Evaluation
from ropero.evaluation.ledger import Opening
from ropero.runs import Looks, Run
from ropero.texts import current, joined, mark, t, tn
from ropero.texts.numbers import Numbers
from ropero.training import commands
from ropero.training.config import TrainConfig
from ropero.training.history import History

HEADLINES = {
    "test": mark("Test accuracy"),
    "validation": mark("Validation accuracy"),
    "train": mark("Accuracy on the training images"),
}
PARTS = {"train": mark("Train"), "validation": mark("Validation"), "test": mark("Test")}
_OPTIMIZERS = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop"}
_SCHEDULES = {
    "one-cycle": mark("it rises over the first {warmup} of the training and then falls steadily to zero"),
    "cosine": mark("it rises over the first {warmup} of the training and then falls to zero along a cosine"),
    "step": mark("it is divided by ten at half and again at three quarters of the training"),
    "constant": mark("it stays the same throughout"),
}
_FILLS = {
    "nearest": mark("with the outermost pixels"),
    "constant": mark("with black"),
    "reflect": mark("with a mirror image"),
    "wrap": mark("with the other side"),
}
_CALIBRATED = 0.01  # a smaller gap between stated confidence and hit rate is called a good fit


def recipe(config: TrainConfig) -> list[str]:
    """How the network was trained."""
    n = Numbers.current()
    said = [
        tn(
            "One pass over the training images, in batches of {batch}.",
            "{n} passes over the training images, in batches of {batch}.",
            config.epochs,
            batch=n.whole(config.batch_size),
        ),
        t(
            "The optimizer is {optimizer}; the learning rate is {rate} at its highest: {schedule}.",
            optimizer=_OPTIMIZERS[config.optimizer],
            rate=n.general(config.learning_rate),
            schedule=t(_SCHEDULES[config.schedule], warmup=n.percent(config.warmup, 0)),
        ),
    ]
    if config.optimizer == "sgd" and config.momentum:
        said.append(t("Its momentum is {value} (Nesterov).", value=n.general(config.momentum)))
    if config.weight_decay:
        said.append(t("Weight decay {value} pulls the weights towards zero.", value=n.general(config.weight_decay)))
    if config.label_smoothing:
        said.append(t("Label smoothing of {value} tempers the confidence.", value=n.general(config.label_smoothing)))
    said += _augmentation(config)
    if config.ema:
        said.append(t("A moving average of the weights (decay {value}) is kept.", value=n.general(config.ema)))
    return said


def _augmentation(config: TrainConfig) -> list[str]:
    done = _moves(config)
    if config.erase and config.erase_side:
        done.append(
            t(
                "blackened in a square of {side} pixels with a probability of {share}",
                side=config.erase_side,
                share=Numbers.current().percent(config.erase, 0),
            )
        )
    said = [t("While training, images are {changes}.", changes=joined(done))] if done else []
    said += _mixing(config)
    if not said:
        return [t("The images are trained on as they are.")]
    if config.augment_from > 1:
        said.append(t("Before epoch {epoch} they are left as they are.", epoch=config.augment_from))
    if config.augment_validation and done:
        said.append(
            t(
                "The validation images are changed in the same way, so the validation figures are not of the images "
                "themselves."
            )
        )
    return said


def _moves(config: TrainConfig) -> list[str]:
    """What is done to where an image's pixels are."""
    n = Numbers.current()
    done = []
    if config.rotation:
        done.append(t("turned by up to {degrees}° either way", degrees=n.general(config.rotation)))
    if config.width_shift:
        done.append(t("moved sideways by up to {share} of their width", share=n.percent(config.width_shift)))
    if config.height_shift:
        done.append(t("moved up or down by up to {share} of their height", share=n.percent(config.height_shift)))
    if config.shear:
        done.append(t("slanted by up to {degrees}° either way", degrees=n.general(config.shear)))
    if config.zoom:
        done.append(t("stretched or shrunk by up to {share} along each side", share=n.percent(config.zoom)))
    if done:
        done[-1] = t("{change}, the gaps filled {fill}", change=done[-1], fill=t(_FILLS[config.fill]))
        if config.interpolation == "nearest":
            done[-1] = t("{change}, each pixel read from the nearest one", change=done[-1])
    if config.flip == "random":
        done.append(t("mirrored at random"))
    elif config.flip == "alternating":
        done.append(t("mirrored in every other epoch"))
    if config.vertical_flip:
        done.append(t("turned upside down at random"))
    return done


def _mixing(config: TrainConfig) -> list[str]:
    """What is done to pairs of images."""
    n = Numbers.current()
    mixup, cutmix = n.general(config.mixup), n.general(config.cutmix)
    if config.mixup and config.cutmix:
        return [
            t(
                "Every batch is mixed in pairs, by mixup (Beta parameter {mixup}) or CutMix ({cutmix}) as a coin says; "
                "the training accuracy counts the label that weighs more.",
                mixup=mixup,
                cutmix=cutmix,
            )
        ]
    if config.mixup:
        return [
            t(
                "Images and labels are blended in pairs (mixup, Beta parameter {value}); the training accuracy counts "
                "the label that weighs more.",
                value=mixup,
            )
        ]
    if config.cutmix:
        return [
            t(
                "A rectangle of each image is taken from another, and the labels are mixed by area (CutMix, Beta "
                "parameter {value}); the training accuracy counts the label that weighs more.",
                value=cutmix,
            )
        ]
    return []


def curve_notes(config: TrainConfig, history: History) -> list[str]:
    """How to read the learning curves."""
    if any(record.validation_loss is not None for record in history):
        said = [
            t(
                "Training figures are running means while the weights still move, over images as the recipe shows "
                "them: they may look worse than the validation figures."
            )
        ]
    else:
        said = [
            t(
                "No validation part was held out: the curves show the training images only, and tell nothing of how "
                "the network does on new ones."
            )
        ]
    if config.label_smoothing:
        said.append(t("The training loss includes label smoothing, so it does not go to zero."))
    return said


def choice(config: TrainConfig, history: History, validation_images: int) -> list[str]:
    """How the weights of the report were chosen."""
    n = Numbers.current()
    best = history.best_epoch()
    if config.keep == "best" and best:
        said = [t("The weights are those of epoch {epoch}, which had the lowest validation loss.", epoch=best.epoch)]
    else:
        said = [t("The weights are those at the end of the last epoch ({epoch}).", epoch=len(history))]
    if config.patience and len(history) < config.epochs:
        said.append(
            t(
                "The training stopped after {ran} of {epochs} epochs, as the validation loss got no better.",
                ran=len(history),
                epochs=config.epochs,
            )
        )
    if validation_images:
        said.append(
            t(
                "{images} validation images, which are not trained on, were there to choose by.",
                images=n.whole(validation_images),
            )
        )
    else:
        said.append(t("No images were held out for validation: nothing was chosen by looking at results."))
    said.append(t("The training is not given the test part at all."))
    return said


def opened(openings: list[Opening], weights_sha256: str) -> list[str]:
    """How often the test part was looked at."""
    # A look at single images, as `predict --test 17` takes it, is no judgement of the network.
    whole = [one for one in openings if one.accuracy is not None or one.verb == "?"]
    count, others = len(whole), [one for one in openings if one not in whole]
    said = [tn("The test part was opened once.", "The test part was opened {n} times.", count)] if count else []
    singles = sum(one.images for one in others if one.verb == "predict")
    if singles:
        said.append(
            tn("One test image was predicted by itself.", "{n} test images were predicted one by one.", singles)
        )
    measured = _summed([one for one in others if one.verb in MEASURED])
    if measured:
        told = [f"{t(MEASURED[verb])} {Numbers.current().whole(images)}" for verb, images in measured.items()]
        said.append(t("Measurements for reports looked at test images too, and chose nothing: {told}.",
                      told=joined(told)))  # fmt: skip
    if not count:
        return [t("The test part has not been opened for this run."), *said]
    strange = sum(one.weights_sha256 != weights_sha256 for one in whole)
    if strange:
        said.append(
            tn("One of these was with other weights.", "{n} of these were with other weights.", strange)
        )  # fmt: skip
    if count > 1:
        said.append(t("If anything was changed because of what an earlier opening showed, these figures are too good."))
    return said


# What reports measure beside the predictions, by the ledger's word for it.
MEASURED = {
    "robustness": mark("corruptions"),
    "explain": mark("explanations"),
    "strangers": mark("other things than garments"),
}


def _summed(openings: list[Opening]) -> dict[str, int]:
    """By verb, how many images were looked at in all."""
    found: dict[str, int] = {}
    for one in openings:
        found[one.verb] = found.get(one.verb, 0) + one.images
    return found


def changed_test(run: Run) -> list[str]:
    """That test labels were changed by a list, where they were."""
    counts = (run.notes.get("changed") or {}).get("test")
    if not counts:
        return []
    return [
        tn(
            "One test image was relabelled or left out by a list: this figure is not that of the data as published.",
            "{n} test images were relabelled or left out by a list: this figure is not that of the data as published.",
            sum(counts.values()),
        )
    ]


def looked(looks: Looks) -> list[str]:
    """How often other runs looked at the same test images; nothing where there are none."""
    said = []
    if looks.family_runs > 1:
        said.append(
            t(
                "{runs} runs here have this config and differ by their seed alone; together they opened it {n} times.",
                runs=looks.family_runs,
                n=looks.family,
            )
        )
    if looks.all_runs > looks.family_runs:
        said.append(
            t(
                "All {runs} runs here with these test images opened them {n} times. The more of them a choice was made "
                "from, the more the best one's figure is luck.",
                runs=looks.all_runs,
                n=looks.everyone,
            )
        )
    return said


def conclusions(evaluation: Evaluation, history: History, config: TrainConfig) -> list[str]:
    """The figures in a few sentences."""
    n = Numbers.current()
    low, high = evaluation.interval
    said = [
        t(
            "Of {images} images, {hits} are named correctly: {accuracy}. For further images of this kind, expect a "
            "share between {low} and {high} (95% interval).",
            images=n.whole(len(evaluation)),
            hits=n.whole(int(evaluation.correct.sum())),
            accuracy=n.percent(evaluation.accuracy, 2),
            low=n.percent(low, 2),
            high=n.percent(high, 2),
        )
    ]
    return said + _classes(evaluation) + _confidence(evaluation) + _generalisation(history, config)


def _classes(evaluation: Evaluation) -> list[str]:
    n = Numbers.current()
    report, mistakes = evaluation.report, int((~evaluation.correct).sum())
    there = np.flatnonzero(report.support)
    best, worst = there[report.f1[there].argmax()], there[report.f1[there].argmin()]
    said = []
    if best != worst:
        said.append(
            t(
                "{best} is recognised best (F1 {best_f1}), {worst} least (F1 {worst_f1}).",
                best=t(evaluation.classes[best]),
                best_f1=n.decimal(report.f1[best]),
                worst=t(evaluation.classes[worst]),
                worst_f1=n.decimal(report.f1[worst]),
            )
        )
    if not mistakes:
        return [*said, t("There are no mistakes.")]
    both = np.triu(evaluation.confusion + evaluation.confusion.T, 1)
    one, other = divmod(int(both.argmax()), len(both))
    said.append(
        t(
            "{one} and {other} are confused most: {count} of the {mistakes} mistakes, {share}.",
            one=t(evaluation.classes[one]),
            other=t(evaluation.classes[other]),
            count=n.whole(int(both.max())),
            mistakes=n.whole(mistakes),
            share=n.percent(both.max() / mistakes),
        )
    )
    return said


def _confidence(evaluation: Evaluation) -> list[str]:
    n = Numbers.current()
    stated, right = float(evaluation.confidence.mean()), evaluation.accuracy
    low, high = evaluation.interval
    if abs(stated - right) < _CALIBRATED or low <= stated <= high:
        message = mark("Its confidence fits: {stated} is stated on average, and {right} are right.")
    elif stated > right:
        message = mark("What it states is too sure: {stated} on average, and {right} are right.")
    else:
        message = mark("What it states is too modest: {stated} on average, and {right} are right.")
    return [t(message, stated=n.percent(stated), right=n.percent(right))]


def _generalisation(history: History, config: TrainConfig) -> list[str]:
    n = Numbers.current()
    last = history.kept(config.keep)
    if last is None or last.validation_accuracy is None:
        return []
    return [
        t(
            "In epoch {epoch}, whose weights are kept, it was right on {train} of the training images as it saw them, "
            "and on {validation} of the validation images.",
            epoch=last.epoch,
            train=n.percent(last.train_accuracy),
            validation=n.percent(last.validation_accuracy),
        )
    ]


def command(run: Run) -> str:
    """What to type to make this run again: the network's recipe, and every option that differs from it."""
    if run.origin:
        return commands.importing(run.origin["file"], run.origin["asked"], run.data.source, run.data.image_size)
    typed = commands.command(run.config, run.data.source, run.data.image_size, always=("seed",))
    return f"{typed} --changes changes.jsonl" if len(run.changes) else typed


def day() -> str:
    """Today, as the language in force writes it."""
    today = date.today()
    if current() == "zh":
        return f"{today.year}年{today.month}月{today.day}日"
    return f"{today:%Y-%m-%d}" if current() == "en" else f"{today.day}-{today.month}-{today.year}"
