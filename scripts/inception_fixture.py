"""Writes tests/fixtures/inception.json: what torch-fidelity's Inception makes of two pictures with made-up weights.

    pip install --no-deps torch-fidelity
    python scripts/inception_fixture.py

The published weights are too large to lie here; a network with others that computes the same computes the same with
those. Run with torch-fidelity 0.4.0.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ropero.generation.inception import Inception
from ropero.storage import write_json

TARGET = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "inception.json"


def made_up(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights that are the same everywhere and keep values of their size; drawn by the generator whose stream NumPy
    promises never to change."""
    draws, found = np.random.RandomState(7), {}
    for name, value in net.state_dict().items():
        shape = tuple(value.shape)
        if not value.is_floating_point():
            found[name] = value
        elif "running_var" in name or name.endswith("bn.weight"):
            found[name] = torch.from_numpy(draws.uniform(0.5, 1.5, shape)).float()
        else:
            size = (2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.1
            found[name] = torch.from_numpy(draws.standard_normal(shape) * size).float()
    return found


def pictures() -> list[Any]:
    """A grey one and one in colours, of other sides."""
    draws = np.random.RandomState(8)
    return [draws.randint(0, 256, shape).astype(np.uint8) for shape in ((1, 28, 28), (1, 37, 19, 3))]


def theirs(weights: Path) -> Any:
    """torch-fidelity's network; the package itself would ask for torchvision, which it does not need here."""
    place = importlib.util.find_spec("torch_fidelity")
    assert place is not None
    assert place.submodule_search_locations is not None
    package = types.ModuleType("torch_fidelity")
    package.__path__ = list(place.submodule_search_locations)
    sys.modules["torch_fidelity"] = package
    module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    return module.FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(weights))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "made-up.pth"
        torch.save(made_up(Inception()), weights)
        net = theirs(weights)
    found = []
    for one in pictures():
        colours = np.repeat(one[..., None], 3, 3) if one.ndim == 3 else one
        found.append(net(torch.from_numpy(colours.transpose(0, 3, 1, 2).copy()))[0][0, ::16].tolist())
    write_json(TARGET, {"torch-fidelity": importlib.metadata.version("torch-fidelity"), "every_16th": found})


if __name__ == "__main__":
    main()
