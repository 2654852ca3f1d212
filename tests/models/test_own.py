"""Networks that a user brings: what is understood, what is refused by a sentence, and that no one else's code runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import synthetic
from torch import Tensor, nn

from ropero.errors import RunError, UsageError
from ropero.models import checkpoint, own
from ropero.models.inference import logits
from ropero.models.own import from_file, from_layers, from_python, is_file, lend
from ropero.models.zoo import build

SHAPE = (1, 28, 28)
CODE = """
import torch
from torch import nn

def build(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, classes))
"""


class Attention(nn.Module):
    """A module with more than layers in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(28, 8, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Any:
        return self.out(self.lstm(x[:, 0])[0][:, -1])


def by_position(input_shape: Any, classes: int, channels: int = 32, /) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(input_shape[1] * 28, classes))


@pytest.mark.parametrize(
    "make",
    [
        lambda input_shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(input_shape[1] * 28, classes)),
        lambda classes, input_shape: nn.Sequential(nn.Flatten(), nn.Linear(input_shape[1] * 28, classes)),
        lambda shape, k: nn.Sequential(nn.Flatten(), nn.Linear(shape[1] * 28, k)),
        lambda n_classes: nn.Sequential(nn.Flatten(), nn.Linear(784, n_classes)),
        lambda in_channels, num_classes, width=784: nn.Sequential(
            nn.Flatten(), nn.Linear(in_channels * width, num_classes)
        ),
        lambda channels=784, classes=9: nn.Sequential(nn.Flatten(), nn.Linear(channels, classes)),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 3)),
        lambda **_: nn.Sequential(nn.Flatten(), nn.Linear(784, 3)),
        by_position,
    ],
)
def test_it_is_called_with_what_it_takes(make: Any) -> None:
    made = from_python(make, SHAPE, 3)
    assert made.name in ("lambda", "by_position")
    assert build(made.name, SHAPE, 3, code=made.code)(torch.rand(2, *SHAPE)).shape == (2, 3)


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        (lambda width: nn.Linear(width, 3), "should take input_shape and classes, as in build"),
        (lambda a, b, c: nn.Linear(a, b), "but takes (a, b, c)"),
        (lambda classes: [classes], "should give a torch.nn.Module, got list"),
        (3, "A network should be a torch module"),
        (lambda classes: 1 // 0, "lambda failed in test_own.py, line"),
    ],
)
def test_what_makes_no_network_is_told_of(thing: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_python(thing, SHAPE, 3)
    assert says in str(caught.value)


def test_the_seed_decides_the_weights_of_what_is_made_and_not_of_what_is_given() -> None:
    def weights(network: Any, seed: int) -> Tensor:
        made = from_python(network, SHAPE, 3)
        torch.manual_seed(seed)
        return next(build(made.name, SHAPE, 3, code=made.code).parameters()).detach()

    def make() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 3))

    given = make()
    assert torch.equal(weights(make, 1), weights(make, 1))
    assert not torch.equal(weights(make, 1), weights(make, 2))
    assert torch.equal(weights(given, 1), given[1].weight)


