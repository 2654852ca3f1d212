"""The verb networks, and a network of one's own from its first look to its report."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import synthetic
from torch import Tensor, nn

import ropero
from ropero.cli.app import run as ask
from ropero.data.dataset import Splits
from ropero.errors import RunError, UsageError
from ropero.models import own
from ropero.models.designs import MAX_PARAMETERS, MAX_VALUES
from ropero.models.entries import LAYERS, MAX_LAYERS
from ropero.models.zoo import NETWORKS
from ropero.runs import RunStore
from ropero.training.callbacks import Callback
from ropero.training.history import EpochRecord
from ropero.training.presets import usual
from ropero.workbench.networks import network, networks, recipe

ROOT = Path(__file__).parent.parent.parent
FAST: dict[str, Any] = {"epochs": 2, "batch_size": 32, "learning_rate": 0.01, "precision": "fp32"}
LISTED = [{"type": "Conv2D", "filters": 4, "activation": "relu"}, {"type": "Flatten"}, {"type": "Dense"}]
TOML = """
[[layers]]
type = "Conv2D"
filters = 4
activation = "relu"
[[layers]]
type = "Flatten"
[[layers]]
type = "Dense"
"""
CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.drop = nn.Dropout(0.2)
        self.spare = nn.Linear(2, 2)
        self.out = nn.Linear(4 * 26 * 26, classes)

    def forward(self, x):
        x = self.drop(torch.relu(self.conv(x)))
        return self.out(x.view(x.size(0), -1))

def build(input_shape, classes):
    return Net(classes)
"""


class Net(nn.Module):
    """As in CODE, with a weight that it starts from."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.out = nn.Linear(4 * 26 * 26, classes)

    def forward(self, x: Tensor) -> Any:
        return self.out(torch.relu(self.conv(x)).flatten(1))


class Stop(Callback):
    """Interrupts a training after its first epoch's checkpoint."""

    def __init__(self) -> None:
        self.epochs = 0

    def on_epoch_end(self, record: EpochRecord) -> None:
        self.epochs = record.epoch

    def on_step_end(self, step: int) -> None:
        if self.epochs:
            raise KeyboardInterrupt


