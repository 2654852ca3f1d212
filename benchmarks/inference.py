"""How fast networks answer: one picture at a time, and 5,000 at once, beside keras.predict and onnxruntime.

    pip install -e '.[bench]'
    python benchmarks/inference.py [--rounds 3] [--networks quick dense ...]

Each turn is a process of its own that asks one network through one program, turn by turn, so that a busy moment of the
machine meets all of them. Keras on TensorFlow reads ropero's own export of the network and answers with model.predict,
500 pictures at a time, where 32 are its default; ropero answers by its engines, as `evaluate --engine` has them, with
PyTorch in fp32 and bf16 and with onnxruntime; onnxruntime by itself reads the export in whole numbers of 8 bits.
Weights are random, which costs the same time; pictures are made up. Shares are compared with PyTorch's. Writes
benchmarks/results/inference.json, in which networks that are not asked for stay as they are; each says of which commit
it is. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "inference.json"
MANY, WARM, SINGLE = 5_000, 1_000, 200
CNNS = ("lunzhi-cnn-1", "lunzhi-cnn-3", "lunzhi-cnn-4", "monterrey-cnn", "santiago-a1", "santiago-a2", "santiago-a3",
        *(f"santiago-{number}" for number in range(1, 7)))  # fmt: skip
RECURRENT = ("monterrey-rnn", "monterrey-bilstm", "monterrey-gru", "monterrey-attention")
NETWORKS = ("quick", *CNNS, "dense", *RECURRENT)  # VGG and AlexNet would take hours
PEERS = ("keras", "torch", "torch-bf16", "onnxruntime", "int8")
SHAPE, CLASSES = (1, 28, 28), 10
Ask = Callable[[Any], Any]


def network(name: str) -> Any:
    """The network with weights that are random, and running figures that are not 0 and 1."""
    import torch

    from ropero.models.zoo import build

    torch.manual_seed(0)
    model = build(name, SHAPE, CLASSES).eval()
    for called, buffer in model.named_buffers():
        if "running" in called and buffer.is_floating_point():
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    return model


def pictures(count: int) -> Any:
    from ropero.models.samples import pictures as made

    return made(count, SHAPE, 5)


def prepare(folder: Path, names: Sequence[str]) -> None:
    """The files that the peers read."""
    from ropero.errors import RoperoError
    from ropero.export import keras_writer, onnx_graph, quantise

    for name in names:
        model = network(name)
        for ending, write in ((".keras", keras_writer.write_keras), (".onnx", onnx_graph.write_onnx)):
            write(model, folder / f"{name}{ending}", lambda _: "{}")
        with suppress(RoperoError):  # SimpleRNN and GRU have no whole numbers there
            quantise.quantise(folder / f"{name}.onnx", folder / f"{name}-int8.onnx", pictures(200)[..., 0])


def asked_keras(name: str, folder: Path) -> Ask:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras

    model = keras.saving.load_model(folder / f"{name}.keras", compile=False)
    return lambda images: model.predict(images.astype(np.float32) / 255, batch_size=min(500, len(images)), verbose=0)


def asked_ropero(name: str, engine: str) -> Ask:
    import torch

    from ropero.evaluation.unknown import project
    from ropero.export import engines
    from ropero.models.inference import softmax

    made = engines.engine(network(name).to(memory_format=torch.channels_last), project, engine)
    return lambda images: softmax(made(images[..., 0])[1])


def asked_int8(path: Path) -> Ask:
    import onnxruntime

    from ropero.data.batches import unit_batches

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])

    def ask(images: Any) -> Any:
        batches = unit_batches(images, 100)
        return np.concatenate([session.run(["probabilities"], {"pixels": pixels})[0] for pixels in batches])

    return ask


def turn(name: str, peer: str, folder: Path) -> dict[str, Any]:
    """Seconds of one picture (median) and pictures a second of many, and what was said to the first 100."""
    asks: dict[str, Callable[[], Ask]] = {
        "keras": lambda: asked_keras(name, folder),
        **{engine: partial(asked_ropero, name, engine) for engine in ("torch", "torch-bf16", "onnxruntime")},
        "int8": lambda: asked_int8(folder / f"{name}-int8.onnx"),
    }
    ask = asks[peer]()
    many, one = pictures(MANY), pictures(1)
    ask(many[:WARM])
    started = time.perf_counter()
    said = ask(many)
    rate = MANY / (time.perf_counter() - started)
    singles = []
    ask(one)
    for _ in range(SINGLE if peer != "keras" else SINGLE // 4):
        started = time.perf_counter()
        ask(one)
        singles.append(time.perf_counter() - started)
    return {"images_per_second": rate, "single_seconds": statistics.median(singles), "said": said[:100].tolist()}


def ran(name: str, peer: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--turn", name, peer, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def summary(turns: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """By peer: medians, spread, how its shares differ from PyTorch's in fp32, and its speed beside Keras's."""
    meant = np.array(turns["torch"][0]["said"])
    found: dict[str, Any] = {}
    for peer, listed in turns.items():
        rates = [one["images_per_second"] for one in listed]
        singles = [one["single_seconds"] for one in listed]
        said = np.array(listed[0]["said"])
        ratios = [mine["images_per_second"] / keras["images_per_second"]
                  for mine, keras in zip(listed, turns["keras"], strict=True)]  # fmt: skip
        found[peer] = {
            "images_per_second": statistics.median(rates),
            "images_per_second_range": [min(rates), max(rates)],
            "single_ms": 1000 * statistics.median(singles),
            "single_ms_range": [1000 * min(singles), 1000 * max(singles)],
            "times_keras_in_bulk": statistics.median(ratios),
            "largest_difference_of_probabilities": float(np.abs(said - meant).max()),
            "same_class_of_100": int((said.argmax(1) == meant.argmax(1)).sum()),
        }
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--turn", nargs=3)
    given = parser.parse_args()
    if given.turn:
        name, peer, folder = given.turn
        print(json.dumps(turn(name, peer, Path(folder))))
        return 0
    from ropero import runtime
    from ropero.storage import read_json, write_json

    results: dict[str, Any] = read_json(RESULT)["networks"] if RESULT.exists() else {}
    with tempfile.TemporaryDirectory(prefix="ropero-") as made:
        folder = Path(made)
        prepare(folder, given.networks)
        for name in given.networks:
            peers = [one for one in PEERS if one != "int8" or (folder / f"{name}-int8.onnx").exists()]
            turns: dict[str, list[dict[str, Any]]] = {peer: [] for peer in peers}
            for _ in range(given.rounds):
                for peer in peers:
                    turns[peer].append(ran(name, peer, folder))
            peered = summary(turns)
            for peer, one in peered.items():
                print(f"{name:18} {peer:12} {one['images_per_second']:10.0f}/s {one['times_keras_in_bulk']:6.2f}x "
                      f"{one['single_ms']:8.3f} ms", flush=True)  # fmt: skip
            settings = {"rounds": given.rounds, "images": MANY, "batch_size": {"keras": 500, "int8": 100}}
            environment = runtime.environment(runtime.resolve_device("cpu"))
            results[name] = {"commit": environment["commit"], "peers": peered}
            ordered = {one: results[one] for one in NETWORKS if one in results}
            write_json(RESULT, {"settings": settings, "environment": environment, "networks": ordered})
    return 0


if __name__ == "__main__":
    sys.exit(main())
