"""TensorBoard's own reader finds what a training wrote: every epoch once, also after a resume; nothing is disturbed."""

from __future__ import annotations

import copy
import warnings
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CLASSES, Kill, synthetic
from torch import nn

from ropero.data.dataset import Dataset
from ropero.errors import MissingExtra
from ropero.models.classifier import Classifier
from ropero.models.zoo import build
from ropero.training import loop
from ropero.training.callbacks import Callback
from ropero.training.checkpoints import CheckpointStore
from ropero.training.config import TrainConfig
from ropero.training.loop import fit
from ropero.training.tensorboard import TensorBoard, filter_sheet, grid, sample_sheets, tagged, to_bytes

SMALL = TrainConfig(network="santiago-a2", epochs=3, batch_size=40, erase=0.0, device="cpu", precision="fp32")
DATA, HELD_OUT = synthetic(), synthetic(60, seed=1)


@pytest.fixture(scope="module")
def reader() -> Any:
    """Folder -> TensorBoard's own reader of it, with all events."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that TensorBoard is made of
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    every = dict.fromkeys(("scalars", "histograms", "images", "tensors"), 0)
    return lambda folder: EventAccumulator(str(folder), size_guidance=every).Reload()


@pytest.fixture(autouse=True)
def files_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of one process and one second are read in the order of a counter in their names, in which 10 precedes 9.
    Trainings that are gone on with are seconds apart; only tests are so fast."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.summary.writer import event_file_writer
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(100))


class CutOff(Callback):
    """Ends the training as a signal would, between the hooks of an epoch and its checkpoint."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_epoch_end(self, record: Any) -> None:
        if record.epoch == self.epoch:
            raise KeyboardInterrupt


def steps(events: Any) -> list[int]:
    return [one.step for one in events]


def test_curves_histograms_graph_and_images_are_there(tmp_path: Path, reader: Any) -> None:
    model, history = fit(SMALL, DATA, HELD_OUT, callbacks=[TensorBoard(tmp_path)])
    train, validation = reader(tmp_path / "train"), reader(tmp_path / "validation")
    for part, name in ((train, "train"), (validation, "validation")):
        for what in ("loss", "accuracy"):
            events = part.Scalars(f"epoch/{what}")
            assert steps(events) == [1, 2, 3]
            assert [one.value for one in events] == pytest.approx(history.column(f"{name}_{what}"))
    for what in ("learning rate", "images per second"):
        found = [one.value for one in train.Scalars(f"epoch/{what}")]
        assert found == pytest.approx(history.column(what.replace(" ", "_")))
    tags = [tag for tag, _ in tagged(model)]
    assert tags[:2] == ["01 Conv2d weight", "01 Conv2d bias"]
    assert set(train.Tags()["histograms"]) == {f"{what}/{tag}" for tag in tags for what in ("weights", "gradients")}
    for tag, parameter in tagged(model):
        weights = train.Histograms(f"weights/{tag}")
        assert steps(weights) == [0, 1, 2, 3]
        assert weights[-1].histogram_value.num == parameter.numel()
        assert weights[-1].histogram_value.sum == pytest.approx(float(parameter.detach().sum()), rel=1e-4, abs=1e-5)
        assert steps(train.Histograms(f"gradients/{tag}")) == [1, 2, 3]
    assert train.Tags()["graph"]
    assert "Conv2d" in str(train.Graph())
    names = {f"training images/{k} {name}" for k, name in enumerate(CLASSES)}
    assert set(train.Tags()["images"]) == names | {"filters/01 Conv2d weight"}
    assert steps(train.Images("filters/01 Conv2d weight")) == [0, 1, 2, 3]
    assert b'"santiago-a2"' in train.Tensors("config/text_summary")[0].tensor_proto.string_val[0]


def test_gradients_are_those_of_the_last_step(tmp_path: Path, reader: Any) -> None:
    sums: list[float] = []

    class Note(Callback):
        def on_set_up(self, model: Classifier, kept: Classifier, *_: Any) -> None:
            self.model = model

        def on_epoch_end(self, record: Any) -> None:
            gradient = next(self.model.parameters()).grad
            assert gradient is not None
            sums.append(float(gradient.double().sum()))

    # With a moving average the judged network has no gradients of its own.
    fit(SMALL.replace(ema=0.9), DATA, callbacks=[TensorBoard(tmp_path), Note()])
    found = reader(tmp_path / "train").Histograms("gradients/01 Conv2d weight")
    assert [one.histogram_value.sum for one in found] == pytest.approx(sums, rel=1e-4)
    assert any(sums)


