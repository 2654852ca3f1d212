"""A user's torch module as a Classifier: what is kept, what is found out, what is refused by a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from conftest import synthetic
from torch import Tensor, nn
from torch.nn import functional

from ropero.errors import UsageError
from ropero.models.classifier import Classifier
from ropero.models.inference import features, logits
from ropero.models.summary import summarise
from ropero.models.wrap import fingerprint, wrap

SHAPE = (1, 28, 28)


class Net(nn.Module):
    """What a PyTorch course writes: view and functional calls."""

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)
        self.fc1 = nn.Linear(8 * 13 * 13, 16)
        self.drop = nn.Dropout(0.5)
        self.fc2 = nn.Linear(16, num_classes)

    def hidden(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(torch.relu(self.conv(x)), 2)
        return self.drop(torch.relu(self.fc1(x.view(len(x), -1))))

    def forward(self, x: Tensor) -> Any:
        return self.fc2(self.hidden(x))


class Probabilities(Net):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).softmax(1)


class Pair(Net):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x), 1


class Careless(Net):
    def forward(self, x: Tensor) -> Any:
        return functional.dropout(super().forward(x))


class Squeezed(Net):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).squeeze()


class Neighbours(Net):
    def forward(self, x: Tensor) -> Any:
        y = super().forward(x)
        return y - y.mean(0) + 1


class Detached(Net):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).detach()


class Broken(Net):
    def forward(self, x: Tensor) -> Any:
        return self.fc2(x)


class Infinite(Net):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x) / 0


class InPlace(Net):
    def forward(self, x: Tensor) -> Any:
        y = torch.sigmoid(super().forward(x))
        squared = y * y
        y += 1
        return squared - y


class Expanded(Net):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones(1, 1).expand(28, 28))


class Tied(Net):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
        self.two.weight = self.one.weight

    def forward(self, x: Tensor) -> Any:
        return self.two(self.one(super().forward(x)))


class Noted(Net):
    def get_extra_state(self) -> Any:
        return {"notes": 1}

    def set_extra_state(self, state: Any) -> None:
        return None


class WeightOnly(Net):
    """Uses its last layer otherwise than by calling it."""

    def forward(self, x: Tensor) -> Any:
        return functional.linear(self.hidden(x), self.fc2.weight)


class Asking(Net):
    """Calls its last layer, but asks it for its size too."""

    def forward(self, x: Tensor) -> Any:
        assert self.fc2.in_features == 16
        return self.fc2(self.hidden(x))


class Attention(nn.Module):
    """Parts that are never called themselves, a state beside the output, a weight of its own, a layer without use."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(28, 4, 32, batch_first=True)
        self.lstm = nn.LSTM(28, 8, batch_first=True)
        self.offset = nn.Parameter(torch.zeros(8))
        self.spare = nn.Linear(2, 2)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Any:
        sequence, _ = self.lstm(self.encoder(x[:, 0]))
        return self.out(sequence[:, -1] + self.offset)


class Twice(nn.Module):
    """One layer at two places."""

    def __init__(self) -> None:
        super().__init__()
        self.again, self.out = nn.Linear(784, 784), nn.Linear(784, 3)

    def forward(self, x: Tensor) -> Any:
        return self.out(self.again(torch.relu(self.again(x.flatten(1)))))


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_layers_find_their_size_and_start_by_the_seed() -> None:
    def weights(seed: int) -> Tensor:
        torch.manual_seed(seed)
        model = wrap(nn.Sequential(nn.Flatten(), nn.LazyLinear(5), nn.Linear(5, 3)), "net", SHAPE, 3)
        return model.trunk.get_parameter("1.weight").detach()

    assert weights(0).shape == (5, 784)
    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def wrapped(module: nn.Module, name: str = "net") -> Classifier:
    torch.manual_seed(0)
    return wrap(module, name, SHAPE, 3)


@pytest.mark.parametrize("kind", [Attention, WeightOnly])
def test_logits_are_the_modules_own_and_it_stays_as_it_is(kind: type[nn.Module]) -> None:
    module = kind()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    parts = repr(module)
    model = wrapped(module)
    assert module.training
    assert repr(module) == parts
    pixels = torch.rand(5, *SHAPE)
    with torch.no_grad():
        torch.testing.assert_close(model(pixels), module.eval()(pixels))
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert not {p.data_ptr() for p in model.parameters()} & {p.data_ptr() for p in module.parameters()}


