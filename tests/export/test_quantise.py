"""Networks in whole numbers: what is rewritten before is the same function, and what is left in floats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exporting import written
from torch import nn

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from ropero.export import onnx_writer, quantise  # noqa: E402
from ropero.models import samples  # noqa: E402
from ropero.models.classifier import Classifier  # noqa: E402
from ropero.models.designs import build  # noqa: E402
from ropero.models.entries import from_json  # noqa: E402

SHAPE = (1, 12, 12)
NORM, POOL = {"type": "BatchNormalization"}, {"type": "MaxPooling2D"}
END = [{"type": "Flatten"}, {"type": "Dense", "units": 5, "activation": "relu"}, NORM, {"type": "Dense", "units": 3}]


def conv(filters: int, activation: str) -> dict[str, Any]:
    return {"type": "Conv2D", "filters": filters, "kernel_size": 3, "padding": "same", "activation": activation}


def network(*layers: dict[str, Any], shape: tuple[int, int, int] = SHAPE) -> Classifier:
    torch.manual_seed(2)
    model = build(from_json([*layers, *END]), shape, 3).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            for numbers in (module.running_mean, module.bias, module.weight):
                assert numbers is not None
                nn.init.normal_(numbers)  # kernels of either sign: max pooling behind must not be turned round
            assert module.running_var is not None
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model


def said(content: bytes, model: Classifier) -> Any:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    images = samples.pictures(20, model.input_shape, seed=4).astype(np.float32).transpose(0, 3, 1, 2) / 255
    return session.run([onnx_writer.LOGITS], {onnx_writer.PIXELS: images})[0]


def test_batch_norms_of_pictures_become_convolutions_that_say_the_same(tmp_path: Path) -> None:
    model = network(conv(4, "relu"), NORM, POOL, conv(6, "tanh"), NORM, POOL)
    path = written(model, "onnx", tmp_path)
    before, file = said(path.read_bytes(), model), onnx.shape_inference.infer_shapes(onnx.load(str(path)))
    kinds = [node.op_type for node in file.graph.node]
    quantise._as_convolutions(file)
    after = [node.op_type for node in file.graph.node]
    assert kinds.count("BatchNormalization") == 3
    assert after.count("BatchNormalization") == 1, "that of a row of values stays"
    assert after.count("Conv") == kinds.count("Conv") + 2
    onnx.checker.check_model(file)
    np.testing.assert_allclose(said(file.SerializeToString(), model), before, atol=1e-5)


def test_whole_numbers_pass_from_convolution_to_pooling(tmp_path: Path) -> None:
    model = network(conv(4, "relu"), NORM, POOL, conv(6, "relu"), NORM, POOL)
    path = written(model, "onnx", tmp_path)
    target = tmp_path / "whole.onnx"
    assert quantise.quantise(path, target, samples.pictures(100, SHAPE, seed=1)[..., 0]) == quantise.STATIC
    gap = np.abs(said(target.read_bytes(), model) - (meant := said(path.read_bytes(), model))).max()
    assert gap < 0.1 * np.abs(meant).max()
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "run.onnx")
    onnxruntime.InferenceSession(str(target), options, providers=["CPUExecutionProvider"])
    run = [node.op_type for node in onnx.load(str(tmp_path / "run.onnx")).graph.node]
    assert run.count("QLinearConv") == 4
    assert "Conv" not in run
    assert "MaxPool" not in run, "pooling whole numbers whose channels lie last is NhwcMaxPool"
    assert list(tmp_path.glob("*prepared*")) == []


RISING, FALLING = dict(NORM), dict(NORM) | {"name": "falling"}
LEAKY = {"type": "LeakyReLU", "negative_slope": 0.2}


@pytest.mark.parametrize(
    ("layers", "shape", "floats"),
    [
        ([conv(4, "relu"), conv(6, "relu")], SHAPE, 1),
        ([conv(32, "relu"), conv(6, "relu")], SHAPE, 0),
        ([conv(32, "tanh"), conv(6, "relu")], SHAPE, 1),
        ([conv(4, "tanh"), NORM, conv(6, "tanh"), NORM, POOL], SHAPE, 1),
        ([conv(4, "relu"), POOL, conv(6, "relu")], SHAPE, 3),
        ([conv(4, "linear"), LEAKY, POOL], SHAPE, 3),
        ([conv(4, "linear"), LEAKY | {"negative_slope": -0.2}, POOL], SHAPE, 0),
        ([conv(4, "linear"), POOL], SHAPE, 0),
        ([conv(4, "relu"), RISING, POOL], SHAPE, 4),
        ([conv(4, "relu"), FALLING, POOL], SHAPE, 0),
        ([conv(4, "relu"), conv(6, "relu")], (3, 12, 12), 0),
        ([conv(4, "relu"), POOL], (3, 12, 12), 0),
    ],
    ids=["two convolutions", "many filters", "many filters, no ReLU", "normalised between", "pooled", "leaky",
         "falling below 0", "no activation", "rising norm", "falling norm", "of colours", "of colours, pooled"],
)  # fmt: skip
def test_what_grey_pictures_meet_first_stays_in_floats(
    layers: list[dict[str, Any]], shape: tuple[int, int, int], floats: int, tmp_path: Path
) -> None:
    model = network(*layers, shape=shape)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and RISING in layers:
            module.weight.data.abs_()
    if FALLING in layers:
        next(one for one in model.modules() if isinstance(one, nn.BatchNorm2d)).weight.data[1] = -0.5
    path = written(model, "onnx", tmp_path)
    before, file = said(path.read_bytes(), model), onnx.shape_inference.infer_shapes(onnx.load(str(path)))
    kinds = sorted(node.op_type for node in file.graph.node)
    quantise._as_convolutions(file)
    assert len(quantise._in_floats(file)) == floats
    after = sorted(node.op_type for node in file.graph.node)
    norms = ("Conv", "BatchNormalization")
    assert [one for one in after if one not in norms] == [one for one in kinds if one not in norms]
    onnx.checker.check_model(file)
    np.testing.assert_allclose(said(file.SerializeToString(), model), before, atol=1e-5)