@pytest.mark.parametrize("hook", [Kill(1), Kill(5), Kill(8), CutOff(2)], ids=["1", "5", "8", "cut off"])
def test_a_resume_goes_on_with_the_same_curves(
    tmp_path: Path, reader: Any, hook: Callback, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(hook, Kill) or hook.at > 1:
        monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    store = CheckpointStore(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        fit(SMALL, DATA, HELD_OUT, callbacks=[TensorBoard(tmp_path / "events"), hook], store=store)
    _, history = fit(SMALL, DATA, HELD_OUT, callbacks=[TensorBoard(tmp_path / "events")], store=store)
    for part in ("train", "validation"):
        found = reader(tmp_path / "events" / part).Scalars("epoch/loss")
        assert steps(found) == [1, 2, 3]
        assert [one.value for one in found] == pytest.approx(history.column(f"{part}_loss"))
    train = reader(tmp_path / "events" / "train")
    assert steps(train.Histograms("gradients/01 Conv2d weight")) == [1, 2, 3]
    assert steps(train.Histograms("weights/01 Conv2d weight")) == [0, 1, 2, 3]
    assert steps(train.Images("training images/0 stripe")) == [0]
    assert train.Tags()["graph"]


def test_asked_for_only_when_going_on_it_knows_the_epochs_before(tmp_path: Path, reader: Any) -> None:
    store = CheckpointStore(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        fit(SMALL, DATA, callbacks=[Kill(8)], store=store)
    fit(SMALL, DATA, callbacks=[TensorBoard(tmp_path / "events")], store=store)
    train = reader(tmp_path / "events" / "train")
    assert steps(train.Scalars("epoch/loss")) == [1, 2, 3]
    assert train.Tags()["graph"]
    assert not (tmp_path / "events" / "validation").exists()


@pytest.mark.parametrize(
    "changes", [{}, {"network": "quick", "ema": 0.9, "flip": "random", "rotation": 10.0}], ids=["plain", "augmented"]
)
def test_looking_changes_nothing(tmp_path: Path, changes: dict[str, Any]) -> None:
    config = SMALL.replace(**changes)
    plain, _ = fit(config, DATA, HELD_OUT)
    watched, _ = fit(config, DATA, HELD_OUT, callbacks=[TensorBoard(tmp_path)])
    ours, theirs = plain.state_dict(), watched.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("network", ["quick", "dense", "softmax", "monterrey-rnn", "monterrey-attention", "santiago-3"])
def test_every_kind_of_network_has_a_graph_and_no_warning(
    tmp_path: Path, reader: Any, network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(tmp_path, build(network, DATA.input_shape, 3).train(), DATA)
    train = reader(tmp_path / "train")
    assert train.Tags()["graph"]
    assert capsys.readouterr().out == ""
    assert ("filters/01 Conv2d weight" in train.Tags()["images"]) == (network in ("quick", "santiago-3"))


def set_up(folder: Path, model: Classifier, data: Dataset) -> None:
    hook = TensorBoard(folder)
    hook.on_set_up(model, model, data, None)
    hook.on_train_begin(SMALL, 3, 0, loop.History())
    hook.on_train_end()


def test_a_network_that_cannot_be_drawn_is_said_and_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("too clever")

    monkeypatch.setattr(torch.jit, "trace", refuse)
    with pytest.warns(RuntimeWarning, match="no graph of this network: too clever"):
        fit(SMALL, DATA, callbacks=[TensorBoard(tmp_path)])
    assert capsys.readouterr().out == ""


def test_a_module_that_is_another_with_each_call_is_trained_all_the_same(tmp_path: Path) -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls, self.layer = 0, nn.Linear(784, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            for _ in range(self.calls):
                x = x + 0.0
            found: torch.Tensor = self.layer(x.flatten(1))
            return found

    class Swapped(TensorBoard):
        def on_set_up(self, model: Classifier, kept: Classifier, *others: Any) -> None:
            kept = copy.copy(kept)
            kept._modules = {**kept._modules, "trunk": Counting(), "head": nn.Identity()}
            super().on_set_up(model, kept, *others)

    with pytest.warns(RuntimeWarning, match="no graph of this network: "):
        fit(SMALL, DATA, callbacks=[Swapped(tmp_path)])


def test_gradients_that_are_no_numbers_are_left_out(tmp_path: Path, reader: Any) -> None:
    class Spoil(Callback):
        def on_set_up(self, model: Classifier, *_: Any) -> None:
            self.model = model

        def on_epoch_end(self, record: Any) -> None:
            first, second, *_ = (p.grad for p in self.model.parameters())
            assert first is not None
            assert second is not None
            first.flatten()[0] = float("nan")
            first.flatten()[1] = float("inf")
            second.fill_(float("nan"))

    fit(SMALL, DATA, callbacks=[Spoil(), TensorBoard(tmp_path)])
    train = reader(tmp_path / "train")
    whole = train.Histograms("weights/01 Conv2d weight")[0].histogram_value.num
    assert train.Histograms("gradients/01 Conv2d weight")[0].histogram_value.num == whole - 2
    assert "gradients/01 Conv2d bias" not in train.Tags()["histograms"]


def test_without_the_extra_it_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = util.find_spec
    monkeypatch.setattr(
        "ropero.training.tensorboard.find_spec", lambda name: None if name == "tensorboard" else found(name)
    )
    with pytest.raises(MissingExtra, match=r"ropero\[tensorboard\]"):
        TensorBoard(tmp_path)


def test_samples_show_each_class_as_it_is_and_as_a_step_sees_it() -> None:
    odd = Dataset(DATA.images, DATA.labels, ("a/b", "裙", "c:d"), "odd", "train")
    plain = dict(sample_sheets(odd, SMALL.replace(flip="none")))
    assert list(plain) == ["0 a-b", "1 裙", "2 c-d"]
    side = 28 * 3 + 2
    assert plain["1 裙"].shape == (side, 8 * side, 1)
    first = plain["1 裙"][1 : side - 1 : 3, 1 : side - 1 : 3, 0]
    assert np.array_equal(first, DATA.images[DATA.labels == 1][0])
    changed = dict(sample_sheets(odd, SMALL.replace(flip="none", erase=1.0, erase_side=8, augment_from=3)))
    assert changed["1 裙"].shape == (2 * side, 8 * side, 1)
    assert np.array_equal(changed["1 裙"][:side], plain["1 裙"])
    erased = (changed["1 裙"][side:] != plain["1 裙"]).reshape(side, 8, side).any(axis=(0, 2))
    assert erased.all()


def test_few_images_colours_and_classes_without_images() -> None:
    colour = Dataset(np.full((3, 40, 50, 3), 7, np.uint8), np.array([0, 2, 2]), CLASSES, "few", "train")
    sheets = dict(sample_sheets(colour, SMALL.replace(flip="none")))
    assert {name: sheet.shape for name, sheet in sheets.items()} == {"0 stripe": (82, 102, 3), "2 ring": (82, 204, 3)}


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        # (filters across and down) x (side 30 + 2 for the picture's frame + 6 for the filter's)
        ((9, 1, 3, 3), (3 * 38, 3 * 38, 1)),
        ((10, 3, 5, 5), (4 * 38, 3 * 38, 3)),
        ((32, 4, 3, 3), (11 * 38, 3 * (4 * 32 + 6), 1)),
        ((200, 99, 3, 3), (32 * 38, 2 * (16 * 32 + 6), 1)),
    ],
)
def test_filters_are_one_picture_about_as_high_as_wide(shape: tuple[int, ...], size: tuple[int, ...]) -> None:
    sheet = filter_sheet(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    assert sheet.shape == size
    assert 0.5 < sheet.shape[0] / sheet.shape[1] < 2


def test_grey_is_zero_and_white_the_largest_weight() -> None:
    weight = torch.zeros(1, 1, 2, 2)
    weight[0, 0] = torch.tensor([[-2.0, 0.0], [1.0, 2.0]])
    inside = filter_sheet(weight)[4:-4:15, 4:-4:15, 0]
    assert inside.tolist() == [[0, 128], [191, 255]]
    assert (filter_sheet(torch.zeros(1, 1, 2, 2))[4:-4, 4:-4] == 128).all()


def test_a_grid_keeps_rows_and_columns() -> None:
    pictures = torch.arange(6).view(2, 3, 1, 1, 1) / 5
    picture = to_bytes(grid(pictures, 1, gap=1))
    assert picture.shape == (6, 9, 1)
    assert picture[1::3, 1::3, 0].tolist() == [[0, 51, 102], [153, 204, 255]]
    assert (picture[0] == 255).all()
