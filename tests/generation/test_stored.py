"""A stored generator is the one that was kept, and a folder of a stranger's takes nothing and runs nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ropero.errors import RunError
from ropero.generation import stored
from ropero.generation.config import GeneratorConfig
from ropero.generation.kinds import LEARNERS, learner

CONFIG = GeneratorConfig(precision="fp32", device="cpu")
CPU = torch.device("cpu")


@pytest.mark.parametrize("kind", list(LEARNERS))
def test_every_kind_comes_back(kind: str, tmp_path: Path) -> None:
    config, shape = CONFIG.replace(generator=kind), (1, 28, 28)
    made = learner(config, shape, 3, CPU)
    for parameter in made.nets[made.maker].parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))  # an untrained flow says nothing
    card = stored.save(made, kind, shape, ("a", "b", "c"), tmp_path)
    assert card == stored.read_card(tmp_path)
    assert card.latent == made.latent
    again = stored.load(config, tmp_path, CPU)
    latent = made.draw(2, torch.Generator().manual_seed(3))
    wanted = torch.tensor([0, 2]) if made.classes else None
    assert torch.equal(again.pictures(latent, wanted), made.pictures(latent, wanted))
    assert not torch.equal(learner(config, shape, 3, CPU).pictures(latent, wanted), made.pictures(latent, wanted)), (
        "what is built anew is another one"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stored.save(learner(CONFIG, (1, 8, 8), 3, CPU), "dcgan", (1, 8, 8), ("a", "b", "c"), tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 99}, "newer ropero"),
        ({"input_shape": [1, 100_000, 100_000]}, "not a generator's card"),
        ({"input_shape": [1, 28]}, "not a generator's card"),
        ({"input_shape": [1, 28, 28.5]}, "not a generator's card"),
        ({"input_shape": [True, 28, 28]}, "not a generator's card"),
        ({"input_shape": 3}, "not a generator's card"),
        ({"classes": [1, 2]}, "not a generator's card"),
        ({"classes": ["x"] * 10_001}, "not a generator's card"),
        ({"latent": ["a"]}, "not a generator's card"),
        ({"more": 1}, "not a generator's card"),
        ({"kind": "gan"}, "its config is that of dcgan"),
        ({"weights_sha256": "0" * 64}, "SHA-256 differs"),
        ({"input_shape": [1, 28, 28]}, "does not fit"),
    ],
)
def test_a_card_that_does_not_fit_is_one_sentence(folder: Path, changes: dict[str, object], says: str) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}))
    with pytest.raises(RunError, match=says):
        stored.load(CONFIG, folder, CPU)


def test_a_folder_without_a_card_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"model\.json"):
        stored.load(CONFIG, tmp_path, CPU)
