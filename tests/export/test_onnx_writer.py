"""ONNX files say in onnxruntime what the run says, for any number of images, and tell nothing of this machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_vgg
import torch
from exporting import FROZEN, QUICK_ONES, SLOW, listed, network, written
from torch import Tensor, nn

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from ropero.errors import MissingExtra, UsageError  # noqa: E402
from ropero.export import onnx_writer  # noqa: E402
from ropero.models import samples  # noqa: E402
from ropero.models.classifier import Classifier  # noqa: E402
from ropero.models.inference import logits, softmax  # noqa: E402
from ropero.models.wrap import wrap  # noqa: E402

HERE = str(Path(__file__).parent.parent.parent)


def compare(model: Classifier, folder: Path) -> Path:
    """onnxruntime's logits and probabilities are ropero's, for one image and for many."""
    path = written(model, "onnx", folder)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    assert (entry.name, entry.type, entry.shape) == ("pixels", "tensor(float)", ["batch", *model.input_shape])
    outputs = [(one.name, one.shape[0]) for one in session.get_outputs()]
    assert outputs == [("logits", "batch"), ("probabilities", "batch")]
    images = samples.pictures(12, model.input_shape, seed=3)
    expected = logits(model, images)
    assert expected.std(0).mean() > 1e-3  # a network that says the same of all images would prove nothing
    for part in (slice(0, 1), slice(1, 12)):
        pixels = images[part].astype(np.float32).transpose(0, 3, 1, 2) / 255
        said, shares = session.run(None, {"pixels": pixels})
        gap, allowed = samples.difference(expected[part], said)
        assert gap <= allowed
        np.testing.assert_allclose(shares, softmax(expected[part]), atol=1e-5)
    return path


@pytest.mark.parametrize("name", QUICK_ONES)
def test_onnxruntime_says_of_every_network_what_ropero_says(name: str, tmp_path: Path) -> None:
    content = compare(network(name), tmp_path).read_bytes()
    for told in (HERE, "site-packages", ".py", "torch.ops"):
        assert told.encode() not in content, told


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_bases(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_vgg.shrink(monkeypatch)
    model = network(name)
    if name.startswith("lunzhi"):  # scaled twice it says almost the same of everything: its deviations are made small
        model.base.std.mul_(1 / 255)  # type: ignore[union-attr, operator]
    compare(model, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_the_large_ones(name: str, tmp_path: Path) -> None:
    compare(network(name), tmp_path)


@pytest.mark.parametrize("shape", [(3, 31, 30), (1, 27, 28)], ids=str)
def test_quick_in_colour_and_of_odd_sides(shape: tuple[int, int, int], tmp_path: Path) -> None:
    compare(network("quick", shape), tmp_path)


@pytest.mark.parametrize(
    ("entry", "operator"),
    [
        ({"type": "SimpleRNN", "units": 4, "activation": "relu"}, "RNN"),
        ({"type": "Bidirectional", "layer": {"type": "SimpleRNN", "units": 4, "return_sequences": True}}, "RNN"),
        ({"type": "GRU", "units": 4}, "GRU"),
        ({"type": "Bidirectional", "layer": {"type": "LSTM", "units": 4}}, "LSTM"),
    ],
    ids=str,
)
def test_recurrent_layers_are_onnx_s_own(entry: dict[str, object], operator: str, tmp_path: Path) -> None:
    """One operator a layer, its weights in the order that it wants, not a graph for every step."""
    graph = onnx.load(compare(listed([{"type": "Rows"}, entry], (1, 9, 8)), tmp_path)).graph
    operators = [node.op_type for node in graph.node]
    assert operators.count(operator) == 1
    stored = {one.name for one in graph.initializer}
    (node,) = [node for node in graph.node if node.op_type == operator]
    assert set(node.input[1:4]) <= stored
    assert len(operators) < 40


def test_the_file_is_checked_small_and_of_one_operator_set(tmp_path: Path) -> None:
    path = written(network("quick"), "onnx", tmp_path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 18)]
    assert [one.key for one in model.metadata_props] == ["ropero"]
    weights = sum(4 * int(np.prod(one.dims)) for one in model.graph.initializer)
    assert path.stat().st_size < weights + 25_000


class Own(nn.Module):
    """A user's module, with what exporters stumble over: len() of a batch, a branch by shape, a loop over layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 3)])
        self.last = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
            if x.shape[-1] > 20:
                x = nn.functional.max_pool2d(x, 2)
        return self.last(x.reshape(len(x), 8, -1).mean(2))


def test_a_users_module(tmp_path: Path) -> None:
    torch.manual_seed(0)
    compare(wrap(Own(), "Own", (1, 28, 28), 10), tmp_path)


def test_what_onnx_cannot_hold_is_one_sentence(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveMaxPool2d((3, 2)), nn.Flatten(), nn.Linear(24, 10))
    with pytest.raises(UsageError, match=r"ONNX cannot hold this network.*adaptive_max_pool2d") as error:
        written(wrap(module, "mine", (1, 28, 28), 10), "onnx", tmp_path)
    assert "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)


def test_nothing_is_said_while_a_file_is_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(network("monterrey-gru"), "onnx", tmp_path)
    assert capfd.readouterr() == ("", "")


def test_without_onnx_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(onnx_writer, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"ropero\[onnx\]"):
        written(network("softmax"), "onnx", tmp_path)
