"""The verb explain: maps of the predicted and the true class, a layer from inside, pictures in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic

from ropero.data.dataset import Splits
from ropero.errors import UsageError
from ropero.runs import Run, RunStore
from ropero.training.config import TrainConfig
from ropero.workbench.explain import check, explain, layers, save
from ropero.workbench.predict import predict_arrays, predict_test
from ropero.workbench.train import train


@pytest.fixture(scope="module")
def splits() -> Splits:
    return Splits(synthetic(120), None, synthetic(30, seed=1, split="test"))


@pytest.fixture(scope="module")
def run(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = TrainConfig(network="santiago-2", epochs=2, batch_size=32, learning_rate=0.003, erase=0.0)
    return train(splits, config, RunStore(tmp_path_factory.mktemp("runs"))).run


def test_every_method_for_the_predicted_and_the_true_class(run: Run, splits: Splits) -> None:
    predictions = predict_test(run, list(range(30)), splits=splits)
    for one in explain(run, predictions[:3]):
        assert set(one.maps) == {"grad-cam", "occlusion", "integrated-gradients"}
        told = one.prediction
        wanted = {told.classes[k] for k in (told.predicted, told.true) if k is not None}
        for found in one.maps.values():
            assert set(found) == wanted
            assert all(places.shape == (28, 28) and np.isfinite(places).all() for places in found.values())


def test_a_class_a_method_and_a_layer(run: Run, splits: Splits, tmp_path: Path) -> None:
    predictions = predict_arrays(run, splits.train.images[:2])
    name = layers(run)[0]
    found = explain(run, predictions, method="occlusion", name="ring", layer=name)
    assert [(list(one.maps), list(one.maps["occlusion"])) for one in found] == [(["occlusion"], ["ring"])] * 2
    assert found[0].feature_maps is not None
    assert found[0].feature_maps.shape == (8, 28, 28)
    paths = save(found, name, tmp_path / "out")
    assert [path.name for path in paths] == [
        "000-image-0.png", "000-image-0-conv2d.png", "001-image-1.png", "001-image-1-conv2d.png", "filters-conv2d.png",
    ]  # fmt: skip
    assert all(path.stat().st_size > 5_000 for path in paths)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "grad-cat"}, "Did you mean 'grad-cam'"),
        ({"name": "rink"}, "Did you mean 'ring'"),
        ({"layer": "conv2"}, "Did you mean 'conv2d'"),
    ],
)
def test_what_is_not_there(asked: dict[str, str], message: str, run: Run, splits: Splits) -> None:
    with pytest.raises(UsageError, match=message):
        explain(run, predict_arrays(run, splits.train.images[:1]), **asked)


def test_the_folder_is_a_folder(run: Run, splits: Splits, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="folder"):
        check(run, "", "", "", tmp_path / "x.png")