@pytest.mark.parametrize(
    ("module", "head", "width"),
    [
        (Net(), "fc2", 16),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 5), nn.ReLU(), nn.Linear(5, 3)), "3", 5),
        (nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(784, 5), nn.Linear(5, 3)), nn.Identity()), "1.1", 5),
        (Attention(), "out", 8),
        (WeightOnly(), "", 3),
        (Asking(), "", 3),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 3), nn.Tanh()), "", 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_features_are_what_the_last_linear_layer_takes(module: nn.Module, head: str, width: int) -> None:
    model = wrapped(module)
    assert model.own_head == head
    found = features(model, synthetic(5).images)
    assert found.shape == (5, width)
    decided = model.head(torch.from_numpy(found)).detach().numpy()
    np.testing.assert_allclose(decided, logits(model, synthetic(5).images), atol=1e-5)


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (Probabilities(), "leave the softmax at its end away"),
        (Pair(), "should give logits (4, 3) for 4 images, one value a class, but gives tuple"),
        (Net(5), "but gives (4, 5)"),
        (nn.Flatten(), "but gives (4, 784)"),
        (Careless(), "functional.dropout needs training=self.training"),
        (Squeezed(), "gives (3,) for a single image instead of (1, 3); squeeze()"),
        (Neighbours(), "when others are beside it"),
        (Detached(), "no gradient reaches its weights"),
        (Net().requires_grad_(False), "no gradient reaches its weights"),
        (Broken(), "net failed in test_wrap.py, line 74: RuntimeError: mat1 and mat2"),
        (Infinite(), "infinite or not a number"),
        (InPlace(), "net failed: RuntimeError: one of the variables needed for gradient"),
        (Tied(), "holds the same weights as one.weight and as two.weight"),
        (Expanded(), "keeps mask, whose values share memory as expand() makes them; put .clone()"),
        (Noted(), "keeps _extra_state, which is no tensor"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_trained_is_told_in_a_sentence(module: nn.Module, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        wrapped(module)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_log_softmax_is_as_good_as_logits() -> None:
    assert wrapped(nn.Sequential(nn.Flatten(), nn.Linear(784, 3), nn.LogSoftmax(1))).own_head == ""


def test_memory_lies_as_the_code_can_take_it() -> None:
    """`view` behind a convolution fails with channels last, which is faster and the rule where it works."""
    assert wrapped(Net()).memory_format == torch.contiguous_format
    flat = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 26 * 26, 3))
    assert wrapped(flat).memory_format == torch.channels_last
    model = wrapped(Net())
    model(torch.rand(2, *SHAPE).contiguous(memory_format=torch.channels_last))


def test_rows_add_up_and_have_the_users_names() -> None:
    summary = summarise(wrapped(Attention()))
    assert (
        sum(row.parameters for row in summary.rows) == summary.total == sum(p.numel() for p in Attention().parameters())
    )
    rows = {row.name: row for row in summary.rows}
    assert rows["lstm"].output_shape == (28, 8)
    assert rows["encoder.self_attn"].parameters == 4 * 28 * 28 + 4 * 28
    assert rows["attention"].parameters == 8 + 6  # the offset and the spare layer
    assert (rows["out"].kind, rows["out"].output_shape) == ("Dense", (3,))
    summary = summarise(wrapped(Twice()))
    assert [(row.name, row.parameters) for row in summary.rows] == [("again", 615_440), ("again", 0), ("out", 2_355)]


def test_the_largest_activation_is_measured() -> None:
    assert wrapped(Net()).peak == 8 * 26 * 26


def test_a_fingerprint_tells_weights_and_behaviour() -> None:
    def made(seed: int, slope: float = 0.1, **changes: Any) -> str:
        torch.manual_seed(seed)
        layers = [nn.Flatten(), nn.Linear(784, 4), nn.LeakyReLU(slope), nn.Linear(4, 3)]
        module = nn.Sequential(*layers)
        for name, value in changes.items():
            setattr(module[2], name, value)
        return fingerprint(wrap(module, "net", SHAPE, 3))

    assert made(0) == made(0)
    assert made(0) != made(1)
    assert made(0) != made(0, slope=0.2)
    assert made(0) != made(0, forward=torch.tanh)  # nothing that its description or its weights would tell
