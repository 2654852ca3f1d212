"""Networks as PyTorch, TensorFlow and scikit-learn write them, for the tests of reading and writing ONNX."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ropero.models.layers import Flatten, Layer
from ropero.models.recurrent import Rows

FIXTURES = Path(__file__).parent / "fixtures" / "onnx"
SHAPE = (1, 28, 28)


class Residual(nn.Module):
    """Branches that are added, depthwise and pointwise convolutions, batch-norm behind an addition, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.depth, self.point = nn.Conv2d(8, 8, 3, groups=8, stride=2, padding=1), nn.Conv2d(8, 16, 1)
        self.drop, self.last = nn.Dropout(0.3), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.gelu(self.first(x))
        x = self.norm(x + torch.relu(self.second(x)))
        x = functional.hardswish(self.point(self.depth(x)))
        found: Tensor = self.last(self.drop(functional.max_pool2d(x, 2).mean((2, 3))))
        return found


class Mobile(nn.Module):
    """Squeeze and excitation, ReLU6, a class for each channel and no fully connected layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, 2, 1)
        self.squeeze, self.excite = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)
        self.last = nn.Conv2d(8, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self.first(x))
        share = functional.hardsigmoid(self.excite(torch.relu(self.squeeze(functional.adaptive_avg_pool2d(x, 1)))))
        return functional.adaptive_avg_pool2d(self.last(x * share), 1)


class Reader(nn.Module):
    """A recurrent layer that reads pictures row by row."""

    def __init__(self, kind: Callable[..., nn.Module], both: bool = True) -> None:
        super().__init__()
        self.inner = kind(28, 6, batch_first=True, bidirectional=both)
        self.last = nn.Linear(12 if both else 6, 10)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(self.inner(x[:, 0])[0][:, -1])
        return found


class Transformer(nn.Module):
    """A small vision transformer: patches, a class token, places, attention over four heads."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, 16, 7, stride=7)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.place = nn.Parameter(torch.randn(1, 17, 16) * 0.1)
        self.before, self.between, self.after = nn.LayerNorm(16), nn.LayerNorm(16), nn.LayerNorm(16)
        self.three, self.one = nn.Linear(16, 48), nn.Linear(16, 16)
        self.wide, self.narrow, self.last = nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
        q, k, v = self.three(self.before(x)).view(x.shape[0], 17, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.one(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape[0], 17, 16))
        x = x + self.narrow(functional.gelu(self.wide(self.between(x))))
        found: Tensor = self.last(self.after(x)[:, 0])
        return found


class Named(nn.Module):
    """Ends in probabilities, and lays pictures flat by their number."""

    def __init__(self, end: str = "softmax") -> None:
        super().__init__()
        self.first, self.last, self.end = nn.Conv2d(1, 4, 3, 2), nn.Linear(4 * 13 * 13, 10), end

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(torch.relu(self.first(x)).view(x.size(0), -1))
        ends = {"softmax": lambda: x.softmax(1), "log": lambda: x.log_softmax(1), "sigmoid": lambda: x.sigmoid(),
                "by hand": lambda: x.exp() / x.exp().sum(1, keepdim=True)}  # fmt: skip
        return ends[self.end]()


def made(make: Callable[[], nn.Module]) -> nn.Module:
    """A network whose running figures are no longer 0 and 1, in eval mode."""
    torch.manual_seed(0)
    model = make()
    for name, tensor in model.named_buffers():
        if "running" in name:
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    return model.eval()


def exported(
    model: nn.Module, path: Path, *, dynamo: bool = False, free: bool = True, images: int = 2, x: Tensor | None = None
) -> Path:
    """The network as PyTorch writes it, for any number of images or for so many."""
    x = torch.rand(images, *SHAPE) if x is None else x
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, which are PyTorch's own affair
        if dynamo:
            shapes: Any = {"dynamic_shapes": ({0: torch.export.Dim("n")},)} if free else {}
            torch.onnx.export(model, (x,), path, dynamo=True, external_data=False, verbose=False, **shapes)
        else:
            axes: Any = {"dynamic_axes": {"x": {0: "n"}}} if free else {}
            torch.onnx.export(model, (x,), path, dynamo=False, input_names=["x"], **axes)
    return path


def pixels(n: int = 5) -> Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(1))


class Bytes(nn.Module):
    """Takes pixels as whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Residual()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.inner(x.float() / 255)
        return found


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "residual": Residual,
    "mobile": Mobile,
    "rnn": lambda: Reader(nn.RNN),
    "relu-rnn": lambda: Reader(lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k), both=False),
    "gru": lambda: Reader(nn.GRU),
    "lstm": lambda: Reader(nn.LSTM, both=False),
    "transformer": Transformer,
    "softmax": Named,
    "log-softmax": lambda: Named("log"),
    "sigmoid": lambda: Named("sigmoid"),
    "softmax by hand": lambda: Named("by hand"),
}
SLOW = ("rnn", "relu-rnn", "gru", "lstm")  # torch's new exporter unrolls or decomposes them for ten seconds


EXPECTED = np.load(FIXTURES / "expected.npz")
PREFIXES: dict[str, list[Layer]] = {
    "keras-cnn": [],
    "keras-separable": [],
    "keras-lstm": [Rows()],
    "sklearn-mlp": [Flatten()],
    "sklearn-logistic": [Flatten()],
    "sklearn-ovr": [Flatten()],
}