def test_random_numbers_outside_are_not_touched(code: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    from_python(Attention, SHAPE, 3)
    from_file(code)
    assert torch.equal(torch.rand(3), expected)


def test_dicts_and_layers_are_one_list() -> None:
    from ropero.models.layers import Dense, Flatten

    made = from_layers([Flatten(), {"type": "Dense", "units": 9, "use_bias": True}, Dense()])
    assert made == own.Own("layers", ({"type": "Flatten"}, {"type": "Dense", "units": 9}, {"type": "Dense"}))
    assert build(made.name, SHAPE, 3, made.layers)(torch.rand(2, *SHAPE)).shape == (2, 3)


def test_a_toml_file_is_named_by_its_stem(tmp_path: Path) -> None:
    (tmp_path / "my_net.toml").write_text('[[layers]]\ntype = "Flatten"\n[[layers]]\ntype = "Dense"\n')
    assert from_file(tmp_path / "my_net.toml") == own.Own("my_net", ({"type": "Flatten"}, {"type": "Dense"}))


@pytest.mark.parametrize(
    ("name", "answer"),
    [("a.toml", True), ("x/a.py", True), ("C:\\x\\a.py:net", True), ("quick", False), ("a.pyc", False), (3, False)],
)
def test_files_are_told_from_names(name: object, answer: bool) -> None:
    assert is_file(name) is answer


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A file with code, in a folder of its own."""
    path = tmp_path / "mine" / "my_net.py"
    path.parent.mkdir()
    path.write_text(CODE)
    return path


@pytest.fixture(autouse=True)
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test is a process that has been given nothing yet."""
    monkeypatch.setattr(own, "_given", {})
    monkeypatch.setattr(own, "_modules", {})


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in another process."""
    monkeypatch.setattr(own, "_given", {})
    monkeypatch.setattr(own, "_modules", {})


def test_a_file_that_was_named_is_found_again(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = from_file(f"{code}:build")
    assert made.name == "my_net.py:build"
    assert from_file(code) == made  # build is what it is called when nothing is said
    forget(monkeypatch)
    assert build(made.name, SHAPE, 3, code=made.code)(torch.rand(2, *SHAPE)).shape == (2, 3)


def test_code_that_was_not_named_is_not_run(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's run folder names a file that lies here, or a function of a file that was named."""
    made = from_file(f"{code}:build")
    forget(monkeypatch)
    stranger = code.with_name("stranger.py")
    stranger.write_text("open('proof', 'w').close()\n" + CODE)
    monkeypatch.chdir(code.parent)
    digest = own._read(stranger)[1]
    for name, asked in [("stranger.py:build", digest), (f"{stranger}:build", digest), ("my_net.py:nn", made.code)]:
        with pytest.raises(RunError, match="no code is run that you have not named"):
            build(name, SHAPE, 3, code=asked)
    assert not Path("proof").exists()


def test_a_list_of_files_that_a_stranger_wrote_into_the_cache_is_nothing(
    code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = from_file(f"{code}:build")
    forget(monkeypatch)
    written = tmp_path / "config" / "networks.json"
    (tmp_path / "cache").mkdir(exist_ok=True)
    written.rename(tmp_path / "cache" / "networks.json")
    with pytest.raises(RunError, match="not named"):
        build(made.name, SHAPE, 3, code=made.code)


@pytest.mark.parametrize("damage", ["", "[]", '{"files": 3}', '{"files": [3, {"path": 1}]}'])
def test_a_damaged_list_is_an_empty_one(
    code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    made = from_file(f"{code}:build")
    forget(monkeypatch)
    (tmp_path / "config" / "networks.json").write_text(damage)
    with pytest.raises(RunError, match="not named"):
        build(made.name, SHAPE, 3, code=made.code)
    from_file(f"{code}:build")
    assert len(json.loads((tmp_path / "config" / "networks.json").read_text())["files"]) == 1


def test_a_changed_file_is_refused_and_a_missing_one(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = from_file(f"{code}:build")
    forget(monkeypatch)
    code.write_text(CODE.replace("8", "9"))
    with pytest.raises(RunError, match="these weights belong to other code"):
        build(made.name, SHAPE, 3, code=made.code)
    code.unlink()
    with pytest.raises(RunError, match=r"If it has moved, name it: ropero networks PATH/my_net\.py:build"):
        build(made.name, SHAPE, 3, code=made.code)


def test_a_moved_file_is_found_when_it_is_named(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = from_file(f"{code}:build")
    moved = code.rename(code.with_name("other.py"))
    forget(monkeypatch)
    assert from_file(f"{moved}:build").code == made.code
    forget(monkeypatch)
    assert build(made.name, SHAPE, 3, code=made.code) is not None


def test_what_is_run_is_what_was_checked(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file changes between the look at its digest and its import."""
    made = from_file(f"{code}:build")
    forget(monkeypatch)
    real = own._read

    def read(path: Path) -> tuple[bytes, str]:
        found = real(path)
        code.write_text("raise SystemExit('swapped')")
        return found

    monkeypatch.setattr(own, "_read", read)
    assert build(made.name, SHAPE, 3, code=made.code) is not None


def test_no_compiled_copy_is_left_or_taken(code: Path) -> None:
    from_file(f"{code}:build")
    assert [path.name for path in code.parent.iterdir()] == ["my_net.py"]


def test_a_card_brings_weights_but_no_code(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = from_file(f"{code}:build")
    model = build(made.name, SHAPE, 3, code=made.code).eval()
    folder = tmp_path / "model"
    folder.mkdir()
    checkpoint.save(model, made.name, ("a", "b", "c"), folder, code=made.code)
    assert {path.name for path in folder.iterdir()} == {"model.json", "model.safetensors", "samples.json"}
    forget(monkeypatch)
    loaded, card = checkpoint.load(folder)
    assert (card.network, card.code) == (made.name, made.code)
    np.testing.assert_array_equal(logits(loaded, synthetic(4).images), logits(model, synthetic(4).images))
    code.unlink()
    forget(monkeypatch)
    with pytest.raises(RunError):
        checkpoint.load(folder)


def test_another_process_finds_it(code: Path) -> None:
    made = from_file(f"{code}:build")
    asked = f"from ropero.models.zoo import build; print(build({made.name!r}, (1, 28, 28), 3, code={made.code!r}))"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert "Linear(in_features=784" in done.stdout


def test_what_the_code_prints_is_no_result(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code.write_text("print('hello')\n" + CODE.replace("    return", "    print('building')\n    return"))
    made = from_file(f"{code}:build")
    build(made.name, SHAPE, 3, code=made.code)
    said = capsys.readouterr()
    assert said.out == ""
    assert "hello" in said.err
    assert "building" in said.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def build(:\n", "my_net.py failed in my_net.py, line 1: SyntaxError"),
        ("import nonsense_that_is_not_there\n", "line 1: ModuleNotFoundError: No module named"),
        (
            "def build(shape, classes):\n    return [][3]\n",
            "my_net.py:build failed in my_net.py, line 2: IndexError",
        ),
        ("import sys\nsys.exit()\n", "my_net.py failed in my_net.py, line 2: SystemExit"),
        ("def biuld(shape, classes): ...\n", "has no build, which should make the network. Did you mean 'biuld'"),
        ("build = 3\n", "A network should be a torch module"),
        ("x = '" + "a" * 2_000_000 + "'", "code should have at most 1.0 MB, but "),
        ("x = '\udce4'", "SyntaxError"),
    ],
    ids=lambda value: value[:30],
)
def test_mistakes_in_it_are_told_with_their_line(code: Path, text: str, says: str) -> None:
    code.write_bytes(text.encode("utf-8", "surrogateescape"))

    def whole_way() -> None:
        made = from_file(f"{code}:build")
        build(made.name, SHAPE, 3, code=made.code)

    with pytest.raises(UsageError) as caught:
        whole_way()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    for name in ("none.toml", "none.py", "none.py:build"):
        with pytest.raises(UsageError, match="There is no file"):
            from_file(tmp_path / name)
    with pytest.raises(UsageError, match=r"my_net.toml or my_net.py:build, got nets/mine\.yaml"):
        from_file("nets/mine.yaml")


def test_an_object_has_to_be_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = from_python(Attention(), SHAPE, 3)
    forget(monkeypatch)
    with pytest.raises(RunError, match=r"give it again: rp.open_run\(run, network=Attention\)"):
        build(made.name, SHAPE, 3, code=made.code)
    lend(Attention, made.name, made.code)
    assert build(made.name, SHAPE, 3, code=made.code) is not None


def test_a_file_has_to_be_the_same(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = from_file(f"{code}:build")
    forget(monkeypatch)
    lend(f"{code}:build", made.name, made.code)
    assert build(made.name, SHAPE, 3, code=made.code) is not None
    code.write_text(CODE + "\n")
    with pytest.raises(RunError, match="other code"):
        lend(f"{code}:build", made.name, made.code)
