"""Programs of torch.export: the same numbers for any number of images, and nothing of this machine."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import small_vgg
import torch
from exporting import FROZEN, QUICK_ONES, network, written
from torch import Tensor, nn

from ropero.errors import UsageError
from ropero.export import clients, traced
from ropero.models import samples
from ropero.models.inference import logits
from ropero.models.wrap import wrap

HERE = str(Path(__file__).parent.parent.parent)


@pytest.mark.parametrize("name", [*QUICK_ONES, *FROZEN])
def test_torch_says_of_every_network_what_ropero_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_vgg.shrink(monkeypatch)
    model = network(name)
    path = written(model, "torch-export", tmp_path)
    images = samples.pictures(12, model.input_shape, seed=3)
    expected = logits(model, images)
    client = clients.opened(path)
    for part in (slice(0, 1), slice(1, 12)):
        gap, allowed = samples.difference(expected[part], client.logits(images[part]))
        assert gap <= allowed
    with zipfile.ZipFile(path) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist() if not name.endswith("ropero.json"))
    assert HERE.encode() not in content
    assert b".py" not in content


def test_two_lines_load_it(tmp_path: Path) -> None:
    """As docs/export.md says."""
    model = network("softmax")
    path = written(model, "torch-export", tmp_path)
    pixels = torch.rand(5, 1, 28, 28)
    with traced.quiet():
        logits, probabilities = torch.export.load(path).module()(pixels)
    assert torch.allclose(logits, model(pixels), atol=1e-6)
    assert torch.allclose(probabilities, logits.softmax(1))


class Stubborn(nn.Module):
    """What no tracer follows: a way that depends on what the pixels are."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(784, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x.flatten(1)) * (2 if float(x.sum()) > 0 else 1)


def test_code_that_cannot_be_followed_is_one_sentence(tmp_path: Path) -> None:
    model = wrap(Stubborn(), "Stubborn", (1, 28, 28), 10)
    with pytest.raises(UsageError, match="safetensors keeps its weights") as error:
        written(model, "torch-export", tmp_path)
    assert "\n" not in str(error.value)


def test_the_network_itself_stays_as_it_is(tmp_path: Path) -> None:
    model = network("santiago-a3").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    traced.trace(model)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_network_in_train_mode_is_traced_in_eval_mode() -> None:
    model = network("santiago-a3").train()
    program = traced.trace(model)
    pixels = torch.rand(4, 1, 28, 28)
    assert torch.allclose(program.module()(pixels)[0], model.eval()(pixels), atol=1e-5)
