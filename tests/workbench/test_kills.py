"""kill -9 at random moments, over and over: weights and history are those of the training that no one disturbed.

A driver process forks a child for each life, since importing torch anew would take most of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 20
DRIVER = '''
import json, os, random, signal, sys, time, warnings
from pathlib import Path
import torch, torch._dynamo  # which an optimizer imports when it first steps: a second or more
from conftest import synthetic
from ropero import runtime
from ropero.data.dataset import Splits
from ropero.runs import RunStore
from ropero.training import loop
from ropero.training.config import TrainConfig
from ropero.workbench.train import train

torch.set_num_threads(1)  # a fork may have no other threads
loop.CHECKPOINT_SECONDS = 0.02
here = runtime.environment()
runtime.environment = lambda device: here  # asking git and the processor anew would take a good part of each life
splits = Splits(synthetic(240), None, synthetic(60, seed=1, split="test"), "synthetic", "")
layers = [
    {"type": "Conv2D", "filters": 4, "activation": "relu"}, {"type": "BatchNormalization"}, {"type": "MaxPooling2D"},
    {"type": "Dropout", "rate": 0.3}, {"type": "Flatten"}, {"type": "Dense"},
]
config = TrainConfig(
    network="killed", layers=layers, epochs=16, batch_size=8, learning_rate=0.003, ema=0.9, keep="best", validation=60,
    erase=0.5, flip="random", rotation=10.0, mixup=0.2, device="cpu", precision="fp32",
)
folder = Path(sys.argv[1])


def life(name):
    """A child that trains; its process id."""
    child = os.fork()
    if child == 0:
        try:
            warnings.simplefilter("ignore")  # of a checkpoint that was cut short
            train(splits, config, RunStore(folder / name))
            os._exit(0)
        finally:
            os._exit(1)
    return child


began = time.monotonic()
os.waitpid(life("whole"), 0)
undisturbed = time.monotonic() - began  # a loaded machine has longer lives
rng, kills, inside, cut = random.Random(int(sys.argv[2])), 0, 0, 0
while True:
    child, wait = life("killed"), rng.uniform(0, undisturbed / 5)
    deadline, ended = time.monotonic() + wait, (0, 0)
    while ended == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.002)
        ended = os.waitpid(child, os.WNOHANG)
    if ended != (0, 0):
        assert ended[1] == 0, "the training failed"
        break  # it was faster than the next kill
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    kills += 1
    runs = RunStore(folder / "killed").runs()
    inside += bool(runs and runs[0].checkpoints.notes().get("step"))
    both = [runs[0].checkpoints.newest, runs[0].checkpoints.before] if runs else []
    if both and kills % 5 == 0 and all(path.exists() for path in both):  # now and then a checkpoint is cut short too
        both[0].write_bytes(both[0].read_bytes()[:rng.randrange(200)])
        cut += 1


def told(name):
    (run,) = RunStore(folder / name).runs()
    timed = ("epoch_seconds", "images_per_second")
    history = [{key: value for key, value in record.items() if key not in timed} for record in run.history.to_json()]
    return {"weights": run.card.weights_sha256, "history": history}


counts = {"kills": kills, "inside": inside, "cut": cut}
(run,) = RunStore(folder / "killed").runs()
counts["files"] = sorted(path.name for path in run.folder.iterdir() if not path.name.endswith(".lock"))
print(json.dumps({**counts, "whole": told("whole"), "killed": told("killed")}))
'''


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 and fork are POSIX")
def test_twenty_kills_at_random_moments_change_no_bit(tmp_path: Path) -> None:
    kills, seed, cut = 0, 0, 0
    while kills < KILLS:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent.parent)}
        asked = [sys.executable, "-c", DRIVER, str(tmp_path / str(seed)), str(seed)]
        done = subprocess.run(asked, capture_output=True, text=True, env=env, timeout=600)
        assert done.returncode == 0, done.stderr[-2000:]
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["killed"] == told["whole"]
        assert told["inside"] > 0, "no kill within an epoch left a checkpoint of its middle"
        kills, seed, cut = kills + told["kills"], seed + 1, cut + told["cut"]
        assert told["files"] == ["config.json", "data.json", "environment.json", "history.jsonl", "judge.json",
                                 "judge.npz", "model.json", "model.safetensors", "run.json",
                                 "samples.json"]  # fmt: skip
    assert cut, "no checkpoint was cut short"
