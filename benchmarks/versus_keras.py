"""Training speed beside Keras on TensorFlow, on this machine: the same networks, batches and images, turn by turn.

    pip install -e '.[bench]'
    python benchmarks/versus_keras.py [--rounds 3]

Each turn is a process of its own that trains one network and tells its images a second in the last epoch (the first
one pays for graphs and kernels) and its accuracy on 10,000 images held out of the training part. Peers: Keras as it
comes (float32) and with its mixed_bfloat16 policy; ropero in fp32 and as `reproduce` trains: in bf16 where the
processor has it, but for the dense network, which that would slow down. What is done already is kept, as long as code
and machine are the same: repeat the command to go on. Writes
benchmarks/results/versus_keras.json. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "versus_keras.json"
HELD_OUT = 10_000
PEERS = ("keras", "keras-bf16", "ropero-fp32", "ropero")


@dataclasses.dataclass(frozen=True)
class Task:
    """A network of the zoo as its report trained it: `images` of the training part, so many epochs."""

    experiment: str
    images: int
    epochs: int


TASKS = (
    Task("monterrey-dense-gan/dense", 50_000, 4),
    Task("monterrey-2023/cnn", 20_000, 2),
    Task("monterrey-2023/bilstm", 20_000, 2),
)


def protocol(task: Task) -> Any:
    """The report's own config, cut to this benchmark's size."""
    from ropero.experiments.table import EXPERIMENTS

    return EXPERIMENTS[task.experiment].protocol.replace(epochs=task.epochs, validation=0.0)


def parts(task: Task) -> tuple[Any, Any]:
    """(what is learned from, what accuracy is measured on), both of the official training part."""
    from ropero.data import sources
    from ropero.data.splits import split

    rest, held = split(sources.load("fashion-mnist").train, HELD_OUT, seed=0)
    return rest.take(range(task.images)), held


def train_ropero(task: Task, precision: str) -> dict[str, float]:
    from ropero.training.loop import fit

    train, held = parts(task)
    config = protocol(task).replace(**({"precision": precision} if precision else {}))
    record = fit(config, train, held)[1].records[-1]
    return {"images_per_second": record.images_per_second, "accuracy": record.validation_accuracy or 0.0}


def train_keras(task: Task, policy: str) -> dict[str, float]:
    import numpy as np

    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    from ropero.models.zoo import build

    if policy:
        keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(0)
    config = protocol(task)
    layers = [keras_layer(layer) for layer in build(config.network, (1, 28, 28), 10).design]
    # Logits and loss in float32 under either policy, as Keras advises.
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers, keras.layers.Activation("softmax", dtype="float32")])
    kind = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}[config.optimizer]
    model.compile(kind(config.learning_rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    train, held = parts(task)
    x, held_x = ((part.images[..., None] / 255).astype(np.float32) for part in (train, held))

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        seconds = 0.0

        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            self.seconds = time.perf_counter() - self.started

    clock = Clock()
    model.fit(x, train.labels, batch_size=config.batch_size, epochs=config.epochs, verbose=0, callbacks=[clock])
    accuracy = model.evaluate(held_x, held.labels, batch_size=1000, verbose=0)[1]
    return {"images_per_second": len(x) / clock.seconds, "accuracy": float(accuracy)}


def keras_layer(layer: Any) -> Any:
    """The Keras layer of the same name and options."""
    import keras

    from ropero.models.recurrent import Bidirectional, Rows

    if isinstance(layer, Rows):
        return keras.layers.Reshape((28, 28))
    options = {one.name: getattr(layer, one.name) for one in dataclasses.fields(layer)}
    if isinstance(layer, Bidirectional):
        options["layer"] = keras_layer(layer.layer)
    return getattr(keras.layers, type(layer).__name__)(**options)


def work(peer: str, task: Task) -> dict[str, float]:
    """One turn, in this process."""
    match peer:
        case "keras":
            return train_keras(task, "")
        case "keras-bf16":
            return train_keras(task, "mixed_bfloat16")
        case "ropero-fp32":
            return train_ropero(task, "fp32")
        case _:
            return train_ropero(task, "")


def turn(peer: str, task: Task) -> dict[str, float]:
    """One turn, in a process of its own."""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    asked = [sys.executable, __file__, "--turn", peer, task.experiment]
    done = subprocess.run(asked, capture_output=True, text=True, env=quiet, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def summary(task: Task, turns: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians and ratios of the turns so far."""
    speed = {peer: statistics.median(one["images_per_second"] for one in done) for peer, done in turns.items() if done}
    found: dict[str, Any] = {
        "batch_size": protocol(task).batch_size,
        "precision": protocol(task).precision,
        "rounds": min(len(done) for done in turns.values()),
        "images_per_second": speed,
        "accuracy": {peer: statistics.fmean(one["accuracy"] for one in done) for peer, done in turns.items() if done},
    }
    if len(speed) == len(PEERS):
        found["ratio_to_keras"] = speed["ropero"] / speed["keras"]
        found["ratio_to_the_faster_keras"] = speed["ropero"] / max(speed["keras"], speed["keras-bf16"])
        found["ratio_fp32_to_keras"] = speed["ropero-fp32"] / speed["keras"]
    return found


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--turn", nargs=2, metavar=("PEER", "EXPERIMENT"))
    options = asked.parse_args()
    tasks = {task.experiment: task for task in TASKS}
    if options.turn:
        print(json.dumps(work(options.turn[0], tasks[options.turn[1]])))
        return
    from importlib.metadata import version

    from ropero.runtime import environment
    from ropero.storage import read_json, write_json

    here = {**environment(), "keras": version("keras"), "tensorflow": version("tensorflow-cpu")}
    before = read_json(RESULT) if RESULT.exists() else {}
    same = all(before.get("environment", {}).get(name) == here[name] for name in ("code_sha256", "cpu", "tensorflow"))
    content: dict[str, Any] = {
        "networks": before["networks"] if same else {},
        "environment": here,
    }
    for number in range(options.rounds):
        for task in TASKS:
            found = content["networks"].setdefault(task.experiment, {**dataclasses.asdict(task), "turns": {}})
            turns: dict[str, list[dict[str, float]]] = found["turns"]
            # Every other round backwards: what drifts in one direction cancels out.
            for peer in PEERS if number % 2 == 0 else PEERS[::-1]:
                if len(turns.setdefault(peer, [])) > number:
                    continue
                turns[peer].append(turn(peer, task))
                print(task.experiment, number, peer, turns[peer][-1], flush=True)
                found |= summary(task, turns)
                write_json(RESULT, content)
            print({name: value for name, value in found.items() if name != "turns"}, flush=True)


if __name__ == "__main__":
    main()
