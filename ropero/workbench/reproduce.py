"""The verb `reproduce`: trains a report's model by its own protocol or by ropero's; claimed beside measured.

What it found is a JSON file of its own, from which the page is drawn; knows nothing of how a page looks.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ropero.data.dataset import Splits
from ropero.errors import UsageError
from ropero.experiments.claims import Experiment, Figures
from ropero.models.classifier import count_parameters
from ropero.models.codes import Encoding
from ropero.models.zoo import PRETRAINED, build
from ropero.runs import Run, RunStore
from ropero.storage import read_json, write_json
from ropero.texts import t
from ropero.training.callbacks import Callback
from ropero.training.config import TrainConfig
from ropero.workbench import evaluate as evaluate_verb
from ropero.workbench import train as train_verb
from ropero.workbench.networks import network

if TYPE_CHECKING:
    from ropero.reports import reproductions

Protocol = Literal["report", "ropero"]
MINUTES = 25.0  # how long one training by a report's protocol may take unless the user says otherwise
CURVE_POINTS = 100


@dataclass(frozen=True)
class Reproduction:
    """An experiment under one protocol: where its file lies and what it holds."""

    experiment: Experiment
    path: Path
    content: dict[str, Any]


def reproduce(
    experiment: Experiment,
    splits: Splits,
    store: RunStore,
    out: Path,
    *,
    protocol: Protocol = "report",
    seeds: Sequence[int] = (0,),
    minutes: float | None = None,
    weights: str = "",
    callbacks: Callable[[], Sequence[Callback]] = list,
    announce: Callable[[train_verb.Plan], None] | None = None,
) -> Reproduction:
    """Train and judge an experiment for each seed and write what came out to `out`.

    Repeating it goes on where it stopped: trainings that are done are not done again, and the test part is opened once
    for each run.

    Args:
        protocol: "report" trains as the report did, "ropero" the same network as ropero would.
        minutes: a training stops after the epoch in which they are over; 0 lets every one run to its end. Without it
            reports' protocols get MINUTES, and ropero's, whose learning rate has to come down to its end, all it takes.
        weights: a file of pretrained weights, for networks that begin with some; others do without it.
        callbacks: makes what is told of the progress of one training.

    Raises:
        UsageError: no seed, and what `train` and `evaluate` raise.
    """
    if not seeds:
        raise UsageError(t("There should be at least one training, --seeds 1 or more."))
    minutes = (MINUTES if protocol == "report" else 0.0) if minutes is None else minutes
    config = (experiment.protocol if protocol == "report" else experiment.sound).replace(minutes=minutes)
    if weights and config.network in PRETRAINED:
        config = config.replace(weights=weights)
    runs = [_one(config.replace(seed=seed), splits, store, callbacks=callbacks, announce=announce) for seed in seeds]
    content: dict[str, Any] = {
        "experiment": experiment.name,
        "protocol": protocol,
        "network": config.network,
        "parameters": _parameters(config, splits),
        "config": runs[0]["config"],
        "claimed": dict(experiment.claimed),
        "judged_on": experiment.judged_on,
        "n": len(runs),
        "runs": runs,
        "measured": summary([one["figures"] for one in runs]),
    }
    if experiment.before and protocol == "report":
        first, claimed = experiment.before
        before = [
            _one(first.replace(minutes=minutes, seed=seed), splits, store, callbacks=callbacks, announce=announce)
            for seed in seeds
        ]
        content["before"] = {
            "claimed": dict(claimed),
            "runs": before,
            "measured": summary([one["figures"] for one in before]),
        }
    path = out / f"{experiment.report}-{experiment.model}-{protocol}.json"
    write_json(path, content)
    return Reproduction(experiment, path, content)


def found(experiment: Experiment, out: Path) -> dict[Protocol, dict[str, Any]]:
    """What earlier calls have written of an experiment, by protocol."""
    protocols: tuple[Protocol, ...] = ("report", "ropero")
    paths = {name: out / f"{experiment.report}-{experiment.model}-{name}.json" for name in protocols}
    return {name: read_json(path) for name, path in paths.items() if path.exists()}


def _one(
    config: TrainConfig,
    splits: Splits,
    store: RunStore,
    *,
    callbacks: Callable[[], Sequence[Callback]],
    announce: Callable[[train_verb.Plan], None] | None,
) -> dict[str, Any]:
    """One seed: train, judge on every part there is, tell."""
    hooks = callbacks()
    run = train_verb.train(splits, config, store, callbacks=hooks, announce=announce).run
    history = run.history
    kept = history.kept(config.keep)
    assert kept is not None

    def told(encoding: Encoding) -> None:
        for hook in hooks:
            hook.on_encode(encoding)

    figures: dict[str, float] = {
        "running_train_accuracy": kept.train_accuracy,
        "train_seconds": history.train_seconds,
        "epoch_seconds": statistics.median(record.epoch_seconds for record in history),
        "epochs": len(history),
        "kept_epoch": kept.epoch,
    }
    judged: dict[str, Any] = {}
    for part in ("train", "validation", "test"):
        if part in run.images:
            evaluation = evaluate_verb.evaluate(run, split=part, splits=splits, told=told).evaluation
            judged[part] = {
                name: value
                for name, value in evaluation.to_json().items()
                if name not in ("confident_mistakes", "confusion_matrix")
            }
            figures |= {f"{part}_accuracy": evaluation.accuracy, f"{part}_loss": evaluation.log_loss}
            figures |= {
                f"{part}_{kind}_{name}": value
                for kind in ("macro", "weighted")
                for name, value in evaluation.report.average(kind).items()
                if name in ("precision", "recall", "f1")
            }
    return {
        "run": run.name,
        "seed": config.seed,
        "config": {**run.config.to_json(), "weights": Path(run.config.weights).name},
        "pretrained_sha256": run.environment.get("pretrained_sha256"),
        "weights_sha256": run.card.weights_sha256,
        "environment": run.environment,
        "figures": figures,
        "judged": judged,
        "curve": _curve(run),
    }


def _curve(run: Run) -> list[dict[str, Any]]:
    """At most CURVE_POINTS epochs, evenly spaced, the last always there."""
    records = run.history.to_json()
    step = -(-len(records) // CURVE_POINTS)
    chosen = [record for record in records if (len(records) - record["epoch"]) % step == 0]
    names = ("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    return [{name: record[name] for name in names} for record in chosen]


def summary(figures: Sequence[Figures]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation (0 for a single one) of each figure over the seeds."""
    names = [name for name in figures[0] if all(name in one for one in figures)]
    return {
        name: {
            "mean": statistics.fmean(one[name] for one in figures),
            "sd": statistics.stdev(one[name] for one in figures) if len(figures) > 1 else 0.0,
        }
        for name in names
    }