@pytest.fixture
def forget(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it, and this process has been given no network, as another one."""

    def forgetting() -> None:
        monkeypatch.setattr(own, "_given", {})
        monkeypatch.setattr(own, "_modules", {})

    forgetting()
    return forgetting


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with my_net.toml and my_net.py."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "my_net.toml").write_text(TOML)
    (folder / "my_net.py").write_text(CODE)
    return folder


def test_all_are_listed_with_their_totals() -> None:
    found = {one.name: one for one in networks()}
    assert list(found) == list(NETWORKS)
    assert found["quick"].to_json()["parameters"] == 475_018
    assert found["quick"].to_json()["trainable_parameters"] == 473_738


def test_a_network_for_other_images() -> None:
    assert network("softmax", (3, 8, 8), 4).summary.total == 3 * 8 * 8 * 4 + 4
    for shape, classes in [((2, 8, 8), 3), ((1, 0, 8), 3), ((1, 9999, 9999), 3), ((1, 8, 8), 1)]:
        with pytest.raises(UsageError, match="is shown for images of 1 or 3 channels"):
            network("softmax", shape, classes)
    with pytest.raises(UsageError, match="cannot take images of 1 x 1 pixels"):
        network("quick", (1, 1, 1))


def test_an_unknown_network_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    with pytest.raises(UsageError, match=r"Did you mean 'softmax'\?.*One of your own is my_net.toml or my_net.py"):
        network("sofmax")
    monkeypatch.chdir(files)
    with pytest.raises(UsageError, match=r"Did you mean 'my_net.toml'\?"):
        network("my_net")


@pytest.mark.parametrize("file", ["my_net.toml", "my_net.py:build"])
def test_a_file_goes_the_whole_way(
    capsys: pytest.CaptureFixture[str], files: Path, source: Path, forget: Any, file: str
) -> None:
    def answer(*words: object) -> str:
        assert ask([str(word) for word in words]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    shown = answer("networks", files / file, "--data", source)
    assert "(None, 26, 26, 4)" in shown
    assert "(None, 3)" in shown
    fast = ["--epochs", 2, "--batch-size", 32, "--learning-rate", 0.01, "--validation", 30, "--csv"]
    trained = json.loads(answer("train", "--network", files / file, "--data", source, *fast, "--report", "--json"))
    assert trained["test"]["accuracy"] > 0.8
    folder = Path(trained["folder"])
    assert "my_net" in Path(trained["report"]).read_text("utf-8")
    assert not [path for path in folder.rglob("*") if path.suffix in (".py", ".toml", ".pyc")]
    assert "def build" not in "".join(path.read_text("latin-1") for path in folder.rglob("*") if path.is_file())
    forget()
    assert json.loads(answer("evaluate", "last", "--split", "validation", "--json"))["fresh"]
    assert json.loads(answer("predict", "last", "--test", 1, "--json"))[0]["true"]
    forget()
    again = json.loads(answer("train", "--network", files / file, "--data", source, *fast, "--json"))
    assert (again["how"], again["run"]) == ("already trained", trained["run"])


@pytest.mark.parametrize("kind", ["my_net.toml", "my_net.py:build", "object"])
def test_an_interrupted_training_goes_on_to_the_same_weights(
    splits: Splits, files: Path, tmp_path: Path, forget: Any, kind: str
) -> None:
    torch.manual_seed(0)
    which: Any = Net() if kind == "object" else files / kind
    config = {**FAST, "epochs": 3, "ema": 0.9, "network": which, "runs": tmp_path / "runs"}
    with pytest.raises(KeyboardInterrupt):
        ropero.train(splits, callbacks=[Stop()], **config)
    forget()
    resumed = ropero.train(splits, **config)
    assert len(RunStore(tmp_path / "runs").runs()) == 1
    whole = ropero.train(splits, again=True, **config)
    assert resumed.run.card.weights_sha256 == whole.run.card.weights_sha256
    assert resumed.run.name != whole.run.name


def test_the_page_says_how_to_train_it_again(files: Path, source: Path, forget: Any) -> None:
    from ropero.reports.words import command

    data = ropero.load(source)
    for which, said in [
        (files / "my_net.toml", "--network my_net.toml"),
        (files / "my_net.py", "--network my_net.py:build"),
        (Net, "rp.train(data, Net, "),
    ]:
        run = ropero.train(data, which, **{**FAST, "epochs": 1}).run
        assert said in command(run)
        assert "--code" not in command(run)
        assert "--layers" not in command(run)
        assert usual(run.config).replace(**{**FAST, "epochs": 1}) == run.config.replace(device="auto")


def test_a_list_of_layers_is_as_good_as_its_file(splits: Splits, files: Path, forget: Any) -> None:
    listed = ropero.train(splits, LISTED, **FAST)
    from_file = ropero.train(splits, files / "my_net.toml", **FAST)
    assert listed.run.card.weights_sha256 == from_file.run.card.weights_sha256
    assert (listed.config.network, from_file.config.network) == ("layers", "my_net")
    assert listed.evaluate().accuracy > 0.8


def test_a_module_is_copied_and_what_was_learned_is_in_the_run(splits: Splits, forget: Any) -> None:
    module = Net()
    before = module.out.weight.detach().clone()
    trained = ropero.train(splits, module, **FAST)
    assert torch.equal(module.out.weight, before)
    assert trained.config.network == "Net"
    model = trained.model()
    assert not torch.equal(model.head.weight, before)
    pixels = torch.from_numpy(splits.train.images[:, None] / np.float32(255))
    with torch.no_grad():
        assert (model(pixels).argmax(1).numpy() == splits.train.labels).mean() > 0.8
    assert trained.evaluate().accuracy > 0.8
    assert trained.predict(splits.train.images[0])[0].probabilities.shape == (3,)
    assert trained.report().exists()
    assert not trained.model().standardise


def test_the_same_object_is_the_same_training_and_a_changed_one_is_not(splits: Splits, forget: Any) -> None:
    module = Net()
    first = ropero.train(splits, module, **FAST)
    assert ropero.train(splits, module, **FAST).run.name == first.run.name
    with torch.no_grad():
        module.out.weight.mul_(2)
    assert ropero.train(splits, module, **FAST).run.name != first.run.name
    assert ropero.train(splits, Net, **FAST).run.name == ropero.train(splits, Net, **FAST).run.name


def test_a_run_of_an_object_is_opened_with_it(splits: Splits, forget: Any) -> None:
    name = ropero.train(splits, Net, **FAST).run.name
    forget()
    with pytest.raises(RunError, match=r"network=Net"):
        ropero.open_run(name).model()
    again = ropero.open_run(name, network=Net)
    assert again.model().head.out_features == 3
    with pytest.raises(RunError, match="does not fit"):
        ropero.open_run(name, network=nn.Sequential(nn.Flatten(), nn.Linear(784, 3))).model()
    zoo = ropero.train(splits, "softmax", **FAST).run.name
    with pytest.raises(UsageError, match="leave network= away"):
        ropero.open_run(zoo, network=Net)


def test_every_recipe_of_ones_own_trains(splits: Splits, files: Path, forget: Any) -> None:
    """Nothing is said but the network; a few steps of what its recipe does."""
    few = Splits(synthetic(40), None, None, source="synthetic")
    for which in (files / "my_net.toml", files / "my_net.py", Net):
        assert recipe(which, (1, 28, 28), 3).epochs == 20
        assert len(ropero.train(few, which, epochs=1).history) == 1


def test_what_does_not_fit_the_data_is_said_before_there_is_a_run(splits: Splits, tmp_path: Path, forget: Any) -> None:
    (tmp_path / "ten.toml").write_text('[[layers]]\ntype = "Flatten"\n[[layers]]\ntype = "Dense"\nunits = 10\n')
    with pytest.raises(UsageError, match="gives 10 values, but the data have 3 classes"):
        ropero.train(splits, tmp_path / "ten.toml", **FAST)
    with pytest.raises(UsageError, match=r"should give logits \(4, 3\)"):
        ropero.train(splits, Net(10), **FAST)
    with pytest.raises(UsageError, match=r"Layer 1: Unknown layer 'Conv2d'\. Did you mean 'Conv2D'"):
        ropero.train(splits, [{"type": "Conv2d"}], **FAST)
    assert RunStore().runs() == []


@pytest.mark.parametrize("file", ["my_net.toml", "my_net.py:build"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=str)
def test_the_examples_work(file: str, shape: tuple[int, int, int], forget: Any) -> None:
    assert network(ROOT / "examples" / file, shape, 7).summary.rows[-1].output_shape == (7,)


def test_the_guide_lists_every_layer_with_its_options() -> None:
    guide = (ROOT / "docs" / "networks.md").read_text("utf-8")
    for name, kind in LAYERS.items():
        line = next(line for line in guide.splitlines() if line.startswith(f"| `{name}` |"))
        listed = re.findall(r"`(\w+)(?: = [^`]+)?`", line)[1:]
        assert listed == [one.name for one in fields(kind) if one.name not in ("name", "inputs")]
    for limit in (MAX_LAYERS, MAX_PARAMETERS // 1_000_000, MAX_VALUES // 1_000_000):
        assert f"{limit:,}" in guide
