"""ropero -> Keras's file -> ropero is the same function, for every network of the zoo and both kinds of file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("h5py")

from exporting import QUICK_ONES, SLOW, network, written

from ropero.export import pixels, reader
from ropero.models import samples
from ropero.models.inference import logits


def same(name: str, form: str, folder: Path) -> None:
    model = network(name)
    path = written(model, form, folder, name)
    foreign = reader.read(path)
    assert foreign.card is not None
    assert foreign.classes == tuple(f"class {number}" for number in range(10))
    (fit,) = pixels.fits(model.input_shape, foreign)
    again = foreign.build([*fit.before, *fit.after], model.input_shape, 10).model
    images = samples.pictures(20, model.input_shape, 1)
    gap, allowed = samples.difference(logits(model, images), logits(again, images))
    assert gap <= allowed
    assert np.ptp(logits(model, images)) > 1e-3


@pytest.mark.parametrize("form", ["keras", "h5"])
@pytest.mark.parametrize("name", QUICK_ONES)
def test_a_network_comes_back_as_it_went(name: str, form: str, tmp_path: Path) -> None:
    same(name, form, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_a_large_network_comes_back_as_it_went(name: str, tmp_path: Path) -> None:
    same(name, "keras", tmp_path)