def _parameters(config: TrainConfig, splits: Splits) -> dict[str, int]:
    model = build(config.network, splits.train.input_shape, len(splits.classes), config.layers, config.code)
    total, trainable = count_parameters(model)
    return {"total": total, "trainable": trainable}


def write_page(experiments: Sequence[Experiment], out: Path, lang: str) -> Path:
    """Draw the page of what has been found so far to out/index.html. Raises MissingExtra without ropero[report]."""
    from ropero.reports import reproductions

    return reproductions.write([_case(one, out) for one in experiments], lang, out / "index.html")


def _case(experiment: Experiment, out: Path) -> reproductions.Case:
    from ropero.reports.reproductions import Case

    files = found(experiment, out)
    summary = network(experiment.protocol.network).summary
    time = experiment.time
    sides = {name: _side(content, experiment.judged_on) for name, content in files.items()}
    before = files["report"].get("before") if "report" in files else None
    return Case(
        name=experiment.name,
        network=experiment.protocol.network,
        summary=summary,
        judged_on=experiment.judged_on,
        claimed=experiment.claimed,
        claimed_before=experiment.before[1] if experiment.before else {},
        claimed_classes=experiment.classes,
        time=(time.low, time.high, time.whole) if time else None,
        unsaid=experiment.unsaid,
        why=[(reason.text, reason.found()) for reason in experiment.why],
        report=sides.get("report"),
        before=_side({**files["report"], **before}, experiment.judged_on) if before else None,
        ropero=sides.get("ropero"),
    )


def _side(content: dict[str, Any], judged_on: str) -> reproductions.Side:
    from ropero.reports.reproductions import Side

    first = content["runs"][0]
    # Trained on all images, there is nothing but the test part to judge by.
    part = judged_on if judged_on in first["judged"] else "test"
    judged = first["judged"][part]
    return Side(
        n=len(content["runs"]),
        part=part,
        epochs=int(first["figures"]["epochs"]),
        kept_epoch=int(first["figures"]["kept_epoch"]),
        promised=first["config"]["epochs"],
        patience=first["config"]["patience"],
        figures={name: (one["mean"], one["sd"]) for name, one in content["measured"].items()},
        interval=tuple(judged["accuracy_interval_95"]),
        classes=[(c["precision"], c["recall"], c["f1"], c["support"]) for c in judged["classes"].values()],
        class_names=list(judged["classes"]),
        curve=first["curve"],
        environment=first["environment"],
    )
