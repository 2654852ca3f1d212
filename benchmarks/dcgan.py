"""How long a step of both nets of the report's GAN takes: ropero's, PyTorch's plain port, and Keras's on TensorFlow.

    pip install -e '.[bench]'
    python benchmarks/dcgan.py [--rounds 3]

All three have the networks of TensorFlow's DCGAN tutorial, batches of 256 made-up images, Adam, and both gradients of
the same step. Each turn is a process of its own, turn by turn, so that a busy moment of the machine meets all of them;
a turn's figure is the median of its steps. ropero's and the plain port's losses over some steps from the same weights
and draws are compared in fp32. Writes benchmarks/results/dcgan.json. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "dcgan.json"
BATCH, STEPS, WARM, COMPARED = 256, 12, 3, 20
PEERS = ("keras", "plain", "plain-bf16", "ropero", "ropero-bf16")


def keras_step() -> Callable[[], object]:
    """The tutorial's train_step."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    layers = tf.keras.layers
    generator = tf.keras.Sequential(
        [
            layers.Dense(7 * 7 * 256, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Reshape((7, 7, 256)),
            layers.Conv2DTranspose(128, (5, 5), strides=(1, 1), padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Conv2DTranspose(64, (5, 5), strides=(2, 2), padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Conv2DTranspose(1, (5, 5), strides=(2, 2), padding="same", use_bias=False, activation="tanh"),
        ]
    )
    discriminator = tf.keras.Sequential(
        [
            layers.Conv2D(64, (5, 5), strides=(2, 2), padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Conv2D(128, (5, 5), strides=(2, 2), padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    loss = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    optimizers = [tf.keras.optimizers.Adam(1e-4) for _ in range(2)]

    @tf.function  # type: ignore[untyped-decorator]
    def step(images: Any) -> Any:
        noise = tf.random.normal([BATCH, 100])
        with tf.GradientTape() as first, tf.GradientTape() as second:
            made = generator(noise, training=True)
            real_output, fake_output = discriminator(images, training=True), discriminator(made, training=True)
            of_generator = loss(tf.ones_like(fake_output), fake_output)
            of_real = loss(tf.ones_like(real_output), real_output)
            of_discriminator = of_real + loss(tf.zeros_like(fake_output), fake_output)
        nets = (first, of_generator, generator), (second, of_discriminator, discriminator)
        for optimizer, (tape, value, net) in zip(optimizers, nets, strict=True):
            found = tape.gradient(value, net.trainable_variables)
            optimizer.apply_gradients(zip(found, net.trainable_variables, strict=True))
        return of_generator

    images = tf.random.uniform([BATCH, 28, 28, 1], -1, 1)
    return lambda: float(step(images))


def plain(generator: Any, discriminator: Any, real: Any, latent: Any) -> tuple[Any, Any]:
    """Both gradients as the tutorial's two tapes give them, by torch's own layers and two ways back."""
    import torch
    from torch.nn import functional

    loss = functional.binary_cross_entropy_with_logits
    of_real, of_made = discriminator(real), discriminator(generator(latent))
    first = loss(of_made.float(), torch.ones_like(of_made).float())
    second = loss(of_real.float(), torch.ones_like(of_real).float())
    second = second + loss(of_made.float(), torch.zeros_like(of_made).float())
    ours, theirs = list(generator.parameters()), list(discriminator.parameters())
    gradients = torch.autograd.grad(first, ours, retain_graph=True), torch.autograd.grad(second, theirs)
    for parameters, found in zip((ours, theirs), gradients, strict=True):
        for parameter, gradient in zip(parameters, found, strict=True):
            parameter.grad = gradient
    return first.detach(), second.detach()


def plainly(module: Any) -> Any:
    """ropero's generator with torch's own transposed convolutions."""
    from torch import nn
    from torch.nn import functional

    from ropero.generation.dcgan import Turned

    class Transposed(nn.Module):
        def __init__(self, turned: Turned) -> None:
            super().__init__()
            self.weight, self.stride = turned.weight, turned.stride

        def forward(self, pixels: Any) -> Any:
            height, width = (side * self.stride for side in pixels.shape[2:])
            before = 2 if self.stride == 1 else 1
            whole = functional.conv_transpose2d(pixels, self.weight, stride=self.stride)
            return whole[:, :, before : before + height, before : before + width]

    module.turned = nn.ModuleList(Transposed(one) for one in module.turned)
    return module


def torch_step(peer: str) -> Callable[[], object]:
    import torch

    from ropero.generation import dcgan

    torch.manual_seed(0)
    generator: Any = dcgan.Generator((1, 28, 28))
    discriminator: Any = dcgan.Discriminator((1, 28, 28))
    if peer.startswith("plain"):
        generator = plainly(generator)
    else:
        generator.to(memory_format=torch.channels_last)
        discriminator.to(memory_format=torch.channels_last)
    optimizers = [torch.optim.Adam(net.parameters(), 1e-4, fused=True) for net in (generator, discriminator)]
    real = torch.rand(BATCH, 1, 28, 28) * 2 - 1
    work = plain if peer.startswith("plain") else dcgan.step

    def step() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=peer.endswith("bf16")):
            loss, _ = work(generator, discriminator, real, torch.randn(BATCH, 100))
        for optimizer in optimizers:
            optimizer.step()
        return float(loss)

    return step


def equal_losses() -> float:
    """The largest difference of both losses over some steps in fp32, ropero's against the plain port's."""
    import torch

    from ropero.generation import dcgan

    torch.manual_seed(1)
    pair = dcgan.Generator((1, 28, 28)), dcgan.Discriminator((1, 28, 28)).eval()  # whose dropout would differ
    sides = [(pair, dcgan.step), ((plainly(copy.deepcopy(pair[0])), copy.deepcopy(pair[1])), plain)]
    said: list[list[float]] = []
    for nets, work in sides:
        torch.manual_seed(2)
        optimizers = [torch.optim.Adam(net.parameters(), 1e-4) for net in nets]
        said.append([])
        for _ in range(COMPARED):
            losses = work(*nets, torch.rand(64, 1, 28, 28) * 2 - 1, torch.randn(64, 100))
            said[-1] += [float(one) for one in losses]
            for optimizer in optimizers:
                optimizer.step()
    return float(max(abs(one - other) for one, other in zip(*said, strict=True)))


def turn(peer: str) -> float:
    """Seconds of a step, the median."""
    step = keras_step() if peer == "keras" else torch_step(peer)
    for _ in range(WARM):
        step()
    found = []
    for _ in range(STEPS):
        started = time.perf_counter()
        step()
        found.append(time.perf_counter() - started)
    return float(statistics.median(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turn")
    given = parser.parse_args()
    if given.turn:
        print(json.dumps(turn(given.turn)))
        return 0
    from ropero import runtime
    from ropero.storage import write_json

    seconds: dict[str, list[float]] = {peer: [] for peer in PEERS}
    for _ in range(given.rounds):
        for peer in PEERS:
            command = [sys.executable, __file__, "--turn", peer]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
            seconds[peer].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{peer:12} {seconds[peer][-1]:.3f} s", flush=True)
    ratios = {peer: [k / s for k, s in zip(seconds["keras"], found, strict=True)] for peer, found in seconds.items()}
    result = {
        "settings": {"rounds": given.rounds, "batch": BATCH, "steps": STEPS},
        "environment": runtime.environment(runtime.resolve_device("cpu")),
        "largest_difference_of_losses_in_fp32": equal_losses(),
        "peers": {
            peer: {
                "step_seconds": statistics.median(found),
                "step_seconds_range": [min(found), max(found)],
                "times_keras": statistics.median(ratios[peer]),
            }
            for peer, found in seconds.items()
        },
    }
    write_json(RESULT, result)
    print(json.dumps(result["peers"], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
