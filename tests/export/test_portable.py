"""One safetensors file is a whole model: weights and the card by which the network is built again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import small_vgg
import torch
from exporting import FROZEN, QUICK_ONES, SHAPE, network, written
from foreign_networks import FIXTURES
from safetensors.torch import load_file, save_file
from torch import nn

from ropero.errors import DataError, RunError, UsageError
from ropero.export.portable import read_portable
from ropero.models.wrap import wrap


@pytest.mark.parametrize("name", [*QUICK_ONES, *FROZEN])
def test_every_network_comes_back_to_the_last_bit(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_vgg.shrink(monkeypatch)
    model = network(name)
    again, card = read_portable(written(model, "safetensors", tmp_path, name))
    assert card.network == name
    assert not again.training
    pixels = torch.rand(3, 1, 28, 28)
    with torch.inference_mode():
        assert torch.equal(again(pixels), model(pixels))


def test_any_program_reads_the_weights(tmp_path: Path) -> None:
    model = network("dense")
    tensors = load_file(written(model, "safetensors", tmp_path))
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in model.state_dict().items())


def rewritten(path: Path, **changes: object) -> Path:
    """The file with another card."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    card = json.loads(header["__metadata__"]["ropero"]) | changes
    save_file(load_file(path), path, metadata={"ropero": json.dumps(card)})
    return path


def test_weights_of_another_network_are_refused_before_any_is_made(tmp_path: Path) -> None:
    path = written(network("dense"), "safetensors", tmp_path)
    layers = [{"type": "Flatten"}, {"type": "Dense", "units": 129}, {"type": "Dense"}]
    with pytest.raises(DataError, match="not those of the network"):
        read_portable(rewritten(path, layers=layers))


def test_a_small_file_cannot_ask_for_a_large_network(tmp_path: Path) -> None:
    path = written(network("dense"), "safetensors", tmp_path)
    layers = [{"type": "Flatten"}, {"type": "Dense", "units": 600_000}, {"type": "Dense"}]
    with pytest.raises(DataError, match="not those of the network"):  # 480 million parameters, none of them made
        read_portable(rewritten(path, layers=layers))
    with pytest.raises(UsageError, match="parameters"):
        read_portable(rewritten(path, layers=[*layers[:2], {"type": "Dense", "units": 900_000}, {"type": "Dense"}]))


def test_a_file_without_a_card_is_no_model(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(3)}, tmp_path / "x.safetensors")
    with pytest.raises(DataError, match="holds no card"):
        read_portable(tmp_path / "x.safetensors")


@pytest.mark.parametrize("keep", [0, 7, 8, 200, 3000, -1])
def test_a_file_that_was_cut_is_told(keep: int, tmp_path: Path) -> None:
    path = written(network("softmax"), "safetensors", tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="Cannot read"):
        read_portable(path)


def test_no_code_is_run_because_a_file_names_it(tmp_path: Path) -> None:
    module = wrap(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), "mine", (1, 28, 28), 10)
    path = written(module, "safetensors", tmp_path, "mine.py:build", code="0" * 64, layers=())
    with pytest.raises(RunError, match="no code is run that you have not named"):
        read_portable(path)


def test_a_network_that_came_as_onnx_comes_back_from_its_graph(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from ropero.export.onnx_reader import classifier, read

    model, graph = classifier(read(FIXTURES / "keras-cnn.onnx"), SHAPE, 10)
    path = written(model, "safetensors", tmp_path, graph=graph.to_json())
    again, card = read_portable(path)
    assert card.whole
    pixels = torch.rand(3, *SHAPE)
    with torch.inference_mode():
        assert torch.equal(again(pixels), model(pixels))
    entry = graph.to_json()
    name = next(iter(entry["tensors"]))
    large = {**entry, "tensors": {**entry["tensors"], name: {"shape": [20_000, 20_000], "dtype": "float32"}}}
    with pytest.raises(DataError, match="not those of the network"):  # none of them made
        read_portable(rewritten(path, graph=large))
    with pytest.raises(UsageError, match="A network's graph should have"):
        read_portable(rewritten(path, graph={**entry, "layout": "CHWN"}))
    with pytest.raises(DataError, match="not a model card"):
        read_portable(rewritten(path, graph=[1]))
    with pytest.raises(DataError, match="newer ropero"):
        read_portable(rewritten(path, format=3))
